# SPDX-License-Identifier: Apache-2.0
"""nki.benchmark and nki.profile of both interfaces: kernels that keep their modelled latency, in the vendor's result shape."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from .._core import nki as core
from .._result import Result
from ._jit import Kernel


class Latency:
    """Latencies of a kernel's runs. The model has no noise: every percentile is the same."""

    def __init__(self, microseconds: float) -> None:
        self.microseconds = microseconds

    def get_latency_percentile(self, percentile: float) -> float:
        """Microseconds that `percentile` percent of the runs take at most."""
        if not 0 <= percentile <= 100:
            raise ValueError(f"expected a percentile from 0 to 100, found {percentile}")
        return self.microseconds

    def __repr__(self) -> str:
        return f"<latency {self.microseconds:.2f} us (modelled)>"


class BenchmarkResult:
    """What a benchmarked kernel's last call took.

    Attributes:
        nc_latency: the time on the NeuronCore.
        result: Thorong's whole Result.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        self.nc_latency = Latency(result.device_s * 1e6)


class Files:
    """The files that the vendor's options ask for, under the names that scripts look for.

    Args:
        options: save_neff_name, save_trace_name and working_directory; the vendor's others (warmup, iters, profile_nth,
            additional_compile_opt, overwrite ...) are taken: runs do not differ, and there is no compiler to tell.
        profile: nki.profile writes both files unless told otherwise, with a page and a summary beside them.
    """

    def __init__(self, options: dict[str, Any], profile: bool) -> None:
        self.neff = options.get("save_neff_name") or ("file.neff" if profile else None)
        self.trace = options.get("save_trace_name") or ("profile.ntff" if profile else None)
        self.folder = options.get("working_directory")
        self.profile = profile

    def _path(self, name: str) -> str:
        path = os.path.join(self.folder or os.getcwd(), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, result: Result) -> None:
        """Writes what was asked for; traces are Perfetto's JSON, whatever their name."""
        if self.neff:
            with open(self._path(self.neff), "w", encoding="utf-8") as file:
                json.dump(_in_place_of_a_neff(result), file)
        if not self.trace:
            return
        stem = os.path.splitext(self._path(self.trace))[0]
        result.trace(self._path(self.trace))
        result.trace(f"{stem}.json")
        if self.profile:
            result.trace(f"{stem}.json.gz")
            result.to_html(f"{stem}.html")
            with open(f"{stem}_summary.json", "w", encoding="utf-8") as file:
                file.write(result.to_json())


def _in_place_of_a_neff(result: Result) -> dict[str, Any]:
    count = sum(engine["instructions"] for engine in result.engines.values())
    note = "No NEFF: the kernel ran on Thorong's model of the chip, which has no vendor compiler. This file stands in its place."
    return {"note": note, "thorong": result.thorong, "kernel": result.model["path"], "chip": result.chip, "instructions": count,
            "device_s": result.device_s}  # fmt: skip


def print_latency(result: Result) -> None:
    """The line on the console in place of the vendor's statistics."""
    figures = f"{result.device_s * 1e6:.2f} us on the core at every percentile (modelled, no noise)"
    mfu = f"; MFU {result.mfu:.1%}" if result.product_flops > 0 else ""
    print(f"{result.model['path']} on {result.chip_title}: {figures}{mfu}")


class _Measured(Kernel):
    """A kernel that times each call. `kernel[grid]` shares what is remembered."""

    def __init__(self, function: Callable[..., Any], grid: tuple[int, ...] = (), edges: Any = (), **options: Any) -> None:
        super().__init__(function, grid, edges, **options)
        self.last: dict[str, Any] = {}
        self.files = Files({}, False)

    def __getitem__(self, grid: Any) -> Kernel:
        other = super().__getitem__(grid)
        other.last, other.files = self.last, self.files
        return other

    def with_options(self, **options: Any) -> Kernel:
        """Shares what is remembered, too."""
        other = super().with_options(**options)
        other.last, other.files = self.last, self.files
        return other

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if core.current() is not None:
            return self.func(*args, **kwargs)
        launched = self.launch(*args, **kwargs)
        self.keep(launched.result())
        return self.returned(launched)

    def keep(self, result: Result) -> None:
        """Remembers the result of a call and writes the files."""
        self.last["result"] = result
        self.files.write(result)

    @property
    def benchmark_result(self) -> BenchmarkResult | None:
        """The last call's latency; None before the first."""
        return BenchmarkResult(self.last["result"]) if self.last else None


class Benchmark(_Measured):
    """What @nki.benchmark makes of a kernel."""

    def keep(self, result: Result) -> None:
        """Prints the latency too."""
        super().keep(result)
        print_latency(result)


class Profile(_Measured):
    """What @nki.profile makes of a kernel: each call writes a trace and a page."""

    @property
    def profile_result(self) -> Result | None:
        """The last call's Result; None before the first."""
        return self.last.get("result")


def _decorate(kind: type[_Measured], kernel: Any, options: dict[str, Any]) -> Any:
    if kernel is None:
        return lambda function: _decorate(kind, function, options)
    made = kind(kernel.func, kernel.grid, kernel.edges, **kernel.options) if isinstance(kernel, Kernel) else kind(kernel)
    made.files = Files(options, kind is Profile)
    return made


def benchmark(kernel: Any = None, **options: Any) -> Any:
    """A kernel whose calls are timed: `kernel.benchmark_result.nc_latency.get_latency_percentile(50)` in microseconds.

    Args:
        kernel: a function or what @nki.jit made of it.
        **options: save_neff_name, save_trace_name and working_directory name files (the trace is Perfetto's JSON; in place of a
            NEFF stands a note); the vendor's others (warmup, iters, additional_compile_opt ...) are taken: runs do not differ.
    """
    return _decorate(Benchmark, kernel, options)


def profile(kernel: Any = None, **options: Any) -> Any:
    """A kernel whose calls write a trace, a report page and a summary.

    Args:
        kernel: a function or what @nki.jit made of it.
        **options: working_directory, save_neff_name (file.neff) and save_trace_name (profile.ntff) say where; the vendor's other
            options (profile_nth, overwrite, additional_compile_opt ...) are taken.
    """
    return _decorate(Profile, kernel, options)
