# SPDX-License-Identifier: Apache-2.0
"""Kernels that are wrong on purpose. `# wrong: NAME` stands on the line that the check NAME must blame.

`@case(...)` says how one is run; every kernel gets `a`, float32[128, 64], and returns it unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

CASES: dict[str, dict[str, Any]] = {}


def case(chip: str = "trainium2", cores: int = 1, ranks: int | None = None, goes_on: bool = True, **arrays: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Notes a kernel.

    Args:
        chip: what it runs on.
        cores: LNC.
        ranks: so many run it together.
        goes_on: --check warn comes to its end.
        **arrays: further arguments.
    """

    def note(function: Callable[..., Any]) -> Callable[..., Any]:
        assert function.__name__ not in CASES, function.__name__
        CASES[function.__name__] = {"function": function, "chip": chip, "cores": cores, "ranks": ranks, "goes_on": goes_on, "arrays": arrays}
        return function

    return note


def array() -> np.ndarray:
    """What `a` is."""
    return np.arange(128 * 64, dtype=np.float32).reshape(128, 64)
