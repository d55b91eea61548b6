# SPDX-License-Identifier: Apache-2.0
"""Tiles that do not fit, and reading what nobody has written."""

from __future__ import annotations

from typing import Any

import thorong.nki.isa as nisa
import thorong.nki.language as nl

from . import case
from .calls import tile


def returned(x: Any) -> Any:
    """A tile's values as the kernel's result."""
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(out, x)
    return out


@case(goes_on=False)
def too_many_partitions(a: Any) -> Any:
    nl.ndarray((129, 4), nl.float32)  # wrong: partition-limit


@case(goes_on=False)
def no_elements(a: Any) -> Any:
    nl.ndarray((128, 0), nl.float32)  # wrong: partition-limit


@case()
def tile_larger_than_sbuf(a: Any) -> Any:
    nl.ndarray((128, 60000), nl.float32)  # wrong: sbuf-capacity
    return a


@case()
def tiles_larger_than_sbuf(a: Any) -> Any:
    tiles = [nl.ndarray((128, 16384), nl.float32) for _ in range(4)]
    for each in tiles:
        nisa.memset(each, 0)  # wrong: sbuf-capacity
    for each in tiles:
        for other in tiles:
            nisa.tensor_tensor(each, each, other, op=nl.add)
    return a


@case()
def tile_larger_than_psum(a: Any) -> Any:
    nl.ndarray((128, 4097), nl.float32, buffer=nl.psum)  # wrong: psum-capacity
    return a


@case()
def tiles_larger_than_psum(a: Any) -> Any:
    tiles = [nl.ndarray((128, 512), nl.float32, buffer=nl.psum) for _ in range(9)]
    for each in tiles:
        nisa.memset(each, 0)  # wrong: psum-capacity
    total = nl.zeros((128, 512), nl.float32)
    for each in tiles + tiles:
        nisa.tensor_tensor(total, total, each, op=nl.add)
    return a


@case(goes_on=False)
def tensor_larger_than_hbm(a: Any) -> Any:
    nl.ndarray((1 << 20, 1 << 20), nl.float32, buffer=nl.hbm)  # wrong: hbm-capacity


@case(goes_on=False)
def size_beyond_all_bounds(a: Any) -> Any:
    nl.ndarray((1 << 40, 1 << 40), nl.float32, buffer=nl.hbm)  # wrong: hbm-capacity


@case()
def address_beyond_sbuf(a: Any) -> Any:
    nl.ndarray((128, 64), nl.float32, address=(0, 300 * 1024))  # wrong: address
    return a


@case()
def partitions_beyond_the_last(a: Any) -> Any:
    nl.ndarray((64, 64), nl.float32, address=(96, 0))  # wrong: address
    return a


@case()
def psum_address_between_words(a: Any) -> Any:
    nl.ndarray((64, 64), nl.float32, buffer=nl.psum, address=(0, 2))  # wrong: address
    return a


@case()
def tile_that_nobody_wrote(a: Any) -> Any:
    x = nl.ndarray((128, 64), nl.float32)
    nisa.tensor_copy(tile(), x)  # wrong: unwritten
    return a


@case()
def tile_that_is_written_in_part(a: Any) -> Any:
    x = nl.ndarray((128, 64), nl.float32)
    nisa.memset(x[:, 0:32], 0)
    nisa.memset(x[0:64, 32:64], 0)
    y = tile()
    nisa.tensor_copy(y, x)  # wrong: unwritten
    return returned(y)


@case()
def part_of_a_tile_after_four_copies(a: Any) -> Any:
    x, y, z = tile(), tile(), nl.ndarray((128, 64), nl.bfloat16)
    scratch = nl.ndarray((128, 64), nl.float32, buffer=nl.hbm)
    filled = nl.ndarray((128, 64), nl.float32)
    nisa.memset(filled[0:96, :], 0)
    nisa.tensor_tensor(y, x, filled, op=nl.add)  # wrong: unwritten
    nisa.tensor_scalar(y, y, op0=nl.multiply, operand0=2.0)
    nisa.dma_copy(scratch, y)
    nisa.dma_copy(x, scratch)
    nisa.activation(z, nl.exp, x)
    p = nl.ndarray((64, 64), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(p, z, z, accumulate=False)
    return a


@case()
def sum_of_what_is_written_in_part(a: Any) -> Any:
    x = nl.ndarray((128, 64), nl.float32)
    nisa.memset(x[:, 0:63], 0)
    sums = tile(128, 1)
    nisa.tensor_reduce(sums, nl.add, x, axis=1)  # wrong: unwritten
    return returned(sums)


@case()
def column_of_a_tile_that_is_written_in_part(a: Any) -> Any:
    column, y = nl.ndarray((128, 1), nl.float32), tile()
    nisa.memset(column[0:32, :], 0)
    nisa.tensor_scalar(y, y, op0=nl.add, operand0=column)  # wrong: unwritten
    return returned(y)


@case()
def every_second_element(a: Any) -> Any:
    x = nl.ndarray((128, 64), nl.float32)
    nisa.memset(x[:, 0:64:2], 0)
    y = tile(128, 32)
    nisa.tensor_copy(y, x[:, 0:64:2])
    nisa.tensor_copy(y, x[:, 0:32])  # wrong: unwritten
    return returned(y)


@case()
def psum_that_nobody_wrote(a: Any) -> Any:
    p = nl.ndarray((64, 64), nl.float32, buffer=nl.psum)
    nisa.tensor_copy(tile(64), p)  # wrong: unwritten
    return a


@case()
def hbm_that_nobody_wrote(a: Any) -> Any:
    scratch = nl.ndarray((128, 64), nl.float32, buffer=nl.hbm)
    nisa.dma_copy(tile(), scratch)  # wrong: unwritten
    return a


@case()
def shared_hbm_that_is_written_in_part(a: Any) -> Any:
    scratch = nl.ndarray((256, 64), nl.float32, buffer=nl.shared_hbm)
    nisa.dma_copy(scratch[0:128, :], tile())
    y = tile()
    nisa.dma_copy(y, scratch[64:192, :])  # wrong: unwritten
    return returned(y)


@case(goes_on=False)
def index_that_nobody_wrote(a: Any) -> Any:
    index = nl.ndarray((16, 1), nl.int32)
    nisa.dma_copy(tile(16), a.ap([[64, 16], [1, 64]], vector_offset=index))  # wrong: unwritten
    return a


@case()
def register_from_nothing(a: Any) -> Any:
    count = nl.ndarray((1, 1), nl.int32)
    nisa.register_load(nisa.register_alloc(), count)  # wrong: unwritten
    return a


@case()
def weights_that_nobody_wrote(a: Any) -> Any:
    p = nl.ndarray((64, 64), nl.float32, buffer=nl.psum)
    weights = nl.ndarray((128, 64), nl.float32)
    nisa.nc_matmul(p, weights, tile(), accumulate=False)  # wrong: unwritten
    return a


@case()
def tile_on_another_ones_bytes(a: Any) -> Any:
    x = nl.ndarray((128, 64), nl.float32, address=(0, 0))
    y = nl.ndarray((128, 64), nl.float32, address=(0, 128))
    nisa.memset(x, 0)
    nisa.memset(y, 0)
    nisa.tensor_copy(tile(), x)  # wrong: overlap
    return a


@case()
def tile_read_through_another_one(a: Any) -> Any:
    x = nl.ndarray((128, 64), nl.float32, address=(0, 0))
    y = nl.ndarray((128, 128), nl.bfloat16, address=(0, 0))
    nisa.memset(x, 0)
    nisa.tensor_copy(tile(128, 128), y)  # wrong: unwritten
    return a


@case()
def output_that_nobody_wrote(a: Any) -> Any:
    out = nl.ndarray((128, 64), nl.float32, buffer=nl.shared_hbm)  # wrong: unwritten-output
    return out


@case()
def output_that_is_written_in_part(a: Any) -> Any:
    out = nl.ndarray((200, 64), nl.float32, buffer=nl.shared_hbm)  # wrong: unwritten-output
    nisa.dma_copy(out[0:128, :], tile())
    return out
