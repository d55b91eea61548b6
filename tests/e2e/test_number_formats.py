# SPDX-License-Identifier: Apache-2.0
"""Number formats of ONNX that NumPy lacks, from array to array: the package's inputs and outputs, packed tensors of a
model in every place where ONNX keeps them, casts beside ml_dtypes, and --out's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

thorong = pytest.importorskip("thorong")

Array = NDArray[Any]
FLOATS = {
    "float8_e4m3fn": TensorProto.FLOAT8E4M3FN,
    "float8_e4m3fnuz": TensorProto.FLOAT8E4M3FNUZ,
    "float8_e5m2": TensorProto.FLOAT8E5M2,
    "float8_e5m2fnuz": TensorProto.FLOAT8E5M2FNUZ,
    "float8_e8m0fnu": TensorProto.FLOAT8E8M0,
    "float6_e2m3fn": TensorProto.FLOAT6E2M3,
    "float6_e3m2fn": TensorProto.FLOAT6E3M2,
    "float4_e2m1fn": TensorProto.FLOAT4E2M1,
}
INTEGERS = {
    "int2": TensorProto.INT2,
    "uint2": TensorProto.UINT2,
    "int4": TensorProto.INT4,
    "uint4": TensorProto.UINT4,
}
ALL = FLOATS | INTEGERS


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name))


def all_values(name: str) -> Array:
    """Every code of the format, once."""
    limits = ml_dtypes.iinfo if name in INTEGERS else ml_dtypes.finfo
    bits = limits(dtype_of(name)).bits
    return np.arange(2**bits, dtype=np.uint8).view(dtype_of(name))


def make_model(nodes: list[Any], inputs: list[Any], outputs: list[Any], tensors: Any = ()) -> Any:
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(tensors))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 26)], ir_version=13)


def cast_model(source: int, target: int, count: int, **attributes: Any) -> Any:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=target, **attributes)]
    x = helper.make_tensor_value_info("x", source, [count])
    return make_model(nodes, [x], [helper.make_tensor_value_info("y", target, [count])])


def run(model: Any, **inputs: Array) -> Array:
    return thorong.run(model, chip="trainium2", inputs=inputs, auto_cast="none").outputs["y"]


def assert_same(actual: Array, expected: Array) -> None:
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual.astype(np.float32), expected.astype(np.float32))


@pytest.mark.parametrize("name", ALL)
def test_arrays_cross_both_ways(name: str) -> None:
    """Through Reshape and Concat, which move elements, and Cast, which widens them."""
    values = all_values(name)
    kind, count = ALL[name], len(values)
    nodes = [helper.make_node("Concat", ["x", "x"], ["y"], axis=0)]
    x = helper.make_tensor_value_info("x", kind, [count])
    model = make_model(nodes, [x], [helper.make_tensor_value_info("y", kind, [2 * count])])
    assert_same(run(model, x=values), np.concatenate([values, values]))
    widened = run(cast_model(kind, TensorProto.FLOAT, count), x=values)
    np.testing.assert_array_equal(widened, values.astype(np.float32))


@pytest.mark.parametrize("name", [n for n in FLOATS if n != "float8_e8m0fnu"])
@pytest.mark.parametrize("source", [np.float32, np.float16, np.float64])
def test_casts_to_floats_round_as_ml_dtypes(name: str, source: Any) -> None:
    random = np.random.default_rng(5)
    x = (random.standard_normal(400) * 3).astype(source)
    x[:8] = [0, 1e-4, -1e-4, 1000, -7, np.inf, -np.inf, np.nan]
    limits = ml_dtypes.finfo(dtype_of(name))
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(source))
    saturated = run(cast_model(kind, FLOATS[name], len(x)), x=x)
    assert_same(saturated, np.clip(x, float(limits.min), float(limits.max)).astype(dtype_of(name)))
    with np.errstate(all="ignore"):
        assert_same(run(cast_model(kind, FLOATS[name], len(x), saturate=0), x=x), x.astype(dtype_of(name)))


@pytest.mark.parametrize("name", INTEGERS)
def test_casts_to_few_bits_keep_the_low_ones(name: str) -> None:
    whole = np.arange(-20, 21)
    bits = ml_dtypes.iinfo(dtype_of(name)).bits
    expected = (whole & (2**bits - 1)).astype(np.uint8).view(dtype_of(name))
    assert_same(run(cast_model(TensorProto.INT64, INTEGERS[name], len(whole)), x=whole), expected)
    x = np.trunc(whole + np.sign(whole) * 0.4).astype(np.float32)
    assert_same(run(cast_model(TensorProto.FLOAT, INTEGERS[name], len(x)), x=x), expected)


@pytest.mark.parametrize(
    ("mode", "saturate", "expected"),
    [
        ("up", 1, [0, 0, 0, 1, 127, 128, 128, 128, 129, 254, 254, 255]),
        ("nearest", 1, [0, 0, 0, 1, 127, 127, 128, 128, 129, 254, 254, 255]),
        ("down", 1, [0, 0, 0, 0, 127, 127, 127, 127, 128, 254, 254, 255]),
        ("nearest", 0, [255, 255, 0, 1, 127, 127, 128, 128, 129, 255, 255, 255]),
    ],
)
def test_powers_of_two(mode: str, saturate: int, expected: list[int]) -> None:
    """float8_e8m0fnu by the table of Cast, with ties and the ends of the range."""
    x = np.array([0, 2**-140, 2**-127, 1.75 * 2**-127, 1, 1.25, 1.5, 1.75, 3, 1.75 * 2.0**127, np.inf, np.nan], np.float32)
    model = cast_model(TensorProto.FLOAT, TensorProto.FLOAT8E8M0, len(x), round_mode=mode, saturate=saturate)
    assert run(model, x=x).view(np.uint8).tolist() == expected


def as_typed(name: str, values: Array) -> Any:
    """The tensor in int32_data: packed bytes of 2- and 4-bit elements, else an element each."""
    tensor = numpy_helper.from_array(values, "w")
    packed = name in INTEGERS or name == "float4_e2m1fn"
    data = list(tensor.raw_data) if packed else values.view(np.uint8).tolist()
    return TensorProto(name="w", data_type=ALL[name], dims=values.shape, int32_data=data)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("count", [7, 16])
@pytest.mark.parametrize("place", ["raw", "typed", "external"])
def test_tensors_of_a_model_are_unpacked(name: str, count: int, place: str, tmp_path: Path) -> None:
    values = np.resize(all_values(name)[::-1], count)
    tensor = as_typed(name, values) if place == "typed" else numpy_helper.from_array(values, "w")
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [count])
    model = make_model([helper.make_node("Cast", ["w"], ["y"], to=TensorProto.FLOAT)], [], [y], [tensor])
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=place == "external", size_threshold=0, location="w.bin")
    np.testing.assert_array_equal(run(path), values.astype(np.float32))


def test_packed_data_of_a_wrong_size_is_an_error() -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.INT4, dims=[5], raw_data=b"\x21\x43")
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [5])
    model = make_model([helper.make_node("Cast", ["w"], ["y"], to=TensorProto.FLOAT)], [], [y], [tensor])
    with pytest.raises(thorong.Error, match="needs 3 bytes, but its raw data has 2"):
        run(model)


@pytest.mark.parametrize("name", ["int4", "float4_e2m1fn", "float8_e4m3fnuz"])
def test_outputs_are_files_of_raw_bytes(name: str, tmp_path: Path) -> None:
    """As np.save writes them: the reader says which format they are."""
    values = all_values(name)
    model = cast_model(ALL[name], TensorProto.FLOAT, len(values))
    model.graph.output.append(helper.make_tensor_value_info("z", ALL[name], [len(values)]))
    model.graph.node.append(helper.make_node("Identity", ["x"], ["z"]))
    thorong.run(model, chip="trainium2", inputs={"x": values}, auto_cast="none", out=str(tmp_path))
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy").view(np.uint8), values.view(np.uint8))
