# SPDX-License-Identifier: Apache-2.0
"""Data movement, products and selection of nki.language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import isa as nisa
from .._objects import DTYPES, MemoryRegion
from . import _elementwise as nl
from ._tiles import NkiTensor, fail, is_tile, need_tile, new_tile, over_partitions, stretch

_FP32 = DTYPES["float32"]


def _on_chip(tile: NkiTensor) -> bool:
    return tile.buffer in (MemoryRegion.sbuf, MemoryRegion.psum)


def load(src: Any, dtype: Any = None) -> NkiTensor:
    """A tile on SBUF with the values of an HBM tensor, by DMA.

    Args:
        src: an HBM tensor; its first dimension goes along the partitions.
        dtype: of the result; by default the tensor's.
    """
    source = need_tile("nl.load", "src", src)
    if source.ndim == 1:
        source = source.expand_dim(1)
    result = new_tile(source.shape, dtype if dtype is not None else source.dtype)
    nisa.dma_copy(dst=result, src=source)
    return result


def store(dst: Any, value: Any) -> None:
    """Copies a tile to an HBM tensor by DMA.

    Args:
        dst: an HBM tensor.
        value: a tile of the same shape; one in PSUM goes through SBUF. A number fills dst.
    """
    target = need_tile("nl.store", "dst", dst)
    if not is_tile(value):
        fill_hbm(target, value)
        return
    if value.buffer is MemoryRegion.psum:
        value = nl.copy(value)
    nisa.dma_copy(dst=target, src=value)


def fill_hbm(target: NkiTensor, value: Any) -> None:
    """Writes one value to all of an HBM tensor: a tile of it is stored again and again."""
    shape = target.shape if target.ndim > 1 else (1, target.shape[0])
    whole = target if target.ndim > 1 else target.reshape(shape)
    while whole.ndim > 2 and whole.is_contiguous():
        whole = whole.reshape((whole.shape[0] * whole.shape[1], *whole.shape[2:]))
    if whole.ndim > 2:
        for i in range(whole.shape[0]):
            fill_hbm(whole[i], value)
        return
    rows, columns = whole.shape
    high, wide = min(rows, 128), min(columns, 4096)
    tile = new_tile((high, wide), target.dtype)
    nisa.memset(dst=tile, value=value)
    for r in range(0, rows, high):
        for c in range(0, columns, wide):
            h, w = min(high, rows - r), min(wide, columns - c)
            nisa.dma_copy(dst=whole[r : r + h, c : c + w], src=tile[0:h, 0:w])


def load_transpose2d(src: Any, dtype: Any = None) -> NkiTensor:
    """A tile on SBUF with the transposed values of a two-dimensional HBM tensor, by the DMA engine."""
    source = need_tile("nl.load_transpose2d", "src", src)
    if source.ndim != 2:
        raise fail("nl.load_transpose2d", "a two-dimensional tensor", f"shape {tuple(source.shape)}", "Reshape it first.")
    result = new_tile((source.shape[1], source.shape[0]), source.dtype)
    nisa.dma_transpose(dst=result, src=source)
    return result if dtype is None or dtype == source.dtype else nl.copy(result, dtype)


def transpose(x: Any, dtype: Any = None) -> NkiTensor:
    """A two-dimensional tile with partitions and free dimension exchanged, by the Tensor engine, in PSUM.

    Args:
        x: a tile in SBUF of at most 128 by 128.
        dtype: of the result; by default the tile's. Another one brings the result to SBUF.
    """
    tile = need_tile("nl.transpose", "x", x)
    if tile.ndim != 2:
        raise fail("nl.transpose", "a two-dimensional tile", f"shape {tuple(tile.shape)}", "Reshape it first.")
    result = new_tile((tile.shape[1], tile.shape[0]), tile.dtype, MemoryRegion.psum)
    nisa.nc_transpose(dst=result, data=tile, engine=nisa.engine.tensor)
    return result if dtype is None or dtype == tile.dtype else nl.copy(result, dtype)


def matmul(x: Any, y: Any, transpose_x: bool = False) -> NkiTensor:
    """x @ y as an fp32 tile in PSUM.

    Args:
        x: a tile in SBUF of at most 128 by 128.
        y: a tile in SBUF of at most 128 by 512.
        transpose_x: x lies with its contracted dimension along the partitions already; otherwise it is transposed first.
    """
    left, right = need_tile("nl.matmul", "x", x), need_tile("nl.matmul", "y", y)
    if left.ndim != 2 or right.ndim != 2 or left.shape[0 if transpose_x else 1] != right.shape[0]:
        raise fail("nl.matmul", "two-dimensional tiles that agree in the contracted dimension", f"{tuple(left.shape)} and {tuple(right.shape)}",
                   "Check transpose_x.")  # fmt: skip
    stationary = left if transpose_x else nl.copy(transpose(left))
    result = new_tile((stationary.shape[1], right.shape[1]), _FP32, MemoryRegion.psum)
    nisa.nc_matmul(dst=result, stationary=stationary, moving=right)
    return result


def broadcast_to(x: Any, shape: Sequence[int], dtype: Any = None) -> NkiTensor:
    """A tile of `shape` whose sizes of one are repeated.

    Args:
        x: a tile in SBUF or PSUM.
        shape: of the same rank; each size equals x's, or x's is one.
        dtype: of the result; by default the tile's.
    """
    tile = need_tile("nl.broadcast_to", "x", x)
    kind = dtype if dtype is not None else tile.dtype
    wanted = tuple(int(size) for size in shape)
    if tuple(tile.shape) == wanted:
        return tile if kind == tile.dtype else nl.copy(tile, kind)
    if wanted and len(wanted) == tile.ndim and tile.shape[0] == 1 and wanted[0] > 1:
        if tile.buffer is MemoryRegion.psum:
            tile = nl.copy(tile)
        tile = over_partitions(tile, wanted[0])
        if tuple(tile.shape) == wanted and kind == tile.dtype:
            return tile
    view = stretch("nl.broadcast_to", tile, wanted)
    result = new_tile(wanted, kind)
    nisa.tensor_copy(dst=result, src=view)
    return result


def expand_dims(x: Any, axis: int) -> NkiTensor:
    """A view with a new axis of size one at `axis`; nothing is copied."""
    tile = need_tile("nl.expand_dims", "x", x)
    return tile.expand_dim(int(axis) if axis >= 0 else int(axis) + tile.ndim + 1)


def where(condition: Any, x: Any, y: Any, dtype: Any = None) -> NkiTensor:
    """x where the condition is not 0, y elsewhere.

    Args:
        condition: a tile of zeros and ones.
        x, y: tiles of the condition's shape, or numbers.
        dtype: of the result; by default x's.
    """
    mask = need_tile("nl.where", "condition", condition)
    kind = dtype if dtype is not None else next((t.dtype for t in (x, y) if is_tile(t)), mask.dtype)
    result = new_tile(mask.shape, kind)
    bits = nl.not_equal(mask, 0, dtype=DTYPES["uint8"])
    if is_tile(y):
        nisa.tensor_copy(dst=result, src=stretch("nl.where", y, mask.shape))
    else:
        nisa.memset(dst=result, value=y)
    nisa.tensor_copy_predicated(dst=result, src=stretch("nl.where", x, mask.shape) if is_tile(x) else x, predicate=bits)
    return result


def gather_flattened(data: Any, indices: Any, axis: int = 0, dtype: Any = None) -> NkiTensor:
    """For each index the element of the same partition's row of data, its free dimensions taken as one.

    Args:
        data: a tile.
        indices: a tile of integers.
        axis: 0, the only one that the machine gathers within.
        dtype: of the result; by default data's.
    """
    tile, index = need_tile("nl.gather_flattened", "data", data), need_tile("nl.gather_flattened", "indices", indices)
    if axis != 0:
        raise fail("nl.gather_flattened", "axis=0", f"axis={axis}", "Indices select within a partition's row.")
    if index.dtype != "uint32":
        index = index.view(DTYPES["uint32"]) if index.dtype == "int32" else nl.copy(index, DTYPES["uint32"])
    result = new_tile(index.shape, dtype if dtype is not None else tile.dtype)
    nisa.nc_n_gather(dst=result, data=tile, indices=index)
    return result


def dropout(x: Any, rate: Any, dtype: Any = None) -> NkiTensor:
    """x with elements set to 0 at random.

    Args:
        x: a tile.
        rate: the probability of a zero: a number, or a tile of one element a partition.
        dtype: of the result; by default the tile's.
    """
    tile = need_tile("nl.dropout", "x", x)
    result = new_tile(tile.shape, dtype if dtype is not None else tile.dtype)
    nisa.dropout(dst=result, data=tile, prob=rate)
    return result


__all__ = [
    "broadcast_to", "dropout", "expand_dims", "gather_flattened", "load", "load_transpose2d", "matmul", "store", "transpose", "where",
]  # fmt: skip
