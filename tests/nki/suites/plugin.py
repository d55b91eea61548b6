# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest for the suites: `--every N` keeps each N-th case, and names are there that the snapshots use without defining
them. nki-samples: `warnings` in test_double_row_matmul.py. nki-library: Platforms in test_qkv_tkg.py, the compiled kernel of its
orchestrator in the mode `simulation`, inputs called "NAME.must_alias_input" by NAME alone, which test_gen_mask_tkg.py looks for, and
the module from which test_qkv_cte.py takes neuron_dtypes.static_cast."""

from __future__ import annotations

import builtins
import sys
import warnings
from collections.abc import Callable
from typing import Any


def pytest_addoption(parser: Any) -> None:
    """`--every`."""
    parser.addoption("--every", type=int, default=1)


def pytest_collection() -> None:
    """Before test files are imported."""
    builtins.warnings = warnings  # type: ignore[attr-defined]
    platforms = getattr(sys.modules.get("test.utils.common_dataclasses"), "Platforms", None)
    if platforms is not None:
        builtins.Platforms = platforms  # type: ignore[attr-defined]
    if "neuron_dtypes" in sys.modules:
        sys.modules.setdefault("neuronxcc.starfish.support.dtype", sys.modules["neuron_dtypes"])


def pytest_collection_finish(session: Any) -> None:
    """After deselection."""
    session.items[:] = session.items[:: session.config.getoption("--every")]
    orchestrator = getattr(sys.modules.get("test.utils.test_orchestrator"), "Orchestrator", None)
    if orchestrator is not None and not hasattr(orchestrator, "_compiled_kernel"):
        orchestrator._compiled_kernel = None
    framework = getattr(sys.modules.get("test.utils.unit_test_framework"), "UnitTestFramework", None)
    if framework is not None:
        framework.run_test = _with_aliases(framework.run_test)


class _Inputs(dict[str, Any]):
    """Inputs of a kernel, by their names and by those without the suffix."""

    def __missing__(self, name: str) -> Any:
        return self[f"{name}.must_alias_input"] if not name.endswith(".must_alias_input") else super().__getitem__(name)


def _with_aliases(run_test: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        describe = self.output_tensor_descriptor
        self.output_tensor_descriptor = lambda inputs: describe(_Inputs(inputs))
        return run_test(self, *args, **kwargs)

    return run
