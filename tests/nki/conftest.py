# SPDX-License-Identifier: Apache-2.0
"""The package under test is the one that is installed; the vendor's environment variables are cleared."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
pytest.importorskip("thorong.nki", reason="the package is not installed: ./dev build")


# A shell ignores Ctrl-C in what it starts with `&`, and so would the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees what the caller's shell says about chips and rounding."""
    for name in list(os.environ):
        if name.startswith(("NKI_", "NEURON_", "THORONG_NKI_")):
            monkeypatch.delenv(name)
