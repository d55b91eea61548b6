# SPDX-License-Identifier: Apache-2.0
"""nki.language."""

from ._memory import *  # noqa: F403
from ._operators import *  # noqa: F403
from ._program import *  # noqa: F403
from .dtypes import *  # noqa: F403
