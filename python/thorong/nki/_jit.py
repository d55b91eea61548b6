# SPDX-License-Identifier: Apache-2.0
"""@nki.jit and the ways to call what it makes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from .._core import nki as core
from .._errors import InvalidArgument
from .._result import Result
from . import _run


class Kernel:
    """A kernel: a Python function over tiles. Called with arrays it runs; called by a kernel it is part of that one.

    `kernel[2](...)` runs it on two cores (LNC=2); `kernel[grid](...)` on a grid of them.
    """

    def __init__(self, function: Callable[..., Any], grid: tuple[int, ...] = (), edges: Any = (), **options: Any) -> None:
        self.func = function
        self.grid = grid
        self.edges = edges
        self.options = options
        functools.update_wrapper(self, function)

    def __getitem__(self, grid: Any) -> Kernel:
        sizes = tuple(int(size) for size in grid) if isinstance(grid, (tuple, list)) else (int(grid),)
        if any(size < 1 for size in sizes):
            raise InvalidArgument(f"expected a grid of 1 core or more, found {grid!r}", self.__name__)
        return type(self)(self.func, sizes, self.edges, **self.options)

    def with_schedule(self, edges: Any) -> Kernel:
        """The kernel with more order: pairs of an instruction's name and the name, or names, of those that come before it."""
        pairs = tuple((later, earlier) for later, names in edges for earlier in ([names] if isinstance(names, str) else names))
        return type(self)(self.func, self.grid, (*self.edges, *pairs), **self.options)

    def with_options(self, **options: Any) -> Kernel:
        """The kernel with more options of launch()."""
        return type(self)(self.func, self.grid, self.edges, **{**self.options, **options})

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def launch(self, *args: Any, **kwargs: Any) -> _run.Launched:
        """Runs the kernel; the record of it is timed when somebody asks."""
        return _run.launch(self.func, args, kwargs, self.grid, self.edges, **self.options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if core.current() is not None:
            return self.func(*args, **kwargs)
        return self.returned(self.launch(*args, **kwargs))

    def returned(self, launched: _run.Launched) -> Any:
        """What a call gives back: the kernel's results as arrays, with `ranks` a list of each rank's."""
        return [launched.outputs(rank) for rank in range(len(launched.values))] if self.options.get("ranks") else launched.outputs()

    def __repr__(self) -> str:
        return f"<nki kernel {self.__name__}>"


def jit(fn: Callable[..., Any] | None = None, **kwargs: Any) -> Any:
    """Makes a kernel of a function.

    Args:
        fn: the function; without it, a decorator is returned.
        **kwargs: platform_target ("trn2") chooses the chip; the vendor's other options concern its compiler and have no effect.
    """
    if fn is None:
        return lambda function: jit(function, **kwargs)
    target = kwargs.get("platform_target")
    return Kernel(fn, **({"chip": _run.chip_of(target, "platform_target")} if target else {}))


def simulate(kernel: Any, ranks: int | None = None) -> Kernel:
    """The kernel, ready to be called with arrays (all kernels are simulated here).

    Args:
        kernel: a function or what @nki.jit made of it.
        ranks: so many ranks of one chip run it together; the call returns a list, one value a rank.
    """
    if not callable(kernel):
        raise TypeError(f"expected a kernel (a function, or what @nki.jit made of it), found {kernel!r}")
    made = kernel if isinstance(kernel, Kernel) else Kernel(kernel)
    return made if ranks is None else made.with_options(ranks=ranks)


cpu_simulate = simulate


def run(
    kernel: Any, *args: Any, chip: str | None = None, check: str | None = None, ranks: int | None = None,
    assume: Mapping[str, str | float] | None = None, **kwargs: Any,
) -> Result:  # fmt: skip
    """Runs a kernel and times it on the modelled chip.

    Args:
        kernel: a function or what @nki.jit made of it; kernel[2] for two cores.
        *args, **kwargs: the kernel's own; arrays are NumPy's, PyTorch's or JAX's.
        chip: a name of thorong.chips(), or a chip file; by default what the environment or @nki.jit says, or trainium2.
        check: what the checks of docs/nki.md do: strict (raise, the default), warn or off; else what THORONG_NKI_CHECK says.
        ranks: so many ranks of the chip run it together, each with the kernel's cores and its own arrays: copies, or its part of a
            PerRank([...]).

        assume: for this run, other values of the chip's figures: {"tensor.min_issue_cycles": 128}; else what
            THORONG_NKI_ASSUME says. The result's `assumptions` say what they did to the time.

    Returns:
        The same Result as for models; `outputs` has the returned tensors by name (of rank 0), `rank_outputs` those of each rank.
    """
    kernel = simulate(kernel, ranks)
    timing_only = kwargs.pop("timing_only", False)
    options = dict(kernel.options)
    if chip is not None or "chip" not in options:
        options["chip"] = chip if chip is not None else _run.target_chip("trainium2")
    if timing_only:
        options["timing_only"] = True
    if check is not None:
        options["check"] = check
    if assume is not None:
        options["assume"] = assume
    return Kernel(kernel.func, kernel.grid, kernel.edges, **options).launch(*args, **kwargs).result()
