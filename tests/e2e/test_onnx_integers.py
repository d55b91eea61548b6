# SPDX-License-Identifier: Apache-2.0
"""Operators on integers and their quantisation, beside ONNX Runtime or NumPy: what the standard's own cases leave out."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

thorong = pytest.importorskip("thorong")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

Array = NDArray[Any]
RANDOM = np.random.default_rng(11)


def make_model(op: str, inputs: dict[str, Array], constants: dict[str, Array], opset: int, attributes: Any) -> Any:
    outputs = attributes.pop("outputs", 1)
    operands = attributes.pop("operands", [*inputs, *constants])
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, operands, results, **attributes)
    declared = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in inputs.items()
    ]
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    infos = [helper.make_empty_tensor_value_info(name) for name in results]
    graph = helper.make_graph([node], op, declared, infos, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def run(model: Any, inputs: dict[str, Array], auto_cast: str = "none") -> Any:
    return thorong.run(model, chip="trainium2", inputs=inputs, auto_cast=auto_cast)


def compare(
    op: str, inputs: dict[str, Array], constants: dict[str, Array] | None = None, opset: int = 21, **attributes: Any
) -> Any:
    """Both programs' results, which must be equal."""
    model = make_model(op, inputs, constants or {}, opset, attributes)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, inputs)
    result = run(model, inputs)
    for i, value in enumerate(expected):
        actual = result.outputs[f"y{i}"]
        assert actual.dtype == value.dtype
        np.testing.assert_array_equal(actual.astype(np.float64), value.astype(np.float64))
    return result


def integers(dtype: Any, *shape: int) -> Array:
    limits = np.iinfo(dtype)
    return RANDOM.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


ALL_INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]


@pytest.mark.parametrize("source", ALL_INTEGERS)
@pytest.mark.parametrize("target", ALL_INTEGERS)
def test_casts_of_integers_keep_the_low_bits(source: Any, target: Any) -> None:
    to = helper.np_dtype_to_tensor_dtype(np.dtype(target))
    compare("Cast", {"x": integers(source, 50)}, to=to)


@pytest.mark.parametrize("op", ["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
@pytest.mark.parametrize("dtype", ALL_INTEGERS)
def test_bitwise(op: str, dtype: Any) -> None:
    compare(op, {"a": integers(dtype, 3, 1, 5), "b": integers(dtype, 4, 5)})


@pytest.mark.parametrize("dtype", ALL_INTEGERS)
def test_bitwise_not(dtype: Any) -> None:
    compare("BitwiseNot", {"a": integers(dtype, 3, 5)})


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.uint64])
def test_shifts(direction: str, dtype: Any) -> None:
    counts = RANDOM.integers(0, 8 * np.dtype(dtype).itemsize, (3, 5)).astype(dtype)
    compare("BitShift", {"a": integers(dtype, 3, 5), "b": counts}, direction=direction)


@pytest.mark.parametrize("dtype", ALL_INTEGERS)
@pytest.mark.parametrize("fmod", [0, 1])
def test_mod(dtype: Any, fmod: int) -> None:
    divisor = integers(dtype, 5)
    divisor[divisor == 0] = 3
    compare("Mod", {"a": integers(dtype, 4, 5), "b": divisor}, fmod=fmod)


@pytest.mark.parametrize("dtype", ALL_INTEGERS)
@pytest.mark.parametrize(("op", "function"), [("Min", np.minimum), ("Max", np.maximum)])
def test_extremes(op: str, function: Any, dtype: Any) -> None:
    inputs = {"a": integers(dtype, 4, 5), "b": integers(dtype, 5)}
    result = run(make_model(op, inputs, {}, 21, {}), inputs)
    np.testing.assert_array_equal(result.outputs["y0"], function(inputs["a"], inputs["b"]))


def weights(beside: Any, dtype: Any, *shape: int) -> Array:
    """Of 7 bits where ONNX Runtime's sums of uint8 times int8 saturate on hosts without VNNI."""
    values = integers(dtype, *shape)
    return values // 2 if (beside, dtype) == (np.uint8, np.int8) else values


SIGNS = [(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)]


@pytest.mark.parametrize(("a_type", "b_type"), SIGNS)
@pytest.mark.parametrize("terms", [0, 1, 200, 700])
@pytest.mark.parametrize("zeros", [False, True])
def test_integer_products_are_exact(a_type: Any, b_type: Any, terms: int, zeros: bool) -> None:
    """Beyond the terms whose sum fp32 holds exactly, too; and on the tensor engine."""
    a, b = integers(a_type, 3, terms), integers(b_type, terms, 4)
    a[:1], b[:, :1] = np.iinfo(a_type).max, np.iinfo(b_type).max
    points = {"az": np.array(3, a_type), "bz": integers(b_type, 4)} if zeros else {}
    expected = a.astype(np.int32) @ b.astype(np.int32)
    if zeros:
        expected = (a.astype(np.int32) - 3) @ (b.astype(np.int32) - points["bz"].astype(np.int32))
    for auto_cast in ("none", "matmult"):
        model = make_model("MatMulInteger", {"a": a}, {"b": b, **points}, 10, {})
        result = run(model, {"a": a}, auto_cast)
        np.testing.assert_array_equal(result.outputs["y0"], expected)
        products = [o for o in result.operators if o["op"] == "dot_general"]
        assert terms == 0 or all(o["path"] == "tile" for o in products)


@pytest.mark.parametrize(("x_type", "w_type"), SIGNS)
def test_integer_convolution(x_type: Any, w_type: Any) -> None:
    x, w = integers(x_type, 1, 3, 6, 6), weights(x_type, w_type, 4, 3, 3, 3)
    points = {"xz": np.array(7, x_type), "wz": np.array(2, w_type)}
    compare("ConvInteger", {"x": x}, {"w": w, **points}, 10, pads=[1, 1, 1, 1])


@pytest.mark.parametrize(("a_type", "b_type"), SIGNS)
@pytest.mark.parametrize("columns", [False, True])
def test_quantized_product(a_type: Any, b_type: Any, columns: bool) -> None:
    a, b = integers(a_type, 5, 40), weights(a_type, b_type, 40, 6)
    constants = {
        "as": np.float32(0.011), "az": np.array(4, a_type), "b": b,
        "bs": RANDOM.uniform(0.005, 0.02, 6).astype(np.float32) if columns else np.float32(0.013),
        "bz": np.zeros(6, b_type) if columns else np.array(1, b_type),
        "ys": np.float32(0.21), "yz": np.array(5, a_type),
    }  # fmt: skip
    compare("QLinearMatMul", {"a": a}, constants, operands=["a", "as", "az", "b", "bs", "bz", "ys", "yz"])


@pytest.mark.parametrize(("x_type", "w_type"), SIGNS)
@pytest.mark.parametrize("channels", [False, True])
def test_quantized_convolution(x_type: Any, w_type: Any, channels: bool) -> None:
    channels = channels and w_type == np.int8
    constants = {
        "xs": np.float32(0.011), "xz": np.array(4, x_type), "w": weights(x_type, w_type, 4, 3, 3, 3),
        "ws": RANDOM.uniform(0.005, 0.02, 4).astype(np.float32) if channels else np.float32(0.013),
        "wz": np.zeros(4, w_type) if channels else np.array(0, w_type),
        "ys": np.float32(0.21), "yz": np.array(5, x_type), "bias": integers(np.int16, 4).astype(np.int32),
    }  # fmt: skip
    order = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "bias"]
    compare("QLinearConv", {"x": integers(x_type, 1, 3, 6, 6)}, constants, operands=order, strides=[2, 2])


def test_quantized_zeros() -> None:
    """A range of nothing has a scale that divides."""
    compare("DynamicQuantizeLinear", {"x": np.zeros((2, 3), np.float32)}, outputs=3)
    compare("DynamicQuantizeLinear", {"x": RANDOM.standard_normal((2, 30)).astype(np.float32)}, outputs=3)


QUANTIZED = [TensorProto.INT4, TensorProto.UINT4, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16]


@pytest.mark.parametrize("kind", QUANTIZED)
@pytest.mark.parametrize("layout", ["tensor", "axis", "blocks"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_quantize_and_back(kind: int, layout: str, dtype: Any) -> None:
    x = (RANDOM.standard_normal((4, 10)) * 3).astype(dtype)
    shape, attributes = {
        "tensor": ((), {}),
        "axis": ((4,), {"axis": 0}),
        "blocks": ((4, 3), {"axis": 1, "block_size": 4}),
    }[layout]
    scale = RANDOM.uniform(0.25, 0.5, shape).astype(dtype)
    zero = np.full(shape, 2, np.int32).astype(helper.tensor_dtype_to_np_dtype(kind))
    spread = np.repeat(scale, 4, axis=1)[:, :10] if layout == "blocks" else scale.reshape(-1, 1) if shape else scale
    model = make_model("QuantizeLinear", {"x": x}, {"s": scale, "z": zero}, 21, dict(attributes))
    limits = ml_dtypes.iinfo(zero.dtype)
    expected = np.clip(np.rint(x / spread).astype(np.int32) + 2, int(limits.min), int(limits.max))
    np.testing.assert_array_equal(run(model, {"x": x}).outputs["y0"].astype(np.int32), expected)
    whole = RANDOM.integers(0, 8, (4, 10)).astype(np.int8).astype(zero.dtype)
    model = make_model("DequantizeLinear", {"x": whole}, {"s": scale, "z": zero}, 21, dict(attributes))
    expected = ((whole.astype(np.float32) - 2) * spread.astype(np.float32)).astype(dtype)
    np.testing.assert_array_equal(run(model, {"x": whole}).outputs["y0"], expected)


@pytest.mark.parametrize("kind", [TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16])
def test_quantization_stays_on_the_engines(kind: int) -> None:
    """Rounded and clamped numbers become integers on any engine: values at the ends, ties and NaN."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    x = np.linspace(-70000, 70000, 777).astype(np.float32)
    x[:6] = [0.5, 1.5, -2.5, np.inf, -np.inf, 1e30]
    result = compare("QuantizeLinear", {"x": x}, {"s": np.float32(1), "z": np.array(3, dtype)})
    assert all(operator["path"] == "tile" for operator in result.operators)


BAD: list[tuple[str, dict[str, Array], dict[str, Array], dict[str, Any], str]] = [
    ("BitShift", {"a": np.uint8([1]), "b": np.uint8([1])}, {}, {"direction": "UP"}, "LEFT or RIGHT"),
    ("BitwiseAnd", {"a": np.float32([1]), "b": np.float32([1])}, {}, {}, "wants integers"),
    ("And", {"a": np.int32([1]), "b": np.int32([1])}, {}, {}, "wants booleans"),
    ("MatMulInteger", {"a": np.ones((2, 3), np.int8)}, {"b": np.ones((4, 2), np.int8)}, {}, "do not fit a matrix product"),
    ("QuantizeLinear", {"x": np.ones((2, 3), np.float32)}, {"s": np.ones(2, np.float32)}, {}, "does not fit the input"),
    ("QuantizeLinear", {"x": np.ones(3, np.float32)}, {"s": np.float32(1)}, {"output_dtype": 6}, "16 bits or to floats"),
    (
        "DequantizeLinear", {"x": np.ones((2, 3), np.int8)}, {"s": np.ones((2, 2), np.float32)},
        {"axis": 1, "block_size": 1}, "does not fit the input",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("op", "inputs", "constants", "attributes", "message"), BAD)
def test_bad_operands_are_named(op: str, inputs: Any, constants: Any, attributes: dict[str, Any], message: str) -> None:
    model = make_model(op, inputs, constants, 21, dict(attributes))
    with pytest.raises(thorong.Error, match=message):
        run(model, inputs)
