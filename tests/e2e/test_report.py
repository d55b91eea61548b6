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


METADATA = {"process_name": "name", "thread_name": "name", "thread_sort_index": "sort_index"}


def _is_time(value: object) -> bool:
    """A JSON number, as the format wants it; bool is one in Python only."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _check_event(event: dict[str, Any]) -> None:
    """One event by the Trace Event Format: its phase, and the keys and types that the phase needs."""
    assert event["ph"] in {"X", "M", "C", "s", "f"}, event
    assert type(event["pid"]) is int and isinstance(event["name"], str) and event["name"], event
    assert _is_time(event["ts"]), event
    assert isinstance(event.get("args", {}), dict), event
    keys = {"ph", "pid", "tid", "ts", "name", "args"}
    if event["ph"] == "X":
        assert type(event["tid"]) is int and _is_time(event["dur"]) and isinstance(event["cat"], str), event
        assert set(event) <= keys | {"dur", "cat"}, event
    elif event["ph"] == "M":
        kind = METADATA[event["name"]]
        assert type(event["tid"]) is int and set(event["args"]) == {kind} and set(event) == keys, event
        assert isinstance(event["args"][kind], int if kind == "sort_index" else str), event
    elif event["ph"] in "sf":  # the ends of an arrow, each on a thread
        assert type(event["tid"]) is int and type(event["id"]) is int and event["cat"] == "wait", event
        assert set(event) == {"ph", "pid", "tid", "ts", "name", "id", "cat"} | ({"bp"} if event["ph"] == "f" else set()), event
    else:  # a counter: numbers by series
        assert event["args"] and all(type(value) is int and value >= 0 for value in event["args"].values()), event


def _check_trace(trace: Any) -> list[dict[str, Any]]:
    """The JSON Object Format: threads named before use, bars of one thread in order and side by side. Returns the bars."""
    assert set(trace) <= {"traceEvents", "displayTimeUnit", "otherData"} and trace["displayTimeUnit"] in {"ms", "ns"}
    events = trace["traceEvents"]
    named: dict[tuple[str, int], int] = {}
    last_ps = -1
    ends: dict[int, int] = {}
    counters: dict[str, int] = {}
    arrows: dict[str, list[int]] = {"s": [], "f": []}
    for event in events:
        _check_event(event)
        start = round(event["ts"] * 1e6)  # picoseconds: the times have six decimals
        if event["ph"] == "M":
            key = (event["name"], event["tid"])
            named[key] = named.get(key, 0) + 1
            continue
        assert start >= last_ps, f"not sorted by time: {event}"
        last_ps = start
        if event["ph"] == "X":
            assert ("thread_name", event["tid"]) in named and ("thread_sort_index", event["tid"]) in named, event
            assert start >= ends.get(event["tid"], 0), f"overlaps the bar before it on its thread: {event}"
            ends[event["tid"]] = start + round(event["dur"] * 1e6)
        elif event["ph"] in "sf":
            arrows[event["ph"]].append(event["id"])
        else:
            counters[event["name"]] = event["pid"]
    assert all(count == 1 for count in named.values()), "a thread is named twice"
    assert sum(name == "process_name" for name, _ in named) == 1
    assert len({event["pid"] for event in events}) == 1
    assert sorted(arrows["s"]) == sorted(set(arrows["f"])) and len(arrows["f"]) == len(arrows["s"])
    assert set(counters) == {"SBUF bytes", "PSUM bytes", "HBM bytes", "HBM bandwidth"}
    return [event for event in events if event["ph"] == "X"]


def test_the_trace_has_the_documented_form(produced: tuple[Path, dict[str, Any]]) -> None:
    """Every event by the format; the packed file says the same."""
    folder, _ = produced
    trace = json.loads((folder / "t.json").read_text(encoding="utf-8"))
    assert _check_trace(trace)
    with gzip.open(folder / "t.json.gz", "rt", encoding="utf-8") as file:
        assert json.load(file) == trace


def test_the_trace_shows_the_results_figures(produced: tuple[Path, dict[str, Any]]) -> None:
    """An engine's bars are its instructions and its busy time; each operator has one; none ends after the device."""
    folder, result = produced
    trace = json.loads((folder / "t.json").read_text(encoding="utf-8"))
    bars = _check_trace(trace)
    threads = {e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    for name, engine in result["engines"].items():
        own = [bar for bar in bars if re.fullmatch(re.escape(name) + r"( \(\d+\))?", threads[bar["tid"]])]
        assert len(own) == engine["instructions"], name
        assert abs(sum(bar["dur"] for bar in own) * 1e-6 - engine["busy_s"]) <= 1e-12 * (1 + len(own)), name
    operators = [bar["name"] for bar in bars if bar["cat"] == "operator"]
    assert sorted(operators) == sorted(operator["name"] for operator in result["operators"])
    assert max(bar["ts"] + bar["dur"] for bar in bars) <= result["device_s"] * 1e6 * (1 + 1e-9)


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
