# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: the command, or a skip with the reason where it is not built."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

pytest.importorskip("numpy", reason="the end-to-end tests need numpy: pip install -r tests/e2e/requirements.txt")

from command import BINARY, Command


# A shell ignores Ctrl-C in what it starts with `&`, and so would the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def thorong() -> Command:
    """The command under test."""
    if not BINARY.is_file():
        pytest.skip(f"{BINARY} is not there; run ./dev build or set THORONG")
    return Command(BINARY.resolve())
