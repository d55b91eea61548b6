# SPDX-License-Identifier: Apache-2.0
"""The recipes of CONTRIBUTING.md: an instruction, an operator and a block are one source and one test file each.

Copies the tree, runs `./dev new` three times, looks which files changed, builds the three test programs (ccache has most
of it) and runs them: the templates must compile without a warning and pass.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tree import ROOT, tracked

RECIPES = {
    "instruction": ("isa", ["thorong/isa/instructions/throwaway.h", "thorong/isa/instructions/throwaway.test"]),
    "operator": ("ops", ["thorong/ops/operators/throwaway.cc", "thorong/ops/operators/throwaway.test"]),
    "block": ("chip", ["thorong/chip/blocks/throwaway.h", "thorong/chip/blocks/throwaway_test.cc"]),
}


def run(folder: Path, *words: str) -> str:
    """Runs a command that must succeed; returns what it printed."""
    environment = {**os.environ, "CCACHE_BASEDIR": str(folder), "CCACHE_NOHASHDIR": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout + done.stderr


def copy_tree(folder: Path) -> None:
    """The files that git knows, into an empty folder."""
    for path in tracked():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, folder / path)


def fingerprints(folder: Path) -> dict[str, str]:
    """A hash for each file outside build/."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).parts[0] != "build"]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """A copy of the tree after the three recipes, and the files that each changed."""
    folder = tmp_path_factory.mktemp("tree") / "thorong"
    folder.mkdir()
    copy_tree(folder)
    differences = {}
    for kind in RECIPES:
        before = fingerprints(folder)
        run(folder, "./dev", "new", kind, "throwaway")
        after = fingerprints(folder)
        differences[kind] = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    return folder, differences


@pytest.mark.parametrize("kind", RECIPES)
def test_a_recipe_is_one_source_and_one_test(kind: str, changed: tuple[Path, dict[str, list[str]]]) -> None:
    """Nothing else is edited."""
    assert changed[1][kind] == RECIPES[kind][1]


@pytest.mark.slow
def test_the_templates_build_and_pass(changed: tuple[Path, dict[str, list[str]]]) -> None:
    """One plain build finds the new files, and their tests run."""
    folder = changed[0]
    run(folder, "cmake", "--preset", "release", "-DTHORONG_BUILD_BENCHMARKS=OFF")
    areas = [area for area, _ in RECIPES.values()]
    said = run(folder, "ninja", "-C", "build/release", "-j", str(os.cpu_count() or 1), *(f"thorong_{area}_test" for area in areas))
    assert "throwaway" in said and "warning:" not in said
    run(folder, "ctest", "--test-dir", "build/release", "--output-on-failure", "-R", f"^({'|'.join(areas)})$")
    listed = run(folder, "build/release/obj/chip/thorong_chip_test", "--gtest_list_tests")
    assert "throwaway." in listed
