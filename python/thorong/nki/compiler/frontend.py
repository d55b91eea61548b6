# SPDX-License-Identifier: Apache-2.0
"""nki.compiler.frontend: tracing a kernel without running it. The trace is the core's record of instructions."""

from __future__ import annotations

from typing import Any

from .. import _jit, _run


class Traced:
    """A traced kernel.

    Attributes:
        launched: its runs; `launched.result()` has time, energy and cost.
        instructions: how many instructions each core recorded.
    """

    def __init__(self, launched: _run.Launched) -> None:
        self.launched = launched
        self.instructions = [run.instructions for run in launched.runs]


class NKIFrontend:
    """Turns a kernel's Python into a record of instructions."""

    def compile(self, kernel: Any, inputs: dict[str, Any] | None = None, target: str = "trn2", lnc: int = 1, **options: Any) -> Traced:
        """Traces a kernel: shapes, checks and instructions without values.

        Args:
            kernel: a function or what @nki.jit made of it.
            inputs: its arguments by name.
            target: the generation: "trn2".
            lnc: cores that run it together.
            **options: the vendor's other options; they have no effect.
        """
        made = _jit.simulate(kernel)
        traced = type(made)(made.func, (int(lnc),), made.edges, chip=_run.chip_of(target, "target"), timing_only=True)
        return Traced(traced.launch(**(inputs or {})))


class ParserFrontend(NKIFrontend):
    """The same: both of the vendor's front ends are Python's interpreter here."""


class TracerFrontend(NKIFrontend):
    """The same."""


__all__ = ["NKIFrontend", "ParserFrontend", "Traced", "TracerFrontend"]
