# SPDX-License-Identifier: Apache-2.0
"""The table: median and 90th percentile of the error by chip and kind, as text and as Markdown."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of the table: how wrong the predictions of one chip and kind are."""

    chip: str
    kind: str
    rows: int
    median: float
    p90: float
    bias: float
    worst: float
    best_saves: float | None  # median share of the device time that --schedule best would save; None where it was not asked


def percentile(values: Sequence[float], share: float) -> float:
    """The `share` quantile of `values` by linear interpolation; NaN of an empty sequence."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def summarize(results: Iterable[dict[str, Any]]) -> list[Line]:
    """Lines by chip and kind (of kernels by kernel too) and one for all rows; only results with an error and `counts` enter."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        if result["error"] is None or not result["counts"]:
            continue
        groups[(result["chip"], result["kind"])].append(result)
        if result.get("kernel"):
            groups[(result["chip"], f"{result['kind']} {result['kernel']}")].append(result)
        groups[("all", result["kind"])].append(result)
        groups[("all", "all")].append(result)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0] == "all", item[0][1] == "all", item[0]))
    lines = []
    for (chip, kind), members in ordered:
        errors = [result["error"] for result in members]
        sizes = [abs(e) for e in errors]
        saved = [1 - r["best_device_s"] / r["device_s"] for r in members if r.get("best_device_s")]
        line = Line(
            chip, kind, len(errors), percentile(sizes, 0.5), percentile(sizes, 0.9), percentile(errors, 0.5), max(sizes),
            percentile(saved, 0.5) if saved else None,
        )  # fmt: skip
        lines.append(line)
    return lines


def skipped_counts(results: Iterable[dict[str, Any]]) -> list[tuple[str, int]]:
    """How many rows were skipped, by kind and sentence, most first."""
    counts = Counter(f"{r['kind']}: {r['skipped_because']}" for r in results if r["skipped_because"])
    return counts.most_common()


HEADER = ("chip", "kind", "rows", "median error", "p90 error", "median signed", "worst", "best saves")


def _cells(line: Line) -> tuple[str, ...]:
    saves = "" if line.best_saves is None else f"{round(line.best_saves, 2) + 0.0:.0%}"
    shares = (f"{line.median:.1%}", f"{line.p90:.1%}", f"{line.bias:+.1%}", f"{line.worst:.1%}", saves)
    return (line.chip, line.kind, str(line.rows), *shares)


def as_text(lines: Sequence[Line]) -> str:
    """The table in columns, for a terminal."""
    table = [HEADER, *(_cells(line) for line in lines)]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADER))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table)


def as_markdown(lines: Sequence[Line], results: Sequence[dict[str, Any]]) -> str:
    """The table for the README, with what was left out below it."""
    predicted = [r for r in results if r["predicted"] is not None]
    rows = ["| " + " | ".join(HEADER) + " |", "|---|---|" + "---:|" * (len(HEADER) - 2)]
    rows += ["| " + " | ".join(_cells(line)) + " |" for line in lines]
    outside = sum(not r["counts"] for r in predicted)
    flags = sum(r["below_roofline"] for r in predicted)
    said = (
        f"{len(predicted)} of {len(results)} published rows predicted; {outside} of them (quality C and upper bounds) "
        f"are left out of the table; {flags} predictions below the chip's roofline."
    )
    rows += ["", said, "Error is predicted / published - 1 in the row's own unit; best saves: of the predicted device time, by `--schedule best`."]
    return "\n".join(rows) + "\n"


def write_prediction_errors(lines: Sequence[Line], chips: Path) -> None:
    """Replaces the section `prediction_errors` at the end of each chip's file, from which results state their error."""
    for path in sorted(chips.glob("*.yaml")):
        of_chip = [line for line in lines if line.chip == path.stem and line.kind.startswith("inference-")]
        text = path.read_text(encoding="utf-8").split("\nprediction_errors:")[0].rstrip("\n") + "\n"
        if of_chip:
            text += "\nprediction_errors:  # written by ./dev validate --write-errors; of |predicted / published - 1|\n"
        for line in of_chip:
            text += (
                f"  - {{kind: {line.kind}, median: {line.median:.3f}, p90: {line.p90:.3f}, rows: {line.rows},\n"
                '     source: "bench/validation: published measurements, calibration half"}\n'
            )
        path.write_text(text, encoding="utf-8")
