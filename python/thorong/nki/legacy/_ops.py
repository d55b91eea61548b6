# SPDX-License-Identifier: Apache-2.0
"""What operations share: masks, destinations, copies between memories."""

from __future__ import annotations

import math
import re
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._core import nki as core
from .._errors import NkiFault, NkiUnsupported, NkiValidationError
from .._objects import DTYPES, MemoryRegion
from ._allocate import new_tile
from ._index import Affine
from ._mask import Mask, Ranges, rectangle, rectangles
from ._tensor import Blocks, Tensor, Waiting, flush, session

SBUF, PSUM = MemoryRegion.sbuf, MemoryRegion.psum
ON_CHIP = (SBUF, PSUM)


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """An instruction of nki.isa."""
    function = core.functions.get(name)
    if function is None:
        raise NkiUnsupported(f"nki.isa.{name} is not there", core.caller())
    return function(*args, **kwargs)


def tensor(value: Any, what: str) -> Tensor:
    """An argument that must be a tensor; it exists afterwards."""
    if isinstance(value, Blocks) and math.prod(value.sizes) == 1:
        value = value[(0,) * len(value.sizes)]
    if not isinstance(value, Tensor):
        raise NkiValidationError(f"{what}: expected a tile, found {value!r}. Load it with nl.load.", core.caller())
    return value.settle()


def number(value: Any) -> Any:
    """A scalar of Python's."""
    return value.item() if isinstance(value, np.generic) else value


def stripped(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes other than one, behind the first."""
    return shape[:1] + tuple(size for size in shape[1:] if size != 1)


def fit(target: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """The view with dimensions of one element added or left out, so that its shape is `shape`; None: it has another."""
    if target.shape == shape:
        return target
    if target.beyond or target.indirect is not None:
        return None
    old = [(size, step) for size, step in zip(target.shape, target.steps) if size != 1]
    if [size for size, _ in old] != [size for size in shape if size != 1]:
        return None
    if target.on_chip and target.shape and shape and target.shape[0] != shape[0]:
        return None
    left = iter(old)
    steps = tuple(next(left)[1] if size != 1 else 1 for size in shape)
    view = Tensor(target.root, target.offset, shape, steps, target.dtype, target.region)
    view.zero = target.zero
    return view


def operation(emit: Callable[..., None], shape: tuple[int, ...], dtype: Any, inputs: tuple[Tensor, ...] = (), *, mask: Any = None,
              region: Any = SBUF, regions: tuple[Any, ...] = ON_CHIP, any_dtype: bool = True, accumulates: bool = False) -> Tensor:
    """The result of emit(dst, *inputs), as soon as somebody says where it goes (see _tensor)."""
    flush()

    def run(dst: Tensor, **options: Any) -> None:
        masked(lambda to, *views: emit(to, *views, **options), dst, inputs, mask)

    result = Tensor(None, 0, tuple(shape), (), dtype, region)
    result.waiting = Waiting(run, regions, any_dtype, accumulates)
    session().waiting = result
    return result


def masked(emit: Callable[..., None], dst: Tensor, inputs: tuple[Tensor, ...], mask: Any) -> None:
    """emit(dst, *inputs) where the mask is true."""
    if mask is None or mask is True:
        emit(dst, *inputs)
        return
    ranges, rest = rectangle(mask, dst.shape)
    if ranges is None:
        return
    whole = ranges == [(0, size) for size in dst.shape] and not dst.beyond and not any(view.beyond for view in inputs)
    if rest is None:
        if whole:
            emit(dst, *inputs)
        else:
            emit(dst.part(ranges), *(view.part(ranges) for view in inputs))
    elif dst.on_chip:
        result = new_tile(dst.shape, dst.dtype)
        emit(result if whole else result.part(ranges), *(inputs if whole else (view.part(ranges) for view in inputs)))
        predicate = mask_tile(rest, dst.shape)
        call("tensor_copy_predicated", dst.part(ranges).core(), result.part(ranges).core(), predicate.part(ranges).core())
    else:
        for part in rectangles(rest, ranges, dst.shape):
            emit(dst.part(part), *(view.part(part) for view in inputs))


_MOST_FREE = 4  # dimensions beside the partitions that one access pattern has


def _free_rank(view: Tensor) -> int:
    """Dimensions beside the first that remain when those that follow each other in memory are taken as one."""
    rank, before = 0, None
    for size, step in zip(view.shape[1:], view.steps[1:]):
        if size == 1:
            continue
        rank += before is None or before != step * size
        before = step
    return rank


def piecewise(emit: Callable[..., None]) -> Callable[..., None]:
    """An elementwise emit(dst, *inputs) that takes tiles of any number of dimensions: beyond what one instruction addresses it is
    issued for each element of the outermost free dimension."""

    def run(dst: Tensor, *inputs: Tensor) -> None:
        views = (dst, *inputs)
        if max(_free_rank(view) for view in views) <= _MOST_FREE or any(view.ndim != dst.ndim for view in views):
            emit(*views)
            return
        axis = next(n for n in range(1, dst.ndim) if dst.shape[n] > 1)
        for i in range(dst.shape[axis]):
            ranges = [(i, i + 1) if n == axis else (0, size) for n, size in enumerate(dst.shape)]
            run(*(view.part(ranges) for view in views))

    return run


def mask_tile(mask: Mask, shape: tuple[int, ...]) -> Tensor:
    """A mask as a tile of ones and zeros in SBUF."""
    return constant(mask.values(shape).astype(np.uint8), DTYPES["uint8"])


def constant(values: np.ndarray, dtype: Any) -> Tensor:
    """A constant array, loaded to SBUF once in a run of the kernel."""
    key = (values.shape, str(dtype), values.tobytes())
    known = session().constants.get(key)
    if known is None:
        flush()
        tile = new_tile(values.shape, dtype)
        call("dma_copy", tile.core(), in_hbm(values).core())
        known = session().constants[key] = tile
    return known


def in_hbm(values: np.ndarray, dtype: Any = None) -> Tensor:
    """A constant array in HBM."""
    from ._tensor import made_of

    values = np.ascontiguousarray(values if dtype is None else values.astype(np.dtype(str(dtype))))
    run = core.current()
    return made_of(run.wrap(values.reshape(-1).view(np.uint8).copy(), list(values.shape), values.dtype.name, "constant", False))


def to_sbuf(value: Tensor) -> Tensor:
    """The tile, or a copy of it, in SBUF."""
    if value.settle().region is not PSUM:
        return value
    tile = new_tile(value.shape, value.dtype)
    copy(tile, value)
    return tile


def spread(value: Tensor, partitions: int) -> Tensor:
    """A tile of one partition, repeated over several: a product with ones, as the vendor's compiler does it, or by DMA."""
    value = to_sbuf(value)
    if value.shape[0] != 1:
        raise NkiValidationError(f"expected a tile of one partition or of {partitions}, found {value!r}", core.caller())
    if _spreads_in_psum(value):
        tile = new_tile((partitions, *value.shape[1:]), value.dtype, PSUM)
        ones = constant(np.ones((1, partitions), dtype=np.float32), value.dtype)
        call("nc_matmul", tile.core(), ones.core(), value.core(), is_stationary_onezero=True, accumulate=False)
        session().spread.append(weakref.ref(tile.root))
        return tile
    tile = new_tile((partitions, *value.shape[1:]), value.dtype)
    pattern = [[0, partitions], *([step, size] for step, size in zip(value.steps[1:], value.shape[1:]))]
    call("dma_copy", tile.core(), value.root.ap(pattern, value.offset))
    return tile


def _spreads_in_psum(value: Tensor) -> bool:
    """Whether a product with ones gives a row's values as they are and a bank of PSUM holds them; rows that the kernel still has
    leave half of PSUM to others."""
    figures, state = core.current().figures, session()
    state.spread = [row for row in state.spread if row() is not None]
    fits = value.size * 4 <= figures["psum_bank_bytes"] and len(state.spread) < figures["psum_banks"] // 2
    return bool(fits and value.dtype == DTYPES["float32"] and not state.own_psum)


def broadcast_pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Two tiles of one shape: views that repeat dimensions of one element."""
    if a.ndim != b.ndim:
        rank = max(a.ndim, b.ndim)
        a, b = (t.broadcast_to((t.shape[:1] + (1,) * (rank - t.ndim) + t.shape[1:]) if t.ndim < rank else t.shape) for t in (a, b))
    shape = tuple(max(x, y) for x, y in zip(a.shape, b.shape))
    return a.broadcast_to(shape), b.broadcast_to(shape), shape


def copy(dst: Tensor, src: Tensor, engine: Any = None) -> None:
    """dst = src, by the engine that the memories allow. Destinations in HBM and sources there go by DMA."""
    fitted = fit(src, dst.shape)
    if fitted is None:
        smaller = fit(dst, src.shape)
        if smaller is not None:
            dst, fitted = smaller, src
        elif src.size == dst.size and (not dst.on_chip or not src.on_chip or src.shape[0] == dst.shape[0]):
            fitted = src
        else:
            fitted = src.broadcast_to(dst.shape)
    if dst.on_chip and fitted.on_chip:
        options = {} if engine is None else {"engine": engine}
        piecewise(lambda to, source: call("tensor_copy", to.core(), source.core(), **options))(dst, fitted)
    elif dst.on_chip and dst.region is PSUM:
        loaded = new_tile(dst.shape, dst.dtype)
        transfer(loaded, fitted)
        call("tensor_copy", dst.core(), loaded.core())
    else:
        transfer(dst, to_sbuf(fitted) if fitted.region is PSUM else fitted)


def transfer(dst: Tensor, src: Tensor, **options: Any) -> None:
    """dst = src by DMA. An index of values out of bounds is an IndexError in NumPy's words, as users of this interface
    expect; its cause names the line and what to do."""
    try:
        piecewise(lambda to, source: call("dma_copy", to.core(), source.core(), **options))(dst, src)
    except NkiFault as fault:
        found = re.search(r"an index is out of bounds: expected 0 to \d+, found (-?\d+)", str(fault))
        view = src if src.indirect is not None else dst
        if found is None or view.indirect is None:
            raise
        step = view.root.strides[view.indirect[1]]
        raise IndexError(f"index {int(found[1]) * step} is out of bounds for axis 0 with size {math.prod(view.root.shape)}") from fault


def fill(dst: Tensor, value: Any) -> None:
    """dst = a number everywhere."""
    value = number(value)
    if dst.on_chip:
        piecewise(lambda to: call("memset", to.core(), value))(dst)
        return
    run = core.current()
    most = run.figures["partitions"]
    rows = dst if dst.ndim > 1 else dst.broadcast_to((1, *dst.shape))
    for first in range(0, rows.shape[0], most):
        part = rows.part([(first, min(first + most, rows.shape[0])), *((0, size) for size in rows.shape[1:])])
        tile = new_tile(part.shape, dst.dtype)
        call("memset", tile.core(), value)
        call("dma_copy", part.core(), tile.core())


class _Count:
    """How many references a value has inside `x[...] = value` if nothing else holds it."""

    def __setitem__(self, key: Any, value: Any) -> None:
        self.count = sys.getrefcount(value)


_counter = _Count()
_counter[0] = object()
_UNHELD = _counter.count


def only_here(references: int) -> bool:
    """True if a waiting result of so many references is not kept in a variable of the kernel."""
    return references <= _UNHELD + 1  # the session holds it too


def direct(target: Tensor, value: Tensor) -> Tensor | None:
    """Where a waiting result can be written itself, in its own shape; None: it needs a tile of its own first."""
    waiting = value.waiting
    if waiting is None or session().waiting is not value or target.region not in waiting.regions:
        return None
    if not waiting.any_dtype and target.dtype != value.dtype:
        return None
    return fit(target, value.shape)


def assign(target: Tensor, value: Any, references: int) -> None:
    """target[...] = value."""
    if isinstance(value, Blocks):
        value = tensor(value, "an assignment")
    if not isinstance(value, Tensor):
        flush()
        if not isinstance(number(value), (int, float, bool)):
            raise NkiValidationError(f"expected a tile or a number to assign, found {value!r}", core.caller())
        _about_to_write(target)
        fill(target, value)
        return
    if same_view(target, value):
        return
    to = direct(target, value) if only_here(references) else None
    if to is None:
        value.settle()
        flush()
        _about_to_write(target)
        copy(target, value)
        return
    waiting, value.waiting = value.waiting, None
    session().waiting = None
    _about_to_write(to)
    waiting.run(to)
    value.root, value.offset, value.steps = to.root, to.offset, to.steps


def same_view(a: Tensor, b: Tensor) -> bool:
    """The same elements of the same allocation: `tile[...] += x` assigns what it has changed already."""
    return a.root is not None and a.root is b.root and a.offset == b.offset and a.shape == b.shape and a.steps == b.steps and not a.indirect


def _about_to_write(target: Tensor) -> None:
    if target.zero is not None and not target.zero.covered_by(target):
        target.zero.fill()


def update(target: Tensor, name: str, value: Any) -> Tensor:
    """target op= value, in place. A product that waits is accumulated by the tensor engine if the target is in PSUM."""
    from . import language

    target.settle()
    to = direct(target, value) if name == "add" and isinstance(value, Tensor) else None
    if to is None or not value.waiting.accumulates:
        assign(target, getattr(language, name)(target, value, dtype=target.dtype), _UNHELD)
        return target
    waiting, value.waiting = value.waiting, None
    session().waiting = None
    accumulate: bool | None = None  # unless nothing was written there before
    if to.zero is not None:
        if not to.zero.covered_by(to):
            to.zero.fill()
            accumulate = True
    waiting.run(to, accumulate=accumulate)
    return target


def affine_iota(dst: Tensor, expression: Affine) -> None:
    """dst = the values of an index tile."""
    steps = expression.widened(dst.ndim)
    pattern = [[step, size] for step, size in zip(steps[1:], dst.shape[1:])]
    call("iota", dst.core(), pattern or [[0, 1]], offset=expression.start, channel_multiplier=steps[0])


def whole(shape: tuple[int, ...]) -> Ranges:
    """Every element."""
    return [(0, size) for size in shape]
