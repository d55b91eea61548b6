# SPDX-License-Identifier: Apache-2.0
"""nki.builtin: Python's own names that kernels may use."""

import builtins as _builtins

_NAMES = [
    "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "float", "int", "isinstance", "len", "list", "max", "min", "print",
    "range", "reversed", "round", "set", "sorted", "str", "sum", "tuple", "type", "zip",
]  # fmt: skip
globals().update({name: getattr(_builtins, name) for name in _NAMES})
__all__ = list(_NAMES)
