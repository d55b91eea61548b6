# SPDX-License-Identifier: Apache-2.0
"""Tensors of the older interface: views by index tiles, results that are not yet placed, and blocks of tiles.

An operation of the older interface returns a new tile, and `dst[...] = nisa.op(...)` says where it goes. So what an operation
returns waits: if it is assigned, the instruction writes to the destination itself; whatever else the kernel does first makes it
a tile of its own. At most one waits at a time, so instructions keep their order.
"""

from __future__ import annotations

import contextvars
import math
import sys
from collections.abc import Callable
from operator import index as to_int
from typing import Any

import numpy as np

from ..._core import nki as core
from .. import _run
from .._errors import NkiOutOfRange, NkiValidationError
from .._objects import MemoryRegion
from ._index import Affine, Grid, broadcast, caller
from ._mask import Ranges

HBM = (MemoryRegion.private_hbm, MemoryRegion.shared_hbm)


class Session:
    """What one instance of a running kernel keeps."""

    def __init__(self) -> None:
        self.waiting: Tensor | None = None
        self.shared: list[Tensor] = []     # shared HBM tensors of the core, in the order of their allocation
        self.next_shared = 0
        self.loops: dict[Any, Any] = {}    # nl.loop_reduce
        self.seed: Any = None              # nl.random_seed
        self.constants: dict[Any, Any] = {}
        self.own_psum = False              # the kernel says itself where something lies in PSUM
        self.spread: list[Any] = []        # weak references to the rows in PSUM that were repeated over partitions


_session: contextvars.ContextVar[Session] = contextvars.ContextVar("nki_legacy_session")


def session() -> Session:
    """The running kernel's."""
    found = _session.get(None)
    if found is None:
        found = Session()
        _session.set(found)
    return found


def flush() -> None:
    """Executes the operation that waits for a destination, if there is one."""
    waiting = session().waiting
    if waiting is not None:
        waiting.settle()


class Waiting:
    """An operation without a destination: what to do with one, and where it may be."""

    __slots__ = ("accumulates", "any_dtype", "emit", "place", "regions")

    def __init__(self, emit: Callable[..., None], regions: tuple[Any, ...], any_dtype: bool, accumulates: bool) -> None:
        self.emit = emit
        self.regions = regions
        self.any_dtype = any_dtype      # the result may be written as the destination's dtype
        self.accumulates = accumulates  # emit takes accumulate=
        run = core.current()
        self.place = run.here() if run is not None else None

    def run(self, dst: Tensor, **options: Any) -> None:
        """Does it, on the kernel's line that asked for it."""
        run = core.current()
        if run is None:
            self.emit(dst, **options)
            return
        run.set_place(self.place)
        try:
            self.emit(dst, **options)
        finally:
            run.set_place(None)


class Tensor:
    """A tensor or a view of one. `steps` and `offset` count elements of the allocation that it lies in (`root`)."""

    __slots__ = ("_core", "beyond", "dtype", "indirect", "offset", "region", "root", "shape", "steps", "waiting", "zero")
    __array_ufunc__ = None

    def __init__(self, root: Any, offset: int, shape: tuple[int, ...], steps: tuple[int, ...], dtype: Any, region: Any) -> None:
        self.root = root
        self.offset = offset
        self.shape = shape
        self.steps = steps
        self.dtype = dtype
        self.region = region
        self.indirect: tuple[Tensor, int, int] | None = None  # index tile, dimension of root, its size
        self.beyond: list[tuple[Affine, int, int]] = []       # index tiles that leave their dimension unless a mask cuts them
        self.waiting: Waiting | None = None
        self.zero: Zero | None = None
        self._core: Any = None

    # ---- properties

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    @property
    def buffer(self) -> Any:
        """The memory."""
        return self.region

    @property
    def on_chip(self) -> bool:
        """In SBUF or PSUM."""
        return self.region not in HBM

    @property
    def name(self) -> str:
        """The label for reports."""
        return "" if self.root is None else self.root.name

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<tensor {self.dtype}{list(self.shape)} in {self.region.name}>"

    def __bool__(self) -> bool:
        return True

    __hash__ = object.__hash__

    # ---- waiting results

    def settle(self) -> Tensor:
        """Makes sure that the tensor exists."""
        waiting = self.waiting
        if waiting is not None:
            from ._allocate import new_root

            self.waiting = None
            state = session()
            if state.waiting is self:
                state.waiting = None
            self.root = new_root(self.shape, self.dtype, self.region)
            self.steps = self.root.strides[: len(self.shape)]
            waiting.run(self)
        return self

    def core(self) -> Any:
        """The core's tensor."""
        if self.waiting is not None:
            self.settle()
        if self.zero is not None:
            self.zero.fill()
        if self._core is None:
            self._core = self._make_core()
        return self._core

    def _make_core(self) -> Any:
        if self.beyond:
            dimension, low, high, size = self._first_beyond()
            raise NkiOutOfRange(f"the index reaches elements {low} to {high} of a dimension of {size} (dimension {dimension}). "
                                "Shorten it, or leave the rest out with mask=", core.caller())
        shape, steps = self.shape, self.steps
        if self.indirect is None and self.offset == 0 and self.root.shape == shape and self.root.strides == steps:
            return self.root
        if self.on_chip:
            row = self.root.strides[0]
            if not shape or (len(shape) == 1 and steps[0] % row == 0):
                shape, steps = (shape or (1,)) + (1,), (steps or (row,)) + (1,)
            if shape[0] == 1:
                steps = (row, *steps[1:])
        elif not shape:
            shape, steps = (1,), (1,)
        pattern = [[step, size] for step, size in zip(steps, shape)]
        if self.indirect is None:
            return self.root.ap(pattern, self.offset)
        tile, dimension, _ = self.indirect
        return self.root.ap(pattern, self.offset, vector_offset=tile.core(), indirect_dim=dimension)

    def _first_beyond(self) -> tuple[int, int, int, int]:
        tile, dimension, size = self.beyond[0]
        low, high = tile.bounds()
        return dimension, low, high, size

    # ---- views

    def __getitem__(self, key: Any) -> Tensor:
        if self.waiting is not None:
            self.settle()
        items = key if isinstance(key, tuple) else (key,)
        if self.on_chip and self.ndim == 1 and len(items) == 2 and not any(item is None or item is Ellipsis for item in items):
            # A column of a tile, tile[:, i], is a tile of one column too: (partitions, 1).
            return self._view(self.offset, (*self.shape, 1), (*self.steps, 1))[items]
        if any(isinstance(item, (Affine, Tensor)) for item in items):
            return self._by_tiles(expand(items, self.ndim))
        return self._by_slices(expand(items, self.ndim))

    def _view(self, offset: int, shape: tuple[int, ...], steps: tuple[int, ...]) -> Tensor:
        view = Tensor(self.root, offset, shape, steps, self.dtype, self.region)
        view.zero = self.zero
        view.indirect = self.indirect
        view.beyond = self.beyond
        return view

    def _by_slices(self, items: list[Any]) -> Tensor:
        offset, shape, steps, at = self.offset, [], [], 0
        outside: list[tuple[int, int, int, int]] = []  # result's dimension, first, step, this dimension
        for item in items:
            if item is None:
                shape.append(1)
                steps.append(1)
                continue
            size, step = self.shape[at], self.steps[at]
            first, count, stride = span(item, size, at, self)
            offset += first * step
            if count is not None and first + (count - 1) * stride >= size:
                outside.append((len(shape), first, stride, at))
            if count is not None or (self.on_chip and at == 0):
                shape.append(1 if count is None else count)
                steps.append(step * stride)
            at += 1
        shape += self.shape[at:]
        steps += self.steps[at:]
        if self.beyond or self.indirect:
            raise NkiValidationError("a view by index tiles that leave the tensor, or by an index tile of values, cannot be "
                                     "sliced again. Slice in the first index.", core.caller())
        view = self._view(offset, tuple(shape), tuple(steps))
        if outside:
            view.beyond = [(self._along(shape, *where), where[3], self.shape[where[3]]) for where in outside]
        return view

    @staticmethod
    def _along(shape: list[int], axis: int, first: int, step: int, _: int) -> Affine:
        """The index tile that a slice stands for."""
        return Affine(tuple(size if n == axis else 1 for n, size in enumerate(shape)), tuple(step if n == axis else 0 for n in range(len(shape))), first)

    def _by_tiles(self, items: list[Any]) -> Tensor:
        if None in [item if item is None else 0 for item in items]:
            raise IndexError(f"{caller()}None and index tiles cannot be mixed in one index; give the tiles the dimension: tile[:, None]")
        if len(items) < self.ndim:
            items = items + [slice(None)] * (self.ndim - len(items))
        if self.beyond or self.indirect:
            raise NkiValidationError("a view by index tiles that leave the tensor, or by an index tile of values, cannot be "
                                     "indexed again. Combine the indices in one.", core.caller())
        result: tuple[int, ...] = ()
        tiles: list[Any] = []
        free = [n for n, item in enumerate(items) if not is_number(item)]
        for n, item in enumerate(items):
            if isinstance(item, (Affine, Tensor)):
                tiles.append(item)
            else:
                first, count, stride = span(item, self.shape[n], n, self)
                if count is None:
                    tiles.append(Affine((), (), first))
                else:  # a slice takes the dimension of its place among the index tiles
                    rest = (1,) * (len(free) - 1 - free.index(n))
                    tiles.append(Affine((count, *rest), (stride, *(0 for _ in rest)), first))
            result = broadcast(result, tuple(tiles[-1].shape))
        return self._access(tiles, result)

    def _access(self, tiles: list[Any], shape: tuple[int, ...]) -> Tensor:
        offset, steps, beyond, indirect = self.offset, [0] * len(shape), [], None
        for n, tile in enumerate(tiles):
            if isinstance(tile, Tensor):
                if indirect is not None:
                    raise NkiValidationError("expected at most one index tile of values in an index, found two. Load twice.", core.caller())
                indirect = (tile, n, self.shape[n])
                continue
            offset += tile.start * self.steps[n]
            widened = tile.widened(len(shape))
            for axis, step in enumerate(widened):
                if step != 0:
                    if self.on_chip and (n == 0) != (axis == 0) and shape[axis] > 1:
                        raise NkiValidationError(f"on chip, partitions run along the first dimension of a tile and along that only; "
                                                 f"dimension {n} of {self!r} is indexed along dimension {axis}. "
                                                 "Transpose with nisa.nc_transpose or nl.load_transpose2d.", core.caller())
                    steps[axis] += step * self.steps[n]
            low, high = tile.bounds()
            if low < 0 or high >= self.shape[n]:
                beyond.append((tile, n, self.shape[n]))
        view = self._view(offset, shape, tuple(steps))
        view.indirect, view.beyond = indirect, beyond
        return view

    def part(self, ranges: Ranges) -> Tensor:
        """The rectangle of these ranges, dimension by dimension."""
        if len(ranges) != len(self.shape):
            raise NkiValidationError(f"a mask of {len(ranges)} dimensions does not fit {self!r}. Give the mask's index tiles the "
                                     "tile's dimensions.", core.caller())
        offset, shape = self.offset, []
        for (low, high), size, step in zip(ranges, self.shape, self.steps):
            first = 0 if size == 1 else low
            offset += first * step
            shape.append(1 if size == 1 else high - low)
        view = self._view(offset, tuple(shape), self.steps)
        view.beyond = [cut for cut in (_cut(item, ranges, self.shape) for item in self.beyond) if cut is not None]
        if self.indirect is not None:
            tile, dimension, size = self.indirect
            view.indirect = (tile.part(ranges[-tile.ndim:]), dimension, size)
        return view

    def permuted(self, order: list[int]) -> Tensor:
        """The dimensions in another order."""
        return self._view(self.offset, tuple(self.shape[i] for i in order), tuple(self.steps[i] for i in order))

    def broadcast_to(self, *shape: Any) -> Tensor:
        """The view with dimensions of one element repeated along the free dimensions."""
        self.settle()
        sizes = tuple(to_int(size) for size in (shape[0] if len(shape) == 1 and not is_number(shape[0]) else shape))
        old_shape, old_steps = self.shape, self.steps
        if len(old_shape) < len(sizes):
            if self.on_chip:  # the partitions stay first
                extra = (1,) * (len(sizes) - len(old_shape))
                old_shape, old_steps = old_shape[:1] + extra + old_shape[1:], old_steps[:1] + extra + old_steps[1:]
            else:
                extra = (1,) * (len(sizes) - len(old_shape))
                old_shape, old_steps = extra + old_shape, (0,) * len(extra) + old_steps
        steps = []
        for old, step, new in zip(old_shape, old_steps, sizes):
            if old not in (1, new) or len(old_shape) != len(sizes):
                raise NkiValidationError(f"broadcast_to: {self!r} does not become {sizes}: each dimension must be equal or 1.", core.caller())
            steps.append(step if old == new else 0)
        if self.on_chip and old_shape[0] != sizes[0]:
            from . import _ops

            return _ops.spread(self, sizes[0]).broadcast_to(sizes)
        return self._view(self.offset, sizes, tuple(steps))

    def reshape(self, *shape: Any, **named: Any) -> Tensor:
        """The same elements in another shape."""
        self.settle()
        sizes = named.get("shape", shape[0] if len(shape) == 1 and not is_number(shape[0]) else shape)
        return made_of(self.core().reshape([to_int(size) for size in sizes]))

    def expand_dims(self, axis: int) -> Tensor:
        """A new dimension of one element."""
        self.settle()
        at = axis + self.ndim + 1 if axis < 0 else axis
        return self._view(self.offset, (*self.shape[:at], 1, *self.shape[at:]), (*self.steps[:at], 1, *self.steps[at:]))

    def view(self, dtype: Any) -> Tensor:
        """The same bytes as another dtype."""
        self.settle()
        return made_of(self.core().view(dtype))

    def astype(self, dtype: Any) -> Tensor:
        """The values as another dtype."""
        from .language import copy

        return copy(self, dtype=dtype)

    def ap(self, *args: Any, **kwargs: Any) -> Tensor:
        """An access pattern of the whole allocation, as in nki.language."""
        self.settle()
        return made_of(self.core().ap(*args, **kwargs))

    def to_array(self) -> np.ndarray:
        """The values."""
        flush()
        return _run.to_array(self.core()).reshape(self.shape)

    # ---- assignment

    def __setitem__(self, key: Any, value: Any) -> None:
        from . import _ops

        references = sys.getrefcount(value)
        target = self if key is Ellipsis else self[key]
        _ops.assign(target, value, references)


def _operator(name: str, reverse: bool = False) -> Callable[[Any, Any], Any]:
    def apply(self: Any, other: Any) -> Any:
        if not isinstance(other, (Tensor, int, float, np.generic)):
            return NotImplemented
        from . import language

        function = getattr(language, name)
        return function(other, self) if reverse else function(self, other)

    return apply


def _in_place(name: str) -> Callable[[Any, Any], Any]:
    def apply(self: Any, other: Any) -> Any:
        from . import _ops

        return _ops.update(self, name, other)

    return apply


_BINARY = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power", "mod": "mod", "and": "bitwise_and",
           "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift"}  # fmt: skip
_COMPARE = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal"}
for _short, _long in _BINARY.items():
    setattr(Tensor, f"__{_short}__", _operator(_long))
    setattr(Tensor, f"__r{_short}__", _operator(_long, True))
    setattr(Tensor, f"__i{_short}__", _in_place(_long))
for _short, _long in _COMPARE.items():
    setattr(Tensor, f"__{_short}__", _operator(_long))
Tensor.__neg__ = lambda self: self * -1.0  # type: ignore[attr-defined]


class Zero:
    """A tile of zeros that nothing has read yet: the first matmul that covers it need not add to them."""

    def __init__(self, tile: Tensor) -> None:
        self.tile: Tensor | None = Tensor(tile.root, tile.offset, tile.shape, tile.steps, tile.dtype, tile.region)

    def fill(self) -> None:
        """Writes the zeros, if they are still needed."""
        tile, self.tile = self.tile, None
        if tile is not None:
            core.functions["memset"](tile.core(), 0)

    def covered_by(self, view: Tensor) -> bool:
        """True once, if `view` is the whole tile: then the zeros need not be written."""
        if self.tile is None or view.size != self.tile.size:
            return False
        self.tile = None
        return True


class Blocks:
    """Tiles numbered by the dimensions before the partition dimension: `nl.ndarray((4, nl.par_dim(128), 512))`."""

    __array_ufunc__ = None

    def __init__(self, sizes: tuple[int, ...], tile_shape: tuple[int, ...], dtype: Any, region: Any, make: Callable[[tuple[int, ...]], Tensor],
                 fixed: tuple[int, ...] = (), tiles: dict[tuple[int, ...], Tensor] | None = None) -> None:
        self.sizes = sizes          # of the blocks that are still to choose
        self.tile_shape = tile_shape
        self.dtype = dtype
        self.region = region
        self.make = make
        self.fixed = fixed          # chosen already
        self.tiles: dict[tuple[int, ...], Tensor] = {} if tiles is None else tiles

    @property
    def shape(self) -> tuple[int, ...]:
        """All dimensions."""
        return self.sizes + self.tile_shape

    ndim = property(lambda self: len(self.shape))
    buffer = property(lambda self: self.region)
    itemsize = property(lambda self: self.dtype.itemsize)
    on_chip = True

    def __len__(self) -> int:
        return self.sizes[0]

    def __repr__(self) -> str:
        return f"<{self.sizes} tiles {self.dtype}{list(self.tile_shape)} in {self.region.name}>"

    def tile(self, at: tuple[int, ...]) -> Tensor:
        """The tile of these numbers."""
        found = self.tiles.get(at)
        if found is None:
            found = self.tiles[at] = self.make(at)
        return found

    def _choose(self, key: Any) -> tuple[Any, list[Any]]:
        items = expand(key if isinstance(key, tuple) else (key,), self.ndim)
        chosen = list(self.fixed)
        for n, item in enumerate(items[: len(self.sizes)]):
            number = block_number(item, self.sizes[n])
            if number is None:
                raise NkiValidationError(f"dimension {n} of {self!r} numbers tiles and takes one number at a time, found {item!r}. "
                                         "Loop over it.", core.caller())
            chosen.append(number)
        left = self.sizes[len(items):]
        if left:
            return Blocks(left, self.tile_shape, self.dtype, self.region, self.make, tuple(chosen), self.tiles), []
        return self.tile(tuple(chosen)), items[len(self.sizes):]

    def __getitem__(self, key: Any) -> Any:
        tile, rest = self._choose(key)
        return tile[tuple(rest)] if rest else tile

    def __setitem__(self, key: Any, value: Any) -> None:
        from . import _ops

        references = sys.getrefcount(value)
        tile, rest = self._choose(key)
        if isinstance(tile, Tensor):
            _ops.assign(tile[tuple(rest)] if rest else tile, value, references)
            return
        for number in range(tile.sizes[0]):
            tile[number] = value[number] if isinstance(value, Blocks) else value


def block_number(item: Any, size: int) -> int | None:
    """A tile's number; None: not one number."""
    if isinstance(item, Affine) and math.prod(item.shape) == 1:
        item = item.start
    if isinstance(item, slice) and size == 1:
        return 0
    if not is_number(item):
        return None
    number = to_int(item)
    number += size if number < 0 else 0
    if not 0 <= number < size:
        raise NkiOutOfRange(f"expected a tile's number from 0 to {size - 1}, found {number}", core.caller())
    return number


def is_number(item: Any) -> bool:
    """An integer of Python's or NumPy's."""
    return isinstance(item, (int, np.integer)) or (hasattr(item, "__index__") and not isinstance(item, (Tensor, Affine)))


def expand(items: tuple[Any, ...], rank: int) -> list[Any]:
    """The index with `...` written out."""
    result: list[Any] = []
    given, rest = 0, -1  # where `...` stands
    for item in items:
        if item is Ellipsis:
            rest = len(result)
        elif isinstance(item, Grid):
            result += item
            given += len(item)
        else:
            result.append(item)
            given += item is not None
    if given > rank:
        raise IndexError(f"{caller()}expected at most {rank} indices, found {given}")
    if rest >= 0:
        result[rest:rest] = [slice(None)] * (rank - given)
    return result


def span(item: Any, size: int, dimension: int, tensor: Tensor) -> tuple[int, int | None, int]:
    """First element, number of elements (None: the dimension goes) and step of one item of an index."""
    if type(item) is core.ds:
        item = slice(to_int(item.start), to_int(item.start) + item.size)
    if type(item) is slice:
        start, stop, stride = item.start, item.stop, item.step
        if start is None and stop is None and stride is None:
            return 0, size, 1
        first = 0 if start is None else to_int(start)
        last = size if stop is None else to_int(stop)
        step = 1 if stride is None else to_int(stride)
        first, last = first + (size if first < 0 else 0), last + (size if last < 0 else 0)
        if step < 1 or not 0 <= first < last:
            raise NkiOutOfRange(f"expected a slice within 0 to {size} of dimension {dimension}, found {first}:{last}:{step} on {tensor!r}", core.caller())
        return first, (last - first + step - 1) // step, step
    if not is_number(item):
        raise TypeError(f"{caller()}a tensor is indexed by numbers, slices, nl.ds and index tiles, found {item!r}")
    number = to_int(item)
    number += size if number < 0 else 0
    if not 0 <= number < size:
        raise NkiOutOfRange(f"expected an index from 0 to {size - 1} in dimension {dimension}, found {number} on {tensor!r}", core.caller())
    return number, None, 1


def _cut(item: tuple[Affine, int, int], ranges: Ranges, shape: tuple[int, ...]) -> tuple[Affine, int, int] | None:
    tile, dimension, size = item
    sizes, start = [], tile.start
    for axis, step in enumerate(tile.widened(len(shape))):
        low, high = ranges[axis] if shape[axis] > 1 else (0, 1)
        start += step * low
        sizes.append(high - low)
    cut = Affine(tuple(sizes), tile.widened(len(shape)), start)
    low, high = cut.bounds()
    return None if low >= 0 and high < size else (cut, dimension, size)


def made_of(tensor: Any) -> Tensor:
    """A tensor of the core as one of ours."""
    return Tensor(tensor, 0, tensor.shape, tensor.strides, tensor.dtype, tensor.buffer)
