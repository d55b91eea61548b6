# SPDX-License-Identifier: Apache-2.0
"""Models made to hang, to eat the memory or to read outside of it: each ends soon, in an error that says what is wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Command
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

HUGE = 1 << 40
MEMORY_KIB = 4 << 20
SECONDS = 60  # far above what any of them takes
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL

node = helper.make_node


def value(name: str, kind: int = FLOAT, shape: list[Any] | None = None) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def body(nodes: list[NodeProto], inputs: list[str], outputs: list[str], **constants: Any) -> GraphProto:
    return helper.make_graph(
        nodes, "body", [value(name) for name in inputs], [value(name) for name in outputs],
        [numpy_helper.from_array(np.array(array), name) for name, array in constants.items()],
    )


def model(nodes: list[NodeProto], inputs: list[Any], outputs: list[str], functions: list[FunctionProto] | None = None,
          opset: int = 17, **constants: Any) -> ModelProto:
    """`constants` are initializers by name."""
    graph = helper.make_graph(
        nodes, "hostile", inputs, [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.array(array), name) for name, array in constants.items()],
    )
    domains = ["own"] if functions else []
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions or [], ir_version=10)


def identity(source: str, target: str) -> NodeProto:
    return node("Identity", [source], [target])


def loop(inner: GraphProto, inputs: list[str], outputs: list[str]) -> NodeProto:
    return node("Loop", inputs, outputs, body=inner)


def endless_loop() -> ModelProto:
    inner = body([identity("c", "c_out"), identity("v", "v_out")], ["i", "c", "v"], ["c_out", "v_out"])
    return model([loop(inner, ["", "", "x"], ["y"])], [value("x", shape=[2])], ["y"])


def nested_loops(depth: int = 3, trips: int = 90_000) -> ModelProto:
    """Bodies without nodes of their own, each repeated."""
    inner = body([], ["i", "c", "v"], ["c", "v"])
    for level in range(depth):
        inner = body([loop(inner, ["m", "", "v"], [f"v{level}"])], ["i", "c", "v"], ["c", f"v{level}"], m=np.int64(trips))
    return model([loop(inner, ["m", "", "x"], ["y"])], [value("x", shape=[2])], ["y"], m=np.int64(trips))


def doubling_loop() -> ModelProto:
    """The carried value has twice the elements after each iteration."""
    inner = body([node("Concat", ["v", "v"], ["v_out"], axis=0), identity("c", "c_out")], ["i", "c", "v"], ["c_out", "v_out"])
    return model([loop(inner, ["m", "", "x"], ["y"])], [value("x", shape=[2])], ["y"], m=np.int64(1000))


def doubling_sequence() -> ModelProto:
    """2^40 items: a sequence of sequences of sequences ..., each twice the one before."""
    nodes = [node("SequenceConstruct", ["x", "x"], ["s0"])]
    nodes += [node("SequenceConstruct", [f"s{i}", f"s{i}"], [f"s{i + 1}"]) for i in range(40)]
    return model(nodes, [value("x", shape=[2])], ["s40"])


def growing_sequence() -> ModelProto:
    """Each of 90,000 iterations keeps a longer sequence."""
    inner = body([node("SequenceInsert", ["v", "x"], ["w"])], ["i", "c", "v"], ["c", "w"])
    nodes = [node("SequenceEmpty", [], ["s"]), loop(inner, ["m", "", "s"], ["t"]), node("SequenceLength", ["t"], ["y"])]
    return model(nodes, [value("x", shape=[2])], ["y"], m=np.int64(90_000))


def growing_text() -> ModelProto:
    """A string that doubles in each iteration."""
    inner = body([node("StringConcat", ["v", "v"], ["w"])], ["i", "c", "v"], ["c", "w"])
    nodes = [node("Constant", [], ["s"], value_string="text"), loop(inner, ["m", "", "s"], ["y"])]
    return model(nodes, [], ["y"], opset=20, m=np.int64(90_000))


def no_iterations() -> ModelProto:
    """The scan output is empty, and its other declared dimensions are 2^80 elements."""
    inner = body([node("Constant", [], ["z"], value_float=1.0)], ["i", "c"], ["c", "z"])
    inner.output[1].CopyFrom(value("z", shape=[HUGE, HUGE]))
    return model([loop(inner, ["m", ""], ["y"])], [], ["y"], m=np.int64(0))


def recursive_function() -> ModelProto:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    again = helper.make_function("own", "Again", ["a"], ["b"], [node("Again", ["a"], ["b"], domain="own")], opsets)
    return model([node("Again", ["x"], ["y"], domain="own")], [value("x", shape=[2])], ["y"], [again])


def exploding_functions() -> ModelProto:
    """40 functions, each calling the next one twice."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    functions = [helper.make_function("own", "F0", ["a"], ["b"], [node("Relu", ["a"], ["b"])], opsets)]
    for i in range(40):
        calls = [node(f"F{i}", ["a"], ["t"], domain="own"), node(f"F{i}", ["t"], ["b"], domain="own")]
        functions.append(helper.make_function("own", f"F{i + 1}", ["a"], ["b"], calls, opsets))
    return model([node("F40", ["x"], ["y"], domain="own")], [value("x", shape=[2])], ["y"], functions)


def scan(inner: GraphProto, shape: list[int], opset: int = 17, **attributes: Any) -> ModelProto:
    operands = ["", "x"] if opset < 9 else ["x"]
    return model([node("Scan", operands, ["y"], body=inner, num_scan_inputs=1, **attributes)], [value("x", shape=shape)], ["y"],
                 opset=opset)


def absent_carried_value() -> ModelProto:
    """The scan output of the body is an operand that was not given."""
    inner = body([identity("c", "c_out")], ["i", "c", "v"], ["c_out", "v", "v"])
    return model([loop(inner, ["m", "", ""], ["", "y"])], [value("x", shape=[2])], ["y"], m=np.int64(2))


def absent_items() -> ModelProto:
    """A function's absent operand becomes an item of a sequence."""
    inner = body([], ["item"], ["absent"])
    nodes = [node("SequenceConstruct", ["a"], ["s"]), node("SequenceMap", ["s"], ["t"], body=inner),
             node("ConcatFromSequence", ["t"], ["b"], axis=0)]
    function = helper.make_function("own", "F", ["a", "absent"], ["b"], nodes, [helper.make_opsetid("", 17)])
    return model([node("F", ["x"], ["y"], domain="own")], [value("x", shape=[2])], ["y"], [function])


def large_known_value() -> ModelProto:
    """How many elements of 2^40 are not zero."""
    nodes = [node("Expand", ["one", "shape"], ["wide"]), node("NonZero", ["wide"], ["y"])]
    return model(nodes, [], ["y"], one=np.ones(1, np.float32), shape=np.array([1 << 20, 1 << 20]))


def if_of(then_outputs: list[str], else_outputs: list[str]) -> ModelProto:
    branches = {"then_branch": body([identity("x", "a"), identity("x", "b")], [], then_outputs),
                "else_branch": body([identity("x", "a"), identity("x", "b")], [], else_outputs)}
    return model([node("If", ["yes"], ["y", "z"], **branches)], [value("x", shape=[2])], ["y", "z"], yes=np.array(True))


def sequence_map_with_fewer_inputs() -> ModelProto:
    inner = body([identity("a", "b")], ["a"], ["b"])
    nodes = [node("SequenceConstruct", ["x", "x"], ["s"]), node("SequenceMap", ["s", "x"], ["t"], body=inner)]
    return model(nodes, [value("x", shape=[2])], ["t"])


def one(op: str, shapes: list[list[int]], results: int = 1, opset: int = 17, kinds: dict[int, int] | None = None,
        attributes: dict[str, Any] | None = None, **constants: Any) -> ModelProto:
    """One node: inputs x0, x1, ... of the shapes, then the constants."""
    names = [f"x{i}" for i in range(len(shapes))]
    inputs = [value(name, (kinds or {}).get(i, FLOAT), shape) for i, (name, shape) in enumerate(zip(names, shapes))]
    outputs = [f"y{i}" for i in range(results)]
    return model([node(op, names + list(constants), outputs, **(attributes or {}))], inputs, outputs, opset=opset, **constants)


def text_attribute() -> ModelProto:
    made = one("Softmax", [[2, 3]])
    made.graph.node[0].attribute.append(AttributeProto(name="axis", type=AttributeProto.STRING, s=b"last"))
    return made


def many_pairs_of_strings() -> ModelProto:
    """10^10 strings from 2 * 10^5."""
    nodes = [node("Constant", [], ["column"], value=helper.make_tensor("", TensorProto.STRING, [100_000, 1], [b"a"] * 100_000)),
             node("Constant", [], ["row"], value=helper.make_tensor("", TensorProto.STRING, [1, 100_000], [b"b"] * 100_000)),
             node("StringConcat", ["column", "row"], ["y"])]
    return model(nodes, [], ["y"], opset=20)


def endless_support() -> ModelProto:
    """2^62 support vectors of 4 features: their product is 0 in 64 bits."""
    made = model([node("SVMRegressor", ["x"], ["y"], domain="ai.onnx.ml", kernel_type="RBF", n_supports=1 << 62, rho=[0.0])],
                 [value("x", shape=[1, 4])], ["y"])
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return made


def attention_of_numbers() -> ModelProto:
    """The projection of two vectors is a number: it has no last dimension."""
    made = model([node("Attention", ["x", "w", "b"], ["y"], domain="com.microsoft", num_heads=1)],
                 [value("x", shape=[4]), value("w", shape=[4]), value("b", shape=[])], ["y"])
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return made


def pool_of_words() -> ModelProto:
    """200,000 words, each of which is looked for; the operator is right, and the error comes behind it."""
    words = [f"word{i}" for i in range(200_000)]
    attributes = {"mode": "TF", "min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0, "ngram_counts": [0],
                  "ngram_indexes": list(range(len(words))), "pool_strings": words}
    nodes = [node("Constant", [], ["text"], value_strings=["word7"]), node("TfIdfVectorizer", ["text"], ["f"], **attributes),
             node("Reshape", ["f", "shape"], ["y"])]
    return model(nodes, [], ["y"], shape=np.array([7]))


WIDE = [1, 1, 8, 8]
REFUSED = {
    "endless loop": (endless_loop(), "100000 times"),
    "nested loops": (nested_loops(), "nodes"),
    "doubling loop": (doubling_loop(), ""),
    "doubling sequence": (doubling_sequence(), "nodes"),
    "no iterations": (no_iterations(), "2^63 bytes"),
    "recursive function": (recursive_function(), "call themselves"),
    "exploding functions": (exploding_functions(), "nodes"),
    "scan of 2^37 steps": (scan(body([identity("e", "f")], ["e"], ["f"]), [1 << 37, 1]), "steps"),
    "scan of a batch of 2^37": (scan(body([identity("e", "f")], ["e"], ["f"]), [1 << 37, 1, 1], 8), "steps"),
    "scan of nothing, a batch of 2^37": (scan(body([], ["e"], ["e"]), [1 << 37, 0, 1], 8), "steps"),
    "absent carried value": (absent_carried_value(), "not given"),
    "absent items": (absent_items(), "not given"),
    "large known value": (large_known_value(), "elements"),
    "pairs of strings": (many_pairs_of_strings(), "elements"),
    "2^62 support vectors": (endless_support(), "features"),
    "a pool of words": (pool_of_words(), "Reshape"),
    "no carried output": (
        model([loop(body([identity("c", "d")], ["i", "c", "v"], ["d"]), ["m", "", "x"], ["y"])], [value("x", shape=[2])], ["y"],
              m=np.int64(2)), "outputs"),
    "no outputs": (
        model([loop(body([], ["i", "c"], []), ["m", ""], ["y"])], [value("x", shape=[2])], ["y"], m=np.int64(2)), "outputs"),
    "a branch without its output": (if_of(["a"], ["a", "b"]), "the branch that is taken has 1 outputs"),
    "a growing sequence": (growing_sequence(), "MiB"),
    "a growing text": (growing_text(), "MiB"),
    "sequence map with fewer inputs": (sequence_map_with_fewer_inputs(), "inputs"),
    "expand to 2^80": (one("Expand", [[1]], shape=np.array([HUGE, HUGE])), "2^63 bytes"),
    "negative sizes": (one("Reshape", [[4]], shape=np.array([-4, -1])), ""),
    "negative range": (one("ConstantOfShape", [], shape=np.array([-3])), ""),
    "constant of 2^40": (one("ConstantOfShape", [], shape=np.array([HUGE])), ""),
    "range of 2^60": (one("Range", [], a=np.int64(0), b=np.int64(1 << 60), c=np.int64(1)), ""),
    "top k beyond the size": (one("TopK", [[4]], 2, k=np.array([5])), "5"),
    "negative top k": (one("TopK", [[4]], 2, k=np.array([-1])), "-1"),
    "text for a number": (text_attribute(), "type"),
    "split to 2^37 parts": (one("SplitToSequence", [[1 << 37]]), "parts"),
    "split to 2^36 parts of 2": (one("SplitToSequence", [[1 << 37]], split=np.int64(2)), "parts"),
    "attention of two numbers": (attention_of_numbers(), "rank 3"),
    "roi of 2^40": (
        one("RoiAlign", [WIDE, [1, 4], [1]], kinds={2: INT64}, attributes={"output_height": HUGE, "output_width": HUGE}), ""),
    "roi of negative sizes": (
        one("RoiAlign", [WIDE, [1, 4], [1]], kinds={2: INT64}, attributes={"output_height": -1, "output_width": 2}), ""),
    "roi of 2^40 samples": (
        one("RoiAlign", [WIDE, [1, 4], [1]], kinds={2: INT64}, attributes={"sampling_ratio": HUGE}), ""),
    "grid sample by no mode": (one("GridSample", [WIDE, [1, 2, 2, 2]], attributes={"mode": "none"}), "mode"),
    "a padded pool of 2^40": (
        one("MaxPool", [WIDE], attributes={"kernel_shape": [HUGE, HUGE], "pads": [HUGE, HUGE, HUGE, HUGE]}), ""),
    "a convolution of 2^40 strides": (
        one("Conv", [WIDE, [1, 1, 3, 3]], attributes={"dilations": [HUGE, HUGE], "pads": [HUGE] * 4}), ""),
    "one hot of 2^40": (one("OneHot", [[4]], depth=np.int64(HUGE), values=np.array([0.0, 1.0])), ""),
    "tile of 2^40": (one("Tile", [[4]], repeats=np.array([1 << 62])), ""),
    "padding of 2^62": (one("Pad", [[4]], pads=np.array([1 << 62, 1 << 62])), ""),
    "window of 2^40": (one("HannWindow", [], size=np.int64(HUGE)), ""),
    "eye of 2^40": (one("EyeLike", [[1 << 20, 1 << 20]]), ""),
    "resize to 2^40": (
        one("Resize", [WIDE], roi=np.zeros(0, np.float32), scales=np.array([1, 1, 1e12, 1e12], np.float32)), ""),
    "transforms of 2^40": (one("DFT", [[1, 4, 1]], length=np.int64(HUGE)), ""),
    "mel weights of 2^40": (
        one("MelWeightMatrix", [], a=np.int64(HUGE), b=np.int64(HUGE), c=np.int64(8000), d=np.float32(0), e=np.float32(4000)), ""),
    }

# They reach the command's own bounds, which takes seconds; frontends/onnx/onnx_test.cc reaches smaller ones.
LONG = {"nested loops", "exploding functions", "a growing text", "a growing sequence", "doubling sequence"}


def ended(thorong: Command, folder: Path, made: ModelProto) -> subprocess.CompletedProcess[str]:
    (folder / "m.onnx").write_bytes(made.SerializeToString())
    limited = f'ulimit -v {MEMORY_KIB}; exec "$@"'
    words = ["sh", "-c", limited, "sh", str(thorong.binary), "run", str(folder / "m.onnx"), "--timing-only", "--threads", "1"]
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in REFUSED])
def test_is_refused(thorong: Command, tmp_path: Path, name: str) -> None:
    made, text = REFUSED[name]
    done = ended(thorong, tmp_path, made)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert text in done.stderr and "bug" not in done.stderr and "unexpected" not in done.stderr, done.stderr


@pytest.mark.parametrize("name", ["value_floats", "value_ints"])
def test_a_constant_of_another_type_is_empty(thorong: Command, tmp_path: Path, name: str) -> None:
    """The attribute's name promises one list, its type another."""
    constant = node("Constant", [], ["y"])
    kind, lists = (AttributeProto.INTS, {"ints": [1, 2]}) if name == "value_floats" else (AttributeProto.FLOATS, {"floats": [1.0]})
    constant.attribute.append(AttributeProto(name=name, type=kind, **lists))
    done = ended(thorong, tmp_path, model([constant, node("Identity", ["y"], ["z"])], [], ["z"]))
    assert "bug" not in done.stderr and done.returncode in (0, 2), done.stderr
