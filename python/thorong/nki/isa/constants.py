# SPDX-License-Identifier: Apache-2.0
"""nki.isa.constants: the enumerations of nki.isa."""

from .._objects import dge_mode, dma_engine, engine, matmul_perf_mode, nc_version, oob_mode, reduce_cmd

__all__ = ["dge_mode", "dma_engine", "engine", "matmul_perf_mode", "nc_version", "oob_mode", "reduce_cmd"]
