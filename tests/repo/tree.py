# SPDX-License-Identifier: Apache-2.0
"""The files of the repository, as the checks in this folder see them."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("THORONG", ROOT / "build" / "release" / "thorong"))


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Files that git tracks or would track, relative to the root, sorted; symbolic links and removed files left out."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    paths = sorted({Path(name) for name in names if name})
    return tuple(p for p in paths if (ROOT / p).is_file() and not (ROOT / p).is_symlink())


@functools.cache
def text_of(path: Path) -> str:
    """A tracked file's text; bytes that are not UTF-8 are replaced."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def with_suffix(*suffixes: str) -> list[Path]:
    """Tracked files with one of these name endings."""
    return [p for p in tracked() if p.name.endswith(suffixes)]
