# SPDX-License-Identifier: Apache-2.0
"""Options of `run` and `compile`: their names and types, and the answer to a name that does not exist."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from typing import Literal, TypedDict

    class CompileOptions(TypedDict, total=False):
        """Keywords of `thorong.compile`."""

        assume: Mapping[str, str | float] | None
        dims: Mapping[str, int]
        auto_cast: Literal["none", "matmult", "all"]
        auto_cast_type: Literal["bf16", "fp16", "tf32", "fp8_e4m3"]
        rounding: Literal["rne", "stochastic"]
        seed: int
        timing_only: bool
        threads: int
        repeat: int
        schedule: Literal["vendor", "best"]
        against: Literal["reference"] | None
        cache: str | os.PathLike[str] | None

    class RunOptions(CompileOptions, total=False):
        """Keywords of `thorong.run`."""

        out: str | os.PathLike[str] | None
        report: str | os.PathLike[str] | None
        trace: str | os.PathLike[str] | None


COMPILE = (
    "dims", "auto_cast", "auto_cast_type", "rounding", "seed", "timing_only", "threads", "repeat", "schedule",
    "against", "assume", "cache",
)  # fmt: skip
RUN = (*COMPILE, "out", "report", "trace")
_OF_THE_CALL = ("chip", "inputs")

Model = Union[str, "os.PathLike[str]", bytes, Any]


def check_names(function: str, options: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raises TypeError for the first name that `function` does not know, and says which is nearest."""
    for name in options:
        if name in known:
            continue
        nearest = difflib.get_close_matches(name, (*known, *_OF_THE_CALL), n=1, cutoff=0.4)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else "."
        if name in RUN:
            hint = "; it is one of run()."
        raise TypeError(f"{function}() has no option '{name}'{hint} Options: {', '.join(known)}")


def assumptions(assume: Mapping[str, str | float] | None) -> dict[str, str]:
    """Figures of the chip that a run replaces, as text: names to values in the chip file's notation."""
    if assume is None:
        return {}
    if not isinstance(assume, Mapping):
        raise TypeError(f"option 'assume' wants a dict of names and values, found {assume!r}")
    for name, value in assume.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not isinstance(name, str) or not (number or isinstance(value, str)):
            raise TypeError(f"option 'assume' wants names and numbers or texts like '128 cycles', found {name!r}: {value!r}")
    return {name: value if isinstance(value, str) else repr(value) for name, value in assume.items()}


def for_core(chip: str | os.PathLike[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the core reads them."""
    given = {name: value for name, value in options.items() if name in COMPILE}
    given["chip"] = os.fspath(chip) if isinstance(chip, os.PathLike) else chip
    if isinstance(given.get("dims"), Mapping):
        given["dims"] = dict(given["dims"])
    elif given.get("dims", 0) is None:
        del given["dims"]
    given["assume"] = assumptions(given.get("assume"))
    cache = given.get("cache") or os.environ.get("THORONG_CACHE")
    given["cache"] = os.fspath(cache) if cache else None
    return given
