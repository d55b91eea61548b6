# SPDX-License-Identifier: Apache-2.0
"""--assume: a figure of the chip has another value for one run, and the result says what that did."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs onnx to make models")

from command import Command
from models import make_matmul

FACT = "dma.latency_s"
GIVEN = "9e-06"


def model(folder: Path) -> Path:
    """A product: its operands come by DMA."""
    return make_matmul(folder / "m.onnx", 128)


def variant(folder: Path) -> Path:
    """A chip file that says the same."""
    path = folder / "variant.yaml"
    path.write_text(f"base: trainium2\nset: {{{FACT}: {GIVEN}}}\n")
    return path


def own_figure(thorong: Command) -> dict[str, object]:
    """What trainium2 says."""
    block, key = FACT.split(".")
    return dict(thorong("chip", "trainium2", "--json").json()["blocks"][block][key])


def test_times_are_those_of_a_chip_file_that_says_so(thorong: Command, tmp_path: Path) -> None:
    """The given value as in a variant, the chip's own as without; the list of assumed facts starts with it."""
    chip = ("--chip", "trainium2", "--timing-only")
    given = thorong.run(model(tmp_path), *chip, "--assume", f"{FACT}={GIVEN}")
    own = thorong.run(model(tmp_path), *chip)
    as_file = thorong.run(model(tmp_path), "--chip", variant(tmp_path), "--timing-only")
    assert given["device_s"] == as_file["device_s"] > own["device_s"]
    assert given["energy_j"] == as_file["energy_j"]
    told, figure = given["assumptions"], own_figure(thorong)
    assert told["device_s_of_chip"] == own["device_s"] and told["device_s"] == given["device_s"]
    chip_value = f"{figure['value']:.6g} s"
    assert told["facts"] == [{"fact": FACT, "value": f"{GIVEN} s", "chip_value": chip_value, "chip_kind": figure["kind"]}]
    first = given["assumed"][0]
    assert (first["fact"], first["value"], first["kind"]) == (FACT, f"{GIVEN} s", "given")
    assert f"in place of {chip_value} ({figure['kind']}; {figure['source']}" in first["source"]
    assert "assumptions" not in own and all(fact["kind"] != "given" for fact in own["assumed"])


def test_the_table_says_what_it_did(thorong: Command, tmp_path: Path) -> None:
    """Both times and the change; a documented figure is called so; without an effect it says that."""
    run = ("run", model(tmp_path), "--timing-only", "--chip", "trainium2")
    text = " ".join(thorong(*run, "--assume", f"{FACT}={GIVEN} s").stdout.split())
    assert "Assumed for this run" in text and f"{FACT}: {GIVEN} s in place of " in text
    assert "with the chip's own" in text and "with this (+" in text
    text = " ".join(thorong(*run, "--assume", "host.dispatch_s=1e-3", "--assume", "tensor.clock_hz=2.4e9 Hz").stdout.split())
    assert "2.4e+09 Hz in place of 2.4e+09 Hz (published)" in text and "with these (no change)" in text


def test_compare_and_instruction_take_it(thorong: Command, tmp_path: Path) -> None:
    """For each chip of a comparison; for one instruction."""
    compare = ("compare", model(tmp_path), "--chips", "trainium1,trainium2", "--timing-only", "--assume", f"{FACT}={GIVEN}")
    results = thorong(*compare, "--json").json()["results"]
    assert [result["assumptions"]["facts"][0]["fact"] for result in results] == [FACT, FACT]
    assert "Assumed for this run" in thorong(*compare).stdout
    one = ("instruction", "activation", "--elements", "8", "--chip", "trainium2", "--json")
    cycles = [thorong(*one, "--assume", f"scalar.fixed_cycles={n}").json()["cycles"] for n in (100, 350)]
    assert cycles[1] == cycles[0] + 250


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([f"{FACT}=many"], "must be a number, found 'many'"),
        ([f"{FACT}=64 cycles"], "needs 'unit: s', but has 'cycles'"),
        ([f"{FACT}=-1"], "is -1, but must be"),
        (["tensor.min_isue_cycles=1"], "did you mean 'tensor.min_issue_cycles'"),
        (["min_issue_cycles=1"], "did you mean 'tensor.min_issue_cycles', 'vector.min_issue_cycles' and"),
        ([FACT], "is not NAME=VALUE"),
        ([f"{FACT}="], "is not NAME=VALUE"),
        ([f"{FACT}=1", f"{FACT}=1"], "is given twice"),
        (["sbuf.partitions=64"], "partitions"),
    ],
)
def test_bad_assumptions(thorong: Command, tmp_path: Path, words: list[str], says: str) -> None:
    """Status 2 and a sentence that names the fact and the remedy."""
    options = [word for text in words for word in ("--assume", text)]
    for command in (["run", model(tmp_path), "--chip", "trainium2"], ["instruction", "activation", "--chip", "trainium2"]):
        done = thorong(*command, *options)
        assert done.status == 2 and says in done.stderr and "assume" in done.stderr, done.stderr
