# SPDX-License-Identifier: Apache-2.0
"""Tensors with values: constants, random numbers, printing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._core import nki as _core
from .. import _run
from .. import isa as nisa
from .._objects import DTYPES, MemoryRegion
from ._elementwise import multiply, right_shift
from ._memory import ndarray, sbuf
from ._movement import fill_hbm
from ._tiles import NkiTensor, fail, need_tile, new_tile


def full(shape: Sequence[int], fill_value: Any, dtype: Any, buffer: Any = sbuf, name: str = "") -> NkiTensor:
    """A new tensor filled with a value.

    Args:
        shape: sizes; on chip the first lies along the partitions.
        fill_value: a number.
        dtype: of nki.language, or NumPy's.
        buffer: nl.sbuf, nl.psum, nl.hbm or nl.shared_hbm.
        name: a label for reports.
    """
    result = ndarray(shape, dtype, buffer, name)
    if result.buffer in (MemoryRegion.sbuf, MemoryRegion.psum):
        nisa.memset(dst=result, value=fill_value)
    else:
        fill_hbm(result, fill_value)
    return result


def zeros(shape: Sequence[int], dtype: Any, buffer: Any = sbuf, name: str = "") -> NkiTensor:
    """A new tensor of zeros; arguments as for full."""
    return full(shape, 0, dtype, buffer, name)


def ones(shape: Sequence[int], dtype: Any, buffer: Any = sbuf, name: str = "") -> NkiTensor:
    """A new tensor of ones; arguments as for full."""
    return full(shape, 1, dtype, buffer, name)


def zeros_like(x: NkiTensor, dtype: Any = None, buffer: Any = None, name: str = "") -> NkiTensor:
    """A new tensor of zeros with the shape and dtype of x, on SBUF unless told."""
    return full(x.shape, 0, dtype if dtype is not None else x.dtype, buffer if buffer is not None else sbuf, name)


def empty_like(x: NkiTensor, dtype: Any = None, buffer: Any = None, name: str = "") -> NkiTensor:
    """A new tensor with the shape, dtype and memory of x."""
    return ndarray(x.shape, dtype if dtype is not None else x.dtype, buffer if buffer is not None else x.buffer, name)


def shared_constant(constant: Any) -> NkiTensor:
    """A tensor in HBM with given values, which are there before the kernel starts.

    Args:
        constant: a NumPy array, or the path of an .npy file.
    """
    array = np.load(constant) if isinstance(constant, (str, os.PathLike)) else constant
    if not isinstance(array, np.ndarray):
        raise fail("nl.shared_constant", "a NumPy array or the path of an .npy file", repr(constant), "Convert it with numpy.asarray.")
    return _run.constant(array, "constant")


def shared_identity_matrix(n: int, dtype: Any = DTYPES["uint8"], dst: NkiTensor | None = None) -> NkiTensor:
    """An identity matrix on SBUF, loaded from a constant in HBM that all of its size and dtype share.

    Args:
        n: rows and columns.
        dtype: of nki.language.
        dst: a tile to load to; by default a new one.
    """
    result = dst if dst is not None else new_tile((n, n), dtype)
    nisa.dma_copy(dst=result, src=_run.identity(int(n), result.dtype))
    return result


def random_seed(seed: Any) -> None:
    """Sets the seed of nl.rand and nl.dropout.

    Args:
        seed: a tile of one 32-bit integer.
    """
    nisa.set_rng_seed(src_seeds=need_tile("nl.random_seed", "seed", seed))


def rand(shape: Sequence[int], dtype: Any, buffer: Any = sbuf, name: str = "") -> NkiTensor:
    """A new tensor of random numbers from 0 up to 1, all equally likely; arguments as for full."""
    result = ndarray(shape, dtype, buffer, name)
    if result.buffer in (MemoryRegion.sbuf, MemoryRegion.psum):
        _uniform(result)
        return result
    tile = new_tile(result.shape if result.ndim > 1 else (result.shape[0], 1), dtype)
    _uniform(tile)
    nisa.dma_copy(dst=result if result.ndim > 1 else result.expand_dim(1), src=tile)
    return result


def _uniform(tile: NkiTensor) -> None:
    """Fills a tile from the upper 24 of the 32 random bits that the generator of nl.random_seed gives."""
    bits = new_tile(tile.shape, DTYPES["uint32"])
    nisa.rng(dst=bits)
    nisa.tensor_scalar(dst=bits, data=bits, op0=right_shift, operand0=8)
    nisa.tensor_scalar(dst=tile, data=bits, op0=multiply, operand0=2.0**-24)


def device_print(print_prefix: str, tensor: Any) -> None:
    """Prints a label and a tensor's values as they are now."""
    values = _run.to_array(tensor) if isinstance(tensor, _core.NkiTensor) else tensor
    print(print_prefix, values, flush=True)


__all__ = [
    "device_print", "empty_like", "full", "ones", "rand", "random_seed", "shared_constant", "shared_identity_matrix", "zeros", "zeros_like",
]  # fmt: skip
