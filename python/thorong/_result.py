# SPDX-License-Identifier: Apache-2.0
"""What a run gives: values, and every figure of the command's JSON."""

from __future__ import annotations

import difflib
import html
import json
import os
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import to_array, to_values


class _Outputs(dict[str, NDArray[Any]]):
    """Arrays by name; a name that is not there is answered with those that are."""

    def __missing__(self, name: object) -> NDArray[Any]:
        there = ", ".join(map(repr, self)) or "none: a run with timing_only computes no values"
        raise KeyError(f"the model has no output {name!r}; outputs: {there}")


def _records(columns: dict[str, NDArray[Any]], names: dict[str, list[str]]) -> NDArray[Any]:
    """A structured array of columns; those with names are indices into them, and an index of -1 is the empty name."""
    fields = [(name, object if name in names else column.dtype) for name, column in columns.items()]
    records = np.empty(len(next(iter(columns.values()))), dtype=fields)
    for name, column in columns.items():
        records[name] = np.array([*names[name], ""], dtype=object)[column] if name in names else column
    return records


class Result:
    """The values and figures of one run. Made by `thorong.run` and `Executable`.

    Every key of the JSON is an attribute of the same name; times are in seconds, energies in joules, sizes in bytes.
    The JSON's `thorong` and `model` are the package's version and the model's path, hash and format. Beside them:

    Example:
        >>> result = thorong.run("model.onnx", dims={"batch": 8})
        >>> result.latency_s, result.energy_by["tensor"], result.engines["tensor"]["utilization"]
    """

    thorong: str
    model: dict[str, str]
    chip: str
    chip_title: str
    cores_used: int
    schedule: str
    auto_cast: str
    auto_cast_type: str
    rounding: str
    seed: int
    timing_only: bool
    latency_s: float
    device_s: float
    host_s: float
    throughput_per_s: float
    program_start_s: float
    program_stop_s: float
    energy_j: float
    energy_by: dict[str, float]
    energy_by_line: list[dict[str, Any]]
    average_power_w: float
    product_flops: float
    mfu: float
    cost: dict[str, Any]
    engines: dict[str, dict[str, Any]]
    cores: list[dict[str, Any]]
    shown_core: int
    memory: dict[str, int]
    roofline: dict[str, Any]
    operators: list[dict[str, Any]]
    waits: list[dict[str, Any]]
    critical_path: list[dict[str, Any]]
    memory_map: dict[str, dict[str, Any]]
    random_inputs: list[str]
    not_modelled: list[str]
    assumed: list[dict[str, Any]]
    expected_error: dict[str, Any] | None
    hints: list[str]
    wall: dict[str, float]

    def __init__(self, core: _core.Result) -> None:
        self._core = core

    @cached_property
    def _figures(self) -> dict[str, Any]:
        return dict(json.loads(self._core.to_json()))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            if name in self._figures:
                return self._figures[name]
            if name in ("cores", "shown_core"):  # of one core alone
                return [] if name == "cores" else 0
            nearest = difflib.get_close_matches(name, dir(self), n=1)
            hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
            raise AttributeError(f"a Result has no '{name}'{hint}")
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._figures})

    @cached_property
    def outputs(self) -> dict[str, NDArray[Any]]:
        """The outputs by name, in the model's shapes and types (ml_dtypes for bf16 and fp8); empty with timing_only.

        A sequence is a list of arrays, an optional without a value None, and strings an array of objects.
        """
        tensors = dict(zip(self._unique_names(), map(to_array, self._core.outputs())))
        return _Outputs(to_values(tensors, self._core.output_structures()) if tensors or not self.timing_only else {})

    def _unique_names(self) -> list[str]:
        """The tensors' names as the JSON has them: a second equal one is numbered."""
        return [name for name, output in self._figures["outputs"].items() if "shape" in output and "strings" not in output]

    @cached_property
    def rank_outputs(self) -> list[dict[str, NDArray[Any]]]:
        """The outputs of each rank that ran a kernel (thorong.nki.run with ranks); without ranks those of the only one."""
        return [self.outputs]

    @property
    def errors(self) -> dict[str, dict[str, float]]:
        """With against="reference", each output's max_abs, max_rel and rms; else empty."""
        return dict(self._figures.get("errors", {}))

    @cached_property
    def timeline(self) -> NDArray[Any]:
        """Every instruction in program order: a structured array.

        Fields: start_s and end_s in seconds on the modelled chip, engine, instruction and operator as names
        (operator is empty where none asked for the instruction; of a kernel it is the line), waited_for (as in `waits`),
        cause (the row of the instruction that held it back, or -1) and hbm_bytes (that it moves).

        Example:
            >>> events = result.timeline
            >>> events[events["engine"] == "tensor"]["start_s"]
        """
        return _records(self._core.timeline(), self._core.timeline_names())

    @cached_property
    def tiles(self) -> NDArray[Any]:
        """Which tensor lay where, from when to when: a structured array with a row for each.

        Fields: memory (hbm, sbuf or psum), name (empty where it has none), at (the line, or the operator, that used it first),
        engine (the same one's), address and bytes (of each partition; of HBM in all), partitions, start_s and end_s.

        Example:
            >>> tiles = result.tiles
            >>> tiles[tiles["memory"] == "psum"]["address"]
        """
        return _records(self._core.tiles(), self._core.tile_names())

    def to_json(self) -> str:
        """The JSON object that `thorong run --json` prints, as text.

        Returns:
            One line without a newline.

        Example:
            >>> json.loads(result.to_json())["latency_s"]
        """
        return self._core.to_json()

    @overload
    def to_html(self, path: None = None) -> str: ...
    @overload
    def to_html(self, path: str | os.PathLike[str]) -> None: ...
    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """The self-contained HTML report.

        Args:
            path: the file to write, whole or not at all; None for the text.

        Returns:
            The page's text, or None when it was written to a file.

        Raises:
            IoError: the file cannot be written.

        Example:
            >>> result.to_html("report.html")
        """
        if path is None:
            return self._core.to_html()
        self._core.write_html(os.fspath(path))
        return None

    def trace(self, path: str | os.PathLike[str]) -> None:
        """Writes the timeline for Perfetto and chrome://tracing.

        Args:
            path: the file to write, whole or not at all; a name that ends in .gz is compressed.

        Raises:
            IoError: the file cannot be written.

        Example:
            >>> result.trace("trace.json.gz")
        """
        self._core.write_trace(os.fspath(path))

    def brief(self) -> str:
        """The shortest useful profile: the answer, how busy the engines were, the three most expensive waits.

        Example:
            >>> print(result.brief())
        """
        return self._core.to_brief().rstrip("\n")

    def __repr__(self) -> str:
        return f"<thorong.Result: {self._core.headline()}>"

    def __str__(self) -> str:
        """The table that `thorong run` prints."""
        return self._core.to_table().rstrip("\n")

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
            for name, value in self._core.summary()
        )
        return f"<table><caption>{html.escape(self._core.headline())}</caption>{rows}</table>"
