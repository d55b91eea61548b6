# SPDX-License-Identifier: Apache-2.0
"""nki.compiler: what kernels say to the vendor's compiler. Placement and order have a meaning here; the rest is taken and
has none, because nothing is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..language import no_reorder


def _transparent(function: Any = None, **options: Any) -> Any:
    """A decorator, with or without options, that gives back the function."""
    return function if callable(function) else (lambda decorated: decorated)


def skip_middle_end_transformations(function: Any = None, **options: Any) -> Any:
    """A decorator without effect: there are no such transformations here."""
    return _transparent(function, **options)


def enable_stack_allocator(function: Any = None, **options: Any) -> Any:
    """A decorator without effect: tiles are placed by their lives, or where they ask to be."""
    return _transparent(function, **options)


def force_auto_alloc(function: Any = None, **options: Any) -> Any:
    """A decorator without effect: tiles are placed by their lives anyway."""
    return _transparent(function, **options)


class multi_buffer:  # noqa: N801: nki.compiler's name
    """How many copies of a tile a loop may have; without effect, since each iteration's tile is one of its own."""

    def __init__(self, count: int = 1) -> None:
        self.count = count


def with_schedule(edges: Any) -> Callable[[Any], Any]:
    """A decorator that gives a kernel edges between named instructions: see Kernel.with_schedule."""
    return lambda kernel: kernel.with_schedule(edges)


__all__ = [
    "enable_stack_allocator", "force_auto_alloc", "multi_buffer", "no_reorder", "skip_middle_end_transformations", "with_schedule",
]  # fmt: skip
