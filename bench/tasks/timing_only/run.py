# SPDX-License-Identifier: Apache-2.0
"""Timing only, all included: a 4096-cubed product and BERT-base at 512 tokens, wall time of the whole process."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import ROOT, Figure, parse_arguments, report, run_command

SIZE, TOKENS = 4096, 512
WANTED_PRODUCT_S, WANTED_BERT_S = 0.05, 0.5
# Tile instructions of each, for the limit: a few nanoseconds of integer work per instruction.
NANOSECONDS_AN_INSTRUCTION = 20.0


def limit_of(result: dict[str, Any]) -> str:
    """Instructions of the run times a few dozen cycles each: nobody schedules an instruction for less."""
    count = sum(engine["instructions"] for engine in result["engines"].values())
    return (
        f"{count * NANOSECONDS_AN_INSTRUCTION * 1e-9:.2g} s ({count} instructions at {NANOSECONDS_AN_INSTRUCTION:g} ns)"
    )


def measure(args: argparse.Namespace, task: str, model: Path, wanted: float, peers: str) -> Figure:
    """The shortest process of `args.rounds`, and the bound."""
    times, result = [], {}
    for _ in range(args.rounds):
        result, seconds = run_command(args.thorong, model, "--timing-only", "--threads", args.threads)
        times.append(seconds)
    best = min(times)
    limit = f"{limit_of(result)}; other simulators, timing alone: {peers}"
    return Figure("timing_only", task, best, "s", None, "", None, f"<= {wanted:g} s", best <= wanted, limit, times)


def bert() -> Path | None:
    """BERT-base at 512 tokens, exported by bench/validation; None without torch and transformers."""
    sys.path.insert(0, str(ROOT / "bench" / "validation"))
    try:
        import export_models
        import rows

        entry = rows.read_models(rows.HERE / "data")["bert-base-uncased"]
        return export_models.export(entry, rows.Shape(1, TOKENS))
    except ImportError as error:
        print(f"timing_only: BERT is left out, {error}", file=sys.stderr)
        return None


def main() -> int:
    """Prints both figures."""
    args = parse_arguments(__doc__ or "", threads=1)
    from models import make_matmul

    with tempfile.TemporaryDirectory(prefix="thorong-timing-") as name:
        model = make_matmul(Path(name) / "m.onnx", SIZE)
        figures = [measure(args, f"{SIZE} cubed", model, WANTED_PRODUCT_S, "19 to 258 s")]
    path = bert()
    if path is not None:
        figures.append(measure(args, f"BERT-base, {TOKENS} tokens", path, WANTED_BERT_S, "395 s"))
    return report(args, figures)


if __name__ == "__main__":
    sys.exit(main())
