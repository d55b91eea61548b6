# SPDX-License-Identifier: Apache-2.0
"""neuronxcc.nki.typing: annotations of kernels."""

from __future__ import annotations

from typing import Any

from ._tensor import Tensor as _Tensor


class tensor(_Tensor):
    """`nt.tensor` or `nt.tensor[128, 512]`, in annotations."""

    __slots__ = ()

    def __class_getitem__(cls, shape: Any) -> type[tensor]:
        return cls


class scalar:
    """A number that is known when the kernel is compiled."""


class mutable_tensor(tensor):  # noqa: N801: its name there
    """A tensor parameter that the kernel writes."""

    __slots__ = ()
