# SPDX-License-Identifier: Apache-2.0
"""Functions of nki.language against NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from kernels import normal, on_tiles

import thorong
import thorong.nki as nki
import thorong.nki.language as nl

TRN3 = {"platform_target": "trn3"}
_erf = np.vectorize(math.erf)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _phi(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + _erf(x / math.sqrt(2)))


def _gate_dx(x: np.ndarray, slope: float) -> np.ndarray:
    s = _sigmoid(slope * x)
    return s * (1 + slope * x * (1 - s))


UNARY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "abs": np.abs, "arctan": np.arctan, "ceil": np.ceil, "copy": np.copy, "cos": np.cos, "erf": _erf,
    "erf_dx": lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x), "exp": np.exp, "floor": np.floor, "gelu": lambda x: x * _phi(x),
    "gelu_apprx_sigmoid": lambda x: x * _sigmoid(1.702 * x), "gelu_apprx_sigmoid_dx": lambda x: _gate_dx(x, 1.702),
    "gelu_apprx_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_dx": lambda x: _phi(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))), "negative": np.negative, "relu": lambda x: np.maximum(x, 0),
    "sigmoid": _sigmoid, "sign": np.sign, "silu": lambda x: x * _sigmoid(x), "silu_dx": lambda x: _gate_dx(x, 1.0), "sin": np.sin,
    "softplus": lambda x: np.log1p(np.exp(x)), "square": np.square, "tan": np.tan, "tanh": np.tanh, "trunc": np.trunc,
}  # fmt: skip
POSITIVE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": np.log, "reciprocal": np.reciprocal, "rsqrt": lambda x: 1 / np.sqrt(x), "sqrt": np.sqrt,
}  # fmt: skip
BINARY: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "add": np.add, "divide": np.divide, "equal": np.equal, "fmod": np.fmod, "greater": np.greater,
    "greater_equal": np.greater_equal, "less": np.less, "less_equal": np.less_equal, "logical_and": np.logical_and,
    "logical_or": np.logical_or, "logical_xor": np.logical_xor, "maximum": np.maximum, "minimum": np.minimum, "mod": np.mod,
    "multiply": np.multiply, "not_equal": np.not_equal, "subtract": np.subtract,
}  # fmt: skip
BITS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor, "left_shift": np.left_shift,
    "right_shift": lambda x, y: (x.astype(np.uint32) >> y.astype(np.uint32)).astype(np.int32),
}  # fmt: skip


@pytest.mark.parametrize("name", [*UNARY, *POSITIVE])
def test_function_of_one_tile(name: str) -> None:
    """Values within a few fp32 roundings of NumPy's in double."""
    x = np.exp(normal(64, 48)) if name in POSITIVE else normal(64, 48) * (0.4 if name == "tan" else 3)
    expected = (UNARY | POSITIVE)[name](x.astype(np.float64))
    np.testing.assert_allclose(on_tiles(getattr(nl, name), x), expected, rtol=1e-5 if name == "tan" else 3e-6, atol=2e-6)


@pytest.mark.parametrize("name", BINARY)
def test_function_of_two_tiles(name: str) -> None:
    """Two tiles, a tile and a column, a tile and a number on each side."""
    x, y = normal(32, 24), normal(32, 24, seed=1)
    y[:, ::3] = x[:, ::3]
    if name.startswith("logical"):
        x, y = np.round(x), np.round(y)
    column = y[:, :1].copy()
    function = getattr(nl, name)
    check = lambda found, expected: np.testing.assert_allclose(found, expected.astype(np.float64), rtol=1e-6)  # noqa: E731
    check(on_tiles(function, x, y), BINARY[name](x, y))
    check(on_tiles(function, x, column), BINARY[name](x, column))
    check(on_tiles(function, column, x), BINARY[name](column, x))
    check(on_tiles(lambda a: function(a, 0.75), x), BINARY[name](x, np.float32(0.75)))
    check(on_tiles(lambda a: function(0.75, a), x), BINARY[name](np.float32(0.75), x))


@pytest.mark.parametrize("name", BITS)
def test_function_of_bits(name: str) -> None:
    """Integers, bit by bit."""
    generator = np.random.default_rng(0)
    x = generator.integers(-(2**31), 2**31, (32, 16), dtype=np.int32)
    y = generator.integers(0, 31, (32, 16), dtype=np.int32)
    np.testing.assert_array_equal(on_tiles(getattr(nl, name), x, y), BITS[name](x, y))
    np.testing.assert_array_equal(on_tiles(lambda a: getattr(nl, name)(a, 5), x), BITS[name](x, np.full_like(x, 5)))


def test_invert_and_logical_not() -> None:
    """Complements of bits and of zeros and ones."""
    x = np.arange(-8, 8, dtype=np.int32).reshape(4, 4)
    np.testing.assert_array_equal(on_tiles(nl.invert, x), ~x)
    small = np.arange(16, dtype=np.uint8).reshape(4, 4)
    np.testing.assert_array_equal(on_tiles(nl.invert, small), ~small)
    flags = (normal(4, 8) > 0).astype(np.float32)
    np.testing.assert_array_equal(on_tiles(nl.logical_not, flags), 1 - flags)


def test_power_and_magnitudes() -> None:
    """power on positive bases; abs_max and abs_min keep signs and take the second of two equal ones."""
    x, y = np.exp(normal(16, 16)), normal(16, 16, seed=1)
    np.testing.assert_allclose(on_tiles(nl.power, x, y), np.power(x, y), rtol=1e-5)
    a, b = np.array([[-5.0, 1.0, 2.0]], np.float32), np.array([[3.0, -1.0, -4.0]], np.float32)
    np.testing.assert_array_equal(on_tiles(nl.abs_max, a, b, **TRN3), [[-5, -1, -4]])
    np.testing.assert_array_equal(on_tiles(nl.abs_min, a, b, **TRN3), [[3, -1, 2]])


def test_sine_holds_far_from_zero() -> None:
    """nl.sin and nl.cos reduce their argument; zero gives exactly zero and one."""
    x = np.concatenate([np.linspace(-300, 300, 126), [0.0, 0.0]]).astype(np.float32).reshape(8, 16)
    np.testing.assert_allclose(on_tiles(nl.sin, x), np.sin(x.astype(np.float64)), atol=4e-6)
    np.testing.assert_allclose(on_tiles(nl.cos, x), np.cos(x.astype(np.float64)), atol=4e-6)
    zero = np.zeros((2, 2), np.float32)
    np.testing.assert_array_equal(on_tiles(nl.sin, zero), zero)
    np.testing.assert_array_equal(on_tiles(nl.cos, zero), zero + 1)


def test_result_dtypes() -> None:
    """By default the wider of the tiles' dtypes; floats win over integers; dtype= decides."""
    half, single, whole = normal(4, 4, dtype=ml_dtypes.bfloat16), normal(4, 4), np.ones((4, 4), np.int32)
    assert on_tiles(nl.add, half, half).dtype == ml_dtypes.bfloat16
    assert on_tiles(nl.add, half, single).dtype == np.float32
    assert on_tiles(nl.add, half, half.astype(np.float16)).dtype == np.float32
    assert on_tiles(nl.add, whole, half).dtype == ml_dtypes.bfloat16
    assert on_tiles(nl.add, whole, whole.astype(np.int8)).dtype == np.int32
    assert on_tiles(lambda a, b: nl.equal(a, b, dtype=nl.uint8), single, single).dtype == np.uint8
    np.testing.assert_array_equal(on_tiles(lambda a: nl.exp(a, dtype=nl.bfloat16), single), np.exp(single).astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize(("name", "reference"), [("sum", np.sum), ("max", np.max), ("min", np.min), ("prod", np.prod), ("mean", np.mean)])
def test_reduction(name: str, reference: Callable[..., Any]) -> None:
    """Along the last axis, several axes, with and without kept dimensions."""
    x = normal(32, 6, 8)
    function = getattr(nl, name)
    check = lambda found, expected: np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)  # noqa: E731
    check(on_tiles(lambda a: function(a, axis=2), x), reference(x, axis=2))
    check(on_tiles(lambda a: function(a, axis=[1, 2]), x), reference(x, axis=(1, 2)).reshape(32, 1))
    check(on_tiles(lambda a: function(a, axis=(1, 2), keepdims=True), x), reference(x, axis=(1, 2), keepdims=True))
    check(on_tiles(lambda a: function(a, axis=-1), x[:, 0]), reference(x[:, 0], axis=-1, keepdims=True))


def test_variance_softmax_all_and_rms_norm() -> None:
    """What is made of reductions."""
    x = normal(32, 700) + 3
    np.testing.assert_allclose(on_tiles(lambda a: nl.var(a, axis=1), x), x.var(axis=1, keepdims=True), rtol=1e-4)
    cube = normal(16, 4, 8)
    np.testing.assert_allclose(on_tiles(lambda a: nl.var(a, axis=2), cube), cube.var(axis=2, keepdims=True), rtol=1e-4)

    def softmax(a: np.ndarray) -> np.ndarray:
        powers = np.exp(a - a.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    np.testing.assert_allclose(on_tiles(nl.softmax, x), softmax(x), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(on_tiles(lambda a: nl.softmax(a, axis=2), cube), softmax(cube), rtol=1e-5, atol=1e-7)
    flags = np.array([[1, 1, 2], [1, 0, 1]], np.float32)
    np.testing.assert_array_equal(on_tiles(lambda a: nl.all(a, axis=1), flags), [[1], [0]])
    w = normal(1, 700, seed=2)
    expected = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-6) * w
    np.testing.assert_allclose(on_tiles(lambda a, b: nl.rms_norm(a, b, axis=1, n=700), x, w), expected, rtol=2e-5)


def test_movement() -> None:
    """load, store, transpositions, matmul, broadcast_to, expand_dims."""
    x, y = normal(48, 32), normal(32, 64, seed=1)
    np.testing.assert_array_equal(on_tiles(nl.transpose, x), x.T)
    np.testing.assert_allclose(on_tiles(nl.matmul, x, y), x @ y, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(on_tiles(lambda a, b: nl.matmul(a, b, transpose_x=True), x.T.copy(), y), x @ y, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(on_tiles(lambda a: nl.broadcast_to(a, (128, 32)), x[:1]), np.broadcast_to(x[:1], (128, 32)))
    np.testing.assert_array_equal(on_tiles(lambda a: nl.broadcast_to(a, (48, 9)), x[:, :1]), np.broadcast_to(x[:, :1], (48, 9)))
    assert on_tiles(lambda a: nl.expand_dims(a, 1), x).shape == (48, 1, 32)
    row = np.arange(12, dtype=np.float32)
    np.testing.assert_array_equal(on_tiles(nl.copy, row), row[:, None])

    @nki.jit
    def transposed(a: Any) -> Any:
        result = nl.ndarray((a.shape[1], a.shape[0]), a.dtype, buffer=nl.shared_hbm)
        nl.store(result, nl.load_transpose2d(a))
        return result

    half = x.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(transposed(half), half.T)


def test_selection() -> None:
    """where with tiles and numbers; gather_flattened within a partition."""
    mask, x, y = (normal(16, 24) > 0).astype(np.float32), normal(16, 24, seed=1), normal(16, 24, seed=2)
    np.testing.assert_array_equal(on_tiles(nl.where, mask, x, y), np.where(mask > 0, x, y))
    np.testing.assert_array_equal(on_tiles(lambda m, a: nl.where(m, a, 2.5), mask, x), np.where(mask > 0, x, 2.5))
    np.testing.assert_array_equal(on_tiles(lambda m, a: nl.where(m, 2.5, a), mask, x), np.where(mask > 0, 2.5, x))
    index = np.random.default_rng(3).integers(0, 24, (16, 10)).astype(np.uint32)
    np.testing.assert_array_equal(on_tiles(nl.gather_flattened, x, index), np.take_along_axis(x, index.astype(np.int64), axis=1))


@pytest.mark.parametrize("buffer", ["sbuf", "psum", "hbm", "shared_hbm"])
def test_creation(buffer: str) -> None:
    """zeros, ones, full, zeros_like and empty_like in every memory."""

    @nki.jit
    def kernel(a: Any) -> Any:
        where = getattr(nl, buffer)
        made = [nl.zeros((4, 6), nl.float32, where), nl.ones((4, 6), nl.float32, where), nl.full((4, 6), 2.5, nl.float32, where)]
        made += [nl.zeros_like(made[1]), nl.empty_like(made[2])]
        assert made[3].buffer is nl.sbuf and made[4].buffer is made[2].buffer
        return tuple(made[:4])

    zeros, ones, full, like = kernel(np.zeros(1, np.float32))
    assert (zeros == 0).all() and (ones == 1).all() and (full == 2.5).all() and (like == 0).all()


def test_fill_of_large_hbm() -> None:
    """More rows and columns than one tile has."""
    result = nki.jit(lambda a: nl.full((3, 130, 4100), 7, nl.int32, nl.shared_hbm))(np.zeros(1, np.float32))
    assert result.shape == (3, 130, 4100) and (result == 7).all()


def test_constants(tmp_path: Any) -> None:
    """Arrays, files and identity matrices."""
    values = normal(5, 7)
    np.save(tmp_path / "values.npy", values)

    @nki.jit
    def kernel(a: Any) -> Any:
        assert nl.shared_constant(values).buffer is nl.private_hbm or nl.shared_constant(values).buffer is nl.shared_hbm
        return nl.shared_constant(values), nl.shared_constant(str(tmp_path / "values.npy")), nl.shared_identity_matrix(16), \
            nl.shared_identity_matrix(8, dtype=nl.bfloat16)  # fmt: skip

    first, second, small, half = kernel(np.zeros(1, np.float32))
    np.testing.assert_array_equal(first, values)
    np.testing.assert_array_equal(second, values)
    np.testing.assert_array_equal(small, np.eye(16, dtype=np.uint8))
    assert small.dtype == np.uint8 and half.dtype == ml_dtypes.bfloat16
    with pytest.raises(thorong.InvalidArgument, match="expected a NumPy array or the path"):
        nki.jit(lambda a: nl.shared_constant(5))(values)


@pytest.mark.parametrize("target", ["trn2", "trn3"])
def test_random_numbers(target: str) -> None:
    """Uniform in [0, 1); the same seed gives the same numbers; dropout zeroes at its rate."""

    @nki.jit(platform_target=target)
    def kernel(a: Any) -> Any:
        seed = nl.full((1, 1), 42, dtype=nl.int32)
        nl.random_seed(seed)
        first = nl.rand((128, 64), nl.float32)
        second = nl.rand((128, 64), nl.float32)
        nl.random_seed(seed)
        third = nl.rand((128, 64), nl.float32)
        return first, second, third, nl.dropout(nl.ones((128, 64), nl.float32), 0.25)

    first, second, third, dropped = kernel(np.zeros(1, np.float32))
    assert 0 <= first.min() and first.max() < 1 and abs(first.mean() - 0.5) < 0.02
    np.testing.assert_array_equal(first, third)
    assert (first != second).mean() > 0.99
    assert abs((dropped == 0).mean() - 0.25) < 0.03


def test_device_print(capsys: pytest.CaptureFixture[str]) -> None:
    """Values are there while the kernel runs."""
    on_tiles(lambda a: nl.device_print("x is", a) or a, np.full((1, 2), 3.5, np.float32))
    assert capsys.readouterr().out == "x is [[3.5 3.5]]\n"


def test_dtypes() -> None:
    """Names, sizes, equality with NumPy's."""
    assert nl.float32 == np.float32 and nl.bfloat16 == ml_dtypes.bfloat16 and nl.bool_ == np.bool_
    sizes = {"bool_": 1, "int8": 1, "uint16": 2, "float16": 2, "tfloat32": 4, "float8_e4m3": 1, "float8_e5m2": 1, "float8_e4m3fn": 1,
             "float8_e8m0fnu": 1, "float8_e5m2_x4": 4, "float8_e4m3fn_x4": 4, "float4_e2m1fn_x4": 2}  # fmt: skip
    assert {name: getattr(nl, name).itemsize for name in sizes} == sizes


WRONG: list[tuple[Callable[[Any], Any], str]] = [
    (lambda a: nl.add(1, 2), "nl.add: expected at least one tile, found 1 and 2"),
    (lambda a: nl.exp(3), "nl.exp: expected a tile for x, found 3"),
    (lambda a: nl.add(a, nl.zeros((4, 3), nl.float32)), "expected tiles whose sizes are equal or one"),
    (lambda a: nl.sum(a, axis=0), "expected the last free axes"),
    (lambda a: nl.broadcast_to(a, (4, 9)), r"expected a shape that broadcasts to \(4, 9\)"),
    (lambda a: nl.invert(a), "expected a tile of integers"),
    (lambda a: nl.matmul(a, a), "agree in the contracted dimension"),
    (lambda a: nl.transpose(a.reshape((4, 2, 3))), "expected a two-dimensional tile"),
    (lambda a: nl.gather_flattened(a, a, axis=1), "expected axis=0"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_call(call: Callable[[Any], Any], message: str) -> None:
    """What was expected, found, and the kernel's line."""
    with pytest.raises(thorong.InvalidArgument, match=message) as caught:
        on_tiles(call, normal(4, 6))
    assert caught.value.where.startswith(__file__ + ":")
