# SPDX-License-Identifier: Apache-2.0
"""The vendor's module names for ours: nki, nki.language and so on."""

from __future__ import annotations

import importlib
import sys

# Below the package; each is a module here.
MODULES = [
    "builtin",
    "collectives",
    "compiler",
    "compiler.frontend",
    "dtype",
    "isa",
    "isa.constants",
    "language",
    "language.dtypes",
    "tensor",
    "typing",
]


def install(prefix: str = "nki", only_missing: bool = False) -> None:
    """Makes `import PREFIX` and `import PREFIX.MODULE` find this package.

    Args:
        prefix: the name for thorong.nki.
        only_missing: leaves names alone that are imported already.
    """
    root = __name__.rpartition(".")[0]
    for name in ["", *MODULES]:
        module = importlib.import_module(f"{root}.{name}" if name else root)
        alias = f"{prefix}.{name}" if name else prefix
        if not (only_missing and alias in sys.modules):
            sys.modules[alias] = module
