# SPDX-License-Identifier: Apache-2.0
"""nki.dtype: the dtypes of nki.language."""

from .language.dtypes import *  # noqa: F403
from .language.dtypes import __all__  # noqa: F401
