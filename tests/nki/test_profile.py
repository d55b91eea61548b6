# SPDX-License-Identifier: Apache-2.0
"""The profile of a kernel: what each line waited for, and the critical path, which adds up to the device time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thorong.nki as nki
import thorong.nki.isa as nisa
import thorong.nki.language as nl
from thorong._core import nki as core


def kernel(a: Any) -> Any:
    """Load, exp, store."""
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
    x = nl.ndarray(a.shape, a.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=x, src=a)  # load
    nisa.activation(x, op=nl.exp, data=x)  # exp
    nisa.dma_copy(dst=out, src=x)  # store
    return out


def line(mark: str) -> str:
    """This file and the line with a mark, as results name it."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return f"{Path(__file__).name}:{next(i for i, text in enumerate(lines, 1) if text.endswith('# ' + mark))}"


@pytest.fixture(scope="module")
def result() -> Any:
    """A chain of three instructions on trainium2."""
    return nki.run(kernel, np.ones((128, 512), np.float32), chip="trainium2")


def test_each_line_names_what_it_waited_for(result: Any) -> None:
    """The exponential waited for the load, the store for the exponential."""
    waits = {Path(use["name"]).name: use for use in result.waits}
    assert Path(waits[line("exp")]["cause_name"]).name == line("load")
    assert Path(waits[line("store")]["cause_name"]).name == line("exp")
    assert {use["waited_for"] for use in result.waits} == {"operand"}
    assert waits[line("exp")]["engine"] == "scalar" and waits[line("exp")]["cause_op"] == "dma_copy"


def test_the_critical_path_is_the_device_time(result: Any) -> None:
    """Work and waits of the chain, all of it."""
    assert [Path(use["name"]).name for use in sorted(result.critical_path, key=lambda use: use["name"])] == [line("load"), line("exp"), line("store")]
    assert sum(use["busy_s"] + use["wait_s"] for use in result.critical_path) == pytest.approx(result.device_s, rel=1e-9)


def test_table_page_and_trace_say_it_too(result: Any, tmp_path: Path) -> None:
    """Every view reads the one result."""
    assert ">Waits<" in result.to_html() and "Most expensive waits" in str(result)
    result.trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    (exp,) = [event for event in events if event.get("name") == "activation" and event.get("cat") == "instruction"]
    assert exp["args"]["waited for"] == "operand" and exp["args"]["of"] == "dma_copy" and exp["args"]["at"].endswith(line("load"))


def test_the_documented_rules_are_those_of_the_instructions() -> None:
    """docs/nki.md has a row for each instruction with a cost rule, in its docstring's words."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "nki.md").read_text(encoding="utf-8")
    for name, function in [*vars(nisa).items(), *core.collectives.items()]:
        text = getattr(function, "__doc__", None) or ""
        if "Cost: " in text:
            assert f"| `{name}` | {text.splitlines()[2]} | {text.rsplit('Cost: ', 1)[1].strip()} |\n" in page, name


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    """As a newcomer would."""
    script = Path(__file__).resolve().parents[2] / "examples" / "nki_softmax.py"
    done = subprocess.run([sys.executable, "-m", "thorong.nki", str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Critical path" in done.stdout and (tmp_path / "softmax.html").is_file() and (tmp_path / "softmax.json.gz").is_file()
