# SPDX-License-Identifier: Apache-2.0
"""The same run in fp32 and in each narrower arithmetic of the chip, layer by layer."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from . import _core, _options
from ._arrays import to_tensors
from ._session import compile

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Accuracy:
    """Errors by layer and mode. Made by `thorong.accuracy`.

    Errors are relative to fp32: root mean square of the difference over that of the values.

    Attributes:
        modes: for each mode its name ("mode"), device_s, energy_j, why it is refused, and the layers to keep in fp32.
        layers: in the program's order: name, op, elements, errors by mode (own: of the layer run alone on fp32's values;
            total: of its result in that mode; max_abs).
        outputs: the errors of each output by mode.
        random_inputs: names of the inputs that were not given.
    """

    modes: list[dict[str, Any]]
    layers: list[dict[str, Any]]
    outputs: dict[str, dict[str, Any]]
    random_inputs: list[str]

    def __init__(self, core: _core.Accuracy) -> None:
        self._core = core
        self.__dict__.update(json.loads(core.to_json()))

    def to_json(self) -> str:
        """The JSON object that `thorong accuracy --json` prints."""
        return self._core.to_json()

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """The page with the picture of errors by layer and mode; its text, or None when it was written to a file."""
        if path is None:
            return self._core.to_html()
        Path(path).write_text(self._core.to_html(), encoding="utf-8")
        return None

    def __str__(self) -> str:
        return self._core.to_table().rstrip("\n")

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"


def accuracy(
    model: _options.Model,
    *,
    chip: str | os.PathLike[str] = "trainium1",
    inputs: Mapping[str, NDArray[Any]] | None = None,
    modes: Sequence[str] | str = (),
    **options: Unpack[_options.CompileOptions],
) -> Accuracy:
    """Measures what each cast of the chip does to a model's values.

    Args:
        model: an ONNX file's path, its bytes, or an onnx.ModelProto.
        chip: a name of `thorong.chips()`, or a chip file (.yaml).
        inputs: as of `run`; real data, because errors depend on values.
        modes: which of "matmult bf16", "matmult fp16", "matmult tf32", "matmult fp8_e4m3", "all bf16", "all fp16",
            "all fp8_e4m3", "all bf16 stochastic"; without any, all.
        **options: dims, seed, threads, schedule as of `run`.

    Returns:
        Errors by layer and mode, and the layers to keep in fp32.

    Raises:
        InvalidArgument: there is no such mode, or an input is wrong.

    Example:
        >>> print(thorong.accuracy("model.onnx", inputs={"x": x}, modes=["matmult bf16"]))
    """
    program = compile(model, chip=chip, inputs=inputs, **{**options, "auto_cast": "none", "rounding": "rne"})
    return Accuracy(_core.measure_accuracy(program._core, to_tensors(inputs)[0], [modes] if isinstance(modes, str) else list(modes)))
