# SPDX-License-Identifier: Apache-2.0
"""The Python package: run, compile, load, execute; the result's attributes; one exception class a code."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("onnx", "onnxruntime", "ml_dtypes"):
    pytest.importorskip(package, reason=f"needs {package}")
if importlib.util.find_spec("thorong") is None:
    pytest.skip("the package thorong is not installed here: ./dev build makes .venv", allow_module_level=True)
import thorong as package

if not hasattr(package, "run"):
    pytest.skip("thorong found here is a folder and not the installed package", allow_module_level=True)

import onnx
from command import Command, assert_close
from models import make_conv, make_mlp, run_reference, save_graph, tensor
from onnx import helper


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The small two-layer model."""
    return make_mlp(tmp_path / "m.onnx")


@pytest.fixture
def inputs() -> dict[str, Any]:
    """Five rows for it."""
    return {"x": np.random.default_rng(4).standard_normal((5, 64)).astype(np.float32)}


def test_run_gives_values_and_figures(model: Path, inputs: dict[str, Any]) -> None:
    """A path, bytes and a ModelProto are the same model; every JSON key is an attribute."""
    reference = run_reference(model, inputs)["y"]
    forms = (str(model), model, model.read_bytes(), onnx.load(model))
    results = [package.run(form, inputs=inputs) for form in forms]
    for result in results:
        assert_close(result.outputs["y"], reference)
        assert result.latency_s == results[0].latency_s
    text = results[0].to_json()
    for key, value in json.loads(text).items():
        assert hasattr(results[0], key), key
        if isinstance(value, (int, float, str)):
            assert getattr(results[0], key) == value


def test_options_are_the_commands_in_snake_case(model: Path, thorong: Command) -> None:
    """auto_cast, timing_only, repeat, dims, chip: the same picoseconds as the command's."""
    ours = package.run(
        str(model), chip="trainium2", auto_cast="matmult", auto_cast_type="bf16", timing_only=True, dims={"batch": 4}
    )
    words = ("--chip", "trainium2", "--auto-cast", "matmult", "--auto-cast-type", "bf16", "--timing-only")
    theirs = thorong.run(model, *words, "--dim", "batch=4")
    assert (ours.latency_s, ours.energy_j) == (theirs["latency_s"], theirs["energy_j"])


def test_out_writes_files(model: Path, inputs: dict[str, Any], tmp_path: Path) -> None:
    """`out=` is --out."""
    result = package.run(str(model), inputs=inputs, out=str(tmp_path / "out"))
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "y.npy"), result.outputs["y"])


def test_compile_load_execute(model: Path, inputs: dict[str, Any]) -> None:
    """The three steps give what `run` gives, twice."""
    program = package.compile(str(model), chip="trainium1", dims={"batch": 5})
    executable = program.load(_device(program))
    first, second = executable(inputs), executable(inputs)
    whole = package.run(str(model), inputs=inputs)
    for result in (first, second):
        np.testing.assert_array_equal(result.outputs["y"], whole.outputs["y"])
        assert result.device_s == whole.device_s


def _device(program: Any) -> Any:
    """A device for `program`: the package's Device of its chip, or the default."""
    return package.Device(program.chip) if hasattr(package, "Device") else None


def test_views_of_a_result(model: Path, tmp_path: Path) -> None:
    """HTML as text and as a file, the trace, the notebook's table."""
    result = package.run(str(model), dims={"batch": 4})
    assert "<html" in result.to_html()
    result.to_html(str(tmp_path / "r.html"))
    assert (tmp_path / "r.html").stat().st_size > 1000
    result.trace(str(tmp_path / "t.json"))
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["traceEvents"]
    assert "<table" in result._repr_html_()
    assert len(result.operators) > 0


def test_wrong_input_raises_the_packages_errors(model: Path, tmp_path: Path) -> None:
    """Subclasses of thorong.Error with the command's sentence; InternalError is for bugs alone."""
    with pytest.raises(package.Error, match="batch"):
        package.run(str(model))
    with pytest.raises(package.Error, match="trainium1"):
        package.run(str(model), chip="trainum1", dims={"batch": 1})
    with pytest.raises(package.Error):
        package.run(b"\x00\x01\x02")
    with pytest.raises((package.Error, TypeError), match="frobnicate"):
        package.run(str(model), frobnicate=True)
    with pytest.raises(package.Error, match="63|64"):
        package.run(str(model), inputs={"x": np.zeros((4, 63), np.float32)})
    assert issubclass(package.InternalError, Exception) and hasattr(package, "MachineFault")


def test_outputs_have_the_declared_type(tmp_path: Path) -> None:
    """int64 and bool come back as such."""
    nodes = [
        helper.make_node("ArgMax", ["x"], ["i"], axis=1, keepdims=0),
        helper.make_node("Greater", ["x", "zero"], ["b"]),
    ]
    outputs = [tensor("i", [3], onnx.TensorProto.INT64), tensor("b", [3, 5], onnx.TensorProto.BOOL)]
    weights = {"zero": np.zeros((), np.float32)}
    path = save_graph(tmp_path / "m.onnx", nodes, [tensor("x", [3, 5])], outputs, weights)
    value = np.random.default_rng(5).standard_normal((3, 5)).astype(np.float32)
    result = package.run(str(path), inputs={"x": value})
    np.testing.assert_array_equal(result.outputs["i"], value.argmax(axis=1))
    np.testing.assert_array_equal(result.outputs["b"], value > 0)
    assert (result.outputs["i"].dtype, result.outputs["b"].dtype) == (np.int64, np.bool_)


def test_non_contiguous_and_swapped_arrays_are_read_right(tmp_path: Path) -> None:
    """A transposed view and a big-endian array mean their values."""
    path = make_conv(tmp_path / "m.onnx")
    value = np.random.default_rng(6).standard_normal((16, 16, 3, 1)).astype(np.float32).T
    whole = package.run(str(path), inputs={"x": np.ascontiguousarray(value)}).outputs["y"]
    np.testing.assert_array_equal(package.run(str(path), inputs={"x": value}).outputs["y"], whole)
    swapped = np.ascontiguousarray(value).astype(">f4")
    np.testing.assert_array_equal(package.run(str(path), inputs={"x": swapped}).outputs["y"], whole)
