# SPDX-License-Identifier: Apache-2.0
"""neuronxcc.nki, the interface of 2024 and 2025, above the instructions of nki.isa.

    from thorong.nki import legacy
    legacy.install()          # `import neuronxcc.nki as nki` finds it from now on

Kernels with masks, index tiles and results as return values run as they are.
"""

from __future__ import annotations

import sys
from types import ModuleType

from .. import _jit  # noqa: F401: makes the core's names known
from . import compiler, isa, language, typing
from ._launch import BenchmarkResult, Kernel, Latency, baremetal, benchmark, jit, profile, simulate_kernel, trace
from ._tensor import Tensor

tensor = Tensor


def modules() -> dict[str, ModuleType]:
    """The modules by the names that kernels import."""
    package = sys.modules[__name__]
    outer = ModuleType("neuronxcc", "The older interface to kernels, on modelled chips.")
    outer.nki = package  # type: ignore[attr-defined]
    outer.__path__ = []  # type: ignore[attr-defined]
    constants = ModuleType("neuronxcc.nki.isa.constants")
    for name in ("engine", "nc_version", "oob_mode", "dge_mode", "reduce_cmd", "dma_engine", "matmul_perf_mode"):
        setattr(constants, name, getattr(isa, name))
    isa.constants = constants  # type: ignore[attr-defined]
    return {"neuronxcc": outer, "neuronxcc.nki": package, "neuronxcc.nki.language": language, "neuronxcc.nki.isa": isa,
            "neuronxcc.nki.isa.constants": constants, "neuronxcc.nki.compiler": compiler, "neuronxcc.nki.typing": typing}  # fmt: skip


def install() -> None:
    """Makes `import neuronxcc.nki` find this package."""
    sys.modules.update(modules())


__all__ = ["BenchmarkResult", "Kernel", "Latency", "baremetal", "benchmark", "compiler", "install", "isa", "jit", "language", "modules", "profile",
           "simulate_kernel", "tensor", "trace", "typing"]  # fmt: skip
