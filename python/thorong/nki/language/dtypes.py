# SPDX-License-Identifier: Apache-2.0
"""The dtypes of nki.language."""

from .._objects import DTYPES as _DTYPES

globals().update(_DTYPES)
__all__ = list(_DTYPES)
