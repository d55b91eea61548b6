# SPDX-License-Identifier: Apache-2.0
"""What a kernel's mistakes raise. Each is a thorong.Error and the Python class that users of NKI expect."""

from __future__ import annotations

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


def make(code: str, message: str, where: str) -> Exception:
    """The exception for a status of the core; `where` is the kernel's line."""
    kind = _CLASSES.get(code)
    return base.make(code, message, where, {}) if kind is None else kind(message, where)
