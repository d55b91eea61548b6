# SPDX-License-Identifier: Apache-2.0
"""Allocation: nl.ndarray with blocks of tiles, and the buffers of neuronxcc.nki.compiler that say where tiles lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import index as to_int
from typing import Any

import numpy as np

from ..._core import nki as core
from .._errors import NkiValidationError
from .._objects import DTYPES, MemoryRegion
from ._index import par_dim
from ._tensor import HBM, Blocks, Tensor, Zero, made_of, session

_BY_NAME = {str(dtype): dtype for dtype in DTYPES.values()}


def dtype_of(dtype: Any) -> Any:
    """A type of Python's, NumPy's or ml_dtypes' as a dtype of nki.language."""
    name = dtype if isinstance(dtype, str) else None
    if name is None:
        name = {bool: "bool", float: "float32", int: "int32"}.get(dtype) or getattr(dtype, "name", None) or getattr(dtype, "__name__", "")
    found = _BY_NAME.get("bool" if name == "bool_" else str(name))
    if found is None:
        raise NkiValidationError(f"expected a dtype of neuronxcc.nki.language, found {dtype!r}", core.caller())
    return found


class Placed:
    """A buffer with an allocation function of the kernel's own: (block indices, partitions, bytes in a partition) -> place."""

    def __init__(self, region: MemoryRegion, function: Callable[..., tuple[int, ...]] | None) -> None:
        self.region = region
        self.function = function

    def address(self, at: tuple[int, ...], partitions: int, row_bytes: int) -> tuple[int, int] | None:
        """First partition and byte in the partition."""
        if self.function is None:
            return None
        place = tuple(int(number) for number in self.function(idx=at, pdim_size=partitions, fdim_size=row_bytes))
        if self.region is MemoryRegion.sbuf:
            return place[0], place[1]
        bank, partition, byte = place
        run = core.current()
        return partition, bank * run.figures["psum_bank_bytes"] + byte


def _turns(at: tuple[int, ...], turns: Sequence[int], scale: int) -> int:
    """Where tile `at` lies among `turns` tiles that are used again and again."""
    result = 0
    for number, turn in zip(at, turns if turns else (1,) * len(at)):
        result = result * turn + number % turn
    return result * scale


class Memory:
    """neuronxcc.nki.compiler.sbuf and .psum: also buffers for nl.ndarray, placed by the compiler."""

    def __init__(self, region: MemoryRegion) -> None:
        self.region = region

    def alloc(self, func: Callable[..., tuple[int, ...]]) -> Placed:
        """Tiles where `func(idx, pdim_size, fdim_size)` says."""

        def place(idx: tuple[int, ...], pdim_size: int, fdim_size: int) -> tuple[int, ...]:
            try:
                return func(idx=idx, pdim_size=pdim_size, fdim_size=fdim_size)
            except TypeError:  # its parameters have other names
                return func(idx, pdim_size, fdim_size)

        return Placed(self.region, place)

    def auto_alloc(self) -> Placed:
        """Tiles where the allocator puts them."""
        return Placed(self.region, None)

    def mod_alloc(self, *, base_addr: int = 0, base_bank: int = 0, num_bank_tiles: Sequence[int] = (), base_partition: int = 0,
                  num_par_tiles: Sequence[int] = (), num_free_tiles: Sequence[int] = ()) -> Placed:
        """Tiles one after the other from a place on, used again after `num_*_tiles` of them."""

        def place(idx: tuple[int, ...], pdim_size: int, fdim_size: int) -> tuple[int, ...]:
            partition = base_partition + _turns(idx, num_par_tiles, pdim_size)
            byte = base_addr + _turns(idx, num_free_tiles, fdim_size)
            if self.region is MemoryRegion.sbuf:
                return partition, byte
            return base_bank + _turns(idx, num_bank_tiles, 1), partition, byte

        return Placed(self.region, place)


def region_of(buffer: Any) -> tuple[Any, Placed | None]:
    """The memory that a `buffer=` names, and how it places."""
    if buffer is None:
        return MemoryRegion.sbuf, None
    if isinstance(buffer, Placed):
        return buffer.region, buffer
    if isinstance(buffer, Memory):
        return buffer.region, None
    if isinstance(buffer, MemoryRegion):
        return buffer, None
    if isinstance(buffer, str):
        return MemoryRegion[{"hbm": "private_hbm"}.get(buffer, buffer)], None
    raise NkiValidationError(f"expected a buffer such as nl.sbuf, nl.psum or nl.shared_hbm, found {buffer!r}", core.caller())


def new_root(shape: Sequence[int], dtype: Any, region: Any, name: str = "", address: tuple[int, int] | None = None) -> Any:
    """A new tensor of the core."""
    return core.allocate([int(size) for size in shape] or [1], dtype, region, name, address)


def new_tile(shape: tuple[int, ...], dtype: Any, region: Any = MemoryRegion.sbuf, name: str = "", address: tuple[int, int] | None = None) -> Tensor:
    """A new tile."""
    root = new_root(shape, dtype, region, name, address)
    return Tensor(root, 0, tuple(shape), root.strides[: len(shape)], dtype, region)


def ndarray(shape: Any, dtype: Any, *, buffer: Any = None, name: str = "", zero: bool = False, **_: Any) -> Any:
    """nl.ndarray. Dimensions before nl.par_dim number separate tiles."""
    sizes = [shape] if isinstance(shape, (int, np.integer)) else list(shape)
    dtype = dtype_of(dtype)
    region, placed = region_of(buffer)
    at = next((n for n, size in enumerate(sizes) if isinstance(size, par_dim)), 0)
    plain = tuple(to_int(size) if not isinstance(size, par_dim) else int(size) for size in sizes)
    if region in HBM:
        return _in_hbm(plain, dtype, region, name)
    tile_shape = plain[at:]
    row_bytes = math.prod(tile_shape[1:]) * dtype.itemsize

    def make(number: tuple[int, ...]) -> Tensor:
        address = placed.address(number, tile_shape[0], row_bytes) if placed is not None else None
        if address is not None and region is MemoryRegion.psum:
            session().own_psum = True
        label = f"{name}[{', '.join(map(str, number))}]" if name and number else name
        tile = new_tile(tile_shape, dtype, region, label, address)
        if zero:
            tile.zero = Zero(tile)
        return tile

    if at == 0:
        return make(())
    return Blocks(plain[:at], tile_shape, dtype, region, make)


def _in_hbm(shape: tuple[int, ...], dtype: Any, region: Any, name: str) -> Tensor:
    """A tensor in HBM; a shared one is the same for all instances of a core."""
    state = session()
    if region is not MemoryRegion.shared_hbm:
        return made_of(new_root(shape, dtype, region, name))
    number, state.next_shared = state.next_shared, state.next_shared + 1
    if number == len(state.shared):
        state.shared.append(made_of(new_root(shape, dtype, region, name)))
    found = state.shared[number]
    if found.shape != shape or found.dtype != dtype:
        raise NkiValidationError(f"the instances of a grid must allocate the same tensors in nl.shared_hbm in the same order: expected {found!r}, "
                                 f"found {dtype}{list(shape)}", core.caller())
    return found
