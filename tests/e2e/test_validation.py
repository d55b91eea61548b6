# SPDX-License-Identifier: Apache-2.0
"""bench/validation without the simulator: rows, options, conversion, summary; with it, one row end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="needs pyyaml")

from command import ROOT, Command

FOLDER = ROOT / "bench" / "validation"
sys.path.insert(0, str(FOLDER))
import rows
import summary
import timelines

ROWS = rows.read_rows(FOLDER / "data")
MODELS = rows.read_models(FOLDER / "data")


def by_id(prefix: str) -> rows.Row:
    """The row whose id starts with `prefix`."""
    return next(row for row in ROWS if row.id.startswith(prefix))


def test_every_row_has_a_plan_or_a_sentence() -> None:
    """Nothing is dropped silently; all encoders, CNNs and ViTs but the ones named below are planned."""
    skipped = []
    for row in ROWS:
        plan = rows.shape_of(row, MODELS)
        assert (plan.entry is None) == (plan.skipped_because is not None)
        if plan.skipped_because is not None:
            assert plan.skipped_because.endswith(".") and len(plan.skipped_because.split()) > 4
        if plan.skipped_because and row.kind in rows.MODEL_KINDS:
            skipped.append(row.id)
    assert len(skipped) <= 4, skipped


def test_cast_columns_become_options() -> None:
    """The table's words and the command's."""
    row = by_id("enc-bert-base-cased-inf2xlarge-b1")
    assert rows.cast_options(row) == ["--auto-cast", "matmult", "--auto-cast-type", "bf16"]
    assert rows.cast_options(by_id("vit-multimodal")) == ["--auto-cast", "none"]
    assert rows.cast_options(by_id("cnn-resnet50-inf1xlarge-b5")) == ["--auto-cast", "all", "--auto-cast-type", "bf16"]


def test_a_run_converts_to_the_rows_unit() -> None:
    """Two cores of 1 ms each are 2000 inferences a second; queued requests use the chip's throughput."""
    latency = by_id("enc-bert-base-cased-inf2xlarge-b1")
    run = {"latency_s": 1e-3, "device_s": 0.6e-3, "throughput_per_s": 3000.0, "program_start_s": 15e-6, "program_stop_s": 5e-6}
    assert rows.predicted_value(latency, run) == (pytest.approx(2000.0), "latency_s")
    # Five images on each of four cores: 1 ms, of which 0.6 on the device, while the memory needs 1.6 ms for all of them.
    shared = by_id("cnn-resnet50-inf1xlarge-b5")
    busy = {**run, "memory": {"hbm_traffic_bytes": 1.6e-3 * 50 * 2**30 / 4}}
    assert rows.predicted_value(shared, busy)[0] == pytest.approx(4 * 5 / 2e-3)
    queued = by_id("cnn-resnet101-inf2xlarge-b64")
    assert rows.predicted_value(queued, run) == (pytest.approx(3000.0), "throughput_per_s")
    kernel = by_id("ker-exp-trn1")
    assert rows.predicted_value(kernel, run)[0] == pytest.approx(620.0)


def test_the_summary_leaves_out_doubtful_rows() -> None:
    """Median and percentile of the absolute error, quality C and upper bounds aside."""
    base = {"chip": "trainium1", "kind": "k", "counts": True}
    results = [{**base, "error": e} for e in (-0.1, 0.2, 0.3)] + [{**base, "error": 9.0, "counts": False}]
    line = summary.summarize(results)[0]
    assert (line.rows, line.median) == (3, pytest.approx(0.2))
    assert line.p90 == pytest.approx(0.28)
    assert line.best_saves is None


def test_the_summary_says_what_the_best_schedule_would_save() -> None:
    """The median over the rows that were run with it, too."""
    base = {"chip": "trainium1", "kind": "k", "counts": True, "error": 0.0, "device_s": 2e-3}
    results = [{**base, "best_device_s": best} for best in (2e-3, 1e-3, 1.5e-3, None)]
    line = summary.summarize(results)[0]
    assert line.best_saves == pytest.approx(0.25)
    assert summary.as_markdown([line], []).splitlines()[2].endswith("| 25% |")


def test_single_instructions_are_found_in_the_timelines() -> None:
    """Durations of one instruction, and not intervals, means or whole kernels."""
    entries = {e["id"]: e for e in rows.read_timelines(FOLDER / "data")}
    assert timelines.instruction_of(entries["tt-mul-8192-fp32-v2"]) == {
        "op": "tensor_tensor",
        "elements": 8192,
        "partitions": 128,
        "dtype": "fp32",
        "source": "sbuf",
        "share": 1.0,
    }
    assert timelines.instruction_of(entries["ve-copy-512-psum-v3"])["source"] == "psum"  # type: ignore[index]
    matmul = timelines.instruction_of(entries["mm-512-fp32-v3"])
    assert matmul is not None and (matmul["op"], matmul["share"]) == ("matmul", 0.5)
    assert timelines.instruction_of(entries["mm-512-fp32-pitch-v3"]) is None


@pytest.mark.slow
def test_one_row_end_to_end(thorong: Command, tmp_path: Path) -> None:
    """Export, run, JSON line: the smallest folder of rows, against the published figure."""
    for package in ("torch", "transformers"):
        pytest.importorskip(package, reason=f"needs {package} to export models")
    source = (FOLDER / "data" / "measurements.csv").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in source if line.startswith("cnn-resnet18-inf2xlarge-b1-")]
    (tmp_path / "measurements.csv").write_text("\n".join([*source[:2], *wanted]) + "\n", encoding="utf-8")
    command = [sys.executable, FOLDER / "validate.py", "--published", tmp_path, "--json", "--thorong", thorong.binary]
    env = {**os.environ, "THORONG_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    (result,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert set(result) >= {
        "id",
        "kind",
        "chip",
        "predicted",
        "published",
        "unit",
        "error",
        "quality",
        "skipped_because",
    }
    assert result["skipped_because"] is None and result["predicted"] > 0 and not result["below_roofline"]
    assert abs(result["error"]) < 1.0
