# SPDX-License-Identifier: Apache-2.0
"""Kernels from checkouts of the vendor's public repositories, which are named on the command line and called as they are.

A file that a later revision removed is read from the last revision that had it.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from thorong.nki import legacy, names


class Missing(Exception):
    """A kernel that none of the checkouts has; the message is a sentence for `skipped_because`."""


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


@dataclass
class Sources:
    """The checkouts; None: not named."""

    nki_library: Path | None = None
    nki_samples: Path | None = None
    sdk: Path | None = None
    _loaded: dict[str, ModuleType] = field(default_factory=dict)
    _removed: Any = None

    def library(self, module: str) -> Any:
        """A module of nki-library below nkilib_src.nkilib."""
        if self.nki_library is None:
            raise Missing("This kernel is in nki-library; name a checkout with --nki-library.")
        self._install(self.nki_library / "src")
        return importlib.import_module(f"nkilib_src.nkilib.{module}")

    def sample(self, path: str) -> Any:
        """A file of nki-samples below src/nki_samples, of the last revision that has it."""
        if self.nki_samples is None:
            raise Missing("This kernel is in nki-samples; name a checkout with --nki-samples.")
        return self._file(self.nki_samples, f"src/nki_samples/{path}")

    def example(self, path: str) -> Any:
        """A file of the SDK's documentation."""
        if self.sdk is None:
            raise Missing("This kernel is in aws-neuron-sdk; name a checkout with --sdk.")
        return self._file(self.sdk, path)

    def _install(self, folder: Path) -> None:
        names.install("nki", only_missing=True)
        legacy.install()
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))

    def _file(self, checkout: Path, path: str) -> ModuleType:
        key = f"{checkout}/{path}"
        if key in self._loaded:
            return self._loaded[key]
        file = checkout / path
        if not file.is_file():
            file = self._from_history(checkout, path)
        self._install(file.parent)
        name = "thorong_validation_" + file.stem
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise Missing(f"{path} is not a Python file.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        self._loaded[key] = module
        return module

    def _from_history(self, checkout: Path, path: str) -> Path:
        removed_by = _git(checkout, "log", "-1", "--diff-filter=D", "--format=%H", "--", path).strip()
        text = _git(checkout, "show", f"{removed_by}~1:{path}") if removed_by else ""
        if not text:
            raise Missing(f"The checkout {checkout.name} has no {path}, now or in its history.")
        if self._removed is None:
            self._removed = tempfile.TemporaryDirectory(prefix="thorong-validate-")
        file = Path(self._removed.name) / Path(path).name
        file.write_text(text, encoding="utf-8")
        return file
