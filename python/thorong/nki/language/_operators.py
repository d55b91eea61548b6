# SPDX-License-Identifier: Apache-2.0
"""Operators of instructions that are no functions of their own, and NumPy's functions that stand for ours."""

from __future__ import annotations

import numpy as np

from ..._core import nki as _core


class Operator:
    """Something that an instruction takes as `op`."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name
        if not _core.register_operator(self, name):
            raise ValueError(f"the core has no operator '{name}'")

    def __repr__(self) -> str:
        return f"nki.language.{self.__name__}"


average = Operator("average")
bypass = Operator("bypass")
prelu = Operator("prelu")

# NumPy's functions stand for ours, where a kernel passes those.
_NUMPY = {
    "power": np.power, "maximum": np.maximum, "minimum": np.minimum, "add": np.add, "subtract": np.subtract,
    "multiply": np.multiply, "divide": np.divide, "equal": np.equal, "not_equal": np.not_equal, "less": np.less,
    "less_equal": np.less_equal, "greater": np.greater, "greater_equal": np.greater_equal, "exp": np.exp,
    "log": np.log, "sqrt": np.sqrt, "square": np.square, "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
    "abs": np.abs, "negative": np.negative, "sign": np.sign, "reciprocal": np.reciprocal,
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor, "invert": np.invert,
    "left_shift": np.left_shift, "right_shift": np.right_shift, "logical_and": np.logical_and,
    "logical_or": np.logical_or, "logical_xor": np.logical_xor, "logical_not": np.logical_not, "fmod": np.fmod,
    "mod": np.mod, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "arctan": np.arctan,
    "copy": np.copy,
}  # fmt: skip
for _name, _ufunc in _NUMPY.items():
    _core.register_operator(_ufunc, _name)
_core.register_operator(np.max, "maximum")
_core.register_operator(np.min, "minimum")
_core.register_operator(np.sum, "add")

__all__ = ["average", "bypass", "prelu"]
