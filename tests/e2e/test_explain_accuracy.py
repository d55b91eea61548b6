# SPDX-License-Identifier: Apache-2.0
"""`thorong explain` and `thorong accuracy`: by hand-made models and NumPy."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from command import BINARY, Command
from onnx import TensorProto, helper, numpy_helper

package = pytest.importorskip("thorong")
thorong = Command(BINARY)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = softmax(x w1) w2, and a first-occurrence index that only gpsimd can find."""
    random = np.random.default_rng(1)
    w1 = numpy_helper.from_array(random.standard_normal((96, 160)).astype(np.float32), "w1")
    w2 = numpy_helper.from_array(random.standard_normal((160, 8)).astype(np.float32), "w2")
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], "first"),
        helper.make_node("Softmax", ["a"], ["p"], "probabilities"),
        helper.make_node("MatMul", ["p", "w2"], ["y"], "second"),
        helper.make_node("ArgMax", ["y"], ["best"], "choice", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [32, 96])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [32, 8]),
            helper.make_tensor_value_info("best", TensorProto.INT64, [32, 1]),
        ],
        [w1, w2],
    )
    path = tmp_path_factory.mktemp("explain") / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def inputs() -> dict[str, np.ndarray]:
    """The model's input."""
    return {"x": np.random.default_rng(2).standard_normal((32, 96)).astype(np.float32)}


def relative(value: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square of the difference over that of the expected values."""
    return float(np.sqrt(np.mean((value - expected) ** 2)) / np.sqrt(np.mean(expected**2)))


def test_explain_tells_choice_and_bound(model: Path) -> None:
    """Every operator has its choice, bound and roofline, and no time below it."""
    answer = json.loads(thorong("explain", model, "--chip", "trainium2", "--json", "--top", "0", "--order", "program").stdout)
    named = {use["name"]: use for use in answer["operators"]}
    assert list(named)[:3] == ["first", "probabilities", "second"]
    assert "stationary" in named["first"]["choice"] and "K 96 in 1 step," in named["first"]["choice"]
    assert named["choice"]["path"] == "gpsimd" and "plain meaning" in named["choice"]["choice"]
    for use in answer["operators"]:
        assert use["bound"] in ("tensor", "vector", "scalar", "gpsimd", "dma", "hbm", "dependency", "host")
        assert 0 <= use["roofline_s"] <= use["time_s"] or use["path"] != "tile"


def test_explain_for_people(model: Path) -> None:
    """The longest first, as many as were asked for."""
    text = thorong("explain", model, "--top", "1").stdout
    assert "bound by" in text and "roofline" in text and "--top 0 shows all" in text
    wrong = thorong("explain", model, "--order", "size")
    assert wrong.status == 2 and "--order" in wrong.stderr


def test_accuracy_is_numpys(model: Path) -> None:
    """The first product's own error is that of operands rounded to bf16; the output's total is the run's."""
    x = inputs()["x"]
    found = package.accuracy(model, chip="trainium2", inputs=inputs(), modes=["matmult bf16", "all bf16"])
    w1 = numpy_helper.to_array(onnx.load(model).graph.initializer[0])
    narrow = lambda a: a.astype(ml_dtypes.bfloat16).astype(np.float64)  # noqa: E731
    expected = relative(narrow(x) @ narrow(w1), x.astype(np.float64) @ w1.astype(np.float64))
    first = found.layers[0]
    assert first["name"] == "first"
    assert first["errors"]["matmult bf16"]["own"] == pytest.approx(expected, rel=1e-3)
    assert first["errors"]["matmult bf16"]["total"] == first["errors"]["matmult bf16"]["own"]
    fp32 = package.run(model, chip="trainium2", inputs=inputs()).outputs["y"]
    for mode, cast in (("matmult bf16", "matmult"), ("all bf16", "all")):
        result = package.run(model, chip="trainium2", inputs=inputs(), auto_cast=cast)
        assert found.outputs["y"][mode]["total"] == pytest.approx(relative(result.outputs["y"], fp32), rel=1e-6)
        assert next(m for m in found.modes if m["mode"] == mode)["device_s"] == result.device_s


def test_the_softmax_adds_nothing_to_products(model: Path) -> None:
    """Only layers that are cast have an error of their own, and they are the ones to keep in fp32."""
    found = package.accuracy(model, chip="trainium2", inputs=inputs(), modes=["matmult tf32"])
    own = {layer["name"]: layer["errors"]["matmult tf32"]["own"] for layer in found.layers}
    assert own["probabilities"] == 0 and own["first"] > 0 and own["second"] > 0
    assert set(found.modes[0]["keep_in_fp32"]) <= {"first", "second"}


def test_accuracy_views(model: Path, tmp_path: Path) -> None:
    """Table, JSON and page of the command."""
    page = tmp_path / "a.html"
    text = thorong("accuracy", model, "--modes", "matmult bf16,all bf16 stochastic", "--report", page).stdout
    assert "all bf16 stochastic" in text and "probabilities" in text and "random" in text
    html = page.read_text()
    assert "<svg" in html and html.count("<rect") == 2 * 2 * 3
    answer = json.loads(thorong("accuracy", model, "--modes", "all fp8_e4m3", "--json").stdout)
    assert [mode["mode"] for mode in answer["modes"]] == ["all fp8_e4m3"]
    wrong = thorong("accuracy", model, "--modes", "bf17")
    assert wrong.status == 2 and "matmult bf16" in wrong.stderr


def test_accuracy_tells_what_a_format_cannot_hold(model: Path, tmp_path: Path) -> None:
    """Activations of 1e5 are infinite in fp16; the layer is named, and what would hold them."""
    large = tmp_path / "x.npy"
    np.save(large, inputs()["x"] * np.float32(1e5))
    done = thorong("accuracy", model, "--modes", "matmult fp16,matmult bf16", "--input", f"x={large}")
    text = " ".join(done.stdout.split())
    assert "matmult fp16: not finite where fp32 is, in 1 of 3 layers: first. bf16 reaches" in text
    assert "matmult bf16: not finite" not in text


def test_values_that_are_no_numbers_are_counted(model: Path, tmp_path: Path) -> None:
    """A NaN of the input is told, by run and by accuracy, and is nobody's error."""
    values = inputs()["x"]
    values[3, 5] = np.nan
    np.save(tmp_path / "x.npy", values)
    given = ("--input", f"x={tmp_path / 'x.npy'}")
    hints = thorong("run", model, *given, "--json").json()["hints"]
    assert any("output 'y' holds 8 NaN and 0 infinite of 256 values" in hint for hint in hints)
    text = " ".join(thorong("accuracy", model, *given, "--modes", "matmult bf16").stdout.split())
    assert "fp32: output 'y' holds 8 NaN and 0 infinite of 256 values, left out of the errors" in text
    assert "not finite where" not in text
