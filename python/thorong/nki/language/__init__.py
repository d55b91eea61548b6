# SPDX-License-Identifier: Apache-2.0
"""nki.language: tensors, loops and functions that stand for one instruction of nki.isa or a few."""

from . import _creation, _elementwise, _memory, _movement, _operators, _overloads, _program, _reductions, dtypes
from ._creation import *  # noqa: F403
from ._elementwise import *  # noqa: F403
from ._memory import *  # noqa: F403
from ._movement import *  # noqa: F403
from ._operators import *  # noqa: F403
from ._program import *  # noqa: F403
from ._reductions import *  # noqa: F403
from .dtypes import *  # noqa: F403

__all__ = sorted(
    name
    for part in (_creation, _elementwise, _memory, _movement, _operators, _program, _reductions, dtypes)
    for name in part.__all__
)
