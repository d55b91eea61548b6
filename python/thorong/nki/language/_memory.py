# SPDX-License-Identifier: Apache-2.0
"""Memories, tensors and tile sizes of nki.language."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from ..._core import nki as _core
from .. import _run
from .._objects import DType, MemoryRegion, NKIObject
from .._views import rearrange

NkiTensor = _core.NkiTensor
NkiTensor.rearrange = rearrange
tensor = NkiTensor
ds = _core.ds

sbuf = MemoryRegion.sbuf
psum = MemoryRegion.psum
hbm = private_hbm = MemoryRegion.private_hbm
shared_hbm = MemoryRegion.shared_hbm


def ndarray(shape: Sequence[int], dtype: Any, buffer: Any = sbuf, name: str = "", address: Any = None) -> NkiTensor:
    """A new tensor.

    Args:
        shape: sizes; on chip the first lies along the partitions.
        dtype: of nki.language, or NumPy's.
        buffer: nl.sbuf, nl.psum, nl.hbm or nl.shared_hbm.
        name: a label for reports.
        address: (first partition, byte within the partition) for tiles that the kernel places itself.
    """
    sizes = [shape] if isinstance(shape, int) else [int(size) for size in shape]
    return _core.allocate(sizes, dtype, buffer, name or "", tuple(address) if address is not None else None)


def is_hbm(buffer: Any) -> bool:
    """True for private and shared HBM."""
    return buffer in (MemoryRegion.private_hbm, MemoryRegion.shared_hbm)


def is_sbuf(buffer: Any) -> bool:
    """True for SBUF."""
    return buffer is MemoryRegion.sbuf


def is_psum(buffer: Any) -> bool:
    """True for PSUM."""
    return buffer is MemoryRegion.psum


def is_on_chip(buffer: Any) -> bool:
    """True for SBUF and PSUM."""
    return buffer in (MemoryRegion.sbuf, MemoryRegion.psum)


class _TileSize(NKIObject):
    """Limits of the chip that the running kernel is for."""

    bn_stats_fmax = 512
    psum_min_align = 4
    sbuf_min_align = 1

    @property
    def _figures(self) -> dict[str, int]:
        run = _core.current()
        return _figures_of(_run.target_chip()) if run is None else run.figures

    @property
    def pmax(self) -> int:
        """Partitions."""
        return self._figures["partitions"]

    @property
    def psum_bank_fmax_bytes(self) -> int:
        """Bytes of a PSUM bank in a partition."""
        return self._figures["psum_bank_bytes"]

    @property
    def psum_bank_fmax(self) -> int:
        """fp32 elements of a PSUM bank in a partition."""
        return self._figures["psum_bank_bytes"] // 4

    psum_fmax = psum_bank_fmax

    @property
    def psum_num_banks(self) -> int:
        """PSUM banks."""
        return self._figures["psum_banks"]

    @property
    def gemm_stationary_fmax(self) -> int:
        """Columns of the stationary operand."""
        return self._figures["columns"]

    @property
    def gemm_moving_fmax(self) -> int:
        """Elements of the moving operand in a partition."""
        return self._figures["moving_max_columns"]

    @property
    def sbuf_fmax_bytes(self) -> int:
        """Bytes of SBUF in a partition."""
        return self._figures["sbuf_bytes_per_partition"]

    total_available_sbuf_size = sbuf_fmax_bytes

    @property
    def sbuf_fmax(self) -> int:
        """fp32 elements of SBUF in a partition."""
        return self.sbuf_fmax_bytes // 4

    @property
    def sbuf_size_bytes(self) -> int:
        """Bytes of SBUF."""
        return self.sbuf_fmax_bytes * self.pmax


@functools.lru_cache(maxsize=16)
def _figures_of(chip: str) -> dict[str, int]:
    """The limits of a chip, outside of a kernel."""
    figures: dict[str, int] = _core.begin({"chip": chip}).figures
    return figures


tile_size = _TileSize()

__all__ = [
    "DType", "MemoryRegion", "NKIObject", "NkiTensor", "ds", "hbm", "is_hbm", "is_on_chip", "is_psum", "is_sbuf", "ndarray",
    "private_hbm", "psum", "sbuf", "shared_hbm", "tensor", "tile_size",
]  # fmt: skip
