# SPDX-License-Identifier: Apache-2.0
"""The operators of neuronxcc.nki.language: functions over tiles, which instructions also take as `op`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..._core import nki as core
from .._errors import NkiValidationError
from .._objects import DTYPES
from . import _ops
from ._allocate import dtype_of
from ._ops import PSUM, call, number, operation, tensor
from ._tensor import Tensor

_FLOAT32 = DTYPES["float32"]
_FLOATS = ["float8_e5m2", "float8_e4m3", "float8_e4m3fn", "float8_e3m4", "float16", "bfloat16", "tfloat32", "float32", "float64"]


def is_float(dtype: Any) -> bool:
    """A floating-point dtype."""
    return str(dtype) in _FLOATS


def promoted(a: Any, b: Any) -> Any:
    """The dtype of a result of two dtypes: the wider, a float before an integer."""
    if a == b:
        return a
    if is_float(a) != is_float(b):
        return a if is_float(a) else b
    if is_float(a):
        if {str(a), str(b)} == {"float16", "bfloat16"}:
            return _FLOAT32
        return a if _FLOATS.index(str(a)) > _FLOATS.index(str(b)) else b
    return dtype_of(np.promote_types(str(a), str(b)))


def _with_number(tile: Any, value: Any) -> Any:
    """The dtype of a tile's result with a number."""
    return _FLOAT32 if isinstance(value, float) and not is_float(tile) else tile


def _is_column(tile: Tensor, other: Tensor) -> bool:
    """One value a partition, beside more of them: the second operand of tensor_scalar."""
    return (tile.ndim == other.ndim and tile.shape[0] == other.shape[0] and tile.shape[1:] != other.shape[1:]
            and all(size == 1 for size in tile.shape[1:]) and str(tile.dtype) == "float32")


def binary(op: Any, x: Any, y: Any, dtype: Any, mask: Any) -> Any:
    """op(x, y) by the instruction that fits the operands."""
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        x, y = (_ops.tensor(v, op.__name__) if hasattr(v, "tiles") else v for v in (x, y))
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        raise NkiValidationError(f"{op.__name__}: expected a tile, found {x!r} and {y!r}", core.caller())
    if not isinstance(y, Tensor):
        tile, value = tensor(x, op.__name__), number(y)
        return _scalar(op, tile, value, False, dtype_of(dtype) if dtype is not None else _result(op, _with_number(tile.dtype, value)), mask)
    if not isinstance(x, Tensor):
        tile, value = tensor(y, op.__name__), number(x)
        return _scalar(op, tile, value, True, dtype_of(dtype) if dtype is not None else _result(op, _with_number(tile.dtype, value)), mask)
    a, b = tensor(x, op.__name__), tensor(y, op.__name__)
    kind = dtype_of(dtype) if dtype is not None else _result(op, promoted(a.dtype, b.dtype))
    if a.region is PSUM and b.region is PSUM:
        b = _ops.to_sbuf(b)
    if _is_column(b, a):
        return _scalar(op, a, b, False, kind, mask)
    if _is_column(a, b):
        return _scalar(op, b, a, True, kind, mask)
    a, b, shape = _ops.broadcast_pair(a, b)
    emit = _ops.piecewise(lambda dst, left, right: call("tensor_tensor", dst.core(), left.core(), right.core(), op))
    return operation(emit, shape, kind, (a, b), mask=mask)


def _result(op: Any, dtype: Any) -> Any:
    """Quotients of integers are floats."""
    return _FLOAT32 if op.__name__ in ("divide", "power") and not is_float(dtype) else dtype


def _scalar(op: Any, tile: Tensor, value: Any, reverse: bool, dtype: Any, mask: Any) -> Tensor:
    def emit(dst: Tensor, source: Tensor, *columns: Tensor) -> None:
        call("tensor_scalar", dst.core(), source.core(), op, columns[0].core() if columns else value, reverse0=reverse)

    inputs = (tile, value) if isinstance(value, Tensor) else (tile,)
    return operation(_ops.piecewise(emit), tile.shape, dtype, inputs, mask=mask)


def _binary(name: str) -> Callable[..., Any]:
    def function(x: Any, y: Any, *, dtype: Any = None, mask: Any = None, **_: Any) -> Any:
        return binary(function, x, y, dtype, mask)

    return function


def _unary(name: str) -> Callable[..., Any]:
    def function(x: Any, *, dtype: Any = None, mask: Any = None, **_: Any) -> Any:
        tile = tensor(x, name)
        kind = dtype_of(dtype) if dtype is not None else tile.dtype if is_float(tile.dtype) or name in _KEEP else _FLOAT32
        emit = _ops.piecewise(lambda dst, source: call("activation", dst.core(), function, source.core()))
        return operation(emit, tile.shape, kind, (tile,), mask=mask)

    return function


def _by_scalar(name: str, op: str, value: Any) -> Callable[..., Any]:
    def function(x: Any, *, dtype: Any = None, mask: Any = None, **_: Any) -> Any:
        tile = tensor(x, name)
        return _scalar(FUNCTIONS[op], tile, value, False, dtype_of(dtype) if dtype is not None else tile.dtype, mask)

    return function


_KEEP = ("abs", "sign", "negative", "floor", "ceil", "trunc", "rint", "relu", "square")
_BINARY_NAMES = [
    "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "mod", "fmod", "equal", "not_equal", "less", "less_equal",
    "greater", "greater_equal", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift",
]  # fmt: skip
_UNARY_NAMES = [
    "abs", "arctan", "ceil", "cos", "erf", "exp", "floor", "gelu", "gelu_apprx_tanh", "log", "mish", "negative", "reciprocal", "relu", "rsqrt",
    "sigmoid", "sign", "silu", "sin", "softplus", "sqrt", "square", "tanh", "trunc", "rint", "gelu_dx", "erf_dx", "gelu_apprx_sigmoid",
    "gelu_apprx_sigmoid_dx", "silu_dx", "tan",
]  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _define() -> None:
    for name in _BINARY_NAMES:
        FUNCTIONS[name] = _binary(name)
    for name in _UNARY_NAMES:
        FUNCTIONS[name] = _unary(name)
    FUNCTIONS["logical_not"] = _by_scalar("logical_not", "equal", 0)
    FUNCTIONS["invert"] = FUNCTIONS["bitwise_invert"] = _by_scalar("invert", "bitwise_xor", -1)
    for name, function in FUNCTIONS.items():
        function.__name__ = function.__qualname__ = name
        function.__doc__ = f"{name} of tiles, element by element."
        core.register_operator(function, name)
    for function, name in ((np.amax, "maximum"), (np.amin, "minimum"), (np.true_divide, "divide"), (np.prod, "multiply"), (np.mean, "average")):
        core.register_operator(function, name)


_define()


def reduction(name: str, op: str) -> Callable[..., Any]:
    """nl.sum and its like, along free dimensions."""

    def function(x: Any, axis: Any, *, dtype: Any = None, mask: Any = None, keepdims: bool = False, **_: Any) -> Any:
        from .isa import tensor_reduce

        return tensor_reduce(FUNCTIONS[op], x, axis, dtype=dtype, mask=mask, keepdims=keepdims)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name} along free dimensions."
    return function
