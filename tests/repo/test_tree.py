# SPDX-License-Identifier: Apache-2.0
"""Rules that every file keeps: include order, size, licence line, no names of one machine, executable scripts."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tree import ROOT, text_of, tracked, with_suffix

# A folder may include itself and what stands before it; CMakeLists.txt adds them in this order.
ORDER = [
    "thorong/base", "thorong/numerics", "thorong/chip", "thorong/isa", "thorong/sim", "thorong/ops", "thorong/compiler",
    "frontends/onnx", "thorong/report", "thorong/runtime", "frontends/nki", "thorong/cli", "python",
]  # fmt: skip
# Within the order, what a folder must not know although it stands before: operators know nothing of machines, and so on.
FORBIDDEN = {
    "thorong/ops": {"thorong/chip", "thorong/isa", "thorong/sim"},
    "frontends/onnx": {"thorong/chip", "thorong/isa", "thorong/sim", "thorong/compiler"},
    "thorong/report": {"thorong/isa", "thorong/sim", "thorong/compiler", "frontends/onnx"},
}
LIMIT = 600
TEST_LIMIT = 1000
SOURCES = (".h", ".cc", ".inc", ".def", ".py", ".cmake", ".js", ".css", ".sh", ".test", ".in", ".yaml")


def folder_of(path: str) -> str | None:
    """The folder of ORDER that a path lies in."""
    return next((f for f in ORDER if path.startswith(f + "/")), None)


def test_the_order_is_the_builds() -> None:
    """CMakeLists.txt adds the folders in the order that is checked here."""
    added = re.findall(r"add_subdirectory\((\S+?)[ )]", text_of(Path("CMakeLists.txt")))
    assert [f for f in added if f in ORDER] == [f for f in ORDER if f in added]
    on_disk = {str(p.parent) for p in tracked() if p.name == "CMakeLists.txt" and p.parent != Path()}
    assert {f for f in on_disk if f.startswith(("thorong/", "frontends/"))} <= set(ORDER), "a folder has no place in ORDER"


def test_includes_follow_the_order() -> None:
    """A folder includes itself and earlier ones only."""
    wrong = []
    for path in with_suffix(".h", ".cc"):
        folder = folder_of(str(path))
        if folder is None:
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            found = re.match(r'#include "((?:thorong|frontends)/\S+)"', line)
            other = folder_of(found.group(1)) if found else None
            if other is None or other == folder:
                continue
            if ORDER.index(other) > ORDER.index(folder) or other in FORBIDDEN.get(folder, set()):
                wrong.append(f"{path}:{number}: {folder} must not include {found.group(1)}")
    assert not wrong, "\n".join(wrong)


def exceptions() -> dict[str, str]:
    """Path and reason of each line of size_exceptions."""
    lines = text_of(Path("tests/repo/size_exceptions")).splitlines()
    rows = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    assert all(len(row) == 2 for row in rows), "each line is a path and a reason"
    assert [r[0] for r in rows] == sorted(r[0] for r in rows), "size_exceptions is sorted"
    return {row[0]: row[1] for row in rows}


def test_files_are_short() -> None:
    """At most 600 lines, tests 1,000; the exceptions are listed with a reason, and none is listed in vain."""
    allowed = exceptions()
    long = {}
    for path in tracked():
        if path.suffix in (".h", ".cc", ".py", ".js", ".css", ".md", ".yaml", ".cmake", ".json", ".test") or path.name == "dev":
            lines = text_of(path).count("\n")
            if lines > (TEST_LIMIT if "_test." in path.name or path.name.startswith("test_") else LIMIT):
                long[str(path)] = lines
    assert not set(long) - set(allowed), f"too long: { {p: n for p, n in long.items() if p not in allowed} }"
    assert not set(allowed) - set(long), f"not needed in size_exceptions: {sorted(set(allowed) - set(long))}"


def test_sources_state_their_licence() -> None:
    """The first line (the second under #!) is the SPDX line."""
    missing = []
    for path in tracked():
        if not path.name.endswith(SOURCES) and path.name not in ("CMakeLists.txt", "dev", "run"):
            continue
        if path.parts[:3] == ("bench", "validation", "data"):
            continue
        lines = text_of(path).splitlines() + ["", ""]
        if "SPDX-License-Identifier: Apache-2.0" not in lines[1 if lines[0].startswith("#!") else 0]:
            missing.append(str(path))
    assert not missing, missing


# Put together here so that this file does not match itself.
MACHINE_PATHS = [re.compile(r"(?<![\w./-])/" + name + r"\b") for name in ("work/", "farm/", "tmp/bash", "root/", "home/")]
REGISTRIES = [re.compile(r"https?://\S*" + name) for name in (r"pypi\.", r"pythonhosted", r"npmjs", r"deb\.debian", r"archive\.ubuntu")]
REGISTRIES += [re.compile(r"(?:index-url|registry)\b\s*=?\s*\S*:/{2}"), re.compile(r'"resolved"\s*:\s*"http')]


def test_no_machine_and_no_registry_is_named() -> None:
    """No absolute path of somebody's machine, no registry's address: whoever builds has their own."""
    found = []
    for path in tracked():
        if path.suffix in (".png", ".ico", ".onnx", ".npy"):
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if any(pattern.search(line) for pattern in MACHINE_PATHS + REGISTRIES):
                found.append(f"{path}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_scripts_can_be_executed() -> None:
    """What starts with #! is executable, and shell scripts stop at the first error."""
    for path in tracked():
        text = text_of(path)
        if not text.startswith("#!"):
            continue
        assert os.access(ROOT / path, os.X_OK), f"{path} is not executable"
        if "bash" in text.splitlines()[0]:
            assert "set -euo pipefail" in text, f"{path} lacks set -euo pipefail"


def test_files_end_well() -> None:
    """One newline at the end, no trailing blanks, no tabs in sources."""
    wrong = []
    for path in with_suffix(".h", ".cc", ".py", ".cmake", ".md", ".test", ".in"):
        text = text_of(path)
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            wrong.append(f"{path}: ends without one newline")
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip() or "\t" in line:
                wrong.append(f"{path}:{number}: blanks at the end, or a tab")
    assert not wrong, "\n".join(wrong[:20])


def test_each_folder_explains_itself() -> None:
    """Each folder under thorong/ has a README, and a folder's README has at most 40 lines."""
    for folder in ORDER:
        if folder.startswith("thorong/"):
            assert (ROOT / folder / "README.md").is_file(), f"{folder} has no README.md"
    for path in tracked():
        if path.name == "README.md" and path.parent != Path() and path.parts[0] != "docs":
            assert text_of(path).count("\n") <= 40, f"{path} is longer than 40 lines"


def test_decisions_are_numbered_and_complete() -> None:
    """docs/decisions/NNNN-title.md without a gap, each with its five parts."""
    pages = [p for p in tracked() if p.parent == Path("docs/decisions") and p.name != "README.md"]
    assert [int(p.name[:4]) for p in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        for part in ("## Question", "## Options", "## Choice", "## Cost", "## What would change our mind"):
            assert part in text_of(page), f"{page} lacks '{part}'"
