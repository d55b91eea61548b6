# SPDX-License-Identifier: Apache-2.0
"""nki: kernels for NeuronCores, run on their models.

    import nki, nki.isa as nisa, nki.language as nl

    @nki.jit
    def kernel(a): ...

    outputs = kernel(array)                                    # values
    result = thorong.nki.run(kernel, array, chip="trainium2")  # and time, energy, cost
"""

import os as _os

from .._core import nki as _core

_core.set_package(_os.path.dirname(__file__))

from . import collectives, compiler, dtype, isa, language, tensor, typing  # noqa: E402
from ._benchmark import benchmark, profile  # noqa: E402
from ._jit import Kernel, cpu_simulate, jit, run, simulate  # noqa: E402
from ._run import PerRank  # noqa: E402

__all__ = [
    "Kernel", "PerRank", "benchmark", "collectives", "compiler", "cpu_simulate", "dtype", "isa", "jit", "language", "profile", "run", "simulate",
    "tensor", "typing",
]  # fmt: skip
