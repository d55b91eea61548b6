# SPDX-License-Identifier: Apache-2.0
"""The launch grid, loops and order of nki.language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..._core import nki as _core
from .. import _run
from ._tiles import fail


def program_id(axis: int = 0) -> int:
    """This core's place along an axis of the launch grid."""
    position = _run.grid().position
    return position[axis] if axis < len(position) else 0


def num_programs(axes: Any = 0) -> Any:
    """Cores along an axis of the launch grid, or along several."""
    shape = _run.grid().shape

    def size(axis: int) -> int:
        return shape[axis] if axis < len(shape) else 1

    return size(axes) if isinstance(axes, int) else tuple(size(axis) for axis in axes)


def program_ndim() -> int:
    """Axes of the launch grid; 0 without one."""
    return len(_run.grid().shape)


def static_range(start: int, stop: Any = None, step: int = 1) -> range:
    """Python's range: the loop is unrolled."""
    return range(int(start)) if stop is None else range(int(start), int(stop), int(step))


def affine_range(start: int, stop: Any = None, step: int = 1) -> range:
    """Python's range: the loop is unrolled."""
    return static_range(start, stop, step)


def sequential_range(start: int, stop: Any = None, step: int = 1) -> range:
    """Python's range: the loop is unrolled."""
    return static_range(start, stop, step)


def _counted(function: str, start: Any, stop: Any, step: Any) -> range:
    if isinstance(step, _core.VirtualRegister) or not isinstance(step, int) or step < 1:
        raise fail(function, "a positive integer for step", repr(step), "The loop instruction holds it as a constant.")
    if _ordered():
        raise fail(function, "a loop outside of nl.no_reorder", "one inside", "Put the no_reorder block into the loop's body.")
    return range(int(start), int(stop), step)


def dynamic_range(start: Any, stop: Any = None, step: int = 1) -> Iterator[Any]:
    """A loop that the core counts itself.

    Args:
        start, stop: integers or registers; start alone is the stop.
        step: a positive integer.

    Yields:
        The index, as a register that cannot be written.
    """
    first, last = (0, start) if stop is None else (start, stop)
    return _steps(first, last, _counted("nl.dynamic_range", first, last, step))


def _steps(first: Any, last: Any, values: range) -> Iterator[Any]:
    """The index register of each step; a branch begins each and ends the loop."""
    for value in values:
        index = _core.VirtualRegister(value, True)
        _core.branch([first, last], index, value)
        yield index
    _core.branch([first, last], None, 0)


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any], None], step: int = 1) -> None:
    """Calls body_fun with a register for each index from lower up to upper, which may be registers."""
    for index in _steps(lower, upper, _counted("nl.fori_loop", lower, upper, step)):
        body_fun(index)


def while_loop(init: Any, body_fun: Callable[[Any], Any]) -> None:
    """Calls body_fun with a register, then with the register that it returned, until that holds 0."""
    if _ordered():
        raise fail("nl.while_loop", "a loop outside of nl.no_reorder", "one inside", "Put the no_reorder block into the loop's body.")
    condition = init
    if not isinstance(condition, _core.VirtualRegister):
        condition = _core.VirtualRegister(int(condition))
    while condition:
        register = _core.VirtualRegister(int(condition))
        condition = body_fun(register)
        if not isinstance(condition, _core.VirtualRegister):
            raise fail("nl.while_loop", "a register as the result of the body", repr(condition), "Return the next condition.")


class no_reorder:  # noqa: N801: nki.language's name
    """`with nl.no_reorder():` keeps the instructions of the block, and of what it calls, in their order."""

    def __enter__(self) -> no_reorder:
        self._run = _core.current()
        if self._run is None:
            raise fail("nl.no_reorder", "a running kernel", "none in this thread", "Use it in a function that @nki.jit decorates.")
        self._run.begin_order()
        return self

    def __exit__(self, *error: Any) -> None:
        self._run.end_order()


def _ordered() -> bool:
    run = _core.current()
    return run is not None and run.order_depth > 0


__all__ = [
    "affine_range", "dynamic_range", "fori_loop", "no_reorder", "num_programs", "program_id", "program_ndim", "sequential_range",
    "static_range", "while_loop",
]  # fmt: skip
