# SPDX-License-Identifier: Apache-2.0
"""Elementwise functions of nki.language. Each stands for itself as the `op` of an instruction, and, called with tiles,
issues the instruction: tensor_tensor and tensor_scalar for two operands, activation for one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..._core import nki as _core
from .. import isa as nisa
from .._objects import DTYPES
from ._tiles import NkiTensor, common_shape, fail, is_column, is_tile, need_tile, new_tile, promote, stretch

_INTEGERS = {"int8", "int16", "int32", "uint8", "uint16", "uint32", "bool"}


def _two_tiles(op: Callable[..., Any], x: NkiTensor, y: NkiTensor, dtype: Any) -> NkiTensor:
    kind = dtype if dtype is not None else promote(x.dtype, y.dtype)
    if x.shape == y.shape:
        result = new_tile(x.shape, kind)
        nisa.tensor_tensor(dst=result, data1=x, data2=y, op=op)
        return result
    for data, column, reverse in ((x, y, False), (y, x, True)):
        if is_column(column) and column.shape[0] == data.shape[0] and column.dtype == "float32":
            result = new_tile(data.shape, kind)
            nisa.tensor_scalar(dst=result, data=data, op0=op, operand0=column, reverse0=reverse)
            return result
    name = f"nl.{op.__name__}"
    shape = common_shape(name, x, y)
    result = new_tile(shape, kind)
    nisa.tensor_tensor(dst=result, data1=stretch(name, x, shape), data2=stretch(name, y, shape), op=op)
    return result


def binary(op: Callable[..., Any], x: Any, y: Any, dtype: Any) -> NkiTensor:
    """op(x, y) as a new tile; one of the two may be a number."""
    if is_tile(x) and is_tile(y):
        return _two_tiles(op, x, y, dtype)
    if not is_tile(x) and not is_tile(y):
        raise fail(f"nl.{op.__name__}", "at least one tile", f"{x!r} and {y!r}", "Numbers alone need no instruction.")
    data, number = (x, y) if is_tile(x) else (y, x)
    result = new_tile(data.shape, dtype if dtype is not None else data.dtype)
    nisa.tensor_scalar(dst=result, data=data, op0=op, operand0=number, reverse0=data is y)
    return result


def activate(op: Callable[..., Any], x: Any, dtype: Any) -> NkiTensor:
    """op(x) on the Scalar engine, as a new tile."""
    tile = need_tile(f"nl.{op.__name__}", "x", x)
    result = new_tile(tile.shape, dtype if dtype is not None else tile.dtype)
    nisa.activation(dst=result, op=op, data=tile)
    return result


def _binary(name: str, text: str) -> Callable[..., NkiTensor]:
    def function(x: Any, y: Any, dtype: Any = None) -> NkiTensor:
        return binary(function, x, y, dtype)

    return _document(function, name, f"{text}, element-wise.\n\nArgs:\n    x, y: tiles, or one of them a number.\n    dtype: of the result; "
                                     "by default the tiles' (the wider of two).")  # fmt: skip


def _unary(name: str, text: str) -> Callable[..., NkiTensor]:
    def function(x: Any, dtype: Any = None) -> NkiTensor:
        return activate(function, x, dtype)

    return _document(function, name, f"{text}, element-wise.\n\nArgs:\n    x: a tile.\n    dtype: of the result; by default the tile's.")


def _document(function: Callable[..., Any], name: str, text: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "nki.language"
    function.__doc__ = text
    return _operator(function)


def _operator(function: Callable[..., Any]) -> Callable[..., Any]:
    if not _core.register_operator(function, function.__name__):
        raise ValueError(f"the core has no operator '{function.__name__}'")
    return function


_BINARY = {
    "abs_max": "Whichever of x and y is larger in magnitude (y of two equal ones)",
    "abs_min": "Whichever of x and y is smaller in magnitude (y of two equal ones)",
    "add": "x + y", "bitwise_and": "x & y on integers", "bitwise_or": "x | y on integers", "bitwise_xor": "x ^ y on integers",
    "divide": "x / y", "equal": "1 where x == y, else 0", "fmod": "The remainder of x / y with the sign of x",
    "greater": "1 where x > y, else 0", "greater_equal": "1 where x >= y, else 0", "left_shift": "x << y on integers",
    "less": "1 where x < y, else 0", "less_equal": "1 where x <= y, else 0", "logical_and": "1 where x and y are not 0, else 0",
    "logical_or": "1 where x or y is not 0, else 0", "logical_xor": "1 where one of x and y is not 0, else 0",
    "maximum": "The larger of x and y", "minimum": "The smaller of x and y", "mod": "The remainder of x / y with the sign of y",
    "multiply": "x * y", "not_equal": "1 where x != y, else 0", "power": "x to the power of y",
    "right_shift": "x >> y on integers, zeros from the left", "subtract": "x - y",
}  # fmt: skip
_UNARY = {
    "abs": "The absolute value", "arctan": "The inverse tangent", "erf": "The error function", "erf_dx": "The derivative of erf",
    "exp": "e to the power of x", "gelu": "GELU", "gelu_apprx_sigmoid": "x * sigmoid(1.702 x)",
    "gelu_apprx_sigmoid_dx": "The derivative of gelu_apprx_sigmoid", "gelu_apprx_tanh": "GELU by tanh", "gelu_dx": "The derivative of GELU",
    "log": "The natural logarithm", "mish": "Mish, x * tanh(softplus(x))", "relu": "max(x, 0)", "rsqrt": "1 / sqrt(x)",
    "sigmoid": "1 / (1 + exp(-x))", "sign": "-1, 0 or 1", "silu": "x * sigmoid(x)", "silu_dx": "The derivative of silu",
    "softplus": "log(1 + exp(x))", "sqrt": "The square root", "square": "x * x", "tanh": "The hyperbolic tangent",
}  # fmt: skip
globals().update({name: _binary(name, text) for name, text in _BINARY.items()})
globals().update({name: _unary(name, text) for name, text in _UNARY.items()})
_binary_of, _unary_of = globals(), globals()


@_operator
def reciprocal(x: Any, dtype: Any = None) -> NkiTensor:
    """1 / x, element-wise, on the Vector engine (nisa.reciprocal)."""
    tile = need_tile("nl.reciprocal", "x", x)
    result = new_tile(tile.shape, dtype if dtype is not None else tile.dtype)
    nisa.reciprocal(dst=result, data=tile)
    return result


@_operator
def copy(x: Any, dtype: Any = None) -> NkiTensor:
    """A copy of a tile on SBUF.

    Args:
        x: a tile in SBUF or PSUM.
        dtype: of the result; by default the tile's.
    """
    tile = need_tile("nl.copy", "x", x)
    result = new_tile(tile.shape, dtype if dtype is not None else tile.dtype)
    nisa.tensor_copy(dst=result, src=tile)
    return result


@_operator
def negative(x: Any, dtype: Any = None) -> NkiTensor:
    """-x, element-wise."""
    return binary(_binary_of["multiply"], need_tile("nl.negative", "x", x), -1.0, dtype)


@_operator
def invert(x: Any, dtype: Any = None) -> NkiTensor:
    """The bitwise not of integers: an exclusive or with ones."""
    tile = need_tile("nl.invert", "x", x)
    if tile.dtype not in _INTEGERS:
        raise fail("nl.invert", "a tile of integers", f"{tile.dtype}", "Convert it with nl.copy(x, dtype=...), or take its bits with x.view(dtype).")
    ones = (1 << (8 * tile.dtype.itemsize)) - 1 if tile.dtype.startswith("uint") else -1
    return binary(_binary_of["bitwise_xor"], tile, ones, dtype)


@_operator
def logical_not(x: Any, dtype: Any = None) -> NkiTensor:
    """1 where x is 0, else 0, for tiles of zeros and ones."""
    return binary(_binary_of["logical_xor"], need_tile("nl.logical_not", "x", x), 1.0, dtype)


# 2 pi as the sum of two numbers, the first of few bits, so that products with small integers are exact.
_TWO_PI_HIGH = 6.28125
_TWO_PI_LOW = 2 * math.pi - _TWO_PI_HIGH
_ROUND = 1.5 * 2.0**23  # adding it rounds an fp32 number to an integer


def _wrapped(x: NkiTensor) -> NkiTensor:
    """x less the nearest multiple of 2 pi: what the Scalar engine's sine is defined for."""
    fp32 = DTYPES["float32"]
    turns, rest = new_tile(x.shape, fp32), new_tile(x.shape, fp32)
    nl = _binary_of
    nisa.tensor_scalar(dst=turns, data=x, op0=nl["multiply"], operand0=1 / (2 * math.pi), op1=nl["add"], operand1=_ROUND)
    nisa.tensor_scalar(dst=turns, data=turns, op0=nl["subtract"], operand0=_ROUND)
    nisa.scalar_tensor_tensor(dst=rest, data=turns, op0=nl["multiply"], operand0=-_TWO_PI_HIGH, op1=nl["add"], operand1=x)
    nisa.scalar_tensor_tensor(dst=rest, data=turns, op0=nl["multiply"], operand0=-_TWO_PI_LOW, op1=nl["add"], operand1=rest)
    return rest


@_operator
def sin(x: Any, dtype: Any = None) -> NkiTensor:
    """The sine, element-wise, over the whole range: four Vector instructions bring x into [-pi, pi] first."""
    tile = need_tile("nl.sin", "x", x)
    result = new_tile(tile.shape, dtype if dtype is not None else tile.dtype)
    nisa.activation(dst=result, op=sin, data=_wrapped(tile))
    return result


@_operator
def cos(x: Any, dtype: Any = None) -> NkiTensor:
    """The cosine, element-wise: the sine of pi/2 less the wrapped |x|."""
    tile = need_tile("nl.cos", "x", x)
    result, folded = new_tile(tile.shape, dtype if dtype is not None else tile.dtype), _wrapped(tile)
    nisa.activation(dst=folded, op=_unary_of["abs"], data=folded)
    nisa.tensor_scalar(dst=folded, data=folded, op0=_binary_of["subtract"], operand0=math.pi / 2, reverse0=True)
    nisa.activation(dst=result, op=sin, data=folded)
    return result


def tan(x: Any, dtype: Any = None) -> NkiTensor:
    """The tangent, element-wise: sine over cosine."""
    tile = need_tile("nl.tan", "x", x)
    fp32 = DTYPES["float32"]
    return binary(_binary_of["multiply"], sin(tile, fp32), reciprocal(cos(tile, fp32)), dtype if dtype is not None else tile.dtype)


def _less_remainder(op: str, tile: NkiTensor, dtype: Any) -> NkiTensor:
    """x less its remainder by one."""
    rest, result = new_tile(tile.shape, DTYPES["float32"]), new_tile(tile.shape, dtype if dtype is not None else tile.dtype)
    nisa.tensor_scalar(dst=rest, data=tile, op0=_binary_of[op], operand0=1.0)
    nisa.tensor_tensor(dst=result, data1=tile, data2=rest, op=_binary_of["subtract"])
    return result


@_operator
def trunc(x: Any, dtype: Any = None) -> NkiTensor:
    """x without its fraction, element-wise."""
    return _less_remainder("fmod", need_tile("nl.trunc", "x", x), dtype)


@_operator
def floor(x: Any, dtype: Any = None) -> NkiTensor:
    """The largest integer up to x, element-wise."""
    return _less_remainder("mod", need_tile("nl.floor", "x", x), dtype)


@_operator
def ceil(x: Any, dtype: Any = None) -> NkiTensor:
    """The smallest integer from x on, element-wise: -floor(-x)."""
    tile = need_tile("nl.ceil", "x", x)
    return negative(_less_remainder("mod", negative(tile), dtype), dtype)


__all__ = sorted(
    [*_BINARY, *_UNARY, "ceil", "copy", "cos", "floor", "invert", "logical_not", "negative", "reciprocal", "sin", "tan", "trunc"]
)
