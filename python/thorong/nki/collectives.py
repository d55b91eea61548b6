# SPDX-License-Identifier: Apache-2.0
"""nki.collectives: replica groups, and the rank of this program.

A run simulates one chip's program, which is rank 0 of a group of one. Collectives between ranks are not done here: each says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._errors import NkiUnsupported
from ._objects import NKIObject
from ._run import kernel_line


@dataclass
class ReplicaGroup(NKIObject):
    """Groups of ranks that take part in a collective; no rank is in two of them."""

    replica_groups: Sequence[Sequence[int]] = field(default_factory=lambda: [[0]])


def rank_id(name: str | None = None) -> int:
    """The rank of this program: 0."""
    return 0


def collective_permute_implicit_current_processing_rank_id(
    iteration_id: int, replica_group: ReplicaGroup, channel_id: int = 0, name: str | None = None
) -> int:
    """The rank whose data a ring step has at hand: with one rank, its own."""
    return 0


def _missing(name: str) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> None:
        raise NkiUnsupported(f"nki.collectives.{name}: collectives between ranks are not simulated. Run the ranks' parts by themselves.", kernel_line())

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"nki.collectives.{name}; not simulated yet."
    return function


_NAMES = [
    "all_gather", "all_gather_v", "all_reduce", "all_to_all", "all_to_all_v", "collective_permute", "collective_permute_implicit",
    "collective_permute_implicit_reduce", "reduce_scatter",
]  # fmt: skip
globals().update({name: _missing(name) for name in _NAMES})

__all__ = ["ReplicaGroup", "collective_permute_implicit_current_processing_rank_id", "rank_id", *_NAMES]
