# SPDX-License-Identifier: Apache-2.0
"""NumPy arrays to the core's tensors and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

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


# What an input or output is that is no tensor: None (an absent optional), the number of a sequence's tensors, which are
# called NAME[0], NAME[1], ..., or the shape and elements of a tensor of strings.
Structure = Union[None, int, "tuple[list[int], list[str]]"]


def to_tensors(inputs: Mapping[str, Any] | None) -> tuple[dict[str, _core.Tensor], dict[str, Structure]]:
    """The inputs as tensors and structures; views where an array is contiguous and in this machine's byte order."""
    tensors: dict[str, _core.Tensor] = {}
    structures: dict[str, Structure] = {}
    if inputs is None:
        return tensors, structures
    if not isinstance(inputs, Mapping):
        raise TypeError(f"inputs wants a dict of names and NumPy arrays, found {type(inputs).__name__}")
    for name, value in inputs.items():
        _name(name)
        if value is None:
            structures[name] = None
        elif isinstance(value, (list, tuple)):
            structures[name] = len(value)
            tensors.update((f"{name}[{i}]", _to_tensor(f"{name}[{i}]", item)) for i, item in enumerate(value))
        elif isinstance(value, (np.ndarray, np.generic)) and np.asarray(value).dtype.kind in "OUST":
            structures[name] = _to_text(name, np.asarray(value))
        else:
            tensors[name] = _to_tensor(name, value)
    return tensors, structures


def to_values(tensors: dict[str, NDArray[Any]], structures: dict[str, Structure]) -> dict[str, Any]:
    """Arrays by name, with lists for sequences, None for absent optionals and object arrays for strings."""
    values: dict[str, Any] = dict(tensors)
    for name, structure in structures.items():
        if structure is None:
            values[name] = None
        elif isinstance(structure, int):
            values[name] = [values.pop(f"{name}[{i}]", None) for i in range(structure)]
        else:
            shape, strings = structure
            values[name] = np.array(strings, dtype=object).reshape(shape)
    return values


def to_array(tensor: _core.Tensor) -> NDArray[Any]:
    """A tensor's values, without a copy."""
    return tensor.to_bytes().view(dtype_of(tensor.dtype)).reshape(tensor.shape)


def _name(name: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"inputs wants names as keys, found {name!r}")


def _to_text(name: str, array: NDArray[Any]) -> Structure:
    strings = [s.decode() if isinstance(s, bytes) else s for s in array.reshape(-1).tolist()]
    wrong = next((s for s in strings if not isinstance(s, str)), None)
    if wrong is not None:
        raise TypeError(f"inputs['{name}'] is an array of objects and must hold strings, found {wrong!r}")
    return list(array.shape), strings


def _to_tensor(name: str, value: Any) -> _core.Tensor:
    where = f"inputs['{name}']"
    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f"{where} wants a NumPy array, found {type(value).__name__}; numpy.asarray(...) may make one")
    array = np.asarray(value, order="C")
    if array.dtype.name not in _core.formats:
        raise Unsupported(f"arrays of {array.dtype.name} are not done yet; done are {', '.join(_core.formats)}.", where)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return _core.Tensor.from_bytes(array.dtype.name, list(array.shape), array.reshape(-1).view(np.uint8))
