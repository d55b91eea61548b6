# SPDX-License-Identifier: Apache-2.0
"""Runs a kernel: wraps its arrays, runs its Python on each core, times what it recorded, and gives back arrays."""

from __future__ import annotations

import contextvars
import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._core import nki as core
from .._errors import InvalidArgument
from .._options import assumptions
from .._result import Result
from . import _python_subset
from ._errors import NkiNoKernel
from ._objects import PACKED, NKIObject, nc_version, numpy_dtype

_CHIPS = {
    "trn1": "trainium1", "inf2": "inferentia2", "gen2": "trainium1", "trn2": "trainium2", "gen3": "trainium2",
    "trn3": "trainium3", "gen4": "trainium3", "2": "trainium1", "3": "trainium2", "4": "trainium3",
}  # fmt: skip


def target_chip(default: str = "trainium3") -> str:
    """The chip that the environment asks for (NEURON_PLATFORM_TARGET_OVERRIDE, NKI_NC_VERSION), or the vendor's default."""
    for variable in ("NEURON_PLATFORM_TARGET_OVERRIDE", "NKI_NC_VERSION"):
        wanted = os.environ.get(variable)
        if not wanted:
            continue
        return chip_of(wanted, variable)
    return default


def chip_of(wanted: str, where: str) -> str:
    """The chip of one of the vendor's names for a generation."""
    name = str(wanted).lower().removeprefix("nc_v").split(".")[0]
    if name not in _CHIPS:
        raise InvalidArgument(f"expected one of {', '.join(_CHIPS)}, found '{wanted}'", where)
    return _CHIPS[name]


def environment_options() -> dict[str, Any]:
    """What the environment says about rounding and checks."""
    options: dict[str, Any] = {}
    if os.environ.get("THORONG_NKI_CHECK"):
        options["check"] = os.environ["THORONG_NKI_CHECK"]
    if os.environ.get("THORONG_NKI_MAX_INSTRUCTIONS"):
        options["max_instructions"] = int(os.environ["THORONG_NKI_MAX_INSTRUCTIONS"])
    if os.environ.get("THORONG_NKI_ASSUME"):
        options["assume"] = parse_assumptions(os.environ["THORONG_NKI_ASSUME"].split(";"), "THORONG_NKI_ASSUME")
    if os.environ.get("NKI_PRECISE_FP") == "0":
        options["precise"] = False
    if os.environ.get("NEURON_RT_STOCHASTIC_ROUNDING_EN", "0") not in ("", "0"):
        options["stochastic_rounding"] = True
        options["seed"] = int(os.environ.get("NEURON_RT_STOCHASTIC_ROUNDING_SEED", "0") or "0")
    return options


def parse_assumptions(texts: Iterable[str], where: str) -> dict[str, str]:
    """Names and values from "NAME=VALUE" each."""
    assumed: dict[str, str] = {}
    for text in texts:
        name, _, value = text.strip().partition("=")
        if not name or not value:
            raise InvalidArgument(f"expected NAME=VALUE, as in tensor.min_issue_cycles=128, found '{text}'", where)
        if name in assumed:
            raise InvalidArgument(f"'{name}' is given twice. Give it once.", where)
        assumed[name] = value
    return assumed


@dataclass
class Grid:
    """Where a core stands in the launch grid; what nl.program_id reads."""

    shape: tuple[int, ...] = ()
    position: tuple[int, ...] = ()


_grid: contextvars.ContextVar[Grid] = contextvars.ContextVar("nki_grid")


def grid() -> Grid:
    """The running kernel's place in its grid."""
    return _grid.get(Grid())


def kernel_line() -> str:
    """The kernel's line that runs now: "kernel.py:12"; empty outside of a kernel."""
    return str(core.caller())


def get_nc_version() -> nc_version:
    """The NeuronCore generation of the running kernel's chip, or of the environment's."""
    run = core.current()
    generation = run.generation if run is not None else {"trainium2": 3, "trainium3": 4}.get(target_chip(), 2)
    return nc_version(generation)


def get_nc_sub_version() -> int:
    """The silicon revision within a generation: always the first."""
    return 0


def _to_numpy(value: Any) -> np.ndarray | None:
    """An argument as an array that kernels may read and write; None: not an array."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach") and hasattr(value, "numpy"):  # torch
        value = value.detach()
        if str(value.dtype) == "torch.bfloat16":
            import ml_dtypes
            import torch

            return value.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
        return value.numpy()
    if type(value).__module__.split(".")[0] in ("jax", "jaxlib") and hasattr(value, "__array__"):
        return np.array(value)
    return None


@dataclass
class Arrays:
    """The caller's arrays and what Python made of them."""

    kind: str = "numpy"  # numpy, torch, jax: what the results become
    copies: bool = False  # of a rank: the caller's stay as they are
    wrapped: dict[int, tuple[Any, np.ndarray]] = field(default_factory=dict)

    def note(self, value: Any, array: np.ndarray) -> np.ndarray:
        """The contiguous array that stands for `value`; the same for the same object."""
        module = type(value).__module__.split(".")[0]
        if module in ("torch", "jax", "jaxlib"):
            self.kind = "torch" if module == "torch" else "jax"
        known = self.wrapped.get(id(value))
        if known is None:
            contiguous = np.ascontiguousarray(array) if array.ndim else array.reshape(1).copy()
            if not contiguous.flags.writeable or self.copies:
                contiguous = contiguous.copy()
            known = self.wrapped[id(value)] = (value, contiguous)
        return known[1]

    def write_back(self) -> None:
        """Arrays that had to be copied get what the kernel wrote to them."""
        if self.copies:
            return
        for value, array in self.wrapped.values():
            original = _to_numpy(value) if self.kind != "jax" else None
            if original is None or np.shares_memory(original, array) or not original.flags.writeable:
                continue
            original[...] = array.reshape(original.shape)

    def result(self, array: np.ndarray) -> Any:
        """An output as the caller's kind of array."""
        if self.kind == "torch":
            import torch

            if array.dtype.name == "bfloat16":
                return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
            return torch.from_numpy(array)
        if self.kind == "jax":
            import jax.numpy

            return jax.numpy.asarray(array)
        return array


def constant(array: np.ndarray, name: str) -> core.NkiTensor:
    """An HBM tensor of the running kernel over an array's values."""
    run = core.current()
    if run is None:
        raise NkiNoKernel("a constant: expected a running kernel, found none in this thread. Use it in a function that @nki.jit decorates.")
    array = np.array(array, order="C", ndmin=1)
    return run.wrap(array.reshape(-1).view(np.uint8), list(array.shape), _dtype_of(array, name), name, False)


def identity(n: int, dtype: Any) -> core.NkiTensor:
    """The identity matrix of a size and dtype as a constant; one for all uses in a run."""
    run = core.current()
    known = _identities.setdefault(run, {}) if run is not None else {}
    if (n, dtype) not in known:
        known[n, dtype] = constant(np.eye(n).astype(numpy_dtype(dtype)), f"identity{n}")
    return known[n, dtype]


_identities: weakref.WeakKeyDictionary[Any, dict[tuple[int, Any], core.NkiTensor]] = weakref.WeakKeyDictionary()


def to_array(tensor: core.NkiTensor) -> np.ndarray:
    """A tensor's values as a NumPy array of its own."""
    return tensor.to_bytes().view(numpy_dtype(tensor.dtype)).reshape(tensor.shape)


def _map_tensors(value: Any, change: Callable[[Any], Any]) -> Any:
    """Applies `change` to a value or to what lists, tuples, dicts and NKIObjects hold; an object that changes is copied."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map_tensors(item, change) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(_map_tensors(item, change) for item in value)
    if isinstance(value, dict):
        return {key: _map_tensors(item, change) for key, item in value.items()}
    if isinstance(value, NKIObject):
        changed = {key: _map_tensors(item, change) for key, item in value.__dict__.items()}
        if all(item is value.__dict__[key] for key, item in changed.items()):
            return value
        twin = object.__new__(type(value))
        twin.__dict__.update(changed)
        return twin
    return change(value)


class _Core(threading.Thread):
    """One core of a launch of several, on a thread of its own."""

    def __init__(self, run: core.Run, launch: core.Launch, place: Grid, body: Callable[[], Any]) -> None:
        super().__init__(name=f"nki-core-{run.core}", daemon=True)
        self.nki_run, self.launch, self.place, self.body = run, launch, place, body
        self.value: Any = None
        self.error: BaseException | None = None
        self.context = contextvars.copy_context()

    def run(self) -> None:
        """Runs the kernel when this core holds the baton."""
        self.launch.enter(self.nki_run.core)
        try:
            self.value = self.context.run(_run_on_core, self.nki_run, self.place, self.body)
        except BaseException as error:  # noqa: BLE001: raised again in the caller's thread
            self.error = error
        finally:
            self.launch.leave(self.nki_run.core)


def _run_on_core(run: core.Run, place: Grid, body: Callable[[], Any]) -> Any:
    outer = core.current()
    token = _grid.set(place)
    run.enter()
    try:
        return body()
    finally:
        run.exit()
        if outer is not None:
            outer.enter()
        _grid.reset(token)


@dataclass
class PerRank:
    """An argument that is another one for each rank: PerRank([x0, x1])."""

    values: list[Any]


@dataclass
class Launched:
    """What a run of a kernel leaves: its runs (one a core), what the kernel returned on each rank, and the arrays of each."""

    runs: list[Any]
    values: list[Any]
    arrays: list[Arrays]
    name: str
    timed: bool = False  # somebody asked for the result

    def outputs(self, rank: int = 0) -> Any:
        """A rank's results as arrays."""
        arrays = self.arrays[rank]
        return _map_tensors(self.values[rank], lambda v: arrays.result(to_array(v)) if isinstance(v, core.NkiTensor) else v)

    def result(self) -> Result:
        """Time, energy and cost of what was recorded."""
        self.timed = True
        result = Result(core.finish(self.runs, self.name, _named(self.values[0])))
        if len(self.values) > 1 and not result.timing_only:
            result.rank_outputs = [{name: to_array(tensor) for name, tensor in _named(value)} for value in self.values]
        return result


def _named(value: Any) -> list[tuple[str, Any]]:
    """The tensors in what a kernel returned, with their names."""
    return [(tensor.name or f"output{number}", tensor) for number, tensor in enumerate(_tensors(value))]


# Told of each launch: `python -m thorong.nki` sums them up.
on_launch: Callable[[Launched], None] | None = None


_MOST_RANKS = 1024  # of any chip; its own number is checked when it is known


def launch(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], grid_shape: tuple[int, ...], edges: Any = (),
    ranks: int | None = None, **options: Any,
) -> Launched:  # fmt: skip
    """Runs a kernel's Python on the cores of the grid, for each rank, one after the other at each meeting."""
    options = {**environment_options(), **options}
    options.setdefault("chip", target_chip())
    options["assume"] = assumptions(options.get("assume"))
    wanted = options.get("check") != "off" and not options.get("compiled")
    if wanted:
        _python_subset.warn(function)
    cores = 1
    for size in grid_shape:
        cores *= int(size)
    if ranks is not None and not 1 <= ranks <= _MOST_RANKS:
        raise InvalidArgument(f"expected 1 to {_MOST_RANKS} ranks, found ranks={ranks}. A chip has one for each core or pair of cores.", "ranks")
    shared = core.Launch(cores, ranks or 1, ranks is not None) if cores > 1 or ranks is not None else None
    runs = [core.begin(options, 0, shared)]
    _check_ranks(ranks, cores, runs[0])
    runs += [core.begin(options, number, shared) for number in range(1, cores * (ranks or 1))]
    arrays = [Arrays(copies=ranks is not None) for _ in range(ranks or 1)]
    bodies = [_body(function, *_of_rank(args, kwargs, n // cores, ranks), run, arrays[n // cores]) for n, run in enumerate(runs)]
    grid = tuple(grid_shape)
    places = [Grid(grid, tuple(int(i) for i in np.unravel_index(n % cores, grid)) if grid else ()) for n in range(len(runs))]
    token = _python_subset.conditions.set(set() if wanted else None)
    try:
        values = [_run_on_core(runs[0], places[0], bodies[0])] if shared is None else _run_cores(runs, shared, places, bodies)
    finally:
        _python_subset.conditions.reset(token)
    values = values[::cores]
    for number, run in enumerate(runs):
        for later, earlier in edges:
            run.add_edge(later, earlier)
        run.check_end(list(_tensors(values[number // cores])) if number % cores == 0 else [])
    for each in arrays:
        each.write_back()
    name = getattr(function, "__name__", type(function).__name__)
    launched = Launched(runs, values, arrays, name)
    if on_launch is not None:
        on_launch(launched)
    return launched


def _check_ranks(ranks: int | None, cores: int, run: core.Run) -> None:
    there = run.figures["cores"]
    if ranks is None or (ranks >= 1 and ranks * cores <= there):
        return
    raise InvalidArgument(
        f"expected 1 to {there // cores} ranks of {cores} core{'s' if cores > 1 else ''}, since {run.chip} has {there}, found ranks={ranks}. "
        "Ranks on several chips are not modelled: run fewer.", "ranks",
    )  # fmt: skip


def _of_rank(args: tuple[Any, ...], kwargs: dict[str, Any], rank: int, ranks: int | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of one rank: its parts of those that are PerRank."""

    def pick(value: Any) -> Any:
        if not isinstance(value, PerRank):
            return value
        if len(value.values) != (ranks or 1):
            raise InvalidArgument(f"expected a PerRank of {ranks or 1} values, one a rank, found {len(value.values)}. Pass ranks={len(value.values)}.", "ranks")
        return value.values[rank]

    return tuple(pick(value) for value in args), {key: pick(value) for key, value in kwargs.items()}


def _tensors(value: Any) -> list[Any]:
    found: list[Any] = []
    _map_tensors(value, lambda v: found.append(v) if isinstance(v, core.NkiTensor) else None)
    return found


def _run_cores(runs: list[Any], shared: core.Launch, places: list[Grid], bodies: list[Callable[[], Any]]) -> list[Any]:
    threads = [_Core(run, shared, place, body) for run, place, body in zip(runs, places, bodies)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:  # Ctrl-C: the cores end at their next instruction or line
        for run in runs:
            run.stop()
        shared.stop()
        for thread in threads:
            if thread.ident is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
        for thread in threads:
            thread.join(5)
        raise
    errors = [thread.error for thread in threads if thread.error is not None]
    # That a core waited in vain is what another one's error led to.
    errors.sort(key=lambda error: getattr(error, "check", "") == "deadlock")
    if errors:
        raise errors[0]
    return [thread.value for thread in threads]


def _body(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], run: core.Run, arrays: Arrays) -> Callable[[], Any]:
    """The kernel with its arrays wrapped for one core."""

    def wrap(name: str) -> Callable[[Any], Any]:
        def change(value: Any) -> Any:
            array = _to_numpy(value)
            if array is None:
                return value
            array, dtype = arrays.note(value, array), _dtype_of(array, name)
            return run.wrap(array.reshape(-1).view(np.uint8), list(array.shape), dtype, name, False)

        return change

    names = getattr(getattr(function, "__code__", None), "co_varnames", ())
    label = lambda i: names[i] if i < len(names) else f"argument{i}"  # noqa: E731
    given = [_map_tensors(value, wrap(label(i))) for i, value in enumerate(args)]
    named = {key: _map_tensors(value, wrap(key)) for key, value in kwargs.items()}
    return lambda: function(*given, **named)


def _dtype_of(array: np.ndarray, name: str) -> str:
    """The name of an array's dtype in nki.language."""
    if array.dtype.names and array.dtype.names[0] in PACKED:
        return array.dtype.names[0]
    kind = array.dtype.name
    if kind in ("float8_e4m3b11fnuz", "complex64", "complex128", "object") or array.dtype.hasobject:
        raise InvalidArgument(f"arrays of {kind} have no dtype in NKI; convert '{name}' first", name)
    return kind
