# SPDX-License-Identifier: Apache-2.0
"""Reductions along free axes, and the normalisations made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import isa as nisa
from .._objects import DTYPES
from . import _elementwise as nl
from ._memory import tile_size
from ._tiles import NkiTensor, free_axes, is_tile, need_tile, new_tile, product, reduced_shape, stretch

_FP32 = DTYPES["float32"]


def _reduce(function: str, op: Any, x: Any, axis: Any, dtype: Any, keepdims: bool) -> NkiTensor:
    tile = need_tile(function, "x", x)
    axes = free_axes(function, tile, axis)
    result = new_tile(reduced_shape(tile, axes, keepdims), dtype if dtype is not None else tile.dtype)
    nisa.tensor_reduce(dst=result, op=op, data=tile, axis=axes, keepdims=keepdims)
    return result


def sum(x: Any, axis: Any, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """The sum along the last free axes.

    Args:
        x: a tile.
        axis: one axis or several; the last ones, not the partition axis.
        dtype: of the result; by default the tile's.
        keepdims: keeps the reduced axes with size one.
    """
    return _reduce("nl.sum", nl.add, x, axis, dtype, keepdims)


def prod(x: Any, axis: Any, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """The product along the last free axes; arguments as for sum."""
    return _reduce("nl.prod", nl.multiply, x, axis, dtype, keepdims)


def max(x: Any, axis: Any, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """The maximum along the last free axes; arguments as for sum."""
    return _reduce("nl.max", nl.maximum, x, axis, dtype, keepdims)


def min(x: Any, axis: Any, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """The minimum along the last free axes; arguments as for sum."""
    return _reduce("nl.min", nl.minimum, x, axis, dtype, keepdims)


def all(x: Any, axis: Any, dtype: Any = None) -> NkiTensor:
    """1 where all elements along the last free axes differ from 0, else 0."""
    tile = need_tile("nl.all", "x", x)
    kind = dtype if dtype is not None else tile.dtype
    return _reduce("nl.all", nl.minimum, nl.not_equal(tile, 0.0), axis, kind, False)


def mean(x: Any, axis: Any, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """The mean along the last free axes, summed in fp32; arguments as for sum."""
    tile = need_tile("nl.mean", "x", x)
    n = product([tile.shape[a] for a in free_axes("nl.mean", tile, axis)])
    total = _reduce("nl.mean", nl.add, tile, axis, _FP32, keepdims)
    return nl.multiply(total, 1.0 / n, dtype=dtype if dtype is not None else tile.dtype)


def var(x: Any, axis: Any, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """The variance along the last free axes, which stay with size one (as the vendor documents it)."""
    tile = need_tile("nl.var", "x", x)
    axes = free_axes("nl.var", tile, axis)
    kind = dtype if dtype is not None else tile.dtype
    if len(axes) == tile.ndim - 1:
        return _var_of_rows(tile, axes, kind)
    apart = nl.subtract(tile, stretch("nl.var", mean(tile, axes, _FP32, keepdims=True), tile.shape), dtype=_FP32)
    return mean(nl.square(apart), axes, kind, keepdims=True)


def _var_of_rows(tile: NkiTensor, axes: Sequence[int], kind: Any) -> NkiTensor:
    """By bn_stats over pieces of a row, and bn_aggr."""
    rows, n = tile.shape[0], product(tile.shape[1:])
    flat = tile if tile.ndim == 2 else (tile if tile.is_contiguous() else nl.copy(tile)).reshape((rows, n))
    step = tile_size.bn_stats_fmax
    pieces = (n + step - 1) // step
    stats, moments = new_tile([rows, 6 * pieces], _FP32), new_tile([rows, 2], _FP32)
    for i in range(pieces):
        part = flat[:, i * step : i * step + step if i + 1 < pieces else n]
        nisa.bn_stats(dst=stats[:, 6 * i : 6 * i + 6], data=part)
    nisa.bn_aggr(dst=moments, data=stats)
    result = new_tile(reduced_shape(tile, axes, True), kind)
    nisa.tensor_copy(dst=result, src=moments[:, 1:2].reshape(result.shape))
    return result


def softmax(x: Any, axis: Any = -1, dtype: Any = None) -> NkiTensor:
    """exp(x - max) / sum(exp(x - max)) along the last free axes."""
    tile = need_tile("nl.softmax", "x", x)
    axes = free_axes("nl.softmax", tile, axis)
    kind = dtype if dtype is not None else tile.dtype
    if len(axes) == tile.ndim - 1:
        return _softmax_of_rows(tile, axes, kind)
    lowered = nl.subtract(tile, stretch("nl.softmax", max(tile, axes, _FP32, keepdims=True), tile.shape), dtype=_FP32)
    powers = nl.exp(lowered)
    share = nl.reciprocal(sum(powers, axes, _FP32, keepdims=True))
    return nl.multiply(powers, stretch("nl.softmax", share, tile.shape), dtype=kind)


def _softmax_of_rows(tile: NkiTensor, axes: Sequence[int], kind: Any) -> NkiTensor:
    """The activation adds the negated maximum and sums in one pass."""
    rows = tile.shape[0]
    lowest, total, share = (new_tile([rows, 1], _FP32) for _ in range(3))
    powers, result = new_tile(tile.shape, _FP32), new_tile(tile.shape, kind)
    nisa.tensor_reduce(dst=lowest, op=nl.maximum, data=tile, axis=list(axes), negate=True)
    nisa.activation(dst=powers, op=nl.exp, data=tile, bias=lowest, reduce_op=nl.add, reduce_res=total, reduce_cmd=nisa.reduce_cmd.reset_reduce)
    nisa.reciprocal(dst=share, data=total)
    nisa.tensor_scalar(dst=result, data=powers, op0=nl.multiply, operand0=share)
    return result


def rms_norm(x: Any, w: Any, axis: Any, n: int, epsilon: float = 1e-06, dtype: Any = None, compute_dtype: Any = None) -> NkiTensor:
    """x / sqrt(sum(x * x) / n + epsilon) * w.

    Args:
        x: a tile.
        w: weights, of a shape that broadcasts to x's.
        axis: the last free axes.
        n: how many values the mean of squares is over.
        epsilon: keeps the root from zero.
        dtype: of the result; by default the tile's.
        compute_dtype: of what lies between; by default float32.
    """
    tile = need_tile("nl.rms_norm", "x", x)
    inner = compute_dtype if compute_dtype is not None else _FP32
    kind = dtype if dtype is not None else tile.dtype
    squares = sum(nl.square(tile, dtype=inner), axis, _FP32, keepdims=True)
    scale = new_tile(squares.shape, _FP32)
    nisa.activation(dst=scale, op=nl.rsqrt, data=squares, scale=1.0 / n, bias=float(epsilon))
    normal = nl.multiply(tile, stretch("nl.rms_norm", scale, tile.shape), dtype=inner)
    weights = stretch("nl.rms_norm", w, tile.shape) if is_tile(w) else w
    return nl.multiply(normal, weights, dtype=kind)


__all__ = ["all", "max", "mean", "min", "prod", "rms_norm", "softmax", "sum", "var"]
