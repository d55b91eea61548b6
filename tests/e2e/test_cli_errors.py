# SPDX-License-Identifier: Apache-2.0
"""Bad models, inputs and options: status 2, a sentence that names the place, a JSON error, nothing half-written."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx to make models")


from command import Command, Done, press_ctrl_c
from models import make_conv, make_matmul, make_mlp, tensor
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array


def rejected(thorong: Command, *args: object, says: str = "") -> Done:
    """Runs twice, plainly and with --json; both must be refused and the message must match `says`."""
    plain = thorong(*args)
    assert plain.status == 2, f"status {plain.status}: {plain.stderr}"
    assert plain.stderr.strip(), "an error without a sentence"
    assert re.search(says, plain.stderr, re.IGNORECASE), f"{says!r} not in: {plain.stderr}"
    assert "Traceback" not in plain.stderr and "terminate called" not in plain.stderr
    as_json = thorong(*args, "--json")
    assert as_json.status == 2 and as_json.stderr.strip()
    error = as_json.json()["error"]
    assert set(error) >= {"code", "message", "where"} and error["message"]
    return plain


def unchecked(path: Path, nodes: list[object], inputs: list[object], outputs: list[object], **fields: object) -> Path:
    """Writes a model that onnx.checker would refuse."""
    graph = helper.make_graph(nodes, "bad", inputs, outputs, **fields)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


X, Y = tensor("x", [2, 3]), tensor("y", [2, 3])


def truncated(folder: Path) -> Path:
    """The first half of a good file."""
    path = make_mlp(folder / "m.onnx")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def empty(folder: Path) -> Path:
    """No bytes at all."""
    (folder / "m.onnx").write_bytes(b"")
    return folder / "m.onnx"


def noise(folder: Path) -> Path:
    """Random bytes."""
    (folder / "m.onnx").write_bytes(np.random.default_rng(0).bytes(4096))
    return folder / "m.onnx"


def long_length(folder: Path) -> Path:
    """A field that says it is 2^62 bytes long."""
    (folder / "m.onnx").write_bytes(b"\x08\x08\x3a" + b"\x80" * 8 + b"\x40" + b"x" * 16)
    return folder / "m.onnx"


def deep_nesting(folder: Path) -> Path:
    """Graphs in attributes of graphs, two thousand deep: must not exhaust the stack."""
    graph = b""
    for _ in range(2000):
        attribute = _field(1, b"body") + _field(6, graph)
        node = _field(4, b"Loop") + _field(5, attribute)
        graph = _field(1, node)
    (folder / "m.onnx").write_bytes(b"\x08\x08" + _field(7, graph))
    return folder / "m.onnx"


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field."""
    length, size = b"", len(payload)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + payload


def cyclic(folder: Path) -> Path:
    """Two nodes that wait for each other."""
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], "one"), helper.make_node("Neg", ["a"], ["b"], "two")]
    return unchecked(folder / "m.onnx", nodes, [X], [tensor("b", [2, 3])])


def undefined_value(folder: Path) -> Path:
    """A node reads a value that nothing makes."""
    return unchecked(folder / "m.onnx", [helper.make_node("Add", ["x", "ghost"], ["y"], "sum")], [X], [Y])


def defined_twice(folder: Path) -> Path:
    """Two nodes make the same value."""
    nodes = [helper.make_node("Neg", ["x"], ["y"], "one"), helper.make_node("Abs", ["x"], ["y"], "two")]
    return unchecked(folder / "m.onnx", nodes, [X], [Y])


def unknown_operator(folder: Path) -> Path:
    """An operator of nobody's."""
    node = helper.make_node("Frobnicate", ["x"], ["y"], "culprit", domain="com.example")
    return unchecked(folder / "m.onnx", [node], [X], [Y])


def overflowing_shape(folder: Path) -> Path:
    """Dimensions whose product is 2^66."""
    big = tensor("x", [2**33, 2**33])
    return unchecked(
        folder / "m.onnx", [helper.make_node("Neg", ["x"], ["y"], "neg")], [big], [tensor("y", [2**33, 2**33])]
    )


def mismatched_shapes(folder: Path) -> Path:
    """A product of [2, 3] with [2, 3]."""
    node = helper.make_node("MatMul", ["x", "x"], ["y"], "product")
    return unchecked(folder / "m.onnx", [node], [X], [tensor("y", [2, 2])])


def old_opset(folder: Path) -> Path:
    """Opset 0."""
    return save_graph_unchecked(folder, 0)


def future_opset(folder: Path) -> Path:
    """An opset that does not exist yet."""
    return save_graph_unchecked(folder, 99)


def save_graph_unchecked(folder: Path, opset: int) -> Path:
    """One Neg in the given opset."""
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [X], [Y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


def short_weight(folder: Path) -> Path:
    """An initialiser with fewer bytes than its shape needs."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 3], raw_data=b"\0" * 20)
    nodes = [helper.make_node("Add", ["x", "w"], ["y"], "sum")]
    return unchecked(folder / "m.onnx", nodes, [X], [Y], initializer=[weight])


def external(location: str, offset: int = 0) -> Callable[[Path], Path]:
    """A model whose weight lies in the file `location`."""

    def make(folder: Path) -> Path:
        (folder / "w.bin").write_bytes(b"\0" * 24)
        (folder.parent / "outside.bin").write_bytes(b"\0" * 24)
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 3])
        weight.data_location = TensorProto.EXTERNAL
        place = location.replace("ABSOLUTE", str(folder.parent / "outside.bin"))
        for key, value in (("location", place), ("offset", str(offset)), ("length", "24")):
            weight.external_data.add(key=key, value=value)
        nodes = [helper.make_node("Add", ["x", "w"], ["y"], "sum")]
        return unchecked(folder / "m.onnx", nodes, [X], [Y], initializer=[weight])

    return make


MODELS = [
    pytest.param(truncated, "", id="truncated"),
    pytest.param(empty, "empty|no bytes|not an onnx|no graph", id="empty"),
    pytest.param(noise, "", id="noise"),
    pytest.param(long_length, "", id="long_length"),
    pytest.param(deep_nesting, "", id="deep_nesting"),
    pytest.param(cyclic, "cycl|order|before|not defined|one", id="cyclic"),
    pytest.param(undefined_value, "ghost", id="undefined_value"),
    pytest.param(defined_twice, "y", id="defined_twice"),
    pytest.param(unknown_operator, "(?s)(?=.*Frobnicate)(?=.*com\\.example)(?=.*culprit)", id="unknown_operator"),
    pytest.param(overflowing_shape, "8589934592.*at most 1024 GiB.*--dim", id="overflowing_shape"),
    pytest.param(mismatched_shapes, "product", id="mismatched_shapes"),
    pytest.param(old_opset, "opset", id="old_opset"),
    pytest.param(future_opset, "opset", id="future_opset"),
    pytest.param(short_weight, "w", id="short_weight"),
    pytest.param(external("missing.bin"), "missing\\.bin", id="external_missing"),
    pytest.param(external("../outside.bin"), "outside", id="external_parent"),
    pytest.param(external("ABSOLUTE"), "outside", id="external_absolute"),
    pytest.param(external("w.bin", 8), "w\\.bin|offset|end", id="external_beyond_the_end"),
]


@pytest.mark.parametrize(("make", "says"), MODELS)
def test_bad_models_are_refused(make: Callable[[Path], Path], says: str, thorong: Command, tmp_path: Path) -> None:
    """Status 2, a place and a remedy; no output folder appears."""
    folder = tmp_path / "model"
    folder.mkdir()
    out = tmp_path / "out"
    rejected(thorong, "run", make(folder), "--out", out, "--report", tmp_path / "r.html", says=says)
    assert not out.exists() or not list(out.iterdir())
    assert not (tmp_path / "r.html").exists()


def test_a_missing_model_and_a_folder_are_refused(thorong: Command, tmp_path: Path) -> None:
    """The message names the path."""
    rejected(thorong, "run", tmp_path / "nothere.onnx", says="nothere")
    rejected(thorong, "run", tmp_path, says=re.escape(tmp_path.name))


def test_an_array_is_no_model(thorong: Command, tmp_path: Path) -> None:
    """The arguments in the wrong order."""
    np.save(tmp_path / "x.npy", np.zeros(3, np.float32))
    np.savez(tmp_path / "x.npz", a=np.zeros(3, np.float32))
    rejected(thorong, "run", tmp_path / "x.npy", says="x\\.npy: the file is not an ONNX model: it is a NumPy array")
    rejected(thorong, "run", tmp_path / "x.npz", says="it is a zip archive")


def test_unbound_dimensions_are_named(thorong: Command, tmp_path: Path) -> None:
    """The symbol and the option that binds it."""
    rejected(thorong, "run", make_mlp(tmp_path / "m.onnx"), says="(?s)(?=.*batch)(?=.*--dim)")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--dim", "batch=4", "--dim", "sequence=3"], "sequence"),
        (["--dim", "batch=0"], "batch"),
        (["--dim", "batch=four"], "four|batch"),
        (["--dim", "batch=4", "--chip", "trainum1"], "did you mean 'trainium1'\\? Shipped"),
        (["--dim", "batch=4", "--chip", "inf2"], "no chip 'inf2', but instances with the chip 'inferentia2'"),
        (["--dim", "batch=4", "--chip", "trn1n.32xlarge"], "the chip 'trainium1'"),
        (["--dim", "batch=4", "--chip", "trn3"], "the chip 'trainium3'"),
        (["--dim", "batch=4", "--chips", "trainium1"], "run has no option '--chips'; did you mean '--chip'\\?"),
        (["--dim", "batch=4", "--report", "/tmp"], "/tmp: is a folder; name a file in it"),
        (["--dim", "batch=4", "--chip", "gpu"], "no chip 'gpu'\\. Shipped: 'inferentia1', .* 'trainium3'"),
        (["--dim", "batch=4", "--auto-cast", "sometimes"], "sometimes|matmult"),
        (["--dim", "batch=4", "--auto-cast", "all", "--auto-cast-type", "fp13"], "fp13|bf16"),
        (["--dim", "batch=4", "--rounding", "upwards"], "upwards|stochastic"),
        (["--dim", "batch=4", "--schedule", "worst"], "worst|vendor"),
        (["--dim", "batch=4", "--repeat", "0"], "repeat"),
        (["--dim", "batch=4", "--threads", "-1"], "threads"),
        (["--dim", "batch=4", "--no-such-option"], "no-such-option"),
        (["--dim", "batch=4", "--input", "x"], "'x' is not NAME=FILE"),
        (["--dim", "batch"], "'batch' is not NAME=N"),
        (["--dim", "batch=4", "--dim", "batch=8"], "'batch' is given twice"),
        (["--dim", "batch=4", "--timing-only", "--against", "reference"], "--against: needs values"),
        (["--dim", "batch=4", "--timing-only", "--out", "out"], "--out: needs values"),
        (["--dim", "batch=4", "--input", "x=/nonexistent/x.npy"], "nonexistent"),
    ],
)
def test_bad_options_are_refused(options: list[str], says: str, thorong: Command, tmp_path: Path) -> None:
    """Each names what is wrong or what would be right."""
    rejected(thorong, "run", make_mlp(tmp_path / "m.onnx"), *options, says=says)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("z", np.zeros((4, 64), np.float32), "(?s)(?=.*z)(?=.*x)"),
        ("x", np.zeros((4, 63), np.float32), "63|64"),
        ("x", np.zeros((4, 64, 1), np.float32), "x"),
        ("x", np.zeros((4, 64), np.int32), "int32|float"),
    ],
    ids=["name", "shape", "rank", "type"],
)
def test_wrong_inputs_are_refused(name: str, value: np.ndarray, says: str, thorong: Command, tmp_path: Path) -> None:
    """Wrong name, shape, rank and type, each named."""
    np.save(tmp_path / "in.npy", value)
    rejected(thorong, "run", make_mlp(tmp_path / "m.onnx"), "--input", f"{name}={tmp_path / 'in.npy'}", says=says)


@pytest.mark.parametrize("content", [b"", b"not an array", b"\x93NUMPY\x01\x00\xff\xff{"])
def test_broken_array_files_are_refused(content: bytes, thorong: Command, tmp_path: Path) -> None:
    """An .npy that is none."""
    (tmp_path / "in.npy").write_bytes(content)
    rejected(thorong, "run", make_mlp(tmp_path / "m.onnx"), "--input", f"x={tmp_path / 'in.npy'}", says="in\\.npy")


def test_an_archive_of_arrays_gives_the_one_of_the_inputs_name(thorong: Command, tmp_path: Path) -> None:
    """Several arrays: the name decides; one alone may have any name; else the names are listed."""
    model, zeros = make_mlp(tmp_path / "m.onnx"), np.zeros((4, 64), np.float32)
    np.savez(tmp_path / "two.npz", a=np.ones(3, np.float32), x=zeros)
    np.savez(tmp_path / "one.npz", whatever=zeros)
    np.savez(tmp_path / "none.npz", a=zeros, b=zeros)
    for name in ("two", "one"):
        assert thorong("run", model, "--input", f"x={tmp_path / name}.npz").status == 0
    rejected(thorong, "run", model, "--input", f"x={tmp_path / 'none.npz'}", says="no array 'x'; it holds: a, b\\. Save")


def test_an_input_given_twice_is_refused(thorong: Command, tmp_path: Path) -> None:
    """The second would replace the first in silence."""
    np.save(tmp_path / "in.npy", np.zeros((4, 64), np.float32))
    word = f"x={tmp_path / 'in.npy'}"
    rejected(thorong, "run", make_mlp(tmp_path / "m.onnx"), "--input", word, "--input", word, says="'x' is given twice")


def test_a_type_without_a_cast_is_named(thorong: Command, tmp_path: Path) -> None:
    """One line on stderr and one among the hints; none with a cast."""
    model = make_conv(tmp_path / "m.onnx")
    done = thorong("run", model, "--auto-cast-type", "fp16", "--timing-only", "--json")
    assert done.stderr == "thorong: --auto-cast-type fp16 has no effect without --auto-cast matmult or all.\n"
    assert any("fp16 has no effect" in hint for hint in done.json()["hints"])
    done = thorong("run", model, "--auto-cast-type", "fp16", "--auto-cast", "all", "--timing-only", "--json")
    assert not done.stderr and not any("no effect" in hint for hint in done.json()["hints"])


def test_an_index_beyond_the_table_names_model_and_input(thorong: Command, tmp_path: Path) -> None:
    """A fault of the machine that the user's file caused, here behind a sum."""
    nodes = [helper.make_node("Add", ["i", "one"], ["j"]), helper.make_node("Gather", ["t", "j"], ["y"], "lookup")]
    weights = [from_array(np.zeros((10, 8), np.float32), "t"), from_array(np.array(1, np.int64), "one")]
    model = unchecked(
        tmp_path / "m.onnx", nodes, [tensor("i", [2], TensorProto.INT64)], [tensor("y", [2, 8])], initializer=weights
    )
    np.save(tmp_path / "i.npy", np.array([1, 10], np.int64))
    done = thorong("run", model, "--input", f"i={tmp_path / 'i.npy'}")
    assert done.status == 3
    assert re.search(r"m\.onnx: lookup: .* row 11 of a table of 10 rows .*from input 'i'; check", done.stderr), done.stderr


def edit_chip(pattern: str, replacement: str, path: Path) -> Path:
    """trainium2's own file with one edit; skips where the format has moved on."""
    text = (Path(__file__).parents[2] / "chips" / "trainium2.yaml").read_text(encoding="utf-8")
    edited, count = re.subn(pattern, replacement, text, count=1)
    if count == 0:
        pytest.skip(f"chips/trainium2.yaml has nothing like {pattern!r}")
    path.write_text(edited, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("pattern", "replacement", "says"),
    [
        (r"(\n      clock_hz:)", r"\n      frobnication: {value: 1, kind: assumed, source: choice}\1", "frobnication"),
        (r"\ngeneration: v3", "\ngeneration: v3\nfrobnicate: yes", "frobnicate"),
        (r", source: nki_v3\}|, source: chip_v3\}", "}", "source"),
        (r"operands: sbuf\.engines", "operands: sbuf.nowhere", "nowhere.*a sbuf_port is 'sbuf\\.engines'"),
        (r"operands: sbuf\.engines", "operands: nothing.engines", "nothing"),
        (r"operands: sbuf\.engines", "operands: hbm.dma", "needs a sbuf_port.*connect it to 'sbuf\\.engines'"),
        (r"(power_budget_w: \{value:) \d+", r"\1 1", "raise the budget, or lower clocks"),
        (r"(rows: \{value:) 128", r"\1 -128", "rows"),
        (r"type: systolic_array", "type: systolic_aray", "systolic_array"),
        (r"blocks:\n", "blocks: [\n", ":\\d+"),
    ],
    ids=["unknown_parameter", "unknown_key", "no_source", "port", "block", "port_kind", "budget", "range", "block_type", "syntax"],
)
def test_bad_chip_files_are_refused(
    pattern: str, replacement: str, says: str, thorong: Command, tmp_path: Path
) -> None:
    """File and line, what is wrong, by `verify-chip` and by `run` alike."""
    chip = edit_chip(pattern, replacement, tmp_path / "mine.yaml")
    done = thorong("verify-chip", chip)
    assert done.status == 2
    message = done.stderr + done.stdout
    assert re.search(says, message) and re.search(r"mine\.yaml:\d+", message), message
    rejected(thorong, "run", make_conv(tmp_path / "m.onnx"), "--chip", chip, says=says)


def test_a_sound_chip_file_passes(thorong: Command) -> None:
    """The shipped files verify."""
    for path in sorted((Path(__file__).parents[2] / "chips").glob("*.yaml")):
        done = thorong("verify-chip", path)
        assert done.status == 0, done.stderr


def test_a_peak_above_the_budget_is_noted(thorong: Command, tmp_path: Path) -> None:
    """It passes up to twice the budget, and says so."""
    chip = tmp_path / "mine.yaml"
    for budget, status, says in ((500, 0, ""), (300, 0, "Up to 200 % passes"), (100, 2, "2 times package.power_budget_w")):
        chip.write_text(f"base: trainium2\nset: {{package.power_budget_w: {budget}}}\n", encoding="utf-8")
        done = thorong("verify-chip", chip)
        assert done.status == status and says in done.stdout + done.stderr and ("note:" in done.stdout) == (budget == 300)


def test_a_model_that_does_not_fit_says_how_much_it_needs(thorong: Command, tmp_path: Path) -> None:
    """Three fp32 matrices of 60,000 squared are 43 GB; inferentia1 has 8 GiB."""
    model = make_matmul(tmp_path / "m.onnx", 60_000)
    rejected(thorong, "run", model, "--chip", "inferentia1", "--timing-only", says=r"\d+(\.\d+)? ?(G|M|bytes)")


def test_an_unwritable_folder_is_refused(thorong: Command, tmp_path: Path) -> None:
    """A file stands where the folder should be; it stays as it was."""
    blocker = tmp_path / "out"
    blocker.write_text("keep me", encoding="utf-8")
    rejected(thorong, "run", make_conv(tmp_path / "m.onnx"), "--out", blocker, says="out")
    assert blocker.read_text(encoding="utf-8") == "keep me"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
@pytest.mark.parametrize("option", ["--report", "--trace"])
def test_a_full_device_is_an_error(option: str, thorong: Command, tmp_path: Path) -> None:
    """A link to /dev/full: the error is reported, and the link and the device stay what they are."""
    path = tmp_path / "link"
    path.symlink_to("/dev/full")
    rejected(thorong, "run", make_conv(tmp_path / "m.onnx"), option, path, says="No space left")
    assert path.is_symlink() and path.is_char_device()


@pytest.mark.parametrize(("option", "name"), [("--out", "out/below"), ("--report", "r.html"), ("--trace", "t.json")])
def test_a_full_disk_leaves_nothing(option: str, name: str, thorong: Command, tmp_path: Path) -> None:
    """A limit on file sizes stops the writing in its midst, as a full disk does."""
    model = make_matmul(tmp_path / "m.onnx", 64)
    done = subprocess.run(
        [thorong.binary, "run", model, option, tmp_path / name],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)),
    )
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "File too large" in done.stderr and "Nothing was left behind" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(
    ("option", "name", "says"),
    [
        ("--out", "m.onnx", "not a folder"),
        ("--out", "m.onnx/below", "not a folder"),
        ("--report", "none/r.html", "No such file"),
        ("--trace", "none/t.json", "No such file"),
    ],
)
def test_an_impossible_place_is_refused_before_the_run(
    option: str, name: str, says: str, thorong: Command, tmp_path: Path
) -> None:
    """A run of hours does not end with this: the message comes before the model is read."""
    (tmp_path / "m.onnx").write_bytes(b"no model")
    rejected(thorong, "run", tmp_path / "m.onnx", option, tmp_path / name, says=f"{says}.*Choose a folder")


def test_nothing_that_is_read_is_overwritten(thorong: Command, tmp_path: Path) -> None:
    """The model, its weights, inputs and chips, by any spelling; two views in one file; an output on an input."""
    model = make_mlp(tmp_path / "m.onnx")
    (tmp_path / "out").mkdir()
    data = tmp_path / "out" / "y.npy"
    np.save(data, np.zeros((4, 64), np.float32))
    chip = tmp_path / "keep.yaml"
    chip.write_text("base: trainium1\nname: keep\n", encoding="utf-8")
    (tmp_path / "link").symlink_to(model)
    before = {path: path.read_bytes() for path in (model, data, chip)}
    given = ("--dim", "batch=4", "--input", f"x={data}")
    for command, *words in (
        ("run", *given, "--report", tmp_path / "out" / ".." / "m.onnx"),
        ("run", *given, "--trace", tmp_path / "link"),
        ("run", *given, "--trace", data),
        ("run", *given, "--out", tmp_path / "out"),
        ("run", *given, "--chip", chip, "--report", chip),
        ("compare", *given, "--chips", chip, "--report", chip),
        ("run", *given, "--report", tmp_path / "r", "--trace", tmp_path / "r"),
    ):
        rejected(thorong, command, model, *words, says="would overwrite .* Choose another file")
    assert {path: path.read_bytes() for path in before} == before and not (tmp_path / "r").exists()
    assert thorong("run", model, *given, "--report", "/dev/null", "--trace", "/dev/null").status == 0


def test_names_of_chips_may_have_spaces_around(thorong: Command, tmp_path: Path) -> None:
    """As people type lists."""
    done = thorong("compare", make_conv(tmp_path / "m.onnx"), "--timing-only", "--chips", "trainium1, trainium2", "--json")
    assert done.status == 0, done.stderr
    rejected(thorong, "compare", tmp_path / "m.onnx", "--chip", "trainium1", says="did you mean '--chips'")


def test_stdout_on_a_full_disk_is_an_error(thorong: Command, tmp_path: Path) -> None:
    """A result that cannot be printed is not a success."""
    model = make_conv(tmp_path / "m.onnx")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [thorong.binary, "run", model, "--json"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2 and done.stderr.strip()


def test_interruption_ends_with_130_and_leaves_nothing(thorong: Command, tmp_path: Path) -> None:
    """Ctrl-C in the middle of a long run."""
    model = make_matmul(tmp_path / "m.onnx", 1024)
    out = tmp_path / "out"
    command = [thorong.binary, "run", model, "--repeat", "100000", "--out", out, "--report", tmp_path / "r.html"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ))
    time.sleep(0.3)  # into the run
    press_ctrl_c(process)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr.strip()
    assert not out.exists() or not list(out.iterdir())
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("phase", ["run", "timing_only", "compare"])
def test_interruption_does_not_wait_for_a_phase_to_end(phase: str, thorong: Command, tmp_path: Path) -> None:
    """Also while compiling, where no instruction runs; with --json as an object."""
    words = {
        "run": ["run"],
        "timing_only": ["run", "--timing-only"],
        "compare": ["compare", "--timing-only", "--chips", "trainium1,trainium2"],
    }[phase]
    model = make_matmul(tmp_path / "m.onnx", 8192 if phase == "run" else 40_000)
    out = ["--report", tmp_path / "r.html", *(["--out", tmp_path / "out"] if phase == "run" else [])]
    process = subprocess.Popen(
        [thorong.binary, *words, model, "--json", *out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(0.1)
    press_ctrl_c(process)
    begun = time.monotonic()
    stdout, stderr = process.communicate(timeout=60)
    assert time.monotonic() - begun < 5
    assert process.returncode == 130
    assert stderr == "thorong: interrupted; nothing was written.\n"
    assert json.loads(stdout) == {"error": {"code": "interrupted", "message": "interrupted; nothing was written.", "where": ""}}
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_the_model_may_stand_after_the_options(thorong: Command, tmp_path: Path) -> None:
    """A repeatable option takes one value, not what follows it."""
    model = make_mlp(tmp_path / "m.onnx")
    assert thorong("run", "--timing-only", "--dim", "batch=4", model).status == 0
    assert thorong("compare", "--timing-only", "--dim", "batch=4", "--chips", "trainium1,trainium2", model).status == 0
    np.save(tmp_path / "x.npy", np.zeros((4, 64), np.float32))
    assert thorong("run", "--input", f"x={tmp_path / 'x.npy'}", model).status == 0


def test_no_command_and_an_unknown_one(thorong: Command) -> None:
    """Both are the user's mistake; help is not."""
    bare = thorong()
    assert bare.status == 2 and not bare.stdout
    assert bare.stderr == thorong("--help").stdout
    unknown = thorong("compair")
    assert unknown.status == 2
    assert "no command 'compair'; did you mean 'compare'?" in unknown.stderr
    assert thorong("frobnicate", "--json").json()["error"]["code"] == "invalid_argument"
    assert thorong("--help").status == 0
    assert thorong("run", "--help").status == 0
    assert thorong("chip", "trainum2").status == 2
