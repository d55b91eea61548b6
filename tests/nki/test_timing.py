# SPDX-License-Identifier: Apache-2.0
"""When instructions of kernels run: loops overlap, orders and addresses of the kernel hold, cores wait for each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import thorong
import thorong.nki as nki
import thorong.nki.isa as nisa
import thorong.nki.language as nl

ROWS = np.random.default_rng(0).standard_normal((24, 128, 512)).astype(np.float32)


def loop(a: Any, ordered: bool = False) -> Any:
    """2 exp(a) in 24 steps."""
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)

    def step(i: int) -> None:
        x, y = (nl.ndarray((128, 512), nl.float32, buffer=nl.sbuf) for _ in range(2))
        nisa.dma_copy(x, a[i, :, :])
        nisa.activation(y, nl.exp, x)
        nisa.tensor_scalar(x, y, op0=nl.multiply, operand0=2.0)
        nisa.dma_copy(out[i, :, :], x)

    for i in range(a.shape[0]):
        if ordered:
            with nl.no_reorder():
                step(i)
        else:
            step(i)
    return out


def test_a_loop_takes_as_long_as_its_slowest_part() -> None:
    """Steps overlap: the DMA engines' time for all bytes, not the sum of all steps; values stay."""
    result = nki.run(loop, ROWS)
    np.testing.assert_allclose(result.outputs["output0"], 2 * np.exp(ROWS), rtol=1e-5)
    moved_s = 2 * ROWS.nbytes / (16 * 23e9)  # trainium2's DMA engines
    assert moved_s < result.device_s < 1.3 * moved_s
    alone = nki.run(loop, ROWS[:1])
    assert result.device_s < 0.6 * len(ROWS) * alone.device_s


def test_blocks_and_timing_only_give_the_same_values_and_times() -> None:
    """no_reorder changes times only; timing_only changes nothing but the values."""
    free, ordered = nki.run(loop, ROWS), nki.run(loop, ROWS, ordered=True)
    np.testing.assert_array_equal(free.outputs["output0"], ordered.outputs["output0"])
    assert ordered.device_s >= free.device_s
    assert nki.run(loop, ROWS, timing_only=True).device_s == free.device_s
    assert nki.run(loop, ROWS).energy_j == free.energy_j


def _uneven(a: Any, work: tuple[int, int]) -> Any:
    """Each core squares its tile work[core] times; then the tiles change places."""
    me, other = nl.program_id(0), 1 - nl.program_id(0)
    own, theirs = (nl.ndarray((128, 512), nl.float32, buffer=nl.sbuf) for _ in range(2))
    nisa.dma_copy(own, a[me, :, :])
    for _ in range(work[me]):
        nisa.tensor_scalar(own, own, op0=nl.multiply, operand0=1.0)
    nisa.sendrecv(src=own, dst=theirs, send_to_rank=other, recv_from_rank=other, pipe_id=0)
    out = nl.ndarray((2, 128, 512), nl.float32, buffer=nl.shared_hbm)
    nisa.dma_copy(out[me, :, :], theirs)
    return out


def test_a_core_waits_for_the_other() -> None:
    """The launch takes as long whichever core has the work, and more energy if both have it."""
    runs = {work: nki.run(nki.jit(_uneven)[2], ROWS[:2], work=work) for work in ((0, 0), (40, 0), (0, 40), (40, 40))}
    for result in runs.values():
        np.testing.assert_array_equal(result.outputs["output0"], ROWS[1::-1])
    assert runs[40, 0].device_s == runs[0, 40].device_s == runs[40, 40].device_s
    assert runs[40, 0].device_s > runs[0, 0].device_s + 40 * 512 / 0.96e9
    assert runs[40, 0].energy_j == pytest.approx(runs[0, 40].energy_j)
    assert runs[40, 40].energy_j > runs[40, 0].energy_j > runs[0, 0].energy_j
    assert runs[40, 40].energy_by["vector"] == pytest.approx(2 * runs[40, 0].energy_by["vector"])


@pytest.mark.parametrize("timing_only", [False, True])
def test_a_core_that_never_comes_is_named(timing_only: bool) -> None:
    """The error has the line at which the other one waits."""

    def kernel(a: Any) -> Any:
        tiles = [nl.ndarray((4, 4), nl.float32, buffer=nl.sbuf) for _ in range(2)]
        nisa.memset(tiles[0], 0.0)
        if nl.program_id(0) == 1:
            nisa.sendrecv(src=tiles[0], dst=tiles[1], send_to_rank=0, recv_from_rank=0, pipe_id=3)
        return a

    line = kernel.__code__.co_firstlineno + 4
    with pytest.raises(thorong.Error, match="the cores never meet") as raised:
        nki.run(nki.jit(kernel)[2], ROWS[0], timing_only=timing_only)
    assert f"test_timing.py:{line}" in str(raised.value)
    assert "sendrecv of pipe 3" in str(raised.value)


def test_tiles_at_one_address_take_turns() -> None:
    """Two buffers are faster than one, and a third changes no value."""

    def kernel(a: Any, buffers: int) -> Any:
        out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
        for i in range(a.shape[0]):
            x = nl.ndarray((128, 512), nl.float32, buffer=nl.sbuf, address=(0, i % buffers * 2048))
            nisa.dma_copy(x, a[i, :, :])
            nisa.activation(x, nl.exp, x)
            nisa.dma_copy(out[i, :, :], x)
        return out

    one, two, many = (nki.run(kernel, ROWS, buffers=n) for n in (1, 2, 8))
    assert one.device_s > two.device_s > many.device_s
    for result in (one, two, many):
        np.testing.assert_allclose(result.outputs["output0"], np.exp(ROWS), rtol=1e-5)
