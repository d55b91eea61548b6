# SPDX-License-Identifier: Apache-2.0
"""neuronxcc.nki: jit and trace, simulate_kernel, baremetal, benchmark, profile, and grids over cores."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import math
import textwrap
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from ..._core import nki as core
from .. import _run
from .._benchmark import BenchmarkResult, Files, Latency, print_latency
from .._jit import Kernel as NewKernel
from ._tensor import Session, Tensor, _session, flush, made_of

_PLATFORMS = {"trn1": "trainium1", "inf2": "inferentia2", "trn2": "trainium2", "trn3": "trainium3"}


class Grid:
    """A launch grid: its sizes, and which instances run on which core."""

    def __init__(self, key: Any) -> None:
        from .language import nc, spmd_dim

        dims = key if isinstance(key, tuple) else (key,)
        self.shape: list[int] = []
        self.cores = 1
        self.core_of: list[Callable[[int], int]] = []
        for dim in dims:
            outer, inner = (dim.outer, dim.inner) if isinstance(dim, spmd_dim) else (dim, 1)
            first = outer.cores if isinstance(outer, nc) else int(outer)
            second = inner.cores if isinstance(inner, nc) else int(inner)
            self.shape.append(max(1, first * second))  # kernel[0] is one instance
            cores = first if isinstance(outer, nc) else second if isinstance(inner, nc) else 1
            inner_cores = isinstance(inner, nc)
            self.core_of.append(self._place(cores, second, inner_cores))
            self.cores *= cores

    @staticmethod
    def _place(cores: int, second: int, inner_cores: bool) -> Callable[[int], int]:
        if cores == 1:
            return lambda i: 0
        return (lambda i: i % second) if inner_cores else (lambda i: i // second)

    def instances(self) -> list[list[tuple[int, ...]]]:
        """The positions of each core's instances, in order."""
        result: list[list[tuple[int, ...]]] = [[] for _ in range(self.cores)]
        for position in np.ndindex(*self.shape):
            number = 0
            for axis, place in enumerate(position):
                number = max(number, self.core_of[axis](place))
            result[number].append(tuple(int(i) for i in position))
        return result


def _inside(value: Any) -> Any:
    """A tensor of the core as one of the older interface."""
    return made_of(value) if isinstance(value, core.NkiTensor) else value


def _outside(value: Any) -> Any:
    if isinstance(value, Tensor):
        made = value.core()
        return made
    return value


def instances_of(function: Callable[..., Any], grid: Grid | None) -> Callable[..., Any]:
    """The kernel as one core runs it: all its instances, one after the other."""

    @functools.wraps(function)
    def body(*args: Any, **kwargs: Any) -> Any:
        token = _session.set(Session())
        try:
            given = [_run._map_tensors(value, _inside) for value in args]
            named = {name: _run._map_tensors(value, _inside) for name, value in kwargs.items()}
            if grid is None:
                return _finished(function(*given, **named))
            mine = grid.instances()[core.current().core]
            state, value, shared = None, None, []
            for position in mine:
                state = Session()
                state.shared = shared
                _session.set(state)
                place = _run._grid.set(_run.Grid(tuple(grid.shape), position))
                try:
                    value = _finished(function(*given, **named))
                finally:
                    _run._grid.reset(place)
            return value
        finally:
            _session.reset(token)

    return body


def _finished(value: Any) -> Any:
    result = _run._map_tensors(value, _outside)
    flush()
    return result


class Kernel:
    """A kernel of the older interface. Called with arrays it runs; called by a kernel it is part of that one."""

    def __init__(self, function: Callable[..., Any], grid: Grid | None = None, **options: Any) -> None:
        self.func = function
        self.grid = grid
        self.options = options
        functools.update_wrapper(self, function)
        del self.__dict__["__wrapped__"]  # a kernel is not its function: test collectors look through __wrapped__
        with contextlib.suppress(TypeError, ValueError):
            self.__signature__ = inspect.signature(function)

    def _copy(self, grid: Grid | None) -> Kernel:
        made = type(self)(self.func, grid, **self.options)
        made.__dict__.update({k: v for k, v in self.__dict__.items() if k not in made.__dict__})
        return made

    def __getitem__(self, key: Any) -> Kernel:
        return self._copy(Grid(key))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def launch(self, *args: Any, **kwargs: Any) -> _run.Launched:
        """Runs the kernel on its grid; time is computed when somebody asks."""
        body = instances_of(with_mask_operators(self.func), self.grid)
        cores = self.grid.cores if self.grid is not None else 1
        return _run.launch(body, args, kwargs, (cores,) if cores > 1 else (), compiled=True, **self.options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if core.current() is not None:
            return with_mask_operators(self.func)(*args, **kwargs)
        return self.launch(*args, **kwargs).outputs()

    def __repr__(self) -> str:
        return f"<neuronxcc.nki kernel {getattr(self.func, '__name__', self.func)}>"


def _options(platform_target: str | None, **_: Any) -> dict[str, Any]:
    if platform_target is None:
        return {}
    name = str(platform_target).lower()
    if name not in _PLATFORMS:
        raise ValueError(f"platform_target: expected one of {', '.join(_PLATFORMS)}, found '{platform_target}'")
    return {"chip": _PLATFORMS[name]}


def kernel_of(function: Any, **options: Any) -> Kernel:
    """The kernel of a function, or of what a decorator made of it."""
    if isinstance(function, (Kernel, NewKernel)):
        grid = function.grid if isinstance(function, Kernel) else None
        return Kernel(function.func, grid, **{**function.options, **options})
    return Kernel(function, None, **options)


def jit(func: Any = None, mode: str = "auto", platform_target: str | None = None, **kwargs: Any) -> Any:
    """Makes a kernel of a function. Whatever the mode, it runs on the modelled chip."""
    if func is None:
        return lambda function: jit(function, mode, platform_target, **kwargs)
    return kernel_of(func, **_options(platform_target))


def trace(func: Any = None, **kwargs: Any) -> Any:
    """nki.jit(mode="trace")."""
    return jit(func, "trace", **kwargs)


def simulate_kernel(kernel: Any, *args: Any, **kwargs: Any) -> Any:
    """Runs a kernel with arrays; what it writes to arrays without returning them is there afterwards."""
    made = kernel if isinstance(kernel, Kernel) else kernel_of(kernel)
    return made.launch(*args, **kwargs).outputs()


# ---- time


class Timed(Kernel):
    """A kernel that is timed when it runs; `benchmark_result` is that of the last run, also of one on a grid of it."""

    files = Files({}, False)
    prints = False
    last: dict[str, Any] = {}

    @property
    def benchmark_result(self) -> BenchmarkResult | None:
        """The last call's latency; None before the first."""
        return BenchmarkResult(self.last["result"]) if self.last else None

    def __getitem__(self, key: Any) -> Timed:
        made = super().__getitem__(key)
        made.files, made.prints, made.last = self.files, self.prints, self.last
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if core.current() is not None:
            return super().__call__(*args, **kwargs)
        launched = self.launch(*args, **kwargs)
        outputs = launched.outputs()
        result = launched.result()
        self.last["result"] = result
        self.files.write(result)
        if self.prints:
            print_latency(result)
        return outputs


def _decorator(documentation: str, profile: bool = False, prints: bool = False) -> Callable[..., Any]:
    def decorate(func: Any = None, *, platform_target: str | None = None, **options: Any) -> Any:
        def make(function: Any) -> Timed:
            kernel = kernel_of(function, **_options(platform_target))
            made = Timed(kernel.func, kernel.grid, **kernel.options)
            made.files, made.prints, made.last = Files(options, profile), prints, {}
            return made

        return make if func is None else make(func)

    decorate.__doc__ = documentation
    return decorate


baremetal = _decorator("Runs a kernel by itself, with arrays; no framework, and here no hardware.")
benchmark = _decorator("Runs a kernel, prints its modelled latency and keeps it in `benchmark_result.nc_latency`.", prints=True)
profile = _decorator("Runs a kernel and writes its modelled timeline to `working_directory/save_trace_name`, as JSON for Perfetto.", profile=True)


# ---- `and`, `or`, `not` in masks


class _MaskOperators(ast.NodeTransformer):
    """`mask=(a and b)` becomes `mask=(a & b)`: the older compiler reads a kernel's source, where both are one."""

    def __init__(self) -> None:
        self.inside = 0
        self.changed = False

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        """Counts how deep in mask= we are."""
        self.inside += node.arg == "mask"
        node = self.generic_visit(node)
        self.inside -= node.arg == "mask"
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """The operators on bits in place of those on truth."""
        node = self.generic_visit(node)
        if not self.inside:
            return node
        self.changed = True
        op = ast.BitAnd() if isinstance(node.op, ast.And) else ast.BitOr()
        return ast.copy_location(functools.reduce(lambda a, b: ast.copy_location(ast.BinOp(a, op, b), node), node.values), node)


@functools.lru_cache(maxsize=None)
def with_mask_operators(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with `and` and `or` in its masks understood as & and |; itself where there are none."""
    function = inspect.unwrap(function) if isinstance(function, FunctionType) else function
    if not isinstance(function, FunctionType):
        return function
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return function
    operators = _MaskOperators()
    tree = operators.visit(tree)
    definition = tree.body[0] if tree.body else None
    if not operators.changed or not isinstance(definition, ast.FunctionDef):
        return function
    definition.decorator_list = []
    outer = ast.FunctionDef(name="outer", args=ast.arguments([], [], None, [], [], None, []), decorator_list=[],
                            body=[ast.Assign([ast.Name(n, ast.Store())], ast.Constant(None)) for n in function.__code__.co_freevars] + [definition])
    module = ast.increment_lineno(ast.fix_missing_locations(ast.Module([outer], [])), first - 1)
    compiled = compile(module, function.__code__.co_filename, "exec")
    code = next(c for c in compiled.co_consts if isinstance(c, CodeType))
    code = next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == function.__name__)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
    made = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, tuple(cells[n] for n in code.co_freevars))
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def cores_of(grid: Grid | None) -> int:
    """Physical cores of a grid."""
    return grid.cores if grid is not None else 1


__all__ = ["BenchmarkResult", "Grid", "Kernel", "Latency", "baremetal", "benchmark", "jit", "math", "profile", "simulate_kernel", "trace"]
