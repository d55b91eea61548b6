# SPDX-License-Identifier: Apache-2.0
"""The HTML report in headless Chromium and the trace in Perfetto's reader, or at least in its documented form."""

from __future__ import annotations

import gzip
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="needs onnx to make models")

from command import Command
from models import make_conv

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


@pytest.fixture(scope="module")
def produced(thorong: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with r.html, t.json and t.json.gz of one run, and its object."""
    folder = tmp_path_factory.mktemp("report")
    model = make_conv(folder / "m.onnx")
    result = thorong.run(model, "--report", folder / "r.html", "--trace", folder / "t.json")
    thorong.run(model, "--trace", folder / "t.json.gz")
    return folder, result


def test_the_report_stands_alone(produced: tuple[Path, dict[str, Any]]) -> None:
    """No script, style, image or font is fetched from anywhere."""
    text = (produced[0] / "r.html").read_text(encoding="utf-8")
    assert text.lstrip().lower().startswith("<!doctype html")
    loads = r"""<(?:script|img|link|iframe)[^>]+(?:src|href)\s*=\s*["']?(?!data:|#)[^"'> ]+"""
    assert not re.findall(loads, text, re.IGNORECASE)
    assert not re.findall(r"@import|url\(\s*['\"]?https?:", text)
    assert "m.onnx" in text and "trainium1" in text


def _dom(page: Path, folder: Path) -> tuple[str, str]:
    """The page's DOM after its scripts ran, and the browser's log; no network."""
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND",
        "--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'profile'}", "--window-size=1400,2400",
        "--virtual-time-budget=8000", f"--screenshot={folder / 'shot.png'}", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_report_draws_without_errors(produced: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """No error on the console, charts on the page, and the JSON's figures in the embedded data."""
    folder, result = produced
    dom, log = _dom(folder / "r.html", tmp_path)
    errors = [
        line for line in log.splitlines() if "CONSOLE" in line and re.search(r"error|uncaught", line, re.IGNORECASE)
    ]
    assert not errors
    assert "<canvas" in dom or "<svg" in dom
    plain = html.unescape(dom)
    assert "m.onnx" in plain and all(operator["name"] in plain for operator in result["operators"])


def _check_trace(trace: Any) -> int:
    """The documented Chrome form: complete events with names and microseconds; returns how many."""
    events = trace["traceEvents"] if isinstance(trace, dict) else trace
    complete = 0
    for event in events:
        assert isinstance(event["ph"], str) and "pid" in event
        if event["ph"] == "X":
            assert event["dur"] >= 0 and event["ts"] >= 0 and event["name"] and "tid" in event
            complete += 1
        elif event["ph"] == "M":
            assert event["name"] in {"process_name", "thread_name", "thread_sort_index", "process_sort_index"}
    return complete


def test_the_trace_has_the_documented_form(produced: tuple[Path, dict[str, Any]]) -> None:
    """Events of every busy engine, none after the device's end; the packed file says the same."""
    folder, result = produced
    trace = json.loads((folder / "t.json").read_text(encoding="utf-8"))
    assert _check_trace(trace) > 0
    with gzip.open(folder / "t.json.gz", "rt", encoding="utf-8") as file:
        assert json.load(file) == trace
    events = trace["traceEvents"] if isinstance(trace, dict) else trace
    last = max(event["ts"] + event["dur"] for event in events if event["ph"] == "X")
    assert last <= result["latency_s"] * 1e6 * 1.001


@pytest.mark.slow
def test_perfetto_reads_the_trace(produced: tuple[Path, dict[str, Any]]) -> None:
    """trace_processor finds the slices and no import errors."""
    perfetto = pytest.importorskip("perfetto.trace_processor", reason="needs perfetto and its trace_processor")
    try:
        processor = perfetto.TraceProcessor(trace=str(produced[0] / "t.json"))
    except Exception as error:  # noqa: BLE001  the package fetches its binary on first use
        pytest.skip(f"trace_processor cannot be had: {error}")
    rows = list(processor.query("select count(*) as n from slice"))
    processor.close()
    assert rows[0].n > 0
