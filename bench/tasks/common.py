# SPDX-License-Identifier: Apache-2.0
"""What the tasks share: the command, the machine's limits, printing and recording a comparison."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))


@dataclass
class Figure:
    """One compared quantity: ours, the peer's (or the allowed value), the wanted bound and the physical limit."""

    task: str
    what: str
    ours: float
    unit: str
    peer: float | None
    peer_name: str
    ratio: float | None
    wanted: str
    met: bool
    limit: str
    samples: list[float] = field(default_factory=list)


def parse_arguments(
    description: str, threads: int = 1, more: Callable[[argparse.ArgumentParser], object] = lambda parser: None
) -> argparse.Namespace:
    """The options of every task, and those that `more` adds."""
    parser = argparse.ArgumentParser(description=description)
    more(parser)
    default = os.environ.get("THORONG", str(ROOT / "build" / "release" / "thorong"))
    parser.add_argument("--thorong", type=Path, default=Path(default), help="the command")
    parser.add_argument("--threads", type=int, default=threads, help="threads of both competitors")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--json", action="store_true", help="one JSON object a figure on stdout")
    parser.add_argument("--record", action="store_true", help="append the figures to bench/results")
    args = parser.parse_args()
    if not args.thorong.is_file():
        parser.exit(2, f"{parser.prog}: {args.thorong} does not exist; run ./dev build first.\n")
    return args


def run_command(thorong: Path, *words: object) -> tuple[dict[str, Any], float]:
    """The object that `thorong run … --json` prints, and the seconds of the whole process."""
    command = [str(thorong), "run", *(str(w) for w in words), "--json"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr.strip()}")
    return dict(json.loads(done.stdout)), seconds


def best_of(function: Callable[[], object], repeats: int) -> float:
    """The shortest of `repeats` timed calls, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def peer_session(path: Path, threads: int) -> Any:
    """ONNX Runtime's session for a model on `threads` threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def interleave(
    args: argparse.Namespace, words: Sequence[object], peer: Callable[[], object], repeats: int
) -> tuple[list[dict[str, Any]], list[float]]:
    """Our results and the peer's shortest seconds, in turn, `args.rounds` times."""
    results, peers = [], []
    for _ in range(args.rounds):
        results.append(run_command(args.thorong, *words)[0])
        peers.append(best_of(peer, repeats))
    return results, peers


def processor() -> dict[str, Any]:
    """Name, vector width in floats and clock of this machine's processor, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {"name": platform.processor(), "lanes": 8, "mhz": None}
    name = re.search(r"model name\s*: (.*)", text)
    clocks = [float(m) for m in re.findall(r"cpu MHz\s*: ([\d.]+)", text)]
    lanes = 16 if "avx512f" in text else 8 if "avx2" in text else 4
    return {"name": name.group(1) if name else platform.machine(), "lanes": lanes, "mhz": max(clocks, default=None)}


def peak_gflops(threads: int) -> float | None:
    """Two fused multiply-adds of the full vector width a cycle and core, at the clock that the system shows now."""
    found = processor()
    return None if found["mhz"] is None else threads * found["mhz"] / 1e3 * found["lanes"] * 4


def peak_text(threads: int) -> str:
    """The limit as a sentence for a table."""
    peak, found = peak_gflops(threads), processor()
    if peak is None:
        return "unknown (the system shows no clock)"
    return f"{peak:.0f} GFLOP/s = {threads} x {found['mhz'] / 1e3:.2f} GHz x {found['lanes']} lanes x 2 FMA"


def report(args: argparse.Namespace, figures: Sequence[Figure]) -> int:
    """Prints and records; exit status 0 even where a bound is missed: time is not a gate (style, section 9)."""
    for figure in figures:
        if args.json:
            print(json.dumps(asdict(figure)))
            continue
        peer = "" if figure.peer is None else f", {figure.peer_name} {figure.peer:.4g}"
        ratio = "" if figure.ratio is None else f", ratio {figure.ratio:.2f}"
        mark = "met" if figure.met else "MISSED"
        spread = ""
        if len(figure.samples) > 1:
            low, high = min(figure.samples), max(figure.samples)
            spread = f", median {statistics.median(figure.samples):.4g} in {low:.4g} … {high:.4g}"
        print(f"{figure.task}: {figure.what}: ours {figure.ours:.4g}{peer} {figure.unit}{ratio}{spread}")
        print(f"    wanted {figure.wanted}: {mark}; physical limit {figure.limit}")
    if args.record:
        _record(figures)
    return 0


def _record(figures: Sequence[Figure]) -> None:
    """Appends JSON lines with commit and machine to bench/results/<task>.jsonl."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    for figure in figures:
        line = {"commit": commit.stdout.strip() or None, "machine": processor(), **asdict(figure)}
        path = ROOT / "bench" / "results" / f"{figure.task}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
