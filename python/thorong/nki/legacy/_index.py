# SPDX-License-Identifier: Apache-2.0
"""Index tiles: nl.arange, nl.mgrid, and what arithmetic makes of them.

An index tile is affine: its element at (i0, i1, ...) is start + steps[0] * i0 + steps[1] * i1 + ... So an access made of index
tiles is an access pattern, however large it is. Comparisons of index tiles are masks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from operator import index as to_int
from typing import Any, cast

import numpy as np

from ..._core import nki as core


class Loop:
    """A run of a loop, and where it stands."""

    value = 0


class LoopIndex(int):
    """The index of a loop; it knows its loop, so that nl.loop_reduce can tell one run of the loop from the next."""

    loop: Loop

    def __new__(cls, value: int, loop: Loop) -> LoopIndex:
        """The number `value` in `loop`."""
        made = int.__new__(cls, value)
        made.loop = loop
        return made


def loop_range(start: Any, stop: Any = None, step: Any = 1, **_: Any) -> Any:
    """nl.affine_range, nl.sequential_range, nl.static_range."""
    first, last = (0, start) if stop is None else (start, stop)
    return _steps(range(to_int(first), to_int(last), to_int(step)))


_running = threading.local()


def running_loops() -> list[Loop]:
    """The loops that this thread is in, from the outermost."""
    if not hasattr(_running, "loops"):
        _running.loops = []
    return cast("list[Loop]", _running.loops)


def _steps(values: range) -> Iterator[LoopIndex]:
    loop, loops = Loop(), running_loops()
    loops.append(loop)
    try:
        for loop.value in values:
            yield LoopIndex(loop.value, loop)
    finally:
        loops.remove(loop)


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of two index tiles together."""
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    for x, y in zip(a, b):
        if x != y and x != 1 and y != 1:
            raise ValueError(f"{caller()}index tiles of shapes {a} and {b} do not go together: each dimension must be equal or 1")
    return tuple(max(x, y) for x, y in zip(a, b))


def caller() -> str:
    """The kernel's line, as the beginning of a message."""
    place = core.caller()
    return f"{place}: " if place else ""


class Affine:
    """An affine index tile."""

    __slots__ = ("shape", "start", "steps")
    __array_ufunc__ = None  # NumPy's numbers leave arithmetic to us

    def __init__(self, shape: tuple[int, ...], steps: tuple[int, ...], start: int = 0) -> None:
        self.shape = shape
        self.steps = steps
        self.start = start

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> Affine:
        """New dimensions: `[:, None]`."""
        items = key if isinstance(key, tuple) else (key,)
        shape: list[int] = []
        steps: list[int] = []
        at = 0
        for item in items:
            if item is None:
                shape.append(1)
                steps.append(0)
            elif isinstance(item, slice) and item == slice(None) and at < len(self.shape):
                shape.append(self.shape[at])
                steps.append(self.steps[at])
                at += 1
            else:
                raise IndexError(f"{caller()}an index tile is indexed by ':' and None only, found {item!r}")
        return Affine(tuple(shape) + self.shape[at:], tuple(steps) + self.steps[at:], self.start)

    def widened(self, rank: int) -> tuple[int, ...]:
        """The steps along the last `rank` dimensions of a result."""
        return (0,) * (rank - len(self.steps)) + self.steps

    def _combine(self, other: Any, sign: int) -> Any:
        if isinstance(other, Affine):
            shape = broadcast(self.shape, other.shape)
            mine, theirs = self.widened(len(shape)), other.widened(len(shape))
            return Affine(shape, tuple(a + sign * b for a, b in zip(mine, theirs)), self.start + sign * other.start)
        try:
            return Affine(self.shape, self.steps, self.start + sign * to_int(other))
        except TypeError:
            return NotImplemented

    def __add__(self, other: Any) -> Any:
        return self._combine(other, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._combine(other, -1)

    def __neg__(self) -> Affine:
        return self * -1

    def __rsub__(self, other: Any) -> Any:
        return (self * -1)._combine(other, 1)

    def __mul__(self, other: Any) -> Any:
        try:
            factor = to_int(other)
        except TypeError:
            if isinstance(other, Affine):
                raise TypeError(f"{caller()}a product of two index tiles is not affine, so the machine cannot address by it") from None
            return NotImplemented
        return Affine(self.shape, tuple(step * factor for step in self.steps), self.start * factor)

    __rmul__ = __mul__

    def _by_value(self, what: Callable[[np.ndarray], np.ndarray], name: str) -> Affine:
        values = what(self.values())
        made = from_values(values)
        if made is None:
            raise TypeError(f"{caller()}{name} of this index tile is not affine, so the machine cannot address by it; "
                            "give the quotient and the remainder dimensions of their own")
        return made

    def __floordiv__(self, other: Any) -> Any:
        return self._by_value(lambda v: v // to_int(other), "//")

    def __mod__(self, other: Any) -> Any:
        return self._by_value(lambda v: v % to_int(other), "%")

    def values(self, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """All values, as an array."""
        total = np.full((1,) * len(self.shape), self.start, np.int64)
        for axis, (size, step) in enumerate(zip(self.shape, self.steps)):
            line = [1] * len(self.shape)
            line[axis] = size
            total = total + (np.arange(size, dtype=np.int64) * step).reshape(line)
        total = np.broadcast_to(total, self.shape)
        return total if shape is None else np.broadcast_to(total, shape)

    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest value."""
        low = high = self.start
        for size, step in zip(self.shape, self.steps):
            if step < 0:
                low += step * (size - 1)
            else:
                high += step * (size - 1)
        return low, high

    # Comparisons are masks.
    def __lt__(self, other: Any) -> Any:
        return _at_least_zero(other - self - 1)

    def __le__(self, other: Any) -> Any:
        return _at_least_zero(other - self)

    def __gt__(self, other: Any) -> Any:
        return _at_least_zero(self - other - 1)

    def __ge__(self, other: Any) -> Any:
        return _at_least_zero(self - other)

    def __eq__(self, other: Any) -> Any:
        from ._mask import Mask

        return Mask((self - other, other - self))

    def __ne__(self, other: Any) -> Any:
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError(f"{caller()}an index tile has no truth value; use it in an index or a mask")

    def __repr__(self) -> str:
        return f"<index tile {self.shape}: {self.start} + {self.steps}>"


def _at_least_zero(difference: Any) -> Any:
    from ._mask import Mask

    return Mask((difference,))


def from_values(values: np.ndarray) -> Affine | None:
    """The affine tile with these values; None if there is none."""
    corner = values[(0,) * values.ndim]
    steps = []
    for axis, size in enumerate(values.shape):
        at = [0] * values.ndim
        at[axis] = min(1, size - 1)
        steps.append(int(values[tuple(at)] - corner))
    made = Affine(values.shape, tuple(steps), int(corner))
    return made if np.array_equal(made.values(), values) else None


def arange(*bounds: Any) -> Affine:
    """nl.arange(stop), nl.arange(start, stop), nl.arange(start, stop, step)."""
    values = range(*(to_int(bound) for bound in bounds))
    if not values:
        raise ValueError(f"{caller()}nl.arange: expected at least one element, found {values}")
    return Affine((len(values),), (values.step,), values.start)


class Grid(tuple):
    """What nl.mgrid gives: index tiles, also by the names p, x, y, z, w."""

    p = property(lambda self: self[0])
    x = property(lambda self: self[1])
    y = property(lambda self: self[2])
    z = property(lambda self: self[3])
    w = property(lambda self: self[4])


class _Grids:
    """nl.mgrid[0:128, 0:512]."""

    def __getitem__(self, key: Any) -> Grid:
        items = key if isinstance(key, tuple) else (key,)
        ranges = [range(to_int(i.start or 0), to_int(i.stop), to_int(1 if i.step is None else i.step)) for i in items]
        tiles = []
        for axis, values in enumerate(ranges):
            if not values:
                raise ValueError(f"{caller()}nl.mgrid: expected at least one element in dimension {axis}, found {values}")
            shape, steps = [1] * len(ranges), [0] * len(ranges)
            shape[axis], steps[axis] = len(values), values.step
            tiles.append(Affine(tuple(shape), tuple(steps), values.start))
        return Grid(tiles)


mgrid = _Grids()


class par_dim(int):
    """Marks the partition dimension of a shape; dimensions before it number separate tiles."""
