# SPDX-License-Identifier: Apache-2.0
"""`./dev validate`: predicts every published row that can be predicted and says how wrong each is.

For each row: export the model (export_models.py, cached), run the command with --timing-only, convert the result
to the row's metric (rows.py), compare. Rows that cannot be predicted are listed with a sentence. The table at the
end leaves out rows of quality C and upper bounds. Predictions are cached by model, options and binary.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import export_models
import nki_predict
import roofline
import rows
import summary
import timelines
from rows import HERE, Plan, Row, chip_of

ROOT = HERE.parent.parent
TIMEOUT_S = 900


class Fault(Exception):
    """A run that failed; the message is a sentence for `skipped_because`."""


class Runner:
    """Runs the command and remembers results by model, options, binary and chip files."""

    def __init__(self, thorong: Path, use_cache: bool) -> None:
        self.thorong = thorong
        self.use_cache = use_cache
        self.folder = export_models.cache_root() / "predictions"
        digest = hashlib.sha256(thorong.read_bytes())
        for chip in sorted((ROOT / "chips").glob("*.yaml")):
            digest.update(chip.read_bytes())
        self.build = digest.hexdigest()[:16]

    def run(self, model: Path, chip: str, options: list[str]) -> dict[str, Any]:
        """The command's JSON for one model. Raises Fault with what the command said."""
        command = [str(self.thorong), "run", str(model), "--chip", chip, *options, "--timing-only", "--json"]
        key = hashlib.sha256("\0".join([self.build, model.parent.name, *command[3:]]).encode()).hexdigest()[:24]
        cached = self.folder / f"{key}.json"
        if self.use_cache and cached.exists():
            return dict(json.loads(cached.read_text(encoding="utf-8")))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise Fault(f"The run took more than {TIMEOUT_S} s and was stopped.") from None
        if done.returncode != 0:
            said = " ".join(done.stderr.split()) or "it printed nothing"
            raise Fault(f"thorong run ended with status {done.returncode}: {said[:400]}")
        try:
            result = dict(json.loads(done.stdout))
        except (json.JSONDecodeError, ValueError):
            raise Fault("thorong run printed something that is not one JSON object.") from None
        wanted = (
            "latency_s", "device_s", "host_s", "throughput_per_s", "program_start_s", "program_stop_s", "energy_j", "engines", "memory",
            "wall", "not_modelled",
        )  # fmt: skip
        kept = {key: result.get(key) for key in wanted}
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = cached.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(kept), encoding="utf-8")
        draft.rename(cached)
        return kept


def base_result(row: Row) -> dict[str, Any]:
    """A result line without a prediction."""
    return {
        "id": row.id,
        "kind": row.kind,
        "kernel": row.model.rpartition("/")[2] if row.kind == "kernel" else None,
        "chip": chip_of(row.chip),
        "predicted": None,
        "published": row.value_number,
        "unit": row.unit,
        "error": None,
        "quality": row.quality,
        "skipped_because": None,
        "counts": row.counts,
        "below_roofline": False,
        "derived_from": None,
        "best_device_s": None,
    }


def predict(runner: Runner | None, row: Row, plan: Plan) -> dict[str, Any]:
    """The result line of one row."""
    result = base_result(row)
    if plan.skipped_because is not None or plan.entry is None:
        result["skipped_because"] = plan.skipped_because
        return result
    if runner is None:
        result["skipped_because"] = "The command is not built, so nothing was run."
        return result
    try:
        model = export_models.export(plan.entry, plan.shape)
        run = runner.run(model, chip_of(row.chip), plan.options)
        result["predicted"], result["derived_from"] = rows.predicted_value(row, run)
    except Fault as fault:
        result["skipped_because"] = str(fault)
        return result
    except Exception as error:  # noqa: BLE001  the exporter's errors are of many kinds; no row may stop the table
        text = " ".join(str(error).split())
        result["skipped_because"] = f"Exporting the model failed with {type(error).__name__}: {text[:300]}"
        return result
    result["error"] = result["predicted"] / row.value_number - 1.0
    casts = "none" not in plan.options or row.model_dtype != "FP32"
    work = roofline.cached_work(model)
    stated = roofline.stated_flops(plan.entry, plan.shape.batch, plan.shape.seq_len)
    work = roofline.Work(max(work.flops, stated), work.weight_bytes, work.other_bytes)
    bound = roofline.lower_bound_s(work, chip_of(row.chip), casts)
    result["device_s"], result["host_s"] = run["device_s"], run["host_s"]
    result["roofline_s"] = bound
    if "--schedule" not in plan.options:
        with contextlib.suppress(Fault):  # the prediction stands without it
            best = runner.run(model, chip_of(row.chip), [*plan.options, "--schedule", "best"])
            result["best_device_s"] = best["device_s"]
    result["below_roofline"] = run["device_s"] < bound
    return result


class Progress:
    """One line on a terminal's stderr that is rewritten; silent elsewhere."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.start = time.monotonic()
        self.shown = sys.stderr.isatty()

    def step(self, done: int, name: str) -> None:
        """Shows that item `done` of the total is being worked on."""
        if self.shown:
            seconds = time.monotonic() - self.start
            print(f"\r\033[K[{done}/{self.total}] {seconds:.0f} s  {name[:60]}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Removes the line."""
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def results_of(args: argparse.Namespace, runner: Runner | None) -> Iterator[dict[str, Any]]:
    """The result lines in the files' order."""
    models = rows.read_models(args.published)
    wanted = [row for row in rows.read_rows(args.published) if args.kind in (None, row.kind)]
    entries = [e for e in rows.read_timelines(args.published) if args.kind in (None, f"timeline-{e['category']}")]
    progress = Progress(len(wanted) + len(entries))
    runs = kernel_runs(args, wanted, entries, progress)
    for index, row in enumerate(wanted):
        progress.step(index + 1, row.id)
        run = runs.get(row.id, {})
        if "seconds" in run:
            result = nki_predict.result_of(base_result(row), row.unit, run)
        else:
            result = predict(runner, row, rows.shape_of(row, models))
            if result["predicted"] is None:
                result["skipped_because"] = run.get("skipped_because", result["skipped_because"])
        progress.end()
        yield result
    thorong = runner.thorong if runner else None
    for entry in entries:
        result = timelines.predict(thorong, entry)
        run = runs.get(str(entry["id"]), {})
        if "seconds" in run:
            yield from nki_predict.timeline_results({**result, "skipped_because": None}, entry, run)
        else:
            yield result


def kernel_runs(
    args: argparse.Namespace, wanted: list[Row], entries: list[dict[str, Any]], progress: Progress
) -> dict[str, dict[str, Any]]:
    """What the kernels take whose sources are named, by the id of their row or timeline."""
    folders = {name: getattr(args, name) for name in ("nki_library", "nki_samples", "sdk")}
    if not any(folders.values()):
        return {}
    asked = [row for row in wanted if row.kind == "kernel"]
    asked += [row for _, row in nki_predict.timeline_rows(entries)]
    runs = {}
    for row, run in nki_predict.run_rows(asked, folders, os.cpu_count() or 1):
        progress.step(len(runs) + 1, row.id)
        runs[row.id] = run
    progress.end()
    return runs


def text_line(result: dict[str, Any]) -> str:
    """A predicted row for a person."""
    flag = "  BELOW THE ROOFLINE" if result["below_roofline"] else ""
    note = "" if result["counts"] else "  (not in the summary)"
    return (
        f"{result['id']:<72} {result['chip']:<12} {result['predicted']:>12.4g} {result['published']:>12.4g} "
        f"{result['unit']:<9} {result['error']:>+8.1%}{flag}{note}"
    )


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """The options of `./dev validate`."""
    parser = argparse.ArgumentParser(prog="./dev validate", description="Predicted against published figures.")
    parser.add_argument("--published", type=Path, default=HERE / "data", help="folder with measurements.csv")
    parser.add_argument("--kind", help="only rows of this kind, for example inference-encoder")
    parser.add_argument("--json", action="store_true", help="one JSON object a row on stdout")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    parser.add_argument(
        "--write-errors", action="store_true", help="also write each chip's errors into its file, for the results to state"
    )
    parser.add_argument("--no-cache", action="store_true", help="run everything again")
    parser.add_argument("--thorong", type=Path, default=Path(os.environ.get("THORONG", ROOT / "build/release/thorong")))
    for name, what in (("nki-library", "aws-neuron/nki-library"), ("nki-samples", "aws-neuron/nki-samples")):
        parser.add_argument(f"--{name}", type=Path, help=f"a checkout of {what}, whose kernels are run")
    parser.add_argument("--sdk", type=Path, help="a checkout of aws-neuron-sdk, whose kernels are run")
    return parser.parse_args(argv)


def report(args: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    """The summary, for a person or as Markdown."""
    lines = summary.summarize(results)
    if args.markdown:
        args.markdown.write_text(summary.as_markdown(lines, results), encoding="utf-8")
    if args.write_errors:
        summary.write_prediction_errors(lines, ROOT / "chips")
    if args.json:
        return
    print("\nskipped:")
    for sentence, count in summary.skipped_counts(results):
        print(f"  {count:>4}  {sentence}")
    print("\nerror = predicted / published - 1; without rows of quality C and upper bounds")
    print("best saves: of the device time that is predicted, by --schedule best, in the median\n")
    print(summary.as_text(lines) if lines else "no row could be predicted")
    below = [r["id"] for r in results if r["below_roofline"]]
    print(f"\npredictions below the roofline: {len(below)}" + "".join(f"\n  {name}" for name in below))


def main(argv: list[str] | None = None) -> int:
    """Exit status 0 when every row was looked at, 2 for wrong input."""
    args = parse_arguments(argv)
    if not (args.published / "measurements.csv").exists():
        print(f"validate: {args.published} has no measurements.csv; name a folder that has.", file=sys.stderr)
        return 2
    for name in ("nki_library", "nki_samples", "sdk"):
        folder = getattr(args, name)
        if folder is not None and not folder.is_dir():
            print(f"validate: --{name.replace('_', '-')} {folder} is not a folder.", file=sys.stderr)
            return 2
    runner = Runner(args.thorong.resolve(), not args.no_cache) if args.thorong.is_file() else None
    if runner is None:
        print(f"validate: {args.thorong} does not exist; run ./dev build first. All rows are skipped.", file=sys.stderr)
    results = []
    for result in results_of(args, runner):
        results.append(result)
        if args.json:
            print(json.dumps(result), flush=True)
        elif result["predicted"] is not None:
            print(text_line(result), flush=True)
    report(args, results)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
