# SPDX-License-Identifier: Apache-2.0
"""nki.typing: annotations for kernels' parameters, and the dtypes."""

from __future__ import annotations

from typing import Any

from .language import NkiTensor
from .language.dtypes import *  # noqa: F403


class tensor:  # noqa: N801: nki.typing's name
    """A tensor parameter; `tensor[dtype]` and `tensor[dtype, shape]` say more. Nothing is checked by it."""

    def __init__(self, *description: Any) -> None:
        self.description = description

    def __class_getitem__(cls, item: Any) -> tensor:
        return cls(*(item if isinstance(item, tuple) else (item,)))


class mutable_tensor(tensor):  # noqa: N801: nki.typing's name
    """A tensor parameter that the kernel writes."""


def scalar(kind: Any = None) -> Any:
    """A number parameter."""
    return kind


__all__ = ["NkiTensor", "mutable_tensor", "scalar", "tensor"]
