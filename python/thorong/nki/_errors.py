# SPDX-License-Identifier: Apache-2.0
"""What a kernel's mistakes raise. Each is a thorong.Error and the Python class that users of NKI expect."""

from __future__ import annotations

import re
import warnings

from .. import _errors as base


class NkiValidationError(base.InvalidArgument, AssertionError, ValueError):
    """An instruction or a view that the machine does not have: dtype, memory, shape, engine."""


class NkiOutOfRange(base.OutOfRange, IndexError, AssertionError):
    """An index or size beyond its limit."""


class NkiUnsupported(base.Unsupported, NotImplementedError, AssertionError):
    """Legal NKI that this chip's generation lacks, or that is not done here."""


class NkiFault(base.MachineFault, RuntimeError):
    """The simulated machine stopped."""


class NkiOutOfMemory(base.ResourceExhausted, MemoryError):
    """A kernel's tiles do not fit the chip's memories, or the host has no memory."""


class NkiNoKernel(base.FailedPrecondition, RuntimeError):
    """An instruction outside of a running kernel."""


_CLASSES = {
    "invalid_argument": NkiValidationError,
    "out_of_range": NkiOutOfRange,
    "unsupported": NkiUnsupported,
    "machine_fault": NkiFault,
    "resource_exhausted": NkiOutOfMemory,
    "failed_precondition": NkiNoKernel,
}


class NkiCheckWarning(UserWarning):
    """What a check found where it does not raise (--check warn), or Python that the vendor's compiler would refuse."""


# The checks of views, which have a code of their own.
_VIEWS = {"out_of_range": "out-of-bounds", "invalid_argument": "access-pattern", "unsupported": "access-pattern"}


def check_of(message: str) -> str:
    """The name of the check that a message ends with: "shape" of "... Slice it. [shape]"."""
    found = re.search(r" \[([a-z-]+)\]$", message)
    return found.group(1) if found else ""


def make(code: str, message: str, where: str) -> Exception:
    """The exception for a status of the core; `where` is the kernel's line, `check` its check's name (docs/nki.md)."""
    if not check_of(message) and code in _VIEWS:
        message += f" [{_VIEWS[code]}]"
    kind = _CLASSES.get(code)
    error = base.make(code, message, where, {}) if kind is None else kind(message, where)
    error.check = check_of(message)  # type: ignore[union-attr]
    return error


def report(check: str, message: str, where: str) -> None:
    """Warns of what a check has found, at the kernel's line."""
    file, _, line = where.rpartition(":")
    warning = NkiCheckWarning(message)
    warning.check = check  # type: ignore[attr-defined]
    warnings.warn_explicit(warning, None, file or "kernel", int(line) if line.isdigit() else 1)  # type: ignore[arg-type]
