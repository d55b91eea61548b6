# SPDX-License-Identifier: Apache-2.0
"""nki.benchmark and nki.profile: kernels that keep their modelled latency, in the vendor's result shape."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from .._result import Result
from ._jit import Kernel


class Latency:
    """Latencies of a kernel's runs. The model has no noise: every percentile is the same."""

    def __init__(self, microseconds: float) -> None:
        self.microseconds = microseconds

    def get_latency_percentile(self, percentile: float) -> int:
        """Microseconds, rounded up, that `percentile` percent of the runs take at most."""
        return math.ceil(self.microseconds)


class BenchmarkResult:
    """What a benchmarked kernel's last call took.

    Attributes:
        nc_latency: the time on the NeuronCore.
        result: Thorong's whole Result.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        self.nc_latency = Latency(result.device_s * 1e6)


class _Measured(Kernel):
    """A kernel that times each call. `kernel[grid]` shares what is remembered."""

    def __init__(self, function: Callable[..., Any], grid: tuple[int, ...] = (), edges: Any = (), **options: Any) -> None:
        super().__init__(function, grid, edges, **options)
        self.last: dict[str, Any] = {}
        self.files: dict[str, Any] = {}

    def __getitem__(self, grid: Any) -> Kernel:
        other = super().__getitem__(grid)
        other.last, other.files = self.last, self.files
        return other

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        launched = self.launch(*args, **kwargs)
        self.keep(launched.result())
        return launched.outputs()

    def keep(self, result: Result) -> None:
        """Remembers the result of a call."""
        self.last["result"] = result


class Benchmark(_Measured):
    """What @nki.benchmark makes of a kernel."""

    @property
    def benchmark_result(self) -> BenchmarkResult:
        """The last call's latency; None before the first."""
        return BenchmarkResult(self.last["result"]) if self.last else None


class Profile(_Measured):
    """What @nki.profile makes of a kernel: each call writes a trace and a page."""

    @property
    def profile_result(self) -> Result | None:
        """The last call's Result; None before the first."""
        return self.last.get("result")

    def keep(self, result: Result) -> None:
        """Writes the trace (for Perfetto) and the report beside it."""
        super().keep(result)
        folder = self.files.get("working_directory") or os.getcwd()
        os.makedirs(folder, exist_ok=True)
        stem = os.path.join(folder, os.path.splitext(self.files.get("save_trace_name") or "profile.ntff")[0])
        result.trace(f"{stem}.json.gz")
        result.to_html(f"{stem}.html")


def _decorate(kind: type[_Measured], kernel: Any, options: dict[str, Any]) -> Any:
    if kernel is None:
        return lambda function: _decorate(kind, function, options)
    made = kind(kernel.func, kernel.grid, kernel.edges, **kernel.options) if isinstance(kernel, Kernel) else kind(kernel)
    made.files = options
    return made


def benchmark(kernel: Any = None, **options: Any) -> Any:
    """A kernel whose calls are timed: `kernel.benchmark_result.nc_latency.get_latency_percentile(50)` in microseconds.

    The vendor's options (warmup, iters, save_neff_name ...) are taken; runs do not differ, so one is made.
    """
    return _decorate(Benchmark, kernel, options)


def profile(kernel: Any = None, **options: Any) -> Any:
    """A kernel whose calls write a trace and a report.

    Args:
        kernel: a function or what @nki.jit made of it.
        **options: working_directory and save_trace_name say where; the vendor's other options are taken.
    """
    return _decorate(Profile, kernel, options)
