# SPDX-License-Identifier: Apache-2.0
"""Compile, load, execute; `run` does all three."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _core, _options
from ._arrays import Structure, dtype_of, to_tensors
from ._errors import FailedPrecondition, InvalidArgument
from ._result import Result

if TYPE_CHECKING:
    from typing_extensions import Unpack

# The chips that are installed with the package, unless the environment names others.
if not os.environ.get("THORONG_CHIPS"):
    _core.set_chips_folder(str(Path(__file__).resolve().parent / "chips"))


@dataclass(frozen=True)
class Signature:
    """Name, element type and shape (elements) of one input or output."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def chips() -> list[str]:
    """Names of the chips that come with the package.

    Returns:
        The names, sorted; each can be given as `chip=`.

    Example:
        >>> thorong.chips()
        ['inferentia1', 'inferentia2', 'trainium1', 'trainium2', 'trainium3']
    """
    return _core.shipped_chips()


class Device:
    """A modelled chip, for `Program.load`.

    Args:
        chip: a name of `thorong.chips()`, or a chip file (.yaml).

    Attributes:
        chip: as given.
        name: the name that the chip file states.
        title: the name for people.

    Raises:
        NotFound: there is no such chip; the message names the nearest.
        InvalidArgument: the chip file is wrong; the message names the line.

    Example:
        >>> thorong.Device("trainium1").title
    """

    def __init__(self, chip: str | os.PathLike[str] = "trainium1") -> None:
        self.chip = os.fspath(chip)
        self.name, self.title = _core.chip_names(self.chip)

    def __repr__(self) -> str:
        return f"thorong.Device({self.chip!r})"


class Executable:
    """A program loaded on a simulated device. Made by `Program.load`.

    Weights and buffers stay on the device between calls. Threads may share it; their calls follow each other.
    After an InternalError it refuses further calls: load the program again.
    """

    def __init__(self, core: _core.Executable, program: Program) -> None:
        self._core = core
        self.program = program

    def __call__(self, inputs: Mapping[str, NDArray[Any]] | None = None) -> Result:
        """Executes the program once (`repeat` times, if it was compiled so).

        Args:
            inputs: arrays by name, with the shapes and element types of `program.inputs`. Missing ones are random
                values from the seed, named in `Result.random_inputs`. They must not change before the call returns.

        Returns:
            Values and figures.

        Raises:
            InvalidArgument: an input's name, shape or type is not the model's.
            MachineFault: the simulated machine stopped.
            KeyboardInterrupt: Ctrl-C; the executable can be used again.

        Example:
            >>> executable({"x": numpy.ones((8, 64), numpy.float32)}).outputs["y"]
        """
        tensors, structures = to_tensors(inputs)
        for name, structure in structures.items():
            if structure != self.program._structures.get(name, structure):
                raise FailedPrecondition(
                    "the program was compiled for another number of tensors or other strings. Compile it with these.",
                    f"inputs['{name}']",
                )
        return Result(self._core.execute(tensors))

    def __repr__(self) -> str:
        return f"<thorong.Executable of {self.program!r}>"


class Program:
    """A model compiled for one chip. Made by `thorong.compile`; threads may share it.

    Attributes:
        chip: the chip as it was given to `compile`.
        inputs, outputs: their signatures in the model's order.
    """

    def __init__(self, core: _core.Program, name: str, structures: dict[str, Structure]) -> None:
        self._core = core
        self._name = name
        self._structures = structures
        self.chip = core.chip
        self.inputs = _signatures(core.inputs)
        self.outputs = _signatures(core.outputs)

    def load(self, device: Device | str | None = None) -> Executable:
        """Loads the program on a simulated device.

        Args:
            device: a Device or a chip's name, of the chip that the program was compiled for; None makes one.

        Returns:
            An executable with memories of its own.

        Raises:
            InvalidArgument: the device is another chip.
            ResourceExhausted: this machine has no memory for the program's tensors.

        Example:
            >>> executable = program.load()
        """
        if device is not None:
            device = device if isinstance(device, Device) else Device(device)
            if device.name != self._core.chip_name:
                raise InvalidArgument(
                    f"the program was compiled for {self._core.chip_name} and the device is {device.name}. "
                    f"Compile it for that chip: compile(model, chip={device.chip!r})",
                    "load",
                )
        return Executable(self._core.load(), self)

    def __repr__(self) -> str:
        return f"<thorong.Program: {self._name} for {self._core.chip_name}>"


def compile(
    model: _options.Model,
    *,
    chip: str | os.PathLike[str] = "trainium1",
    inputs: Mapping[str, NDArray[Any]] | None = None,
    **options: Unpack[_options.CompileOptions],
) -> Program:
    """Compiles a model for a chip.

    Args:
        model: an ONNX file's path, its bytes, or an onnx.ModelProto.
        chip: a name of `thorong.chips()`, or a chip file (.yaml).
        inputs: arrays whose shapes bind the model's symbolic dimensions. Their values are used only where sizes,
            branches or trip counts depend on them; the program is then for these values, and says so when it is
            executed with others. A list is a sequence, None an absent optional, an array of objects strings.
        **options: those of `run`, without out, report and trace.

    Returns:
        The program.

    Raises:
        TypeError: an option that does not exist, or of a wrong type.
        InvalidArgument, Unsupported, NotFound, OutOfRange: the model, chip or an option; the message says where.
        FailedPrecondition: a symbolic dimension has no size.

    Example:
        >>> program = thorong.compile("model.onnx", chip="trainium2", dims={"batch": 8})
        >>> program.load()({"x": numpy.ones((8, 64), numpy.float32)}).latency_s
    """
    _options.check_names("compile", options, _options.COMPILE)
    given = _options.for_core(chip, options)
    tensors, structures = to_tensors(inputs)
    if hasattr(model, "SerializeToString"):
        model = model.SerializeToString()
    if isinstance(model, (str, os.PathLike)):
        path = os.fspath(model)
        return Program(_core.compile_file(path, given, tensors, structures), path, structures)
    if isinstance(model, (bytes, bytearray, memoryview)):
        return Program(_core.compile_bytes(bytes(model), given, tensors, structures), "a model of bytes", structures)
    raise TypeError(f"model wants a path, bytes or an onnx.ModelProto, found {type(model).__name__}")


def run(
    model: _options.Model,
    *,
    chip: str | os.PathLike[str] = "trainium1",
    inputs: Mapping[str, NDArray[Any]] | None = None,
    **options: Unpack[_options.RunOptions],
) -> Result:
    """Runs a model on a modelled chip.

    Args:
        model: an ONNX file's path, its bytes, or an onnx.ModelProto.
        chip: a name of `thorong.chips()`, or a chip file (.yaml).
        inputs: arrays by input name, with the model's shapes and element types (ml_dtypes for bf16 and fp8); a list for a
            sequence, None for an absent optional, an array of objects for strings. Missing ones are random values from
            the seed.
        **options: the command's, in snake case:
            assume: for this run, other values of the chip's figures: {"tensor.min_issue_cycles": 128}; names as
                `Result.assumed` has them, values as in the chip file ("128 cycles"). `Result.assumptions` says what
                it did to the time.
            dims: sizes of symbolic dimensions by name.
            auto_cast: what is cast down: "none", "matmult" (operands of matrix products) or "all".
            auto_cast_type: to which type: "bf16", "fp16", "tf32" or "fp8_e4m3".
            rounding: "rne" (nearest even) or "stochastic".
            seed: of random inputs and stochastic rounding.
            timing_only: True for time, energy and cost from shapes, without values.
            threads: of this machine; 0 for all. Never changes a result.
            repeat: executes so often; `wall["run_s"]` is the shortest.
            schedule: "vendor" (the overlap that the vendor's compiler reaches) or "best" (all that dependencies allow).
            against: "reference" also computes the operators' plain meaning in fp32; see `Result.errors`.
            out: a folder for the outputs as NAME.npy.
            cache: a folder that keeps compiled programs, up to 2 GiB, found again by their content; $THORONG_CACHE names
                one for every run.
            report: a file for the HTML report.
            trace: a file for the Perfetto trace, .json or .json.gz.

    Returns:
        Values and figures.

    Raises:
        TypeError: an option that does not exist, or of a wrong type.
        Error: a subclass for each kind of mistake; the message names the place and what to do.
        MachineFault: the simulated machine stopped.
        KeyboardInterrupt: Ctrl-C, between two instructions of the simulated machine.

    Example:
        >>> result = thorong.run("model.onnx", chip="trainium1", auto_cast="matmult", dims={"batch": 8})
        >>> print(result.latency_s, result.energy_j, result.cost["usd_per_million"])
    """
    _options.check_names("run", options, _options.RUN)
    given: dict[str, Any] = dict(options)
    views = {name: given.pop(name, None) for name in ("out", "report", "trace")}
    views = {name: os.fspath(path) for name, path in views.items() if path is not None}
    if "out" in views and options.get("timing_only"):
        raise InvalidArgument("needs values, and timing_only computes none. Leave one of them out.", "out")
    _check_overwrites({"the model": model, "chip": chip}, views)
    _core.check_places(**views)  # before a long run
    result = compile(model, chip=chip, inputs=inputs, **given).load()(inputs)
    if "out" in views:
        result._core.write_outputs(views["out"])  # before anything reads the JSON: it states the files
    if "report" in views:
        result.to_html(views["report"])
    if "trace" in views:
        result.trace(views["trace"])
    return result


def _check_overwrites(read: dict[str, Any], views: dict[str, str]) -> None:
    """Refuses a view that would replace what is read, or another view."""
    taken = {os.path.realpath(path): what for what, path in read.items() if isinstance(path, (str, os.PathLike))}
    for what in ("report", "trace"):
        path = os.path.realpath(views.get(what, os.devnull))
        if os.path.exists(path) and not os.path.isfile(path):
            continue  # a device is written to, not replaced
        if path in taken:
            raise InvalidArgument(f"would overwrite '{views[what]}', which is {taken[path]}. Choose another file.", what)
        taken[path] = what


def _signatures(core: list[_core.Signature]) -> tuple[Signature, ...]:
    return tuple(Signature(s.name, dtype_of(s.dtype), tuple(s.shape)) for s in core)
