# SPDX-License-Identifier: Apache-2.0
"""Python's operators on tiles: x + y is nl.add(x, y), and so on; assignment to a part of a tensor copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _python_subset, _run
from .._objects import MemoryRegion
from . import _elementwise as nl
from ._memory import is_hbm
from ._movement import fill_hbm, store
from ._tiles import NkiTensor, is_tile, stretch
from .. import isa as nisa

_BINARY = {
    "add": nl.add, "sub": nl.subtract, "mul": nl.multiply, "truediv": nl.divide, "pow": nl.power, "mod": nl.mod,
    "and": nl.bitwise_and, "or": nl.bitwise_or, "xor": nl.bitwise_xor, "lshift": nl.left_shift, "rshift": nl.right_shift,
}  # fmt: skip
_COMPARISONS = {"lt": nl.less, "le": nl.less_equal, "gt": nl.greater, "ge": nl.greater_equal}


def _infix(function: Callable[..., Any], reverse: bool = False) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if not is_tile(other) and not isinstance(other, (int, float)):
            return NotImplemented
        return function(other, self) if reverse else function(self, other)

    return method


def _assign(self: NkiTensor, key: Any, value: Any) -> None:
    """self[key] = value: a DMA to HBM, a copy on chip, or one value for all."""
    part = self[key]
    if is_hbm(part.buffer):
        store(part, value)
    elif not is_tile(value):
        nisa.memset(dst=part, value=value)
    elif is_hbm(value.buffer):
        nisa.dma_copy(dst=part, src=value)
    elif not (value.same_storage(part) and value.offset == part.offset and value.get_pattern() == part.get_pattern()):
        nisa.tensor_copy(dst=part, src=stretch("tensor[...] = value", value, part.shape))


def _truth(self: NkiTensor) -> bool:
    """True: a compiler knows that a tile is there, and not what it holds."""
    _python_subset.tile_as_condition(_run.kernel_line())
    return True


def _install() -> None:
    for name, function in _BINARY.items():
        setattr(NkiTensor, f"__{name}__", _infix(function))
        setattr(NkiTensor, f"__r{name}__", _infix(function, reverse=True))
    for name, function in _COMPARISONS.items():
        setattr(NkiTensor, f"__{name}__", _infix(function))
    NkiTensor.__neg__ = lambda self: nl.negative(self)
    NkiTensor.__invert__ = lambda self: nl.invert(self)
    NkiTensor.__setitem__ = _assign
    NkiTensor.__bool__ = _truth


_install()
