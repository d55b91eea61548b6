# SPDX-License-Identifier: Apache-2.0
"""Models of the end-to-end tests: tiny ones made here, the `light_*` ones of the onnx package, rapidocr's three.

The light models' weights are one repeated number, produced by ConstantOfShape. `light_model` replaces them by
seeded He-initialised weights and batch-norm statistics that are neither zero nor one, takes the final softmax
away, and makes three tensors in the middle outputs of the graph.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]

LIGHT_MODELS = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)


@dataclass
class Case:
    """A model on disk with inputs and ONNX Runtime's outputs."""

    path: Path
    inputs: dict[str, Array]
    outputs: dict[str, Array]
    final: str


def run_reference(path: Path, inputs: dict[str, Array], threads: int = 2) -> dict[str, Array]:
    """ONNX Runtime's outputs by name, in fp32 and without graph fusions that change roundings' order."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def save_graph(
    path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: dict[str, Array], opset: int = 17
) -> Path:
    """Writes a checked model of the given parts and returns its path."""
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def tensor(name: str, dims: list[int | str], kind: int = TensorProto.FLOAT) -> Any:
    """A typed value of the graph."""
    return helper.make_tensor_value_info(name, kind, dims)


def make_mlp(path: Path, batch: int | str = "batch", width: int = 64) -> Path:
    """Two layers: relu(x W1 + b1) W2; x: [batch, width], y: [batch, 10]."""
    rng = np.random.default_rng(1)
    weights = {
        "w1": rng.standard_normal((width, 128)).astype(np.float32) * 0.1,
        "b1": rng.standard_normal(128).astype(np.float32),
        "w2": rng.standard_normal((128, 10)).astype(np.float32) * 0.1,
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h0"], "first"),
        helper.make_node("Add", ["h0", "b1"], ["h1"], "bias"),
        helper.make_node("Relu", ["h1"], ["h2"], "relu"),
        helper.make_node("MatMul", ["h2", "w2"], ["y"], "second"),
    ]
    return save_graph(path, nodes, [tensor("x", [batch, width])], [tensor("y", [batch, 10])], weights)


def make_fixed_mlp(path: Path) -> Path:
    """`make_mlp` with a batch of 40 in the file."""
    return make_mlp(path, 40)


def make_conv(path: Path) -> Path:
    """Convolution, relu, max-pool, mean, softmax on [1, 3, 16, 16]."""
    rng = np.random.default_rng(2)
    weights = {
        "w": rng.standard_normal((8, 3, 3, 3)).astype(np.float32) * 0.3,
        "b": rng.standard_normal(8).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["m"], "mean"),
        helper.make_node("Flatten", ["m"], ["f"], "flatten"),
        helper.make_node("Softmax", ["f"], ["y"], "softmax", axis=1),
    ]
    return save_graph(path, nodes, [tensor("x", [1, 3, 16, 16])], [tensor("y", [1, 8])], weights)


def make_matmul(path: Path, size: int, kind: int = TensorProto.FLOAT) -> Path:
    """c = a b, both [size, size] inputs."""
    nodes = [helper.make_node("MatMul", ["a", "b"], ["c"], "product")]
    ends = [tensor(name, [size, size], kind) for name in "abc"]
    return save_graph(path, nodes, ends[:2], ends[2:], {})


def light_path(name: str) -> Path:
    """Where the onnx package keeps a light model."""
    return Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"


def light_model(name: str, folder: Path, seed: int = 7, middle: int = 3) -> Case:
    """A light model with sensible weights, an input whose answer is clear, and ONNX Runtime's outputs.

    `middle` activations become outputs too.
    """
    model = onnx.load(light_path(name))
    _replace_weights(model, np.random.default_rng(seed))
    final = _remove_softmax(model)
    _expose_middle(model, middle)
    model.ir_version = max(model.ir_version, 4)  # before 4 every initialiser had to be an input too
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    initializers = {i.name for i in model.graph.initializer}
    entry = next(i for i in model.graph.input if i.name not in initializers)
    shape = [d.dim_value for d in entry.type.tensor_type.shape.dim]
    for attempt in range(20):
        value = np.random.default_rng(seed + attempt).standard_normal(shape).astype(np.float32)
        outputs = run_reference(path, {entry.name: value})
        if top_margin(outputs[final]) > 0.1:
            return Case(path, {entry.name: value}, outputs, final)
    raise AssertionError(f"{name}: no seed gives an answer with a margin; choose another")


def top_margin(scores: Array) -> float:
    """Distance of the best score from the second, in standard deviations of all scores."""
    ordered = np.sort(scores.ravel())
    return float((ordered[-1] - ordered[-2]) / ordered.std())


def _replace_weights(model: Any, rng: np.random.Generator) -> None:
    """ConstantOfShape nodes become initialisers, drawn by the role that their consumer gives them."""
    graph = model.graph
    shapes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    roles = _roles(graph)
    kept, made = [], []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        dims = [int(d) for d in shapes[node.input[0]]]
        value = _draw(rng, roles.get(node.output[0], ("other", 0)), dims)
        made.append(numpy_helper.from_array(value, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(made)


def _roles(graph: Any) -> dict[str, tuple[str, int]]:
    """Consumer's operator and operand index of each value; a view (Unsqueeze) passes its consumer's on."""
    roles: dict[str, tuple[str, int]] = {}
    for node in reversed(graph.node):
        for index, name in enumerate(node.input):
            if node.op_type in ("Unsqueeze", "Reshape") and index == 0:
                roles[name] = roles.get(node.output[0], ("other", 0))
            else:
                roles[name] = (node.op_type, index)
    return roles


def _draw(rng: np.random.Generator, role: tuple[str, int], dims: list[int]) -> Array:
    """He initialisation for weights; scales near one, positive variances, small shifts."""
    kind, index = role
    if kind in ("Conv", "Gemm", "MatMul") and index == 1:
        fan_in = math.prod(dims[1:]) if kind == "Conv" or kind == "Gemm" else dims[0]
        return (rng.standard_normal(dims, dtype=np.float32) * math.sqrt(2.0 / fan_in)).astype(np.float32)
    if (kind == "BatchNormalization" and index in (1, 4)) or kind == "Mul":
        return rng.uniform(0.5, 1.5, dims).astype(np.float32)
    return (rng.standard_normal(dims, dtype=np.float32) * 0.1).astype(np.float32)


def _remove_softmax(model: Any) -> str:
    """Makes the tensor before a final softmax the output; returns the final output's name."""
    graph = model.graph
    last = graph.node[-1]
    if last.op_type != "Softmax":
        return str(graph.output[0].name)
    name = str(last.input[0])
    del graph.node[-1]
    graph.output[0].name = name
    graph.output[0].type.tensor_type.ClearField("shape")
    return name


def _expose_middle(model: Any, count: int) -> None:
    """Adds `count` evenly spaced activations as outputs."""
    graph = model.graph
    candidates = [n.output[0] for n in graph.node if n.op_type in ("Relu", "Concat", "MaxPool", "Sum", "AveragePool")]
    candidates = [name for name in candidates if name != graph.output[0].name]
    for step in range(1, count + 1):
        name = candidates[step * len(candidates) // (count + 1)]
        graph.output.append(helper.make_empty_tensor_value_info(name))
        graph.output[-1].type.tensor_type.elem_type = TensorProto.FLOAT


def rapidocr_models() -> dict[str, Path]:
    """Detection, classification and recognition model of the installed rapidocr; empty without it."""
    spec = importlib.util.find_spec("rapidocr")
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        return {}
    folder = Path(places[0]) / "models"
    return {part: path for part in ("det", "cls", "rec") for path in sorted(folder.glob(f"*_{part}_*.onnx"))[:1]}
