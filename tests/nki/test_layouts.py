# SPDX-License-Identifier: Apache-2.0
"""Elementwise instructions on tiles that lie in every way: dense, with gaps, short rows, in place, columns of the output's own
tile, other formats on either side; against NumPy and ml_dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import thorong.nki as nki
import thorong.nki.isa as nisa
import thorong.nki.language as nl

BF16 = ml_dtypes.bfloat16
F32 = np.float32
DTYPES = [F32, BF16, np.float16]


def on_tiles(body: Callable[..., Any], *arrays: np.ndarray, **options: Any) -> list[np.ndarray]:
    """Loads arrays to SBUF, calls body on the tiles and gives back all of them."""

    def kernel(*inputs: Any) -> Any:
        tiles, results = [], []
        for each in inputs:
            tiles.append(nl.ndarray(each.shape, each.dtype, buffer=nl.sbuf))
            nisa.dma_copy(dst=tiles[-1], src=each)
        body(*tiles)
        for tile in tiles:
            results.append(nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm))
            nisa.dma_copy(dst=results[-1], src=tile)
        return results

    return list(nki.Kernel(kernel, chip="trainium2", **options)(*arrays))


def floats(*shape: int, dtype: Any, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(found.astype(F32), expected.astype(found.dtype).astype(F32))


# What an operand is of a tile of 128 x 512 elements.
VIEWS: dict[str, Callable[[Any], Any]] = {
    "dense": lambda t: t,
    "half": lambda t: t[:, 100:356],
    "every second": lambda t: t[:, 0:512:2],
    "short": lambda t: t[:, 3:8],
    "one": lambda t: t[:, 7:8],
    "some partitions": lambda t: t[32:64, 0:40],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("out", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sum(view: str, dtype: Any, out: Any) -> None:
    """The rest of the destination is left as it was."""
    a, b, c = floats(128, 512, dtype=dtype), floats(128, 512, dtype=BF16, seed=1), floats(128, 512, dtype=out, seed=2)
    part = VIEWS[view]
    found = on_tiles(lambda x, y, z: nisa.tensor_tensor(part(z), part(x), part(y), op=nl.add), a, b, c)[2]
    expected = c.copy()
    part(expected)[...] = (part(a).astype(F32) + part(b).astype(F32)).astype(out)
    same(found, expected)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_two_operators_with_columns(view: str, dtype: Any) -> None:
    """One value a partition, and an immediate."""
    a, s, c = floats(128, 512, dtype=dtype), floats(128, 1, dtype=BF16, seed=1), floats(128, 512, dtype=dtype, seed=2)
    part = VIEWS[view]
    rows = slice(32, 64) if view == "some partitions" else slice(0, 128)
    found = on_tiles(
        lambda x, y, z: nisa.tensor_scalar(part(z), part(x), op0=nl.multiply, operand0=y[rows, :], op1=nl.subtract, operand1=0.5, reverse1=True), a, s, c
    )[2]
    expected = c.copy()
    part(expected)[...] = (F32(0.5) - part(a).astype(F32) * s[rows].astype(F32)).astype(dtype)
    same(found, expected)


@pytest.mark.parametrize("dtype", [F32, BF16])
@pytest.mark.parametrize("n", [1, 5, 512, 3000])
def test_a_column_of_the_output_itself(n: int, dtype: Any) -> None:
    """The column is read before its row is written."""
    a = floats(128, n, dtype=dtype)
    found = on_tiles(lambda x: nisa.tensor_scalar(x, x, op0=nl.add, operand0=x[:, 0:1], op1=nl.multiply, operand1=3.0), a)[0]
    same(found, ((a.astype(F32) + a[:, :1].astype(F32)) * F32(3)).astype(dtype))


@pytest.mark.parametrize("dtype", [F32, BF16])
@pytest.mark.parametrize("shift", [-40, -1, 1, 40])
def test_input_and_output_overlap(shift: int, dtype: Any) -> None:
    """All of a row is read before it is written."""
    a = floats(128, 512, dtype=dtype)
    source, target = slice(50, 450), slice(50 + shift, 450 + shift)
    found = on_tiles(lambda x: nisa.activation(x[:, target], op=nl.square, data=x[:, source]), a)[0]
    expected = a.copy()
    expected[:, target] = (a[:, source].astype(F32) ** 2).astype(dtype)
    same(found, expected)


@pytest.mark.parametrize("view", VIEWS)
def test_bfloat16_exponentials_are_those_of_fp32_rounded(view: str) -> None:
    """The short way to a bfloat16 result gives its bits."""
    a, c = (8 * floats(128, 512, dtype=F32)).astype(BF16), np.zeros((128, 512), BF16)
    part = VIEWS[view]

    def body(x: Any, wide: Any, narrow: Any) -> None:
        nisa.activation(part(wide), op=nl.exp, data=part(x), scale=0.7)
        nisa.activation(part(narrow), op=nl.exp, data=part(x), scale=0.7)

    _, wide, narrow = on_tiles(body, a, c.astype(F32), c)
    same(narrow, wide.astype(BF16))
    np.testing.assert_allclose(part(wide), np.exp(part(a).astype(np.float64) * np.float64(F32(0.7))), rtol=1e-5)


@pytest.mark.parametrize("dtype", [F32, BF16])
@pytest.mark.parametrize("view", ["dense", "half", "every second", "short"])
@pytest.mark.parametrize("op", ["add", "maximum"])
def test_sums_of_rows(op: str, view: str, dtype: Any) -> None:
    a, c = floats(128, 512, dtype=dtype), np.zeros((128, 1), F32)
    part = VIEWS[view]
    found = on_tiles(lambda x, z: nisa.tensor_reduce(z, op=getattr(nl, op), data=part(x), axis=1), a, c)[1]
    expected = getattr(np, op).reduce(part(a).astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_transposes_keep_bits() -> None:
    a = floats(128, 128, dtype=BF16)
    a[0, :2] = np.array([0xFF81, 0x7FA5], np.uint16).view(BF16)  # NaNs with payloads

    def body(x: Any, y: Any) -> None:
        turned = nl.ndarray((128, 128), nl.bfloat16, buffer=nl.psum)
        nisa.nc_transpose(turned, x)
        nisa.tensor_copy(y, turned)

    found = on_tiles(body, a, np.zeros_like(a))[1]
    np.testing.assert_array_equal(found.view(np.uint16), a.T.view(np.uint16))


def test_less_precise_rounding_is_an_option() -> None:
    """NKI_PRECISE_FP=0: narrow floats stay fp32 on chip."""
    a = np.full((128, 4), 1, BF16)
    tiny = np.full((128, 4), 2.0**-12, BF16)

    def body(x: Any, y: Any) -> None:
        nisa.tensor_tensor(y, x, y, op=nl.add)
        nisa.tensor_tensor(y, y, x, op=nl.subtract)

    assert np.all(on_tiles(body, a, tiny, precise=False)[1].astype(F32) == 2.0**-12)
    assert np.all(on_tiles(body, a, tiny)[1].astype(F32) == 0)
