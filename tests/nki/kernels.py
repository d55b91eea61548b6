# SPDX-License-Identifier: Apache-2.0
"""Runs one function of nki.language on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import thorong.nki as nki
import thorong.nki.language as nl


def on_tiles(function: Callable[..., Any], *arrays: np.ndarray, **options: Any) -> Any:
    """The result of `function` on tiles that hold the arrays, as an array."""

    def kernel(*inputs: Any) -> Any:
        value = function(*(nl.load(each) for each in inputs))
        result = nl.ndarray(value.shape, value.dtype, buffer=nl.shared_hbm)
        nl.store(result, value)
        return result

    return nki.jit(kernel, **options)(*arrays)


def normal(*shape: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """Normally distributed numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)
