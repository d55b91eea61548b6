# SPDX-License-Identifier: Apache-2.0
"""Runs unmodified programs on models of Amazon's Inferentia and Trainium chips.

Tells what comes out, how long it takes, how much energy it needs and what it costs:

    import thorong
    result = thorong.run("model.onnx", chip="trainium1", dims={"batch": 8})
    print(result.latency_s, result.energy_j, result.outputs)
"""

from ._accuracy import Accuracy, accuracy
from ._core import version as __version__
from ._errors import (
    Error,
    FailedPrecondition,
    InternalError,
    Interrupted,
    InvalidArgument,
    IoError,
    MachineFault,
    NotFound,
    OutOfRange,
    ResourceExhausted,
    Unsupported,
)
from ._result import Result
from ._session import Device, Executable, Program, Signature, chips, compile, run

__all__ = [
    "Accuracy",
    "Device",
    "Error",
    "Executable",
    "FailedPrecondition",
    "InternalError",
    "Interrupted",
    "InvalidArgument",
    "IoError",
    "MachineFault",
    "NotFound",
    "OutOfRange",
    "Program",
    "ResourceExhausted",
    "Result",
    "Signature",
    "Unsupported",
    "__version__",
    "accuracy",
    "chips",
    "compile",
    "run",
]
