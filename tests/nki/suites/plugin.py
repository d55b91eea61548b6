# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest for the suites: `--every N` keeps each N-th case; an attribute that nki-library's snapshot reads in its mode
`simulation` without ever setting it is there."""

from __future__ import annotations

import sys
from typing import Any


def pytest_addoption(parser: Any) -> None:
    """`--every`."""
    parser.addoption("--every", type=int, default=1)


def pytest_collection_finish(session: Any) -> None:
    """After deselection."""
    session.items[:] = session.items[:: session.config.getoption("--every")]
    orchestrator = getattr(sys.modules.get("test.utils.test_orchestrator"), "Orchestrator", None)
    if orchestrator is not None and not hasattr(orchestrator, "_compiled_kernel"):
        orchestrator._compiled_kernel = None
