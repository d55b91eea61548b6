# SPDX-License-Identifier: Apache-2.0
"""Masks: which elements of a tile an operation works on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._index import Affine, broadcast, caller


class Mask:
    """A conjunction of conditions `affine >= 0`, or any array of bools."""

    __array_ufunc__ = None

    def __init__(self, conditions: tuple[Affine, ...], array: np.ndarray | None = None) -> None:
        self.conditions = conditions
        self.array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all conditions together."""
        shape: tuple[int, ...] = () if self.array is None else self.array.shape
        for condition in self.conditions:
            shape = broadcast(shape, condition.shape)
        return shape

    def values(self, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """The mask as an array of bools."""
        shape = self.shape if shape is None else shape
        result = np.ones(shape, bool)
        for condition in self.conditions:
            result &= condition.values() >= 0
        if self.array is not None:
            result &= self.array
        return result

    def __and__(self, other: Any) -> Any:
        if isinstance(other, Mask):
            array = self.array if other.array is None else other.array if self.array is None else self.array & other.array
            return Mask(self.conditions + other.conditions, array)
        if isinstance(other, (bool, np.bool_, int)):
            return self if other else False
        return NotImplemented

    __rand__ = __and__

    def __or__(self, other: Any) -> Any:
        if isinstance(other, Mask):
            shape = broadcast(self.shape, other.shape)
            return Mask((), self.values(shape) | other.values(shape))
        if isinstance(other, (bool, np.bool_, int)):
            return True if other else self
        return NotImplemented

    __ror__ = __or__

    def __invert__(self) -> Mask:
        return Mask((), ~self.values())

    def __bool__(self) -> bool:
        values = self.values()
        if values.all() or not values.any():
            return bool(values.flat[0])
        raise TypeError(f"{caller()}a mask of index tiles has no single truth value; combine masks with & and |, and pass them as mask=")

    def __repr__(self) -> str:
        return f"<mask {self.shape} of {len(self.conditions)} conditions>"


Ranges = list[tuple[int, int]]


def rectangle(mask: Any, shape: tuple[int, ...]) -> tuple[Ranges | None, Mask | None]:
    """The smallest rectangle of `shape` outside of which the mask is false (None: nothing is left), and what of the mask
    is not said by it (None: nothing)."""
    whole: Ranges = [(0, size) for size in shape]
    if mask is None or mask is True:
        return whole, None
    if not isinstance(mask, Mask):
        return (whole if bool(mask) else None), None
    rank = len(shape)
    if len(mask.shape) > rank:
        raise ValueError(f"{caller()}a mask of shape {mask.shape} does not fit a tile of shape {shape}")
    ranges, rest = whole, []
    for condition in mask.conditions:
        steps = condition.widened(rank)
        axes = [axis for axis in range(rank) if steps[axis] != 0 and shape[axis] > 1]
        if len(axes) > 1:
            rest.append(condition)
            continue
        if not axes:
            if condition.start < 0:
                return None, None
            continue
        axis, step, start = axes[0], steps[axes[0]], condition.start
        low, high = ranges[axis]
        if step > 0:
            low = max(low, -(start // step))
        else:
            high = min(high, start // -step + 1)
        if low >= high:
            return None, None
        ranges[axis] = (low, high)
    return _drop_what_holds(ranges, rest, mask.array)


def _drop_what_holds(ranges: Ranges, rest: list[Affine], array: np.ndarray | None) -> tuple[Ranges | None, Mask | None]:
    kept = []
    for condition in rest:
        low = high = condition.start
        for step, (first, last) in zip(condition.widened(len(ranges)), ranges):
            low += min(step * first, step * (last - 1))
            high += max(step * first, step * (last - 1))
        if high < 0:
            return None, None
        if low < 0:
            kept.append(condition)
    if not kept and array is None:
        return ranges, None
    return ranges, Mask(tuple(kept), array)


def rectangles(mask: Mask, ranges: Ranges, shape: tuple[int, ...]) -> list[Ranges]:
    """A mask cut into rectangles: runs of true elements along the last dimension, equal runs of neighbouring rows together."""
    inside = mask.values(shape)[tuple(slice(low, high) for low, high in ranges)]
    found: list[Ranges] = []
    _cut(inside, [low for low, _ in ranges], [], found)
    return found


def _cut(inside: np.ndarray, origin: list[int], outer: Ranges, found: list[Ranges]) -> None:
    if inside.ndim == 1:
        edges = np.flatnonzero(np.diff(np.concatenate(([False], inside, [False])).astype(np.int8)))
        for low, high in zip(edges[::2], edges[1::2]):
            found.append([*outer, (origin[0] + int(low), origin[0] + int(high))])
        return
    start = 0
    for row in range(1, len(inside) + 1):
        if row == len(inside) or not np.array_equal(inside[row], inside[start]):
            if inside[start].any():
                _cut(inside[start], origin[1:], [*outer, (origin[0] + start, origin[0] + row)], found)
            start = row
