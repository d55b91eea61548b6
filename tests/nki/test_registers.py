# SPDX-License-Identifier: Apache-2.0
"""Registers, loops that the core counts and conditions: instructions of the sequencer with a time, an energy and followers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import thorong.nki as nki
import thorong.nki.isa as nisa
import thorong.nki.language as nl

TILES = np.arange(8 * 128 * 64, dtype=np.float32).reshape(8, 128, 64)
STEP_S, ONCHIP_S = 13e-9, 100e-9  # trainium2's control.register_s and register_onchip_s


def events(result: Any, instruction: str) -> Any:
    """What the timeline has of an instruction, by start."""
    found = result.timeline[result.timeline["instruction"] == instruction]
    return found[np.argsort(found["start_s"], kind="stable")]


def number(value: int) -> Any:
    """A tile of one integer."""
    tile = nl.ndarray((1, 1), nl.int32, buffer=nl.sbuf)
    nisa.memset(tile, value)
    return tile


def chosen(a: Any, which: int) -> Any:
    """Tile `which`, by a register that is loaded from a tile."""
    out = nl.ndarray((128, 64), a.dtype, buffer=nl.shared_hbm)
    register = nisa.register_alloc()
    nisa.register_load(register, number(which))
    nisa.dma_copy(out, a[register, :, :])
    return out


def test_a_register_is_waited_for() -> None:
    """The load follows its tile's writer, and the transfer with the address follows the load."""
    result = nki.run(chosen, TILES, 5)
    np.testing.assert_array_equal(result.outputs["output0"], TILES[5])
    (load,), (write,), (copy,) = (events(result, name) for name in ("register_load", "memset", "dma_copy"))
    assert load["engine"] == "sync" and load["start_s"] >= write["end_s"] and copy["start_s"] >= load["end_s"]
    assert load["end_s"] - load["start_s"] == pytest.approx(STEP_S + ONCHIP_S, abs=2e-12)
    assert any("sequencer" in sentence for sentence in result.not_modelled)


def test_the_times_of_registers_are_assumed_figures() -> None:
    """They stand in the list when they had a part in the time."""

    def kernel(a: Any) -> None:
        tile = number(1)
        for _ in range(20):
            nisa.register_alloc(tile)

    facts = [fact["fact"] for fact in nki.run(kernel, TILES).assumed]
    assert "control.register_s" in facts and "control.register_onchip_s" in facts


def test_programs_without_registers_say_nothing_of_them() -> None:
    """Neither a sentence nor an assumed figure."""
    result = nki.run(lambda a: nl.load(a[0, 0:1, 0:1]), TILES)
    assert not any("sequencer" in sentence for sentence in result.not_modelled)
    assert not any("register" in fact["fact"] for fact in result.assumed)


def test_a_register_is_not_written_before_it_was_read() -> None:
    """Two transfers by one register: the second value waits for the first transfer, the second transfer for the value."""

    def kernel(a: Any) -> Any:
        out = nl.ndarray((2, 128, 64), a.dtype, buffer=nl.shared_hbm)
        register = nisa.register_alloc(1)
        nisa.dma_copy(out[0, :, :], a[register, :, :])
        nisa.register_move(register, nisa.register_alloc(6))
        nisa.dma_copy(out[1, :, :], a[register, :, :])
        return out

    result = nki.run(kernel, TILES)
    np.testing.assert_array_equal(result.outputs["output0"], TILES[[1, 6]])
    moves, copies = events(result, "register_move"), events(result, "dma_copy")
    assert len(moves) == 3 and len(copies) == 2
    assert moves[-1]["start_s"] >= copies[0]["end_s"] and copies[1]["start_s"] >= moves[-1]["end_s"]


def test_a_stored_register_can_be_read() -> None:
    """register_store is a write like any other: later readers see it, in the tile's format."""

    def kernel(a: Any) -> Any:
        out = nl.ndarray((1, 2), nl.float32, buffer=nl.shared_hbm)
        tile = nl.ndarray((1, 2), nl.float32, buffer=nl.sbuf)
        register = nisa.register_alloc(7)
        nisa.register_store(tile[:, 0:1], register)
        nisa.register_move(register, -9)
        nisa.register_store(tile[:, 1:2], register)
        nisa.dma_copy(out, tile)
        return out

    result = nki.run(kernel, TILES)
    np.testing.assert_array_equal(result.outputs["output0"], [[7, -9]])
    stores, (copy,) = events(result, "register_store"), events(result, "dma_copy")
    assert copy["start_s"] >= stores[-1]["end_s"] + ONCHIP_S


def counted(a: Any, steps: Any) -> Any:
    """Sums the first tiles."""
    out = nl.ndarray((128, 64), a.dtype, buffer=nl.shared_hbm)
    total = nl.ndarray((128, 64), a.dtype, buffer=nl.sbuf)
    nisa.memset(total, 0)
    for i in nl.dynamic_range(nisa.register_alloc(steps)):
        tile = nl.ndarray((128, 64), a.dtype, buffer=nl.sbuf)
        nisa.dma_copy(tile, a[i, :, :])
        nisa.tensor_tensor(total, total, tile, op=nl.add)
    nisa.dma_copy(out, total)
    return out


@pytest.mark.parametrize("steps", [0, 1, 6])
def test_a_loop_has_a_branch_for_each_step_and_its_end(steps: int) -> None:
    """Whatever comes in a step, or after the loop, starts after its branch."""
    result = nki.run(counted, TILES, steps)
    np.testing.assert_array_equal(result.outputs["output0"], TILES[:steps].sum(0))
    branches = events(result, "branch")
    assert len(branches) == steps + 1 and set(branches["engine"]) == {"sync"}
    sums = events(result, "tensor_tensor")
    assert all(step["start_s"] >= branch["end_s"] for step, branch in zip(sums, branches))
    assert events(result, "dma_copy")[-1]["start_s"] >= branches[-1]["end_s"]
    assert nki.run(counted, TILES, steps, timing_only=True).device_s == result.device_s


def test_a_condition_waits_for_its_register() -> None:
    """`while register`: the next step starts after the value that decides on it was written, loaded and looked at."""

    def kernel(a: Any) -> Any:
        out = nl.ndarray((1, 1), nl.int32, buffer=nl.shared_hbm)
        left = number(3)
        register = nisa.register_alloc(left)
        while register:
            nisa.tensor_scalar(left, left, op0=nl.subtract, operand0=1)
            nisa.register_load(register, left)
        nisa.dma_copy(out, left)
        return out

    result = nki.run(kernel, TILES)
    assert result.outputs["output0"] == 0
    branches, loads, steps = (events(result, name) for name in ("branch", "register_load", "tensor_scalar"))
    assert (len(branches), len(loads), len(steps)) == (4, 4, 3)
    for load, branch in zip(loads, branches):
        assert branch["start_s"] >= load["end_s"]
    for branch, step, load in zip(branches, steps, loads[1:]):
        assert branch["end_s"] <= step["start_s"] and step["end_s"] <= load["start_s"]


def test_registers_outlive_a_kernel() -> None:
    """A register of an earlier run is a number to the next one; outside of kernels registers have no time."""
    register = nisa.register_alloc(3)
    for _ in range(2):
        result = nki.run(lambda a, r=register: nisa.register_move(nisa.register_alloc(), r), TILES)
        assert len(events(result, "register_move")) == 1
    assert int(register) == 3 and bool(register)


def test_the_assumed_times_can_be_changed() -> None:
    """Device time follows the figures of the sequencer, and the result says by how much."""
    slow = nki.run(chosen, TILES, 5, assume={"control.register_onchip_s": "5.1e-6 s"})
    own = nki.run(chosen, TILES, 5)
    assert slow.device_s == pytest.approx(own.device_s + 5e-6, abs=1e-11)
    assert slow.assumptions["device_s_of_chip"] == own.device_s
    assert slow.assumptions["facts"][0]["chip_value"] == "1e-07 s" and slow.assumed[0]["kind"] == "given"
    assert slow.energy_by["instructions"] == own.energy_by["instructions"] > 0


def test_the_index_of_a_counted_loop_is_not_written() -> None:
    """It is the loop's."""

    def kernel(a: Any) -> Any:
        for i in nl.dynamic_range(3):
            nisa.register_move(i, 7)
        return a

    with pytest.raises(nisa.NkiValidationError, match="found the index of a counted loop"):
        nki.run(kernel, np.zeros((4, 4), np.float32))
