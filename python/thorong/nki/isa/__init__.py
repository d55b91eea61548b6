# SPDX-License-Identifier: Apache-2.0
"""nki.isa: the instructions of a NeuronCore as functions. Made from the instruction table of the core."""

from __future__ import annotations

from ..._core import nki as _core
from .._errors import NkiValidationError
from .._objects import (
    dge_mode,
    dma_engine,
    engine,
    matmul_perf_mode,
    nc_version,
    oob_mode,
    reduce_cmd,
)
from .._run import get_nc_sub_version, get_nc_version
from ._registers import register_alloc, register_load, register_move, register_store

NkiInstruction = _core.NkiInstruction
VirtualRegister = _core.VirtualRegister

tensor_engine = engine.tensor
vector_engine = engine.vector
scalar_engine = engine.scalar
gpsimd_engine = engine.gpsimd
unknown_engine = engine.unknown

globals().update(_core.functions)

__all__ = [
    "NkiInstruction",
    "NkiValidationError",
    "VirtualRegister",
    "dge_mode",
    "dma_engine",
    "engine",
    "get_nc_sub_version",
    "get_nc_version",
    "gpsimd_engine",
    "matmul_perf_mode",
    "nc_version",
    "oob_mode",
    "reduce_cmd",
    "register_alloc",
    "register_load",
    "register_move",
    "register_store",
    "scalar_engine",
    "tensor_engine",
    "unknown_engine",
    "vector_engine",
    *_core.functions,
]
