# SPDX-License-Identifier: Apache-2.0
"""Collectives that are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

import thorong.nki.collectives as ncc
import thorong.nki.isa as nisa
import thorong.nki.language as nl

from . import case

BOTH = ncc.ReplicaGroup([[0, 1]])
COUNTS = np.array([[9, 9], [0, 0], [0, 0]], np.uint32)


def out(*shape: int) -> Any:
    """A tensor in HBM."""
    return nl.ndarray(shape, nl.float32, buffer=nl.shared_hbm)


def tile() -> Any:
    """A written tile."""
    x = nl.ndarray((128, 64), nl.float32)
    nisa.memset(x, 0)
    return x


def wrong(**options: Any) -> Any:
    """A case on two ranks."""
    return case(ranks=2, goes_on=False, **options)


@wrong()
def memories_mixed(a: Any) -> Any:
    ncc.all_reduce([a], [tile()], BOTH, nl.add)  # wrong: memory


@wrong()
def all_to_all_in_sbuf(a: Any) -> Any:
    ncc.all_to_all([tile()], [tile()], BOTH, 0)  # wrong: memory


@wrong()
def permute_in_sbuf(a: Any) -> Any:
    ncc.collective_permute([tile()], [tile()], [(0, 1), (1, 0)])  # wrong: memory


@wrong()
def collective_in_psum(a: Any) -> Any:
    x = nl.ndarray((128, 64), nl.float32, buffer=nl.psum)
    ncc.all_reduce([x], [x], BOTH, nl.add)  # wrong: memory


@wrong()
def two_tiles_together(a: Any) -> Any:
    ncc.all_reduce([tile(), tile()], [tile(), tile()], BOTH, nl.add)  # wrong: collective


@wrong()
def two_tensors_permuted(a: Any) -> Any:
    ncc.collective_permute([a, a], [out(128, 64), out(128, 64)], [(0, 1), (1, 0)])  # wrong: collective


@wrong()
def more_sources_than_results(a: Any) -> Any:
    ncc.all_reduce([a, a], [out(128, 64)], BOTH, nl.add)  # wrong: collective


@wrong()
def gathered_along_columns_in_hbm(a: Any) -> Any:
    ncc.all_gather([a], [out(128, 128)], BOTH, 1)  # wrong: collective


@wrong()
def scattered_along_columns(a: Any) -> Any:
    ncc.reduce_scatter([a], [out(128, 32)], BOTH, 1, nl.add)  # wrong: collective


@wrong()
def product_over_ranks(a: Any) -> Any:
    ncc.all_reduce([a], [out(128, 64)], BOTH, nl.multiply)  # wrong: operator


@wrong()
def gathered_into_too_little(a: Any) -> Any:
    ncc.all_gather([a], [out(128, 64)], BOTH, 0)  # wrong: shape


@wrong()
def scattered_into_too_much(a: Any) -> Any:
    ncc.reduce_scatter([a], [out(128, 64)], BOTH, 0, nl.add)  # wrong: shape


@wrong()
def gathered_into_another_dtype(a: Any) -> Any:
    b = nl.ndarray((256, 64), nl.bfloat16, buffer=nl.shared_hbm)
    ncc.all_gather([a], [b], BOTH, 0)  # wrong: dtype


@wrong()
def ranks_that_are_not_there(a: Any) -> Any:
    ncc.all_reduce([a], [out(128, 64)], ncc.ReplicaGroup([[0, 1, 2, 3]]), nl.add)  # wrong: collective


@case(goes_on=False)
def ranks_without_a_launch_of_ranks(a: Any) -> Any:
    ncc.all_reduce([a], [out(128, 64)], BOTH, nl.add)  # wrong: collective


@wrong()
def rank_in_two_groups(a: Any) -> Any:
    ncc.all_reduce([a], [out(128, 64)], ncc.ReplicaGroup([[0, 1], [1]]), nl.add)  # wrong: collective


@wrong()
def rank_in_no_group(a: Any) -> Any:
    ncc.all_reduce([a], [out(128, 64)], ncc.ReplicaGroup([[1]]), nl.add)  # wrong: collective


@wrong()
def group_that_is_a_list(a: Any) -> Any:
    ncc.all_reduce([a], [out(128, 64)], [[0, 1]], nl.add)  # wrong: collective


@wrong()
def ring_without_its_rank(a: Any) -> Any:
    ncc.collective_permute_implicit_current_processing_rank_id(0, ncc.ReplicaGroup([[1]]))  # wrong: collective


@wrong()
def priority_before_v4(a: Any) -> Any:
    ncc.all_reduce([a], [out(128, 64)], BOTH, nl.add, priority=1)  # wrong: generation


@wrong(chip="trainium3")
def priority_of_seven(a: Any) -> Any:
    ncc.all_reduce([a], [out(128, 64)], BOTH, nl.add, priority=7)  # wrong: collective


@wrong()
def channels_from_one(a: Any) -> Any:
    ncc.collective_permute_implicit([[a]], [[out(128, 64)]], BOTH, channel_ids=[1])  # wrong: collective


@wrong()
def three_channels(a: Any) -> Any:
    ncc.collective_permute_implicit([[a]] * 3, [[out(128, 64)]] * 3, BOTH, channel_ids=[0, 1, 2])  # wrong: collective


@wrong()
def channel_of_two_tensors(a: Any) -> Any:
    ncc.collective_permute_implicit([[a, a]], [[out(128, 64)]], BOTH)  # wrong: collective


@wrong()
def target_twice(a: Any) -> Any:
    ncc.collective_permute([a], [out(128, 64)], [(0, 1), (1, 1)])  # wrong: collective


@wrong()
def gather_v_of_two_ranks(a: Any) -> Any:
    table = nl.ndarray((3, 2), nl.uint32, buffer=nl.shared_hbm)
    ncc.all_gather_v([a], [out(256, 64)], BOTH, table)  # wrong: collective


@wrong()
def gather_v_with_displacements(a: Any) -> Any:
    table = nl.ndarray((4, 2), nl.uint32, buffer=nl.shared_hbm)
    ncc.all_gather_v([a], [out(256, 64)], BOTH, table, has_rdispls=True)  # wrong: collective


@wrong()
def metadata_of_two_rows(a: Any) -> Any:
    table = nl.ndarray((2, 2), nl.uint32, buffer=nl.shared_hbm)
    ncc.all_to_all_v([a], [out(128, 64)], BOTH, table)  # wrong: collective


@wrong()
def displacements_before_v4(a: Any) -> Any:
    table = nl.ndarray((4, 2), nl.uint32, buffer=nl.shared_hbm)
    ncc.all_to_all_v([a], [out(128, 64)], BOTH, table, has_rdispls=True)  # wrong: generation


@wrong(table=COUNTS)
def chunk_larger_than_its_slot(a: Any, table: Any) -> Any:
    ncc.all_to_all_v([a], [out(4, 4)], BOTH, table)  # wrong: collective


@wrong()
def ranks_of_two_shapes(a: Any) -> Any:
    rows = 32 if ncc.rank_id() else 64
    ncc.all_gather([a[0:rows, :]], [out(2 * rows, 64)], BOTH, 0)  # wrong: collective


@wrong()
def one_rank_stays_away(a: Any) -> Any:
    if ncc.rank_id() == 0:
        ncc.all_reduce([a], [out(128, 64)], BOTH, nl.add)  # wrong: deadlock
    return a


@wrong()
def rows_picked_by_an_index_tile(a: Any) -> Any:
    index = nl.ndarray((128, 1), nl.int32)
    nisa.iota(index, [[0, 1]], offset=0, channel_multiplier=1)
    rows = a.ap([[64, 128], [1, 64]], vector_offset=index, indirect_dim=0)
    ncc.all_reduce([rows], [out(128, 64)], BOTH, nl.add)  # wrong: access-pattern


@case(cores=4, goes_on=False)
def ranks_on_cores_that_share_their_result(a: Any) -> Any:
    part = out(32, 64)
    ncc.reduce_scatter([a], [part], ncc.ReplicaGroup([[0, 1, 2, 3]]), 0, nl.add)  # wrong: race
