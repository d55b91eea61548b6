# SPDX-License-Identifier: Apache-2.0
"""Kernels from checkouts of the vendor's public repositories, which are named on the command line and called as they are.

A file that a later revision removed is read from the last revision that had it.
"""

from __future__ import annotations

import importlib.util
import math
import shutil
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
    _library: Path | None = None
    _folder: Any = None

    def library(self, module: str) -> Any:
        """A module of nki-library below nkilib_src.nkilib."""
        if self.nki_library is None:
            raise Missing("This kernel is in nki-library; name a checkout with --nki-library.")
        self._install(self._library or self.nki_library / "src")
        name = f"nkilib_src.nkilib.{module}"
        try:
            found = importlib.import_module(name)
        except SyntaxError:
            self._repair_library(module)
            found = importlib.import_module(name)
        for other, loaded in list(sys.modules.items()):
            if other.startswith("nkilib_src"):  # the vendor's compiler knows `math` without an import
                vars(loaded).setdefault("math", math)
        return found

    def _repair_library(self, module: str) -> None:
        """A copy of the library in which a module's docstring ends once: one was published with its end repeated."""
        path = Path("src/nkilib_src/nkilib") / f"{module.replace('.', '/')}.py"
        quotes = '\n    """\n'
        text = (self.nki_library / path).read_text(encoding="utf-8")
        start = text.index('"""', text.index("\ndef "))
        first = text.index(quotes, start)
        shutil.copytree(self.nki_library / "src", self._scratch() / "src")
        (self._scratch() / path).write_text(text[:first] + text[first + len(quotes) :], encoding="utf-8")
        self._library = self._scratch() / "src"
        for name in [name for name in sys.modules if name.startswith("nkilib_src")]:
            del sys.modules[name]
        self._install(self._library)

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
        if sys.path[0] != str(folder):
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
        file = self._scratch() / Path(path).name
        file.write_text(text, encoding="utf-8")
        return file

    def _scratch(self) -> Path:
        """A folder for what comes from a checkout's history; goes with this object."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="thorong-validate-")
        return Path(self._folder.name)
