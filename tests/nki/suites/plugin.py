# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest for the suites: `--every N` keeps each N-th case, and two names are there that nki-library's snapshot uses
without defining them: Platforms in test_qkv_tkg.py, and the compiled kernel of its orchestrator in the mode `simulation`."""

from __future__ import annotations

import builtins
import sys
from typing import Any


def pytest_addoption(parser: Any) -> None:
    """`--every`."""
    parser.addoption("--every", type=int, default=1)


def pytest_collection() -> None:
    """Before test files are imported."""
    platforms = getattr(sys.modules.get("test.utils.common_dataclasses"), "Platforms", None)
    if platforms is not None:
        builtins.Platforms = platforms  # type: ignore[attr-defined]


def pytest_collection_finish(session: Any) -> None:
    """After deselection."""
    session.items[:] = session.items[:: session.config.getoption("--every")]
    orchestrator = getattr(sys.modules.get("test.utils.test_orchestrator"), "Orchestrator", None)
    if orchestrator is not None and not hasattr(orchestrator, "_compiled_kernel"):
        orchestrator._compiled_kernel = None
