# SPDX-License-Identifier: Apache-2.0
"""The files of the repository, as the checks in this folder see them."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("THORONG", ROOT / "build" / "release" / "thorong"))


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Files that git tracks or would track, relative to the root, sorted; symbolic links and removed files left out.

    Without a git repository (an unpacked archive): every file outside the folders that builds make.
    """
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False) if (ROOT / ".git").exists() else None
    if done is not None and done.returncode == 0:
        paths = {Path(name) for name in done.stdout.decode().split("\0") if name}
    else:
        paths = {p.relative_to(ROOT) for p in _walk(ROOT)}
    return tuple(p for p in sorted(paths) if (ROOT / p).is_file() and not (ROOT / p).is_symlink())


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder, without what builds and tools leave."""
    for path in folder.iterdir():
        made = path.name in ("build", "out", "dist", "node_modules", "__pycache__") or path.name.endswith((".egg-info", ".pyc"))
        if made or (path.name.startswith(".") and path.name not in (".ci", ".clang-format", ".gitignore", ".npmrc")):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


@functools.cache
def text_of(path: Path) -> str:
    """A tracked file's text; bytes that are not UTF-8 are replaced."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def with_suffix(*suffixes: str) -> list[Path]:
    """Tracked files with one of these name endings."""
    return [p for p in tracked() if p.name.endswith(suffixes)]
