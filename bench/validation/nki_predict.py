# SPDX-License-Identifier: Apache-2.0
"""Predicts kernel rows by running the kernels themselves, for their time only, in processes of their own.

    python bench/validation/nki_predict.py --nki-library DIR --nki-samples DIR --sdk DIR [--only TEXT]

is the same without the rest of `./dev validate`, with what each engine did.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import io
import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roofline import HBM
from rows import HERE, Row, chip_of, read_rows

STACKS = {"trainium2": 4, "trainium3": 4}  # of HBM; a core or a pair uses one
TO_SECONDS = {"us": 1e-6, "ms": 1e-3, "ns": 1e-9, "s": 1.0}


def run_row(cells: dict[str, str], folders: dict[str, Path | None]) -> dict[str, Any]:
    """What one row's kernel takes: seconds, engines, and how long that took here; or `skipped_because`."""
    with contextlib.redirect_stdout(io.StringIO()):  # kernels print, and stdout is the table's
        return _run_row(cells, folders)


def _run_row(cells: dict[str, str], folders: dict[str, Path | None]) -> dict[str, Any]:
    begin, row = time.monotonic(), Row(cells)
    try:
        import nki_rows
        from nki_sources import Missing, Sources

        try:
            call = nki_rows.call_of(row, Sources(**folders))
        except Missing as missing:
            return {"skipped_because": str(missing)}
        kernel = call.kernel if call.cores == 1 else call.kernel[call.cores]
        # Of this interface or of the older one. Values play no part, so nothing that a kernel leaves unwritten matters.
        kernel.options.update(chip=chip_of(row.chip), timing_only=True, check="off")
        result = kernel.launch(*call.arguments, **call.options).result()
        traced = time.monotonic() - begin
        moved_s = result.memory["hbm_traffic_bytes"] / (HBM[chip_of(row.chip)] / STACKS.get(chip_of(row.chip), 1))
        engines = {name: (use["busy_s"] * 1e6, use["instructions"]) for name, use in result.engines.items()}
        return {
            "seconds": result.device_s + result.program_start_s + result.program_stop_s,
            "device_s": result.device_s,
            "roofline_s": max(moved_s, max(busy for busy, _ in engines.values()) * 1e-6),
            "energy_j": result.energy_j,
            "engines": engines,
            "instructions": sum(n for _, n in engines.values()),
            "wall_s": traced,
            "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        }
    except Exception as error:  # noqa: BLE001  no row may stop the table
        text = " ".join(str(error).split())
        return {"skipped_because": f"Running the kernel failed with {type(error).__name__}: {text[:300]}", "wall_s": time.monotonic() - begin}


def run_rows(rows: list[Row], folders: dict[str, Path | None], processes: int) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Runs rows side by side; results in the rows' order."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(processes, mp_context=context, max_tasks_per_child=1) as pool:
        futures = [pool.submit(run_row, row.cells, folders) for row in rows]
        for row, future in zip(rows, futures, strict=True):
            yield row, future.result()


def result_of(result: dict[str, Any], unit: str, run: dict[str, Any]) -> dict[str, Any]:
    """A result line of the table, `result`, with what a run says in its unit."""
    result["predicted"] = run["seconds"] / TO_SECONDS[unit]
    result["error"] = result["predicted"] / result["published"] - 1.0
    result["derived_from"] = "the kernel's own source: device_s with the program's start and stop"
    result["device_s"], result["roofline_s"] = run["device_s"], run["roofline_s"]
    result["below_roofline"] = run["device_s"] < run["roofline_s"]
    return result


def timeline_rows(entries: list[dict[str, Any]]) -> list[tuple[dict[str, Any], Row]]:
    """The entries that profile a kernel which can be run, each with a row of the same call."""
    import nki_rows

    pairs = []
    for entry in entries:
        line = nki_rows.TIMELINES.get(str(entry["id"]))
        if line is not None:
            cells = {"id": str(entry["id"]), "model": line.model, "chip": line.chip, "model_dtype": line.dtype, "config": line.config}
            pairs.append((entry, Row(cells)))
    return pairs


def timeline_results(base: dict[str, Any], entry: dict[str, Any], run: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One result line for each figure of a profile."""
    import nki_rows

    for key, unit, what in nki_rows.TIMELINES[str(entry["id"])].figures:
        if key not in entry:
            continue
        busy = sum(us for name, (us, _) in run["engines"].items() if name.startswith(what)) * 1e-6
        part = {**run, "seconds": run["seconds"] if what == "total" else busy}
        yield result_of({**base, "id": f"{entry['id']}.{key}", "unit": unit, "published": float(entry[key])}, unit, part)


def main() -> None:
    """Prints one line a kernel row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("nki-library", "nki-samples", "sdk"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--published", type=Path, default=HERE / "data")
    parser.add_argument("--only", default="", help="rows whose id has this in it")
    parser.add_argument("--every", type=int, default=1, help="each n-th row only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    folders = {"nki_library": args.nki_library, "nki_samples": args.nki_samples, "sdk": args.sdk}
    wanted = [row for row in read_rows(args.published) if row.kind == "kernel" and args.only in f"{row.id} {row.config}"][:: args.every]
    errors = []
    for row, run in run_rows(wanted, folders, args.jobs):
        name = f"{row.model.rpartition('/')[2]:<18} {row.config[:100]:<100}"
        if "seconds" not in run:
            print(f"{name} {run.get('wall_s', 0):6.1f} s  {run['skipped_because']}", flush=True)
            continue
        predicted = run["seconds"] / TO_SECONDS[row.unit]
        error = predicted / row.value_number - 1
        if row.counts:
            errors.append(abs(error))
        engines = " ".join(f"{k}={busy:.0f}/{n}" for k, (busy, n) in run["engines"].items() if n)
        print(f"{name} {predicted:10.1f} {row.value_number:10.1f} {error:+7.1%} {'' if row.counts else '(C)'} {run['wall_s']:6.1f} s {run['peak_gb']:.1f} GB {engines}", flush=True)
    errors.sort()
    if errors:
        print(f"{len(errors)} rows: median {errors[len(errors) // 2]:.1%}, p90 {errors[int(len(errors) * 0.9)]:.1%}")


if __name__ == "__main__":
    main()
