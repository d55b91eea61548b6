# SPDX-License-Identifier: Apache-2.0
"""Views of tensors that are made of other views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from .._core import nki as _core
from ._errors import NkiValidationError
from ._run import kernel_line


def _refuse(what: str) -> NkiValidationError:
    return NkiValidationError(f"rearrange: {what} [access-pattern]", kernel_line())


def _groups(pattern: Any, which: str) -> list[tuple[str, ...]]:
    """A pattern as groups of names; a name by itself is a group of one."""
    groups = [(group,) if isinstance(group, str) else tuple(group) for group in pattern]
    names = [name for group in groups for name in group]
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise _refuse(f"expected names of dimensions, each once, in {which}, found {pattern!r}.")
    return groups


def _sizes(group: tuple[str, ...], size: int, fixed: Mapping[str, int]) -> list[int]:
    """The sizes of the dimensions that one dimension is split into; at most one is not given."""
    sizes = [int(fixed.get(name, -1)) for name in group]
    known = prod(n for n in sizes if n != -1)
    if sizes.count(-1) == 1 and known > 0 and size % known == 0:
        sizes[sizes.index(-1)] = size // known
    if -1 in sizes or prod(sizes) != size:
        raise _refuse(f"expected sizes of {group} whose product is {size}, found {sizes}. Give all but one in fixed_sizes.")
    return sizes


def rearrange(self: _core.NkiTensor, src_pattern: Sequence[Any], dst_pattern: Sequence[Any], fixed_sizes: Mapping[str, int] | None = None) -> _core.NkiTensor:
    """A view with dimensions split, put in another order and merged, as einops names them.

    Args:
        src_pattern: a name, or a tuple of names that the dimension is split into, for each dimension.
        dst_pattern: the same names in the order wanted; those in a tuple become one dimension.
        fixed_sizes: sizes of names; of each tuple in src_pattern one may be left out.
    """
    source, wanted = _groups(src_pattern, "src_pattern"), _groups(dst_pattern, "dst_pattern")
    order = [name for group in source for name in group]
    if sorted(order) != sorted(name for group in wanted for name in group):
        raise _refuse(f"expected the same names in both patterns, found {src_pattern!r} and {dst_pattern!r}.")
    if len(source) != len(self.shape):
        raise _refuse(f"expected {len(self.shape)} dimensions in src_pattern, found {src_pattern!r}.")
    fixed = fixed_sizes or {}
    unknown = sorted(set(fixed) - set(order))
    if unknown:
        raise _refuse(f"expected names of src_pattern in fixed_sizes, found {unknown}.")
    view, at = self, 0
    for group, size in zip(source, self.shape):
        sizes = _sizes(group, size, fixed)
        if len(group) != 1:
            view = view.reshape_dim(at, tuple(sizes))
        at += len(group)
    view = view.permute(tuple(order.index(name) for group in wanted for name in group))
    for at, group in enumerate(wanted):
        if len(group) > 1:
            view = view.flatten_dims(at, at + len(group) - 1)
    return view
