# SPDX-License-Identifier: Apache-2.0
"""QGemm of com.microsoft, which ONNX Runtime's quantization writes for a matrix product with a bias."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

ort = pytest.importorskip("onnxruntime", reason="needs onnxruntime as the reference")
thorong = pytest.importorskip("thorong", reason="needs the Python package: ./dev build")


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("to_floats", [False, True])
@pytest.mark.parametrize(
    ("attributes", "bias"),
    [({}, True), ({"transB": 1, "alpha": 0.5}, True), ({"transA": 1}, False), ({"transA": 1, "transB": 1}, True)],
)
def test_values_are_onnx_runtimes(kind: Any, to_floats: bool, attributes: dict[str, Any], bias: bool) -> None:
    """With one scale for each column of B, a bias of int32, a result of integers or floats."""
    rng = np.random.default_rng(5)
    rows, inner, columns = 3, 24, 5
    a = rng.integers(0, 256, (inner, rows) if "transA" in attributes else (rows, inner)).astype(np.uint8)
    b_shape = (columns, inner) if "transB" in attributes else (inner, columns)
    b = rng.integers(-60, 60, b_shape).astype(np.int8)  # sums of pairs stay in 16 bits on older CPUs
    if kind == np.int8:
        a = (a.astype(np.int16) - 128).astype(np.int8)
    operands: list[Any] = [a, np.float32(0.021), kind(7), b, rng.uniform(0.01, 0.02, columns).astype(np.float32)]
    operands += [np.zeros(columns, np.int8), rng.integers(-900, 900, columns).astype(np.int32) if bias else None]
    operands += [] if to_floats else [np.float32(0.0517), kind(11)]
    names = ["" if x is None else f"x{i}" for i, x in enumerate(operands)]
    node = helper.make_node("QGemm", names, ["y"], "node", domain="com.microsoft", **attributes)
    weights = [numpy_helper.from_array(np.asarray(x), n) for x, n in zip(operands[1:], names[1:], strict=True) if n]
    result = onnx.TensorProto.FLOAT if to_floats else helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    graph = helper.make_graph(
        [node],
        "qgemm",
        [helper.make_tensor_value_info("x0", helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)],
        [helper.make_tensor_value_info("y", result, [rows, columns])],
        weights,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x0": a})[0]
    found = thorong.run(model, chip="trainium2", auto_cast="none", inputs={"x0": a}).outputs["y"]
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.astype(np.float64), expected.astype(np.float64), rtol=1e-6, atol=1e-6)


def test_matrices_only() -> None:
    """A vector is no matrix."""
    inputs = [helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, [4])]
    weights = [numpy_helper.from_array(np.float32(0.1), "s"), numpy_helper.from_array(np.uint8(0), "z")]
    weights.append(numpy_helper.from_array(np.ones((4, 2), np.uint8), "b"))
    node = helper.make_node("QGemm", ["a", "s", "z", "b", "s", "z"], ["y"], domain="com.microsoft")
    outputs = [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)]
    graph = helper.make_graph([node], "qgemm", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    with pytest.raises(thorong.InvalidArgument, match="must be a matrix"):
        thorong.run(model, chip="trainium2", inputs={"a": np.zeros(4, np.uint8)})
