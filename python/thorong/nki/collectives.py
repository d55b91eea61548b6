# SPDX-License-Identifier: Apache-2.0
"""nki.collectives: what ranks on one chip do together.

    result = thorong.nki.run(kernel[2], x, chip="trainium2", ranks=4)    # four ranks of two cores (LNC=2)
    y0, y1 = nki.simulate(kernel, ranks=2)(nki.PerRank([x0, x1]))        # a value for each rank

Every rank runs the kernel on arrays of its own: a copy of each argument, or its part of a PerRank. Without `ranks`, kernel[2] on
Trainium2 and 3 is one rank of two cores; where a collective's groups have as many ranks as the launch has cores, each core is one.

All cores of a group's ranks come to a collective, in the same order. SBUF tensors belong to a core, which exchanges with the core of
its number in the other ranks; HBM tensors belong to the rank, and its cores divide the work. Reductions are in fp32 in the order of
the group's list, rounded once. Time and energy: docs/nki.md; links between chips are not modelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core import nki as _core
from ._errors import make
from ._objects import NKIObject
from ._run import kernel_line


@dataclass
class ReplicaGroup(NKIObject):
    """Groups of ranks that take part in a collective; no rank is in two of them."""

    replica_groups: Sequence[Sequence[int]] = field(default_factory=lambda: [[0]])


def all_reduce(
    srcs: list[Any], dsts: list[Any], replica_group: ReplicaGroup, op: Any, priority: int | None = None, name: str | None = None
) -> None:
    """Every rank's dsts become the reduction of all ranks' srcs.

    Args:
        srcs: the tensors to reduce, all in HBM or one in SBUF; several together (coalesced) in HBM only.
        dsts: a tensor for each result.
        replica_group: the groups of ranks.
        op: nl.add, nl.minimum or nl.maximum.
        priority: of the transfers, 0 to 3, lower first (NeuronCore-v4).
        name: a label, for edges of with_schedule.
    """
    _core.collectives["all_reduce"](srcs, dsts, _encode("all_reduce", replica_group), op, priority, name)


def all_gather(
    srcs: list[Any], dsts: list[Any], replica_group: ReplicaGroup, collective_dim: int, priority: int | None = None, name: str | None = None
) -> None:
    """Every rank's dsts become all ranks' srcs, one after the other along collective_dim.

    Args:
        srcs: the tensors to gather, all in HBM or one in SBUF; several together in HBM only.
        dsts: a tensor for each result.
        replica_group: the groups of ranks.
        collective_dim: 0; in SBUF 0 or 1.
        priority: of the transfers, 0 to 3, lower first (NeuronCore-v4).
        name: a label, for edges of with_schedule.
    """
    _core.collectives["all_gather"](srcs, dsts, _encode("all_gather", replica_group), collective_dim, priority, name)


def all_gather_v(
    srcs: list[Any], dsts: list[Any], replica_group: ReplicaGroup, metadata_tensor: Any, recv_counts_known: bool = False,
    has_rdispls: bool = False, priority: int | None = None, name: str | None = None,
) -> None:  # fmt: skip
    """Every rank gets a chunk of each rank, of a length known when it runs, in equal slots of dst.

    Args:
        srcs: the tensor that the chunk lies in; in HBM.
        dsts: the tensor to receive into, a slot for each rank; in HBM.
        replica_group: groups of four ranks of two cores.
        metadata_tensor: uint32 (3, ranks), in SBUF (1, 3, ranks). Column 0 of row 0: the chunk's length; of row 1: where it begins.
            Row 2 gets the received lengths.
        recv_counts_known: row 2 is left alone.
        has_rdispls: not supported by the vendor.
        priority: of the transfers, 0 to 3, lower first (NeuronCore-v4).
        name: a label, for edges of with_schedule.
    """
    groups = _encode("all_gather_v", replica_group)
    _core.collectives["all_gather_v"](srcs, dsts, groups, metadata_tensor, recv_counts_known, has_rdispls, priority, name)


def reduce_scatter(
    srcs: list[Any], dsts: list[Any], replica_group: ReplicaGroup, collective_dim: int, op: Any, priority: int | None = None,
    name: str | None = None,
) -> None:  # fmt: skip
    """Each rank's dsts become its part of the reduction of all ranks' srcs, split along collective_dim.

    Args:
        srcs: the tensors to reduce, all in HBM or one in SBUF; several together in HBM only.
        dsts: a tensor for each part.
        replica_group: the groups of ranks.
        collective_dim: 0.
        op: nl.add, nl.minimum or nl.maximum.
        priority: of the transfers, 0 to 3, lower first (NeuronCore-v4).
        name: a label, for edges of with_schedule.
    """
    _core.collectives["reduce_scatter"](srcs, dsts, _encode("reduce_scatter", replica_group), collective_dim, op, priority, name)


def all_to_all(
    srcs: list[Any], dsts: list[Any], replica_group: ReplicaGroup, collective_dim: int, priority: int | None = None, name: str | None = None
) -> None:
    """Part r of each rank's srcs goes to rank r, whose dsts get the parts in the order of the ranks that they come from.

    Args:
        srcs: the tensors to distribute; in HBM.
        dsts: a tensor for each result.
        replica_group: the groups of ranks.
        collective_dim: 0.
        priority: of the transfers, 0 to 3, lower first (NeuronCore-v4).
        name: a label, for edges of with_schedule.
    """
    _core.collectives["all_to_all"](srcs, dsts, _encode("all_to_all", replica_group), collective_dim, priority, name)


def all_to_all_v(
    srcs: list[Any], dsts: list[Any], replica_group: ReplicaGroup, metadata_tensor: Any, recv_counts_known: bool = False,
    has_rdispls: bool = False, priority: int | None = None, name: str | None = None,
) -> None:  # fmt: skip
    """Each rank sends a chunk to every rank, of lengths known when it runs.

    The vendor has it between chips or instances only; here it runs between ranks of one chip, and the result's not_modelled says so.

    Args:
        srcs: the tensor that the chunks lie in; in HBM.
        dsts: the tensor to receive into; in HBM.
        replica_group: the groups of ranks.
        metadata_tensor: uint32 (3 or 4, ranks), in SBUF (1, 3 or 4, ranks). Row 0: elements for each rank; row 1: where they begin;
            row 2 gets the received numbers; row 3: where each rank's chunk is put.
        recv_counts_known: row 2 is left alone.
        has_rdispls: row 3 is there (Trainium3); else chunks lie in equal slots.
        priority: of the transfers, 0 to 3, lower first (NeuronCore-v4).
        name: a label, for edges of with_schedule.
    """
    groups = _encode("all_to_all_v", replica_group)
    _core.collectives["all_to_all_v"](srcs, dsts, groups, metadata_tensor, recv_counts_known, has_rdispls, priority, name)


def collective_permute(
    srcs: list[Any], dsts: list[Any], source_target_pairs: list[tuple[int, int]], priority: int | None = None, name: str | None = None
) -> None:
    """Each pair's target gets the source's tensor; ranks in no pair take no part, and keep their dst.

    Args:
        srcs: the tensor to send; in HBM.
        dsts: the tensor to receive into; in HBM.
        source_target_pairs: pairs (source, target), each rank at most once as either.
        priority: of the transfers, 0 to 3, lower first (NeuronCore-v4).
        name: a label, for edges of with_schedule.
    """
    pairs = [int(rank) for pair in source_target_pairs for rank in pair]
    _core.collectives["collective_permute"](srcs, dsts, pairs, priority, name)


def collective_permute_implicit(
    srcs_by_channel: list[list[Any]], dsts_by_channel: list[list[Any]], replica_group: ReplicaGroup, channel_ids: Sequence[int] = (0,),
    priority: int | None = None, name: str | None = None,
) -> None:  # fmt: skip
    """A step around the ring of the group's list: each rank sends to the next and receives from the one before it.

    Args:
        srcs_by_channel: for each channel a list of one tensor to send.
        dsts_by_channel: for each channel a list of one tensor to receive into.
        replica_group: the rings.
        channel_ids: 0, 1, ...; at most two between ranks of one chip. All go the same way around.
        priority: of the transfers, 0 to 3, lower first (NeuronCore-v4).
        name: a label, for edges of with_schedule.
    """
    function = "collective_permute_implicit"
    srcs, dsts = (_one_each(function, lists) for lists in (srcs_by_channel, dsts_by_channel))
    _core.collectives[function](srcs, dsts, _encode(function, replica_group), list(channel_ids), priority, name)


def collective_permute_implicit_reduce(
    srcs0_by_channel: list[list[Any]], srcs1_by_channel: list[list[Any]], dsts_by_channel: list[list[Any]], replica_group: ReplicaGroup,
    op: Any, channel_ids: Sequence[int] = (0,), priority: int | None = None, name: str | None = None,
) -> None:  # fmt: skip
    """A step around the ring with op(src0, src1): each rank sends its result to the next and receives that of the one before it.

    Args:
        srcs0_by_channel: for each channel a list of one tensor, the left operand.
        srcs1_by_channel: for each channel a list of one tensor, the right operand.
        dsts_by_channel: for each channel a list of one tensor to receive into.
        replica_group: the rings.
        op: nl.add, nl.minimum or nl.maximum.
        channel_ids: 0, 1, ...; at most two between ranks of one chip.
        priority: of the transfers, 0 to 3, lower first (NeuronCore-v4).
        name: a label, for edges of with_schedule.
    """
    function = "collective_permute_implicit_reduce"
    left, right, dsts = (_one_each(function, lists) for lists in (srcs0_by_channel, srcs1_by_channel, dsts_by_channel))
    _core.collectives[function](left, right, dsts, _encode(function, replica_group), op, list(channel_ids), priority, name)


def collective_permute_implicit_current_processing_rank_id(
    iteration_id: int, replica_group: ReplicaGroup, channel_id: int = 0, name: str | None = None
) -> int:
    """The rank whose data a step of the ring has at hand: its own at iteration 0, then that of the ranks before it.

    Args:
        iteration_id: the step.
        replica_group: the rings.
        channel_id: has no effect, since all channels go the same way around.
        name: has no effect.
    """
    function = "collective_permute_implicit_current_processing_rank_id"
    groups = _groups(function, replica_group)
    own = _own_rank(sum(map(len, groups)))
    for ranks in groups:
        if own in ranks:
            return ranks[(ranks.index(own) - int(iteration_id)) % len(ranks)]
    raise _wrong(function, f"expected a group with rank {own}, which calls this, found {groups}. Add it to replica_group.")


def rank_id(name: str | None = None) -> int:
    """The rank that runs: 0 without `ranks`, or the core's number where each core must be one (NeuronCore-v2, more than two cores)."""
    run = _core.current()
    launch = run.launch if run is not None else None
    if launch is None:
        return 0
    each = not launch.given and (run.generation < 3 or launch.cores > 2)
    return int(run.core if each else run.core // launch.cores)


def _own_rank(named: int) -> int:
    """This core's rank in a collective whose groups have so many ranks."""
    run = _core.current()
    launch = run.launch if run is not None else None
    if launch is None:
        return 0
    each = not launch.given and launch.cores > 1 and named == launch.cores
    return int(run.core if each else run.core // launch.cores)


def _wrong(function: str, message: str) -> Exception:
    return make("invalid_argument", f"{function}: {message} [collective]", kernel_line())


def _groups(function: str, replica_group: Any) -> list[list[int]]:
    try:
        groups = [[int(rank) for rank in ranks] for ranks in replica_group.replica_groups]
    except (AttributeError, TypeError, ValueError):
        groups = []
    if not groups or not all(groups):
        raise _wrong(function, f"expected a ReplicaGroup of lists of ranks, found {replica_group!r}. Pass ReplicaGroup([[0, 1]]).")
    return groups


def _encode(function: str, replica_group: Any) -> list[int]:
    """The groups as the core takes them: each with its length before its ranks."""
    return [number for ranks in _groups(function, replica_group) for number in (len(ranks), *ranks)]


def _one_each(function: str, lists: Any) -> list[Any]:
    """The tensors of the channels' lists."""
    for channel, tensors in enumerate(lists):
        if not isinstance(tensors, (list, tuple)) or len(tensors) != 1:
            found = f"{len(tensors)} tensors" if isinstance(tensors, (list, tuple)) else repr(tensors)
            raise _wrong(function, f"expected a list of one tensor for each channel, found {found} for channel {channel}. Use more channels.")
    return [tensors[0] for tensors in lists]


__all__ = [
    "ReplicaGroup", "all_gather", "all_gather_v", "all_reduce", "all_to_all", "all_to_all_v", "collective_permute",
    "collective_permute_implicit", "collective_permute_implicit_current_processing_rank_id", "collective_permute_implicit_reduce",
    "rank_id", "reduce_scatter",
]  # fmt: skip
