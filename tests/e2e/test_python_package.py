# SPDX-License-Identifier: Apache-2.0
"""The Python package: run, compile, load, execute; the result's attributes; one exception class a code."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
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
from command import ROOT, Command, assert_close
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


def test_views_do_not_overwrite_what_is_read(model: Path, inputs: dict[str, Any], tmp_path: Path) -> None:
    """The model, and one file for two views."""
    before = model.read_bytes()
    for views in ({"report": model}, {"report": tmp_path / "r", "trace": str(tmp_path / "r")}):
        with pytest.raises(package.InvalidArgument, match="would overwrite"):
            package.run(model, inputs=inputs, **views)
    assert model.read_bytes() == before and not (tmp_path / "r").exists()


def test_values_are_not_asked_of_a_run_without(model: Path, tmp_path: Path) -> None:
    """timing_only with out or against."""
    for option in ({"out": tmp_path / "out"}, {"against": "reference"}):
        with pytest.raises(package.InvalidArgument, match="timing_only computes none"):
            package.run(model, dims={"batch": 2}, timing_only=True, **option)


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


def test_errors_speak_python(model: Path) -> None:
    """Keywords, not the command's options."""
    with pytest.raises(package.FailedPrecondition, match=r'Say them with dims={"batch": N}, or give the inputs\.'):
        package.run(model)
    with pytest.raises(package.NotFound, match=r": dims\['rows'\]: "):
        package.run(model, dims={"batch": 2, "rows": 3})
    from thorong._errors import make

    text = "Say them with --dim a=N --dim b.0=N; --auto-cast all, --timing-only, --report."
    assert make("io", text, "--input x", {}).args == (
        'Say them with dims={"a": N, "b.0": N}; auto_cast="all", timing_only=True, report.',
        "inputs['x']",
    )


def test_a_missing_output_names_those_there_are(model: Path) -> None:
    """The usual slip after a look at another model."""
    result = package.run(model, dims={"batch": 2})
    with pytest.raises(KeyError, match="no output 'p'.*'y'"):
        result.outputs["p"]
    assert "p" not in result.outputs and result.outputs.get("p") is None
    with pytest.raises(KeyError, match="timing_only"):
        package.run(model, dims={"batch": 2}, timing_only=True).outputs["y"]


def test_print_gives_the_table(model: Path, thorong: Command) -> None:
    """What the command prints; a model of bytes is called by its graph's name."""
    result = package.run(model, dims={"batch": 2}, timing_only=True)
    printed = thorong("run", model, "--dim", "batch=2", "--timing-only").stdout
    assert str(result).splitlines()[:-1] == printed.splitlines()[:-1]  # the last has times of this machine
    proto = onnx.load(model)
    assert repr(package.run(proto, dims={"batch": 2})).startswith(f"<thorong.Result: {proto.graph.name} on ")


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


def test_bfloat16_goes_in_and_comes_out(tmp_path: Path) -> None:
    """ml_dtypes arrays are inputs, and outputs have the declared type."""
    import ml_dtypes

    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    ends = [tensor(name, [2, 3], onnx.TensorProto.BFLOAT16) for name in "xy"]
    path = save_graph(tmp_path / "m.onnx", nodes, ends[:1], ends[1:], {})
    value = np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16)
    result = package.run(path, inputs={"x": value})
    assert result.outputs["y"].dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(result.outputs["y"], value + value)


def test_inputs_that_are_not_arrays(model: Path) -> None:
    """A clear error that names the input."""
    wrong = [([1.0], TypeError), ("text", TypeError), (None, package.InvalidArgument)]
    wrong += [([np.ones(3, np.float32)], package.InvalidArgument), (np.array(["a"]), package.InvalidArgument)]
    for value, error in wrong:
        with pytest.raises(error, match="x"):
            package.run(model, inputs={"x": value})
    with pytest.raises(package.Unsupported, match="complex64"):
        package.run(model, inputs={"x": np.zeros((5, 64), np.complex64)})
    with pytest.raises(package.InvalidArgument, match="float64"):
        package.run(model, inputs={"x": np.zeros((5, 64))})


def test_errors_name_options_as_python_spells_them(model: Path) -> None:
    """A wrong name, a wrong type, a wrong word."""
    with pytest.raises(TypeError, match="did you mean 'auto_cast'"):
        package.run(model, auto_kast="none")
    with pytest.raises(TypeError, match="repeat"):
        package.compile(model, repeat="often")
    with pytest.raises(package.InvalidArgument, match="^auto_cast_type: 'bf17'") as caught:
        package.run(model, auto_cast_type="bf17")
    assert (caught.value.code, caught.value.where) == ("invalid_argument", "auto_cast_type")
    with pytest.raises(package.InvalidArgument, match="repeat"):
        package.run(model, repeat=0)
    with pytest.raises(package.Error) as missing:
        package.run(model)
    assert "--" not in str(missing.value)
    with pytest.raises(package.NotFound):
        package.run(model.with_name("absent.onnx"))


def test_a_program_fits_its_chip_only(model: Path) -> None:
    """Loading it on another one is refused; signatures say what it takes."""
    program = package.compile(model, dims={"batch": 3})
    assert [(s.name, s.dtype, s.shape) for s in program.inputs] == [("x", np.float32, (3, 64))]
    with pytest.raises(package.InvalidArgument, match="trainium2"):
        program.load(package.Device("trainium2"))
    assert "trainium1" in package.chips()


def test_the_timeline_is_an_array(model: Path) -> None:
    """A row an instruction, with names."""
    result = package.run(model, dims={"batch": 4}, timing_only=True)
    events = result.timeline
    assert 0 < events["end_s"].max() <= result.device_s
    assert (events["start_s"] <= events["end_s"]).all()
    assert len(events) == sum(engine["instructions"] for engine in result.engines.values())
    assert set(events["engine"]) <= set(result.engines)
    assert {o["name"] for o in result.operators} & set(events["operator"])


def test_interrupt_is_a_keyboard_interrupt(model: Path, inputs: dict[str, Any]) -> None:
    """Ctrl-C ends a long run, and the executable can be used again."""
    executable = package.compile(model, inputs=inputs, repeat=1_000_000).load()
    for _ in range(2):
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            executable(inputs)
        timer.join()


def test_threads_share_a_program(model: Path, inputs: dict[str, Any]) -> None:
    """Several executables at once, and one executable from several threads, give the same values."""
    program = package.compile(model, inputs=inputs)
    shared = program.load()
    with ThreadPoolExecutor(4) as pool:
        own = list(pool.map(lambda _: program.load()(inputs).outputs["y"], range(4)))
        same = list(pool.map(lambda _: shared(inputs).outputs["y"], range(4)))
    for value in own + same:
        np.testing.assert_array_equal(value, own[0])


def test_the_example_runs() -> None:
    """examples/first_run.py prints its figures."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "first_run.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "energy" in done.stdout and "class of each row" in done.stdout


def test_a_machine_fault_says_where(tmp_path: Path) -> None:
    """The instruction, its time and operands; the process and the next run are unharmed."""
    ends = [tensor("d", [8, 4]), tensor("i", [2], onnx.TensorProto.INT64)]
    nodes = [helper.make_node("Gather", ["d", "i"], ["y"], "pick")]
    path = save_graph(tmp_path / "m.onnx", nodes, ends, [tensor("y", [2, 4])], {})
    table = np.arange(32, dtype=np.float32).reshape(8, 4)
    executable = package.compile(path).load()
    with pytest.raises(package.MachineFault, match="100") as caught:
        executable({"d": table, "i": np.array([1, 100])})
    fault = caught.value
    assert fault.instruction == "dma_gather" and fault.time >= 0 and len(fault.operands) == 3
    np.testing.assert_array_equal(executable({"d": table, "i": np.array([1, 7])}).outputs["y"], table[[1, 7]])


def test_a_bug_is_an_internal_error() -> None:
    """A failed check of the core unwinds and does not end the process."""
    with pytest.raises(package.InternalError, match="bug in Thorong"):
        package._core.compile_file("m.onnx", {"no_such_option": 1}, {}, {})
