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
    assert {name: use["waited_for"] for name, use in waits.items()} == {line("load"): "descriptors", line("exp"): "operand", line("store"): "descriptors"}
    assert waits[line("load")]["cause_name"] == waits[line("load")]["cause_op"] == ""  # nothing before it
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


def test_energy_by_line_adds_up(result: Any) -> None:
    """What lines need, with static energy and the copies over the host link, is the whole."""
    by_line = {Path(use["name"]).name: use for use in result.energy_by_line}
    assert set(by_line) == {line("load"), line("exp"), line("store")}
    rest = result.energy_by["static"] + result.energy_by["host_link"]
    assert sum(use["energy_j"] for use in by_line.values()) + rest == pytest.approx(result.energy_j, rel=1e-12)
    assert sum(use["share"] for use in by_line.values()) + rest / result.energy_j == pytest.approx(1, rel=1e-12)
    for use in by_line.values():
        assert sum(use["energy_by"].values()) == pytest.approx(use["energy_j"], rel=1e-12) and use["instructions"] == 1
    # Events by hand: 128 x 512 fp32 values pass the scalar engine, and 256 KiB go from HBM to SBUF and back.
    figures = thorong_figures("trainium2")
    byte, factor = 128 * 512 * 4, figures["package.energy_factor"]
    assert by_line[line("exp")]["energy_by"]["scalar"] == pytest.approx(128 * 512 * figures["scalar.pj_per_op"] * factor * 1e-12)
    assert by_line[line("load")]["energy_by"]["hbm"] == pytest.approx(byte * figures["hbm.pj_per_byte"] * 1e-12)
    assert by_line[line("load")]["energy_by"]["sbuf"] == pytest.approx(byte * figures["sbuf.pj_per_byte"] * factor * 1e-12)
    assert by_line[line("load")]["energy_by"]["hbm"] == by_line[line("store")]["energy_by"]["hbm"]
    assert "Energy by line" in str(result) and ">Energy by line<" in result.to_html()


def thorong_figures(chip: str) -> dict[str, Any]:
    """The figures of a chip's file by path."""
    yaml = pytest.importorskip("yaml")
    chips = Path(__file__).resolve().parents[2] / "chips"
    blocks = yaml.safe_load((chips / f"{chip}.yaml").read_text(encoding="utf-8"))["blocks"]
    return {f"{block['name']}.{key}": figure.get("value") for block in blocks for key, figure in block["parameters"].items()}


def pair_kernel(a: Any) -> Any:
    """Each of two cores copies its half; the second one's is copied by another line as well."""
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
    x = nl.ndarray((128, a.shape[1]), a.dtype, buffer=nl.sbuf)
    half = nl.ds(nl.program_id(0) * 128, 128)
    nisa.dma_copy(dst=x, src=a[half])  # both
    if nl.program_id(0) == 1:
        nisa.activation(x, op=nl.exp, data=x)  # second
    nisa.core_barrier(out, (0, 1))  # meet
    nisa.dma_copy(dst=out[half], src=x)  # back
    return out


def test_two_cores_share_lines(result: Any) -> None:
    """Energy by line is of both cores, also of lines that one of them alone came to."""
    both = nki.run(nki.jit(pair_kernel)[2], np.ones((256, 512), np.float32), chip="trainium2")
    by_line = {Path(use["name"]).name: use for use in both.energy_by_line}
    # Both cores are there: what the second one's engines did, and whose timeline is shown.
    assert [core["engines"]["scalar"]["instructions"] for core in both.cores] == [0, 1] and result.cores == []
    assert both.cores[both.shown_core]["end_s"] == both.device_s and both.cores[both.shown_core]["engines"] == both.engines
    assert f"core {1 - both.shown_core} ends at" in str(both)
    assert by_line[line("both")]["instructions"] == 2 and by_line[line("second")]["instructions"] == 1
    one = next(use for use in result.energy_by_line if Path(use["name"]).name == line("load"))
    assert by_line[line("both")]["energy_by"]["hbm"] == pytest.approx(2 * one["energy_by"]["hbm"])
    rest = both.energy_by["static"] + both.energy_by["host_link"]
    assert sum(use["energy_j"] for use in both.energy_by_line) + rest == pytest.approx(both.energy_j, rel=1e-12)


def test_a_barrier_names_who_came_last() -> None:
    """The core without work waits for the other one: for the line that held that one back."""

    def late(a: Any) -> Any:
        out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
        if nl.program_id(0) == 1:
            x = nl.ndarray((128, a.shape[1]), a.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=x, src=a[0:128])
            nisa.dma_copy(dst=out[0:128], src=x)  # last
        nisa.core_barrier(out, (0, 1))  # barrier
        if nl.program_id(0) == 0:
            y = nl.ndarray((128, a.shape[1]), a.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=y, src=out[0:128])
            nisa.dma_copy(dst=out[128:256], src=y)
        return out

    result = nki.run(nki.jit(late)[2], np.ones((256, 512), np.float32), chip="trainium2")
    (wait,) = [use for use in result.waits if use["waited_for"] == "other core"]
    assert Path(wait["name"]).name == line("barrier") and Path(wait["cause_name"]).name == line("last")
    assert wait["cause_engine"] == "core 1, dma_store" and wait["critical_s"] > 0


def placed_kernel(a: Any) -> Any:
    """Two tiles at addresses of their own and a product in the third PSUM bank."""
    out = nl.ndarray((128, 512), nl.float32, buffer=nl.shared_hbm)
    x = nl.ndarray((128, 512), a.dtype, buffer=nl.sbuf, address=(0, 4096), name="x")
    y = nl.ndarray((128, 512), nl.float32, buffer=nl.sbuf, address=(0, 65536), name="y")
    sums = nl.ndarray((128, 512), nl.float32, buffer=nl.psum, address=(0, 2 * 2048), name="sums")
    nisa.dma_copy(dst=x, src=a)  # fill
    nisa.nc_matmul(sums, stationary=x[:, 0:128], moving=x)  # product
    nisa.tensor_copy(dst=y, src=sums)  # drain
    nisa.dma_copy(dst=out, src=y)  # end
    return out


def test_the_memory_maps_say_where_and_when() -> None:
    """Addresses as the kernel gave them, times as the timeline has them, the peak by hand."""
    import ml_dtypes

    result = nki.run(placed_kernel, np.ones((128, 512), ml_dtypes.bfloat16), chip="trainium2")
    tiles = {row["name"]: row for row in result.tiles if row["memory"] != "hbm"}
    assert {name: (int(row["address"]), int(row["bytes"]), str(row["memory"])) for name, row in tiles.items()} == {
        "x": (4096, 1024, "sbuf"), "y": (65536, 2048, "sbuf"), "sums": (4096, 2048, "psum")}  # fmt: skip
    start, end = {}, {}
    for event in result.timeline:
        start[Path(event["operator"]).name], end[Path(event["operator"]).name] = event["start_s"], event["end_s"]
    assert (tiles["x"]["start_s"], tiles["x"]["end_s"]) == (start[line("fill")], end[line("product")])
    assert (tiles["sums"]["start_s"], tiles["sums"]["end_s"]) == (start[line("product")], end[line("drain")])
    assert (tiles["y"]["start_s"], tiles["y"]["end_s"]) == (start[line("drain")], end[line("end")])
    assert Path(tiles["sums"]["at"]).name == line("product") and tiles["sums"]["engine"] == "tensor"
    sbuf, psum = result.memory_map["sbuf"], result.memory_map["psum"]
    assert [tile["name"] for tile in sbuf["tiles"]] == ["x", "y"] and psum["tiles"][0]["address"] == 2 * psum["bank_bytes"]
    # y alone is the most that SBUF holds at a time: below it 64 KiB are free, above it the rest.
    free = sbuf["bytes_per_partition"] - 2048
    assert sbuf["peak"]["used_bytes"] == 2048 and sbuf["peak"]["free_bytes"] == free
    assert sbuf["peak"]["largest_free_bytes"] == sbuf["bytes_per_partition"] - 65536 - 2048
    assert sbuf["peak"]["fragmentation"] == pytest.approx(65536 / free)
    page = result.to_html()
    assert "Which tensor lies where" in page and "bank 7" in page


def test_mfu_of_a_product_by_hand() -> None:
    """128 x 128 x 512 multiply-adds in bf16 against the array's peak, in the time the kernel takes."""
    import ml_dtypes

    result = nki.run(placed_kernel, np.ones((128, 512), ml_dtypes.bfloat16), chip="trainium2")
    flops = 2 * 128 * 128 * 512
    assert result.product_flops == flops and result.roofline["peak_format"] == "bfloat16"
    assert result.mfu == pytest.approx(flops / (2 * 128 * 128 * float(thorong_figures("trainium2")["tensor.clock_hz"])) / result.device_s)
    product = next(use for use in result.operators if Path(use["name"]).name == line("product"))
    assert product["flops"] == flops and "MFU" in str(result) and "MFU" in result.brief()


def crowded_kernel(a: Any) -> Any:
    """Three loads at once, and work on Vector for all of them."""
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
    for i in range(3):
        x = nl.ndarray((128, a.shape[1]), a.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=x, src=a[nl.ds(i * 128, 128)])  # loads
        nisa.tensor_scalar(x, x, op0=nl.multiply, operand0=2.0)  # first
        nisa.tensor_scalar(x, x, op0=nl.add, operand0=1.0)  # then
        nisa.dma_copy(dst=out[nl.ds(i * 128, 128)], src=x)  # stores
    return out


def test_waits_have_causes_and_parts() -> None:
    """Each instruction names its cause; stalls split into work of the producer, its result's way and its signal."""
    result = nki.run(crowded_kernel, np.ones((384, 2048), np.float32), chip="trainium2")
    kinds = {use["waited_for"] for use in result.waits}
    assert kinds <= {"operand", "engine busy", "dma bandwidth", "hbm bandwidth", "semaphore", "descriptors", "other core"} and "operand" in kinds
    for use in result.waits:
        assert use["latency_s"] + use["semaphore_s"] <= use["time_s"] * (1 + 1e-9) + 1e-12
        assert (use["waited_for"] == "engine busy") == (use["queued_s"] > 0), use
    loads = [use for use in result.waits if Path(use["name"]).name == line("loads")]
    assert {use["waited_for"] for use in loads} <= {"dma bandwidth", "hbm bandwidth", "descriptors"} and loads
    events = result.timeline
    for event in events:
        if event["waited_for"] == "operand":
            assert event["start_s"] >= events[event["cause"]]["end_s"]
    assert any("SBUF port that Vector and GpSimd share" in text for text in result.not_modelled)


def test_the_trace_has_arrows_and_counters(tmp_path: Path) -> None:
    """A flow from each cause to what waited, HBM's traffic as a counter, lines as arguments."""
    result = nki.run(crowded_kernel, np.ones((384, 2048), np.float32), chip="trainium2")
    result.trace(tmp_path / "t.json")
    events = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["traceEvents"]
    begins, ends = ({event["id"]: event for event in events if event["ph"] == phase} for phase in "sf")
    stalled = sum(event["waited_for"] not in ("", "engine busy") and event["cause"] >= 0 for event in result.timeline)
    assert set(begins) == set(ends) and len(begins) == stalled > 0
    assert all(begins[i]["ts"] <= ends[i]["ts"] for i in begins)
    moved = np.zeros(1)
    rates = [(event["ts"] * 1e-6, event["args"]["bytes/s"]) for event in events if event["name"] == "HBM bandwidth"]
    for (begin, rate), (end, _) in zip(rates, rates[1:]):
        moved += (end - begin) * rate
    assert moved[0] == pytest.approx(result.memory["hbm_traffic_bytes"], rel=1e-3) and result.memory["hbm_traffic_bytes"] == 2 * 384 * 2048 * 4
    assert any(event["ph"] == "C" and event["name"] == "PSUM bytes" for event in events) is False  # no tile lies in PSUM
    assert all(event["args"]["line"].split(":")[0].endswith("test_profile.py") for event in events if event.get("cat") == "instruction")
