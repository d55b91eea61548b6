# SPDX-License-Identifier: Apache-2.0
"""The package's exceptions: `Error` and one subclass for each code of the core."""

from __future__ import annotations

import re
from typing import Any


class Error(Exception):
    """What went wrong, where, and what to do.

    Attributes:
        code: the code in snake case, as in the command's JSON ("invalid_argument").
        message: sentences on what was expected, what was found and what to do.
        where: the place (node, option, file and line); empty where the message says all.
    """

    code = "error"

    def __init__(self, message: str = "", where: str = "") -> None:
        super().__init__(message, where)
        self.message = message
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class InvalidArgument(Error):
    """The model, an option or an input contradicts itself or its format."""

    code = "invalid_argument"


class Unsupported(Error):
    """Legal, but not yet done here."""

    code = "unsupported"


class NotFound(Error):
    """A name or file that does not exist."""

    code = "not_found"


class OutOfRange(Error):
    """An index or size beyond its limit."""

    code = "out_of_range"


class ResourceExhausted(Error):
    """Something does not fit: the chip's memory, this machine's memory or disk."""

    code = "resource_exhausted"


class FailedPrecondition(Error):
    """Something else must be given or done first."""

    code = "failed_precondition"


class IoError(Error):
    """The operating system refused to read or write."""

    code = "io"


class Interrupted(Error):
    """The run was stopped. Ctrl-C raises KeyboardInterrupt instead."""

    code = "interrupted"


class InternalError(Error):
    """A bug of Thorong; please report it."""

    code = "internal"


class MachineFault(Error):
    """The simulated machine stopped with a fault.

    Attributes (None or empty where the machine cannot say):
        instruction: name of the instruction that faulted.
        index: its number in the program.
        operator: the model's operator that it belongs to.
        time_s: when it starts on the modelled chip, in seconds.
        time: the same.
        operands: one line an operand: name, buffer, memory, type and shape.
    """

    code = "machine_fault"

    def __init__(self, message: str = "", where: str = "", place: dict[str, Any] | None = None) -> None:
        super().__init__(message, where)
        place = place or {}
        self.instruction: str | None = place.get("instruction")
        self.index: int | None = place.get("index")
        self.operator: str | None = place.get("operator")
        self.time_s: float | None = place.get("time_s")
        self.time = self.time_s
        self.operands: list[str] = place.get("operands", [])


_CLASSES: dict[str, type[Error]] = {kind.code: kind for kind in Error.__subclasses__()}


def _in_python(text: str) -> str:
    """The command's option names as the package spells them: --auto-cast-type becomes auto_cast_type."""
    dims = re.findall(r"--dim (\S+?)=(\w+)", text)
    if dims:
        given = ", ".join(f'"{name}": {size}' for name, size in dims)
        text = re.sub(r"--dim \S+?=\w+( --dim \S+?=\w+)*", lambda _: f"dims={{{given}}}", text)
        text = text.replace("or give the inputs' files", "or give the inputs")
    text = re.sub(r"--(input|dim) ([\w./-]+)", r"\1s['\2']", text)
    text = re.sub(r"--(input|dim)\b", r"\1s", text)
    text = re.sub(r"--timing-only\b", "timing_only=True", text)
    words = "none|matmult|all|bf16|fp16|tf32|fp8_e4m3|vendor|best|rne|stochastic"
    text = re.sub(rf"--([a-z-]+) ({words})\b", lambda found: f'{found[1].replace("-", "_")}="{found[2]}"', text)
    return re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda found: found.group(1).replace("-", "_"), text)


def make(code: str, message: str, where: str, place: dict[str, Any]) -> Error:
    """The exception for an error of the core."""
    message, where = _in_python(message), _in_python(where)
    if code == MachineFault.code:
        return MachineFault(message, where, place)
    return _CLASSES.get(code, InternalError)(message, where)
