# SPDX-License-Identifier: Apache-2.0
"""nki.tensor: the class of tensors."""

from .language import NkiTensor, ds

__all__ = ["NkiTensor", "ds"]
