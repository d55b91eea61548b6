# SPDX-License-Identifier: Apache-2.0
"""Single instructions that no core has."""

from __future__ import annotations

from typing import Any

import numpy as np

import thorong.nki.isa as nisa
import thorong.nki.language as nl

from . import case


def tile(partitions: int = 128, elements: int = 64, dtype: Any = nl.float32, buffer: Any = nl.sbuf) -> Any:
    """A tile of ones."""
    made = nl.ndarray((partitions, elements), dtype, buffer=buffer)
    nisa.memset(made, 1)
    return made


@case(goes_on=False)
def missing_argument(a: Any) -> Any:
    nisa.tensor_copy(tile())  # wrong: argument


@case(goes_on=False)
def number_for_a_list(a: Any) -> Any:
    nisa.iota(tile(dtype=nl.int32), 3.5j and tile())  # wrong: argument


@case(goes_on=False)
def number_for_an_operator(a: Any) -> Any:
    nisa.tensor_tensor(tile(), tile(), tile(), op=3)  # wrong: operator


@case(goes_on=False)
def operator_that_is_no_activation(a: Any) -> Any:
    nisa.activation(tile(), nl.add, tile())  # wrong: operator


@case(goes_on=False)
def operator_that_does_not_reduce(a: Any) -> Any:
    nisa.tensor_reduce(tile(elements=1), nl.divide, tile(), axis=1)  # wrong: operator


@case(goes_on=False)
def bitwise_and_arithmetic(a: Any) -> Any:
    x = tile(dtype=nl.int32)
    nisa.tensor_scalar(x, x, nl.add, 1, op1=nl.bitwise_and, operand1=3)  # wrong: operator


@case(goes_on=False)
def tensor_tensor_on_scalar(a: Any) -> Any:
    nisa.tensor_tensor(tile(), tile(), tile(), op=nl.add, engine=nisa.engine.scalar)  # wrong: engine


@case(goes_on=False)
def matmul_to_sbuf(a: Any) -> Any:
    nisa.nc_matmul(tile(64, 64), tile(), tile())  # wrong: memory


@case(goes_on=False)
def matmul_from_psum(a: Any) -> Any:
    p = tile(buffer=nl.psum)
    nisa.nc_matmul(tile(64, 64, buffer=nl.psum), p, tile())  # wrong: memory


@case(goes_on=False)
def matmul_from_hbm(a: Any) -> Any:
    nisa.nc_matmul(tile(64, 64, buffer=nl.psum), a, tile())  # wrong: memory


@case(goes_on=False)
def dma_from_psum(a: Any) -> Any:
    p = tile(buffer=nl.psum)
    nisa.dma_copy(a, p)  # wrong: memory


@case(goes_on=False)
def both_inputs_in_psum(a: Any) -> Any:
    p, q = tile(buffer=nl.psum), tile(buffer=nl.psum)
    nisa.tensor_tensor(tile(), p, q, op=nl.add)  # wrong: memory


@case(goes_on=False)
def matmul_of_mixed_widths(a: Any) -> Any:
    p = nl.ndarray((64, 64), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(p, tile(), tile(dtype=nl.bfloat16))  # wrong: dtype


@case(goes_on=False)
def matmul_to_half_precision(a: Any) -> Any:
    p = nl.ndarray((64, 64), nl.bfloat16, buffer=nl.psum)
    nisa.nc_matmul(p, tile(dtype=nl.bfloat16), tile(dtype=nl.bfloat16))  # wrong: dtype


@case(goes_on=False)
def bits_of_floats(a: Any) -> Any:
    nisa.tensor_tensor(tile(), tile(), tile(), op=nl.bitwise_and)  # wrong: dtype


@case(goes_on=False)
def different_partitions(a: Any) -> Any:
    nisa.tensor_tensor(tile(), tile(64), tile(), op=nl.add)  # wrong: shape


@case(goes_on=False)
def different_elements(a: Any) -> Any:
    nisa.tensor_copy(tile(128, 32), tile())  # wrong: shape


@case(goes_on=False)
def matmul_dst_of_another_shape(a: Any) -> Any:
    p = nl.ndarray((64, 32), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(p, tile(), tile())  # wrong: shape


@case(goes_on=False)
def bias_of_two_columns(a: Any) -> Any:
    nisa.activation(tile(), nl.exp, tile(), bias=tile(128, 2))  # wrong: shape


@case(goes_on=False)
def dma_of_another_size(a: Any) -> Any:
    nisa.dma_copy(tile(128, 32), a)  # wrong: shape


@case(goes_on=False)
def too_many_moving_columns(a: Any) -> Any:
    p = nl.ndarray((64, 1024), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(p, tile(), tile(128, 1024))  # wrong: size-limit


@case(goes_on=False)
def too_many_elements_of_bn_stats(a: Any) -> Any:
    nisa.bn_stats(tile(128, 6), tile(128, 513))  # wrong: size-limit


@case(goes_on=False)
def max8_of_four(a: Any) -> Any:
    nisa.max8(tile(128, 8), tile(128, 4))  # wrong: operands


@case(goes_on=False)
def reduce_over_partitions(a: Any) -> Any:
    nisa.tensor_reduce(tile(128, 1), nl.add, tile(), axis=0)  # wrong: operands


@case(goes_on=False)
def every_second_partition(a: Any) -> Any:
    x = tile()
    nisa.memset(x[0:128:2, :], 0)  # wrong: access-pattern


@case(goes_on=False)
def five_free_dimensions(a: Any) -> Any:
    x = tile(128, 1024).reshape((128, 4, 4, 4, 4, 4))
    nisa.memset(x[:, 0:3, 0:3, 0:3, 0:3, 0:3], 0)  # wrong: access-pattern


@case(goes_on=False)
def partitions_moved_by_permute(a: Any) -> Any:
    return tile().permute((1, 0))  # wrong: access-pattern


@case(goes_on=False)
def slice_beyond_the_tile(a: Any) -> Any:
    nisa.memset(tile()[:, 0:65], 0)  # wrong: out-of-bounds


@case(goes_on=False)
def index_beyond_the_tensor(a: Any) -> Any:
    nisa.dma_copy(tile(1, 64), a[128, :])  # wrong: out-of-bounds


@case(goes_on=False)
def pattern_beyond_the_tensor(a: Any) -> Any:
    nisa.dma_copy(tile(), a.ap([[64, 128], [1, 64]], offset=1))  # wrong: out-of-bounds


@case(goes_on=False, rows=np.full((16, 1), 128, np.int32))
def gather_beyond_the_table(a: Any, rows: Any) -> Any:
    index = nl.ndarray((16, 1), nl.int32)
    nisa.dma_copy(index, rows)
    nisa.dma_copy(tile(16), a.ap([[64, 16], [1, 64]], vector_offset=index))  # wrong: out-of-bounds


@case(goes_on=False)
def register_beyond_the_tensor(a: Any) -> Any:
    which = nisa.register_alloc(128)
    nisa.dma_copy(tile(1, 64), a[which, :])  # wrong: out-of-bounds


@case(goes_on=False)
def instruction_of_a_newer_core(a: Any) -> Any:
    nisa.exponential(tile(), tile())  # wrong: generation


@case(goes_on=False, chip="trainium1")
def double_row_on_trainium1(a: Any) -> Any:
    x = tile(128, 128, nl.float8_e5m2).reshape((128, 2, 64))
    p = nl.ndarray((64, 64), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(p, x, x, perf_mode=nisa.matmul_perf_mode.double_row)  # wrong: generation


@case(goes_on=False)
def ocp_fp8_on_trainium2(a: Any) -> Any:
    x = nl.ndarray((128, 64), nl.float8_e4m3fn)
    nisa.memset(x, 1)
    nisa.nc_matmul(nl.ndarray((64, 64), nl.float32, buffer=nl.psum), x, x)  # wrong: generation


@case()
def packed_dtype_on_trainium2(a: Any) -> Any:
    x = nl.ndarray((128, 64), nl.float8_e4m3fn_x4)
    nisa.memset(x, 0)  # wrong: dtype-generation
    return a


@case()
def gpsimd_in_psum(a: Any) -> Any:
    x = nl.ndarray((128, 64), nl.float32, buffer=nl.psum)
    nisa.memset(x, 0, engine=nisa.engine.gpsimd)  # wrong: gpsimd-psum
    return a


@case()
def one_partition_from_1_on(a: Any) -> Any:
    x = tile()
    nisa.memset(x[1:2, :], 0)  # wrong: start-partition
    return a


@case()
def forty_partitions_from_32_on(a: Any) -> Any:
    x = tile()
    nisa.activation(x[0:40, :], nl.exp, x[32:72, :])  # wrong: start-partition
    return a


@case()
def a_hundred_partitions_from_28_on(a: Any) -> Any:
    x = tile()
    nisa.tensor_copy(x[28:128, :], tile(100))  # wrong: start-partition
    return a


@case()
def matmul_across_two_banks(a: Any) -> Any:
    p = nl.ndarray((64, 1024), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(p[:, 256:768], tile(), tile(128, 512), accumulate=False)  # wrong: psum-bank
    return a


@case()
def matmul_across_two_banks_by_address(a: Any) -> Any:
    p = nl.ndarray((64, 512), nl.float32, buffer=nl.psum, address=(0, 1024))
    nisa.nc_matmul(p, tile(), tile(128, 512), accumulate=False)  # wrong: psum-bank
    return a
