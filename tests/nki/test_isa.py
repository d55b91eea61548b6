# SPDX-License-Identifier: Apache-2.0
"""Every function of nki.isa against NumPy and ml_dtypes; the illegal calls that their checks must name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import thorong.nki as nki
import thorong.nki.isa as nisa
import thorong.nki.language as nl

RNG = np.random.default_rng(0)
BF16 = ml_dtypes.bfloat16


def run(body: Callable[..., Any], *arrays: np.ndarray, out: tuple[tuple[int, ...], Any], chip: str = "trainium2", grid: int = 1) -> Any:
    """Loads arrays to SBUF, calls body(dst, *tiles) and gives back dst."""

    def kernel(*inputs: Any) -> Any:
        tiles = []
        for each in inputs:
            tile = nl.ndarray(each.shape, each.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=tile, src=each)
            tiles.append(tile)
        dst = nl.ndarray(out[0], out[1], buffer=nl.sbuf)
        body(dst, *tiles)
        result = nl.ndarray(out[0], out[1], buffer=nl.shared_hbm)
        nisa.dma_copy(dst=result, src=dst)
        return result

    return nki.Kernel(kernel, (grid,) if grid > 1 else (), chip=chip)(*arrays)


def floats(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, BF16, np.float16])
@pytest.mark.parametrize("shape", [(128, 512), (128, 1), (64, 20), (1, 33)])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum", "minimum", "less", "equal"])
def test_tensor_tensor(name: str, shape: tuple[int, ...], dtype: Any) -> None:
    """Computed in fp32, rounded once."""
    a, b = floats(*shape, dtype=dtype), floats(*shape, dtype=dtype)
    found = run(lambda d, x, y: nisa.tensor_tensor(d, x, y, op=getattr(nl, name)), a, b, out=(shape, dtype))
    np.testing.assert_array_equal(found, getattr(np, name)(a.astype(np.float32), b.astype(np.float32)).astype(dtype))


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor", "add", "multiply", "subtract", "maximum"])
def test_integers_are_exact(name: str) -> None:
    """32-bit integers keep all bits, also where fp32 would not."""
    a = RNG.integers(-(2**31), 2**31, (128, 16)).astype(np.int32)
    b = RNG.integers(-(2**31), 2**31, (128, 16)).astype(np.int32)
    found = run(lambda d, x, y: nisa.tensor_tensor(d, x, y, op=getattr(nl, name)), a, b, out=(a.shape, np.int32))
    np.testing.assert_array_equal(found, getattr(np, name)(a, b))


@pytest.mark.parametrize("width", [1, 7, 300])
def test_tensor_scalar(width: int) -> None:
    """Two operators; numbers and columns; either reversed."""
    a, column = floats(128, width), floats(128, 1)
    found = run(
        lambda d, x, c: nisa.tensor_scalar(d, x, nl.subtract, c, reverse0=True, op1=nl.multiply, operand1=2.5), a, column,
        out=(a.shape, np.float32),
    )  # fmt: skip
    np.testing.assert_array_equal(found, (column - a) * np.float32(2.5))


def test_tensor_scalar_shifts_bits() -> None:
    """Logical shifts of unsigned integers, then a mask."""
    a = RNG.integers(0, 2**32, (32, 8)).astype(np.uint32)
    found = run(
        lambda d, x: nisa.tensor_scalar(d, x, nl.right_shift, 4, op1=nl.bitwise_and, operand1=0xFF0000FF), a, out=(a.shape, np.uint32)
    )
    np.testing.assert_array_equal(found, (a >> 4) & np.uint32(0xFF0000FF))


@pytest.mark.parametrize("width", [1, 9, 512])
@pytest.mark.parametrize("name", ["exp", "tanh", "square", "relu", "sigmoid", "gelu", "silu"])
def test_activation(name: str, width: int) -> None:
    """function(x * scale + bias) within a few ulp."""
    a, bias = floats(128, width), floats(128, 1)
    found = run(lambda d, x, b: nisa.activation(d, getattr(nl, name), x, bias=b, scale=0.5), a, bias, out=(a.shape, np.float32))
    x = a.astype(np.float64) * 0.5 + bias
    erf = np.vectorize(__import__("math").erf)
    exact = {
        "exp": np.exp, "tanh": np.tanh, "square": np.square, "relu": lambda v: np.maximum(v, 0),
        "sigmoid": lambda v: 1 / (1 + np.exp(-v)), "gelu": lambda v: v / 2 * (1 + erf(v / 2**0.5)),
        "silu": lambda v: v / (1 + np.exp(-v)),
    }[name](x)  # fmt: skip
    np.testing.assert_allclose(found, exact, rtol=3e-6, atol=3e-7)


def test_activation_accumulates() -> None:
    """The accumulators outlive an instruction: reset_reduce, reduce, and the sum of both."""
    a, b = floats(128, 64), floats(128, 32)

    def body(dst: Any, x: Any, y: Any) -> None:
        scratch = nl.ndarray((128, 64), nl.float32)
        nisa.activation(scratch, nl.copy, x, reduce_op=nl.add, reduce_cmd=nisa.reduce_cmd.reset_reduce)
        nisa.activation(scratch[:, 0:32], nl.copy, y, reduce_op=nl.add, reduce_res=dst, reduce_cmd=nisa.reduce_cmd.reduce)

    found = run(body, a, b, out=((128, 1), np.float32))
    np.testing.assert_allclose(found, a.sum(1, keepdims=True) + b.sum(1, keepdims=True), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [1, (1, 2), -1])
def test_tensor_reduce(axis: Any) -> None:
    """Over the last dimensions."""
    a = floats(128, 6, 10) if axis != 1 else floats(128, 60)
    expected = a.max(axis=axis)
    shape = (128, *(expected.shape[1:] or (1,)))
    found = run(lambda d, x: nisa.tensor_reduce(d, nl.maximum, x, axis=axis), a, out=(shape, np.float32))
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize("dtype", [np.float32, BF16, ml_dtypes.float8_e5m2])
def test_matmul_accumulates_over_tiles(dtype: Any) -> None:
    """accumulate=None overwrites first and adds afterwards."""
    a, b = floats(256, 128, dtype=dtype), floats(256, 512, dtype=dtype)

    def kernel(lhs: Any, rhs: Any) -> Any:
        total = nl.ndarray((128, 512), nl.float32, buffer=nl.psum)
        for k in range(2):
            left, right = nl.ndarray((128, 128), lhs.dtype), nl.ndarray((128, 512), rhs.dtype)
            nisa.dma_copy(left, lhs[k * 128 : (k + 1) * 128, :])
            nisa.dma_copy(right, rhs[k * 128 : (k + 1) * 128, :])
            nisa.nc_matmul(total, left, right)
        tile, out = nl.ndarray((128, 512), nl.float32), nl.ndarray((128, 512), nl.float32, buffer=nl.shared_hbm)
        nisa.tensor_copy(tile, total)
        nisa.dma_copy(out, tile)
        return out

    exact = a.astype(np.float64).T @ b.astype(np.float64)
    np.testing.assert_allclose(nki.jit(kernel)(a, b), exact, rtol=1e-4, atol=1e-3)


def test_matmul_after_zeros() -> None:
    """accumulate=None on zeros that no matmul wrote: what is not overwritten stays zero."""
    a, b = floats(128, 64, dtype=BF16), floats(128, 64, dtype=BF16)

    def body(dst: Any, left: Any, right: Any) -> None:
        total = nl.ndarray((64, 128), nl.float32, buffer=nl.psum)
        nisa.memset(total, 0)
        for _ in range(2):
            nisa.nc_matmul(total[:, 0:64], left, right)
        nisa.tensor_copy(dst, total)

    found = run(body, a, b, out=((64, 128), np.float32))
    np.testing.assert_allclose(found[:, :64], 2 * (a.astype(np.float64).T @ b.astype(np.float64)), rtol=1e-4, atol=1e-3)
    assert not found[:, 64:].any()


@pytest.mark.parametrize(("shape", "engine"), [((128, 128), "tensor"), ((20, 60), "tensor"), ((32, 32), "vector")])
@pytest.mark.parametrize("dtype", [np.float32, BF16])
def test_nc_transpose(shape: tuple[int, int], engine: str, dtype: Any) -> None:
    """Values pass unchanged."""
    a = floats(*shape, dtype=dtype)

    def body(dst: Any, x: Any) -> None:
        place = nl.psum if engine == "tensor" else nl.sbuf
        turned = nl.ndarray(shape[::-1], x.dtype, buffer=place)
        nisa.nc_transpose(turned, x, engine=nisa.engine[engine])
        nisa.tensor_copy(dst, turned)

    np.testing.assert_array_equal(run(body, a, out=(shape[::-1], dtype)), a.T)


@pytest.mark.parametrize("shape", [(128, 64), (2, 16, 24), (4, 3, 2, 32)])
def test_dma_transpose(shape: tuple[int, ...]) -> None:
    """(1, 0), (2, 1, 0), (3, 1, 2, 0)."""
    a = floats(*shape, dtype=BF16)
    axes = {2: (1, 0), 3: (2, 1, 0), 4: (3, 1, 2, 0)}[len(shape)]

    def kernel(source: Any) -> Any:
        turned = tuple(shape[i] for i in axes)
        tile, out = nl.ndarray(turned, source.dtype), nl.ndarray(turned, source.dtype, buffer=nl.shared_hbm)
        nisa.dma_transpose(tile, source, axes=axes)
        nisa.dma_copy(out, tile)
        return out

    np.testing.assert_array_equal(nki.jit(kernel)(a), a.transpose(axes))


def test_dma_gathers_and_scatters_rows() -> None:
    """vector_offset on either side; indices beyond the table are skipped or an error."""
    table, rows = floats(50, 16), np.array([[3], [49], [0], [7]], np.int32)

    def kernel(data: Any, index: Any, mode: Any = nisa.oob_mode.error) -> Any:
        places, tile = nl.ndarray((4, 1), nl.int32), nl.ndarray((4, 16), nl.float32)
        nisa.dma_copy(places, index)
        nisa.memset(tile, -1.0)
        nisa.dma_copy(tile, data.ap([[16, 4], [1, 16]], vector_offset=places, indirect_dim=0), oob_mode=mode)
        out = nl.ndarray((50, 16), nl.float32, buffer=nl.shared_hbm)
        zero = nl.ndarray((50, 16), nl.float32)
        nisa.memset(zero, 0.0)
        nisa.dma_copy(out, zero)
        nisa.dma_copy(out.ap([[16, 4], [1, 16]], vector_offset=places, indirect_dim=0), tile, oob_mode=mode)
        return out

    expected = np.zeros_like(table)
    expected[rows[:, 0]] = table[rows[:, 0]]
    np.testing.assert_array_equal(nki.jit(kernel)(table, rows), expected)
    beyond = np.array([[3], [50], [0], [7]], np.int32)
    expected[49] = 0
    np.testing.assert_array_equal(nki.jit(kernel)(table, beyond, mode=nisa.oob_mode.skip), expected)
    with pytest.raises(nki._errors.NkiFault, match=r"expected 0 to 49, found 50"):
        nki.jit(kernel)(table, beyond)


def test_dynamic_select_and_registers() -> None:
    """An index tile and a register choose the same batch."""
    a = floats(4, 128, 8)

    def kernel(data: Any, which: Any) -> Any:
        index, tile, other = nl.ndarray((1, 1), nl.int32), nl.ndarray((128, 8), nl.float32), nl.ndarray((128, 8), nl.float32)
        nisa.dma_copy(index, which)
        nisa.dma_copy(tile, data.select(0, index))
        register = nisa.register_alloc()
        nisa.register_load(register, index)
        nisa.dma_copy(other, data[register, :, :])
        nisa.tensor_tensor(tile, tile, other, op=nl.add)
        out = nl.ndarray((128, 8), nl.float32, buffer=nl.shared_hbm)
        nisa.dma_copy(out, tile)
        return out

    np.testing.assert_array_equal(nki.jit(kernel)(a, np.array([[2]], np.int32)), 2 * a[2])


@pytest.mark.parametrize("shape", [(128, 64), (4, 2048), (1, 8192), (512, 16), (8192,)])
def test_dma_copies_between_shapes(shape: tuple[int, ...]) -> None:
    """The same elements in the same order, however rows are cut."""
    a = floats(*shape)

    def kernel(source: Any) -> Any:
        tile, out = nl.ndarray((64, 128), nl.float32), nl.ndarray((64, 128), BF16, buffer=nl.shared_hbm)
        nisa.dma_copy(tile, source)
        nisa.dma_copy(out, tile)
        return out

    np.testing.assert_array_equal(nki.jit(kernel)(a), a.reshape(64, 128).astype(BF16))


def test_views_reinterpret_bytes() -> None:
    """float32 as uint8 and bfloat16 as uint16, written through either view."""
    a = floats(16, 8)
    found = run(lambda d, x: nisa.tensor_copy(d, x.view(nl.uint8)), a, out=((16, 32), np.uint8))
    np.testing.assert_array_equal(found, a.view(np.uint8))
    b = floats(16, 8, dtype=BF16)

    def body(dst: Any, x: Any) -> None:
        nisa.tensor_scalar(x.view(nl.uint16), x.view(nl.uint16), nl.bitwise_xor, 0x8000)
        nisa.tensor_copy(dst, x)

    np.testing.assert_array_equal(run(body, b, out=((16, 8), BF16)), -b)


def test_scan_is_a_recurrence() -> None:
    """tensor_tensor_scan with multiply and add."""
    a, b = floats(128, 50), floats(128, 50)
    found = run(lambda d, x, y: nisa.tensor_tensor_scan(d, x, y, 0.5, nl.multiply, nl.add), a, b, out=(a.shape, np.float32))
    state, expected = np.full(128, 0.5, np.float32), np.empty_like(a)
    for i in range(50):
        expected[:, i] = state = a[:, i] * state + b[:, i]
    np.testing.assert_array_equal(found, expected)


def test_masks_and_patterns() -> None:
    """iota, affine_select, range_select and tensor_copy_predicated make the same triangle."""
    a = floats(64, 64)
    lower = np.tril(np.ones((64, 64), bool))
    found = run(lambda d: nisa.iota(d, [[1, 64]], offset=5, channel_multiplier=64), out=((64, 64), np.int32))
    np.testing.assert_array_equal(found, 5 + np.arange(4096).reshape(64, 64))
    found = run(lambda d, x: nisa.affine_select(d, [[-1, 64]], 1, x, -9.0, cmp_op=nl.greater_equal), a, out=(a.shape, np.float32))
    np.testing.assert_array_equal(found, np.where(lower, a, np.float32(-9)))
    low, high = np.zeros((64, 1), np.float32), np.arange(64, dtype=np.float32)[:, None]
    found = run(lambda d, x, l, h: nisa.range_select(d, x, nl.greater_equal, nl.less_equal, l, h), a, low, high, out=(a.shape, np.float32))
    np.testing.assert_array_equal(found, np.where(lower, a, np.finfo(np.float32).min))

    def predicated(dst: Any, x: Any, p: Any) -> None:
        nisa.memset(dst, 1.0)
        nisa.tensor_copy_predicated(dst, x, p)

    found = run(predicated, a, lower.astype(np.uint8), out=(a.shape, np.float32))
    np.testing.assert_array_equal(found, np.where(lower, a, np.float32(1)))


def test_largest_values_and_their_places() -> None:
    """max8, nc_find_index8 and nc_match_replace8 agree with a sort."""
    a = floats(128, 100)
    order = np.argsort(-a, axis=1, kind="stable")[:, :8]
    best = np.take_along_axis(a, order, 1)
    np.testing.assert_array_equal(run(lambda d, x: nisa.max8(d, x), a, out=((128, 8), np.float32)), best)
    found = run(lambda d, x, v: nisa.nc_find_index8(d, x, v), a, best, out=((128, 8), np.uint32))
    np.testing.assert_array_equal(found, order)
    expected = a.copy()
    np.put_along_axis(expected, order, -1e9, 1)
    found = run(lambda d, x, v: nisa.nc_match_replace8(d, x, v, -1e9), a, best, out=(a.shape, np.float32))
    np.testing.assert_array_equal(found, expected)


def test_statistics() -> None:
    """bn_stats of pieces, then bn_aggr."""
    a = floats(128, 600)

    def body(dst: Any, x: Any) -> None:
        pieces = nl.ndarray((128, 12), nl.float32)
        for i in range(2):
            nisa.bn_stats(pieces[:, 6 * i : 6 * i + 6], x[:, 300 * i : 300 * i + 300])
        nisa.bn_aggr(dst, pieces)

    found = run(body, a, out=((128, 2), np.float32))
    np.testing.assert_allclose(found, np.stack([a.mean(1), a.var(1)], 1), rtol=1e-4, atol=1e-5)


def test_random_numbers_follow_their_seed() -> None:
    """The same seed gives the same numbers, another seed others; dropout drops about its share."""

    def draw(seed: int) -> np.ndarray:
        def body(dst: Any, s: Any) -> None:
            nisa.set_rng_seed(s)
            nisa.rng(dst)

        return run(body, np.array([[seed]], np.uint32), out=((128, 64), np.uint32))

    first = draw(1)
    np.testing.assert_array_equal(first, draw(1))
    assert (first != draw(2)).mean() > 0.99 and len(np.unique(first)) > 8180
    assert abs(np.unpackbits(first.view(np.uint8)).mean() - 0.5) < 0.01
    kept = run(lambda d, x: nisa.dropout(d, x, 0.25), np.ones((128, 64), np.float32), out=((128, 64), np.float32))
    assert abs(kept.mean() - 0.75) < 0.03


def mx_reference(a: np.ndarray, dtype: Any, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """The values that MX data stand for, and their biased scales, by the documented formula."""
    groups = a.astype(np.float64).reshape(a.shape[0] // 8, 8, a.shape[1] // 4, 4)
    exponent = np.floor(np.log2(np.abs(groups).max(axis=(1, 3)))) - (largest - 1)
    scale = 2.0 ** exponent[:, None, :, None]
    return ((groups / scale).astype(np.float32).astype(dtype).astype(np.float64) * scale).reshape(a.shape), exponent + 127


@pytest.mark.parametrize("scales", ["apart", "together", "brought"])
@pytest.mark.parametrize(("packed", "dtype", "largest"), [("float8_e4m3fn_x4", ml_dtypes.float8_e4m3fn, 8), ("float8_e5m2_x4", ml_dtypes.float8_e5m2, 15)])
def test_mx_quantization_and_product(packed: str, dtype: Any, largest: int, scales: str) -> None:
    """quantize_mx then nc_matmul_mx equals the product of the dequantized values. Scales may lie in one tile, four partitions apart; what
    lies between those of two quadrants need not be written."""
    a, b = floats(128, 4 * 64, dtype=BF16), floats(128, 4 * 96, dtype=BF16)

    def body(dst: Any, x: Any, y: Any) -> None:
        operands, one = [], nl.ndarray((128, 96), nl.uint8)
        for tile, n, first in ((x, 64, 0), (y, 96, 4)):
            data = nl.ndarray((128, n), getattr(nl, packed))
            scale = one[first:, 0:n] if scales == "together" else nl.ndarray((128, n), nl.uint8)
            nisa.quantize_mx(data, tile, scale)
            if scales == "brought":
                made, scale = scale, nl.ndarray((128, n), nl.uint8)
                for quadrant in range(0, 128, 32):
                    nisa.dma_copy(scale[quadrant : quadrant + 4, :], made[quadrant : quadrant + 4, :])
            operands.append((data, scale))
        (left, left_scale), (right, right_scale) = operands
        product = nl.ndarray((64, 96), nl.float32, buffer=nl.psum)
        nisa.nc_matmul_mx(product, left, right, left_scale, right_scale)
        nisa.tensor_copy(dst, product)

    found = run(body, a, b, out=((64, 96), np.float32), chip="trainium3")
    left, right = (mx_reference(v, dtype, largest)[0].reshape(128, -1, 4) for v in (a, b))
    np.testing.assert_allclose(found, np.einsum("kmq,knq->mn", left, right), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("left_out", [(96, 100), (67, 68)])
def test_mx_scales_that_nobody_wrote(left_out: tuple[int, int]) -> None:
    """A missing scale of any quadrant is found."""

    def body(dst: Any, x: Any) -> None:
        data, made, scale = nl.ndarray((128, 64), nl.float8_e4m3fn_x4), nl.ndarray((128, 64), nl.uint8), nl.ndarray((128, 64), nl.uint8)
        nisa.quantize_mx(data, x, made)
        for quadrant in range(0, 128, 32):
            rows = [p for p in range(quadrant, quadrant + 4) if p not in range(*left_out)]
            if rows:
                nisa.dma_copy(scale[rows[0] : rows[-1] + 1, :], made[rows[0] : rows[-1] + 1, :])
        product = nl.ndarray((64, 64), nl.float32, buffer=nl.psum)
        nisa.nc_matmul_mx(product, data, data, scale, made)
        nisa.tensor_copy(dst, product)

    with pytest.raises(nki._errors.NkiValidationError, match=r"nc_matmul_mx.*\[unwritten\]"):
        run(body, floats(128, 4 * 64, dtype=BF16), out=((64, 64), np.float32), chip="trainium3")


def test_two_cores_exchange_tiles() -> None:
    """LNC=2: sendrecv swaps, core_barrier orders, both halves of the shared output are there."""
    a = floats(2, 128, 32)

    def kernel(data: Any) -> Any:
        me, other = nl.program_id(0), 1 - nl.program_id(0)
        own, theirs = nl.ndarray((128, 32), nl.float32), nl.ndarray((128, 32), nl.float32)
        out = nl.ndarray((2, 128, 32), nl.float32, buffer=nl.shared_hbm)
        nisa.dma_copy(own, data[me, :, :])
        nisa.sendrecv(src=own, dst=theirs, send_to_rank=other, recv_from_rank=other, pipe_id=0)
        nisa.tensor_tensor(own, own, theirs, op=nl.subtract)
        nisa.dma_copy(out[me, :, :], own)
        nisa.core_barrier(out, (0, 1))
        return out

    for _ in range(3):
        found = nki.jit(kernel)[2](a)
        np.testing.assert_array_equal(found, np.stack([a[0] - a[1], a[1] - a[0]]))
    result = nki.run(nki.jit(kernel)[2], a)
    assert result.cores_used == 2 and result.device_s > 0


def test_cores_that_never_meet() -> None:
    """A barrier that one core leaves out is a fault of both, not a hang."""

    def kernel(data: Any) -> Any:
        if nl.program_id(0) == 0:
            nisa.core_barrier(data, (0, 1))
        return data

    with pytest.raises(nki._errors.NkiFault, match="the cores never meet"):
        nki.jit(kernel)[2](floats(4, 4))


BAD = {
    "too many partitions": (lambda: nl.ndarray((129, 4), nl.float32), "at most 128 partitions"),
    "shapes": (lambda: nisa.tensor_tensor(tile(), tile(8, 4), tile(), op=nl.add), "same number of partitions"),
    "elements": (lambda: nisa.tensor_copy(tile(16, 4), tile()), "same number of elements per partition"),
    "both in psum": (lambda: nisa.tensor_tensor(tile(), tile(space=nl.psum), tile(space=nl.psum), op=nl.add), "at most one of the two inputs in PSUM"),
    "matmul from hbm": (lambda: nisa.nc_matmul(tile(8, 8, nl.psum), hbm(), tile(16, 8)), "expected stationary in SBUF"),
    "matmul to sbuf": (lambda: nisa.nc_matmul(tile(8, 8), tile(16, 8), tile(16, 8)), "expected dst in PSUM"),
    "mixed widths": (lambda: nisa.nc_matmul(tile(8, 8, nl.psum), tile(16, 8), tile(16, 8, dtype=nl.bfloat16)), "both float32 or tfloat32"),
    "dma from psum": (lambda: nisa.dma_copy(tile(), tile(space=nl.psum)), "expected HBM or SBUF"),
    "bits of floats": (lambda: nisa.tensor_tensor(tile(), tile(), tile(), op=nl.bitwise_and), "bitwise operator expects integers"),
    "engine": (lambda: nisa.tensor_tensor(tile(), tile(), tile(), op=nl.add, engine=nisa.engine.scalar), "expected the engine vector or gpsimd"),
    "generation": (lambda: nisa.exponential(tile(), tile()), "needs NeuronCore-v4"),
    "partition axis": (lambda: nisa.tensor_reduce(tile(16, 1), nl.add, tile(), axis=0), "last free dimensions"),
    "slice": (lambda: tile()[:, 0:9], "expected a slice within 0 to 8"),
    "index": (lambda: hbm()[16, 0], "expected an index from 0 to 15"),
    "missing": (lambda: nisa.tensor_copy(tile()), "expected the argument 'src'"),
    "view": (lambda: tile(4, 3, dtype=nl.uint8).view(nl.float32), "cannot be taken as float32"),
    "reshape": (lambda: tile(4, 8)[:, 0:8:2].broadcast(0, 4), "partition dimension"),
}  # fmt: skip


def tile(partitions: int = 16, elements: int = 8, space: Any = nl.sbuf, dtype: Any = nl.float32) -> Any:
    made = nl.ndarray((partitions, elements), dtype, buffer=space)
    return made


def hbm() -> Any:
    return nl.ndarray((16, 8), nl.float32, buffer=nl.hbm)


@pytest.mark.parametrize("case", BAD)
def test_illegal_calls_are_refused(case: str) -> None:
    """An Error that is an AssertionError too, says what was expected, and names the kernel's line."""
    call, words = BAD[case]

    def kernel(data: Any) -> Any:
        call()
        return data

    with pytest.raises((AssertionError, IndexError)) as raised:
        nki.Kernel(kernel, chip="trainium2")(floats(2, 2))
    assert words in str(raised.value) and "test_isa.py:" in str(raised.value)


def test_arguments_of_wrong_kinds() -> None:
    """TypeError, as Python has it, with the parameter's name."""

    def call(function: Callable[[], Any]) -> Callable[[], Any]:
        def kernel(data: Any) -> Any:
            function()
            return data

        return lambda: nki.jit(kernel)(floats(2, 2))

    with pytest.raises(TypeError, match="no parameter is called 'into'"):
        call(lambda: nisa.tensor_copy(into=tile(), src=tile()))()
    with pytest.raises(TypeError, match="given twice"):
        call(lambda: nisa.tensor_copy(tile(), tile(), dst=tile()))()
    with pytest.raises(TypeError, match="src expects a tensor"):
        call(lambda: nisa.tensor_copy(tile(), object()))()
    with pytest.raises(AssertionError, match="op expects an operator"):
        call(lambda: nisa.tensor_tensor(tile(), tile(), tile(), op=3))()
    with pytest.raises(RuntimeError, match="expected to be called by a running kernel"):
        nisa.memset(None, 0)


def test_dtype_beside_a_destination_repeats_its_own() -> None:
    """As older code gives it; another one is refused."""

    @nki.jit
    def kernel(a: Any, dtype: Any) -> Any:
        tile, out = nl.load(a), nl.ndarray(a.shape, nl.bfloat16, buffer=nl.shared_hbm)
        result = nl.ndarray(a.shape, nl.bfloat16, buffer=nl.sbuf)
        nisa.tensor_copy(dst=result, src=tile, dtype=dtype)
        nisa.dma_copy(dst=out, src=result)
        return out

    a = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    for dtype in (nl.bfloat16, ml_dtypes.bfloat16, None):
        np.testing.assert_array_equal(kernel(a, dtype), a.astype(ml_dtypes.bfloat16))
    with pytest.warns(UserWarning, match="tensor_copy: dtype=nki.language.float32 has no effect beside dst"):
        np.testing.assert_array_equal(kernel(a, nl.float32), a.astype(ml_dtypes.bfloat16))


def test_all_functions_are_documented() -> None:
    """The 52 names of the release's reference, each with a signature and a sentence."""
    names = """dma_copy tensor_copy memset tensor_copy_predicated nc_matmul nc_matmul_mx nc_transpose dma_transpose tensor_tensor
        tensor_scalar tensor_reduce tensor_partition_reduce tensor_scalar_cumulative activation activation_reduce activate2 iota
        affine_select local_gather nc_n_gather bn_stats bn_aggr tensor_tensor_scan nc_stream_shuffle rng dropout set_rng_seed
        rand_set_state rand_get_state rand2 exponential reciprocal max8 sequence_bounds scalar_tensor_tensor tensor_scalar_reduce
        core_barrier dma_compute quantize_mx range_select select_reduce sendrecv register_alloc register_move register_load
        register_store nc_find_index8 nc_match_replace8 nonzero_with_count topk get_nc_version get_nc_sub_version""".split()
    assert len(names) == 52
    for name in names:
        assert getattr(nisa, name).__doc__, name
    assert nisa.activation.__text_signature__.startswith("(dst, op, data, bias=None, scale=1.0, reduce_op=None")
