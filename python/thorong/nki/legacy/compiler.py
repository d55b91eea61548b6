# SPDX-License-Identifier: Apache-2.0
"""neuronxcc.nki.compiler: buffers with addresses, and wishes to the vendor's compiler, which have no effect here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from .._objects import MemoryRegion
from ._allocate import Memory

sbuf = Memory(MemoryRegion.sbuf)
psum = Memory(MemoryRegion.psum)


def _unchanged(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    """A decorator that leaves the kernel as it is, with or without arguments."""
    return function if callable(function) else lambda kernel: kernel


enable_stack_allocator = force_auto_alloc = skip_middle_end_transformations = _unchanged


def multi_buffer(*_: Any, **__: Any) -> Any:
    """How many copies of a buffer to keep; the allocator decides by liveness."""
    return contextlib.nullcontext()


@contextlib.contextmanager
def no_reorder(*_: Any, **__: Any) -> Iterator[None]:
    """A block whose instructions keep their order."""
    yield
