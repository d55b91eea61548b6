# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays to the core's tensors and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from . import _core
from ._errors import Unsupported

_NAMES_ONLY_HERE = {"tfloat32": "float32"}  # the core's names that NumPy does not have


def dtype_of(name: str) -> np.dtype[Any]:
    """The NumPy type for a name of the core: "bfloat16" is ml_dtypes.bfloat16."""
    name = _NAMES_ONLY_HERE.get(name, name)
    return np.dtype(getattr(ml_dtypes, name, name))


def to_tensors(inputs: Mapping[str, Any] | None) -> dict[str, _core.Tensor]:
    """The inputs as tensors; views where an array is contiguous and in this machine's byte order, else copies."""
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping):
        raise TypeError(f"inputs wants a dict of names and NumPy arrays, found {type(inputs).__name__}")
    return {_name(name): _to_tensor(name, value) for name, value in inputs.items()}


def to_array(tensor: _core.Tensor) -> NDArray[Any]:
    """A tensor's values, without a copy."""
    return tensor.to_bytes().view(dtype_of(tensor.dtype)).reshape(tensor.shape)


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"inputs wants names as keys, found {name!r}")
    return name


def _to_tensor(name: str, value: Any) -> _core.Tensor:
    where = f"inputs['{name}']"
    if value is None:
        raise Unsupported(
            "an absent optional input (None) is not done yet; without the name the input is random.", where
        )
    if isinstance(value, (list, tuple)):
        raise Unsupported("a sequence input (list) is not done yet. For a tensor give a NumPy array.", where)
    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f"{where} wants a NumPy array, found {type(value).__name__}; numpy.asarray(...) may make one")
    array = np.asarray(value, order="C")
    if array.dtype.name not in _core.formats:
        raise Unsupported(f"arrays of {array.dtype.name} are not done yet; done are {', '.join(_core.formats)}.", where)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return _core.Tensor.from_bytes(array.dtype.name, list(array.shape), array.reshape(-1).view(np.uint8))
