# SPDX-License-Identifier: Apache-2.0
"""Adds up the JUnit files of one `./dev test`: `N passed, N failed`. Exit status 1 where something failed or nothing ran.

    python tests/repo/sum_results.py FOLDER

The folder holds a file for each GoogleTest program and each pytest folder, and `ctest.xml`, whose cases are whole programs:
one that failed without a failed case of its own (it crashed, or was not built) counts as one failure.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count(path: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped cases of one file."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds or case.get("result") == "skipped" or case.get("status") == "notrun":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main(folder: Path) -> int:
    """Prints the failures' files and the sum."""
    total = [0, 0, 0]
    failing = set()
    for path in sorted(folder.glob("*.xml")):
        if path.name == "ctest.xml":
            continue
        counts = count(path)
        total = [a + b for a, b in zip(total, counts)]
        if counts[1]:
            failing.add(path.stem)
    programs = folder / "ctest.xml"
    if programs.exists():
        for case in ElementTree.parse(programs).iter("testcase"):
            name = f"thorong_{case.get('name')}_test"
            if case.get("status") == "fail" and name not in failing:
                total[1] += 1
                print(f"{name} ended without a result", file=sys.stderr)
    passed, failed, skipped = total
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
