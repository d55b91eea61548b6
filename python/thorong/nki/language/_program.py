# SPDX-License-Identifier: Apache-2.0
"""The launch grid and loops of nki.language."""

from __future__ import annotations

from typing import Any

from .. import _run


def program_id(axis: int = 0) -> int:
    """This core's place along an axis of the launch grid."""
    position = _run.grid().position
    return position[axis] if axis < len(position) else 0


def num_programs(axes: Any = 0) -> Any:
    """Cores along an axis of the launch grid."""
    shape = _run.grid().shape
    size = lambda axis: shape[axis] if axis < len(shape) else 1  # noqa: E731
    return size(axes) if isinstance(axes, int) else tuple(size(axis) for axis in axes)


def program_ndim() -> int:
    """Axes of the launch grid; 0 without one."""
    return len(_run.grid().shape)


def _range(start: Any, stop: Any = None, step: int = 1) -> range:
    return range(int(start)) if stop is None else range(int(start), int(stop), int(step))


affine_range = sequential_range = static_range = dynamic_range = _range

__all__ = ["affine_range", "dynamic_range", "num_programs", "program_id", "program_ndim", "sequential_range", "static_range"]
