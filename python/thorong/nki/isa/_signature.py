# SPDX-License-Identifier: Apache-2.0
"""inspect.signature of instructions, for editors and help()."""

from __future__ import annotations

import inspect
from typing import Any

from .. import _objects, language


def _default(text: str) -> Any:
    """A default as the instruction table writes it: "None", "0.5", "()", "engine.vector"."""
    owner, _, name = text.rpartition(".")
    if hasattr(_objects, owner):
        return getattr(getattr(_objects, owner), name)
    plain = {"None": None, "True": True, "False": False, "()": ()}
    if text in plain:
        return plain[text]
    return getattr(language, text) if text.isalpha() else float(text) if "." in text else int(text)


def signature(parameters: list[tuple[str, str]]) -> inspect.Signature:
    """The signature for names and defaults ("" for none)."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(name, kind, default=_default(text) if text else inspect.Parameter.empty) for name, text in parameters])
