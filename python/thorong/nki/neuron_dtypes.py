# SPDX-License-Identifier: Apache-2.0
"""NumPy dtypes for all of NKI's, and conversions between them: the part of the vendor's neuron_dtypes that kernels' tests use.

A packed MX type is a dtype with one field of that name, so that arrays of it go to kernels as what they are.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from ._objects import PACKED, numpy_dtype

bfloat16 = np.dtype(ml_dtypes.bfloat16)
float8_e3m4 = np.dtype(ml_dtypes.float8_e3m4)
float8_e4m3 = np.dtype(ml_dtypes.float8_e4m3)
float8_e4m3fn = np.dtype(ml_dtypes.float8_e4m3fn)
float8_e5m2 = np.dtype(ml_dtypes.float8_e5m2)
float8_e8m0fnu = np.dtype(ml_dtypes.float8_e8m0fnu)
float4_e2m1fn = np.dtype(ml_dtypes.float4_e2m1fn)
float8_e4m3fn_x4 = PACKED["float8_e4m3fn_x4"]
float8_e5m2_x4 = PACKED["float8_e5m2_x4"]
float4_e2m1fn_x4 = PACKED["float4_e2m1fn_x4"]

finfo = ml_dtypes.finfo


def _numpy(dtype: Any) -> np.dtype[Any]:
    """The NumPy dtype of one of NumPy's, NKI's or this module's."""
    if isinstance(dtype, str) and str(dtype) in PACKED:
        return PACKED[str(dtype)]
    return numpy_dtype(dtype)


def _element(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The dtype of a packed type's elements; None: not packed."""
    if not dtype.names or dtype.names[0] not in PACKED:
        return None
    return np.dtype(getattr(ml_dtypes, dtype.names[0].removesuffix("_x4")))


def is_float_type(dtype: Any) -> bool:
    """True for floating-point types, NumPy's and ml_dtypes'."""
    kind = _numpy(dtype)
    return kind.kind == "f" or (kind.kind == "V" and "float" in kind.name)


def sizeinbytes(dtype: Any) -> int:
    """Bytes of an element; of a packed type, of the four together."""
    return _numpy(dtype).itemsize


def static_cast(array: Any, dtype: Any) -> np.ndarray:
    """The array's values as another dtype. Four neighbours of the last axis go into one element of a packed type, and back."""
    array, target = np.asarray(array), _numpy(dtype)
    element = _element(array.dtype)
    if element is not None and array.dtype != target:
        array = _unpack(array, element)
    element = _element(target)
    return array.astype(target) if element is None or array.dtype == target else _pack(array.astype(element), target)


def _pack(array: np.ndarray, target: np.dtype[Any]) -> np.ndarray:
    if array.shape[-1] % 4:
        raise ValueError(f"static_cast: expected a last axis of a multiple of four for {target.names[0]}, found shape {array.shape}. Pad it.")
    codes = np.ascontiguousarray(array).view(np.uint8)
    if target.itemsize == 2:  # two elements a byte, the first in the low half
        codes = np.ascontiguousarray(codes[..., 0::2] | codes[..., 1::2] << 4)
    return codes.view(target)


def _unpack(array: np.ndarray, element: np.dtype[Any]) -> np.ndarray:
    codes = np.ascontiguousarray(array).view(np.uint8)
    if array.dtype.itemsize == 2:
        codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*codes.shape[:-1], codes.shape[-1] * 2)
    return codes.view(element)


__all__ = [
    "bfloat16", "finfo", "float4_e2m1fn", "float4_e2m1fn_x4", "float8_e3m4", "float8_e4m3", "float8_e4m3fn", "float8_e4m3fn_x4",
    "float8_e5m2", "float8_e5m2_x4", "float8_e8m0fnu", "is_float_type", "sizeinbytes", "static_cast",
]  # fmt: skip
