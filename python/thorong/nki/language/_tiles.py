# SPDX-License-Identifier: Apache-2.0
"""What the functions of nki.language share: new tiles, result dtypes, broadcasting by views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..._core import nki as _core
from .. import isa as nisa
from .._errors import NkiValidationError
from .._objects import DTYPES, MemoryRegion

NkiTensor = _core.NkiTensor

# Floats from the narrowest to the widest; integers give way to them.
_FLOATS = {"float8_e4m3": 0, "float8_e4m3fn": 0, "float8_e5m2": 0, "bfloat16": 1, "float16": 1, "tfloat32": 2, "float32": 3}


def is_tile(value: Any) -> bool:
    """True for a tensor of NKI."""
    return isinstance(value, NkiTensor)


def fail(function: str, expected: str, found: str, advice: str) -> NkiValidationError:
    """The error of a function that was called wrongly; `raise` it."""
    return NkiValidationError(f"{function}: expected {expected}, found {found}. {advice}", _core.caller())


def need_tile(function: str, name: str, value: Any) -> NkiTensor:
    """The value, if it is a tensor."""
    if is_tile(value):
        return value
    raise fail(function, f"a tile for {name}", repr(value), "Load it with nl.load, or make one with nl.full.")


def new_tile(shape: Sequence[int], dtype: Any, buffer: Any = MemoryRegion.sbuf, name: str = "") -> NkiTensor:
    """A tile for a result."""
    return _core.allocate(list(shape), dtype, buffer, name, None)


def promote(x: Any, y: Any) -> Any:
    """The dtype of a result of two tiles."""
    if x == y:
        return x
    if x in _FLOATS and y in _FLOATS:
        wide, narrow = (x, y) if _FLOATS[x] > _FLOATS[y] else (y, x)
        return DTYPES["float32"] if _FLOATS[wide] == _FLOATS[narrow] and _FLOATS[wide] > 0 else wide
    if x in _FLOATS or y in _FLOATS:
        return x if x in _FLOATS else y
    if x.itemsize != y.itemsize:
        return x if x.itemsize > y.itemsize else y
    return DTYPES["int32"] if x.itemsize < 4 else x


def is_column(tile: NkiTensor) -> bool:
    """True for one element a partition."""
    return tile.size == tile.shape[0]


def over_partitions(tile: NkiTensor, partitions: int) -> NkiTensor:
    """A copy of a tile of one partition on many: a DMA reads the one row again and again."""
    free = [size for size in tile.shape[1:]]
    result = new_tile([partitions, *free], tile.dtype)
    pattern = [[0, partitions], *([step, size] for step, size in tile.get_pattern()[1:])]
    nisa.dma_copy(dst=result, src=tile.ap(pattern=pattern))
    return result


def stretch(function: str, tile: NkiTensor, shape: Sequence[int]) -> NkiTensor:
    """The tile as a view of `shape`: sizes of one are repeated; a single partition is copied to all."""
    if tuple(tile.shape) == tuple(shape):
        return tile
    sizes = list(tile.shape)
    if len(sizes) != len(shape) or any(a not in (1, b) for a, b in zip(sizes, shape)):
        raise fail(function, f"a shape that broadcasts to {tuple(shape)}", str(tuple(sizes)), "Sizes must be equal or one.")
    if sizes[0] != shape[0]:
        tile = over_partitions(tile, shape[0])
    for dim in range(1, len(shape)):
        if sizes[dim] != shape[dim]:
            tile = tile.broadcast(dim, shape[dim])
    return tile


def common_shape(function: str, x: NkiTensor, y: NkiTensor) -> list[int]:
    """The shape that both broadcast to."""
    a, b = list(x.shape), list(y.shape)
    if len(a) != len(b) or any(i != j and 1 not in (i, j) for i, j in zip(a, b)):
        raise fail(function, "tiles whose sizes are equal or one", f"{tuple(a)} and {tuple(b)}", "Reshape one of them.")
    return [max(i, j) for i, j in zip(a, b)]


def free_axes(function: str, tile: NkiTensor, axis: Any) -> list[int]:
    """Axes of a reduction: the last ones of the tile, in order."""
    axes = sorted(int(a) + tile.ndim if int(a) < 0 else int(a) for a in (axis if isinstance(axis, (list, tuple)) else [axis]))
    if not axes or axes[0] < 1 or axes != list(range(tile.ndim - len(axes), tile.ndim)):
        raise fail(function, f"the last free axes of a tile of shape {tuple(tile.shape)}", f"axis={axis}",
                   "The partition axis (0) is reduced by the tensor engine or by nisa.tensor_partition_reduce.")  # fmt: skip
    return axes


def reduced_shape(tile: NkiTensor, axes: Sequence[int], keepdims: bool) -> list[int]:
    """The shape after a reduction; on chip at least two-dimensional."""
    shape = [1 if dim in axes else size for dim, size in enumerate(tile.shape) if keepdims or dim not in axes]
    return shape if len(shape) > 1 else [*shape, 1]


def product(sizes: Sequence[int]) -> int:
    """The product of sizes."""
    result = 1
    for size in sizes:
        result *= size
    return result
