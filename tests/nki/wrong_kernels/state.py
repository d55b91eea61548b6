# SPDX-License-Identifier: Apache-2.0
"""Sums in PSUM and accumulators, several cores, endless loops, and Python that the vendor's compiler refuses."""

from __future__ import annotations

from typing import Any

import numpy as np

import thorong.nki.isa as nisa
import thorong.nki.language as nl

from . import case
from .calls import tile

SETTINGS = {"scale": 2.0}


@case()
def sum_that_nobody_began(a: Any) -> Any:
    p = nl.ndarray((64, 64), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(p, tile(), tile(), accumulate=True)  # wrong: accumulate
    return a


@case()
def sum_on_a_value(a: Any) -> Any:
    p = tile(64, 64, buffer=nl.psum)
    nisa.nc_matmul(p, tile(), tile(), accumulate=True)  # wrong: accumulate
    return a


@case()
def inferred_sum_on_a_value(a: Any) -> Any:
    p = tile(64, 64, buffer=nl.psum)
    nisa.nc_matmul(p, tile(), tile())  # wrong: accumulate
    return a


@case()
def sum_of_twice_the_columns(a: Any) -> Any:
    p = nl.ndarray((64, 128), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(p[:, 0:64], tile(), tile(), accumulate=False)
    nisa.nc_matmul(p, tile(), tile(128, 128), accumulate=True)  # wrong: accumulate
    return a


@case()
def sum_that_was_read(a: Any) -> Any:
    p = nl.ndarray((64, 64), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(p, tile(), tile())
    nisa.tensor_copy(tile(64), p)
    nisa.nc_matmul(p, tile(), tile())  # wrong: accumulate-after-read
    return a


@case()
def accumulators_of_before(a: Any) -> Any:
    nisa.activation(tile(), nl.copy, tile(), reduce_op=nl.add, reduce_res=tile(128, 1), reduce_cmd=nisa.reduce_cmd.reduce)  # wrong: accumulator
    return a


@case(cores=2)
def both_cores_write(a: Any) -> Any:
    out = nl.ndarray((128, 64), nl.float32, buffer=nl.shared_hbm)
    x = tile()
    nisa.memset(x, nl.program_id(0))
    nisa.dma_copy(out, x)  # wrong: race
    return out


@case(cores=2)
def one_core_reads_what_the_other_writes(a: Any) -> Any:
    scratch = nl.ndarray((2, 128, 64), nl.float32, buffer=nl.shared_hbm)
    me = nl.program_id(0)
    nisa.dma_copy(scratch[me, :, :], tile())
    if me == 1:
        nisa.dma_copy(tile(), scratch[0, :, :])  # wrong: race
    return a


@case(cores=2)
def one_core_writes_what_the_other_reads(a: Any) -> Any:
    x = tile()
    if nl.program_id(0) == 0:
        nisa.dma_copy(x, a)
    else:
        nisa.dma_copy(a, x)  # wrong: race
    return a


@case(cores=2, goes_on=False)
def core_that_sends_to_itself(a: Any) -> Any:
    x, y = tile(), tile()
    me = nl.program_id(0)
    nisa.sendrecv(src=x, dst=y, send_to_rank=me, recv_from_rank=me, pipe_id=0)  # wrong: sendrecv
    return a


@case(cores=2, goes_on=False)
def tiles_of_two_shapes(a: Any) -> Any:
    n, other = 32 + 32 * nl.program_id(0), 1 - nl.program_id(0)
    x, y = tile(128, n), tile(128, n)
    nisa.sendrecv(src=x, dst=y, send_to_rank=other, recv_from_rank=other, pipe_id=0)  # wrong: sendrecv
    return a


@case(cores=2)
def part_of_what_the_other_core_sends(a: Any) -> Any:
    core = nl.program_id(0)
    whole, part, got = tile(), nl.ndarray((128, 64), nl.float32), tile()
    nisa.memset(part[0:64, :], 0)
    nisa.sendrecv(src=whole if core else part, dst=got, send_to_rank=1 - core, recv_from_rank=1 - core, pipe_id=0)  # wrong: unwritten
    p = nl.ndarray((64, 64), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(p, got, got, accumulate=False)
    return a


@case(cores=2, goes_on=False)
def barrier_of_one_core(a: Any) -> Any:
    if nl.program_id(0) == 0:
        nisa.core_barrier(a, (0, 1))  # wrong: deadlock
    return a


@case(cores=2, goes_on=False)
def meetings_in_two_orders(a: Any) -> Any:
    other = 1 - nl.program_id(0)
    x, y = tile(), tile()
    for pipe in (0, 1) if other else (1, 0):
        nisa.sendrecv(src=x, dst=y, send_to_rank=other, recv_from_rank=other, pipe_id=pipe)  # wrong: deadlock
    return a


@case(goes_on=False)
def barrier_without_another_core(a: Any) -> Any:
    nisa.core_barrier(a, (0, 1))  # wrong: deadlock


@case(goes_on=False)
def loop_without_end(a: Any) -> Any:
    x = tile()
    while True:
        nisa.tensor_scalar(x, x, nl.add, 1.0)  # wrong: instruction-limit


@case()
def exceptions(a: Any) -> Any:
    try:  # wrong: python
        x = a[1000, :]
    except IndexError:
        x = a
    return x


@case()
def generator(a: Any) -> Any:
    for x in (tile() for _ in range(2)):  # wrong: python
        nisa.memset(x, 0)
    return a


@case()
def identity_of_values(a: Any) -> Any:
    flag = True
    if flag is True:  # wrong: python
        nisa.memset(tile(), 0)
    return a


@case()
def state_from_outside(a: Any) -> Any:
    x = tile()
    nisa.tensor_scalar(x, x, nl.multiply, SETTINGS["scale"])  # wrong: python
    return a


@case()
def numpy_in_a_kernel(a: Any) -> Any:
    scale = np.exp(1.0)  # wrong: python
    x = tile()
    nisa.tensor_scalar(x, x, nl.multiply, float(scale))
    return a


@case()
def keys_that_are_numbers(a: Any) -> Any:
    tiles = {0: tile(), 1: tile()}  # wrong: python
    nisa.memset(tiles[0], 0)
    return a


@case()
def tile_as_a_condition(a: Any) -> Any:
    x = tile(1, 1)
    if x > 0.0:  # wrong: python
        nisa.memset(x, 0)
    return a


@case()
def global_state(a: Any) -> Any:
    global COUNT  # wrong: python
    COUNT = 1
    return a
