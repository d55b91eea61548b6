# SPDX-License-Identifier: Apache-2.0
"""Resize and Upsample by nearest neighbours: every coordinate_transformation_mode with every nearest_mode, over sizes
that give many ties, against ONNX Runtime.

Each graph holds one node per case, so that a run tests hundreds of them. Where the output has the input's size although
the scale is not one (1.25 times 2), ONNX Runtime copies the input, against the operator's definition: these are left out.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command import Command
from models import run_reference
from onnx import TensorProto, helper, numpy_helper

COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]
NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
SIZES = [2, 3, 7, 20]
SCALES = [0.3, 0.5, 0.6, 2 / 3, 0.75, 1.25, 1.5, 2.0, 2.5, 3.0]
TARGETS = [1, 2, 3, 4, 6, 9, 14, 30]


def make_model(path: Path, opset: int, cases: list[dict[str, Any]]) -> Path:
    """One node per case from input `x<n>` of n elements to `y<case>`."""
    weights = {"roi": np.array([0.25, 0.75], np.float32), "none": np.zeros(0, np.float32)}
    nodes, outputs = [], []
    for index, case in enumerate(cases):
        by = case["by"]
        kind = np.int64 if isinstance(by, int) else np.float32
        weights[f"by_{by}"] = np.array([by], kind)
        entry, operand = f"x{case['n']}", f"by_{by}"
        inputs = [entry, "roi", "none", operand] if kind == np.int64 else [entry, "roi", operand]
        attributes = {"mode": "nearest", **case.get("modes", {})}
        if opset <= 10:
            inputs = [entry, operand]
        nodes.append(helper.make_node(case.get("op", "Resize"), inputs, [f"y{index}"], f"n{index}", **attributes))
        outputs.append(helper.make_empty_tensor_value_info(f"y{index}"))
        outputs[-1].type.tensor_type.elem_type = TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info(f"x{n}", TensorProto.FLOAT, [n]) for n in SIZES]
    used = {name for node in nodes for name in node.input}
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items() if name in used]
    graph = helper.make_graph(nodes, "resizes", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def table(opset: int) -> list[dict[str, Any]]:
    """The cases of one opset version."""
    if opset <= 10:
        scales = [s for s in SCALES if s >= 1] if opset < 10 else SCALES
        return [{"n": n, "by": by, "op": "Resize" if opset == 10 else "Upsample"} for n, by in product(SIZES, scales)]
    own = ["tf_half_pixel_for_nn"] if opset < 13 else ["half_pixel_symmetric"] if opset >= 19 else []
    made = [
        {"n": n, "by": by, "modes": {"coordinate_transformation_mode": c, "nearest_mode": m}}
        for n, by, c, m in product(SIZES, [*SCALES, *TARGETS], COORDINATES + own, NEAREST)
    ]
    if opset == 13:
        return made
    # What version 13 has too is tried there: every fifth.
    return [case for i, case in enumerate(made) if i % 5 == 0 or case["modes"]["coordinate_transformation_mode"] in own]


@pytest.mark.parametrize("opset", [9, 10, 11, 13, 19])
def test_nearest_neighbours_are_onnx_runtimes(thorong: Command, tmp_path: Path, opset: int) -> None:
    """The same element everywhere, ties included."""
    cases = table(opset)
    path = make_model(tmp_path / "m.onnx", opset, cases)
    inputs = {f"x{n}": np.arange(10, 10 + n, dtype=np.float32) for n in SIZES}
    expected = run_reference(path, inputs)
    ours, _ = thorong.values(path, inputs, tmp_path)
    wrong = []
    for index, case in enumerate(cases):
        name = f"y{index}"
        copied = len(expected[name]) == case["n"]
        if not copied and not np.array_equal(ours[name], expected[name]):
            wrong.append((case, ours[name].tolist(), expected[name].tolist()))
    assert not wrong, f"{len(wrong)} of {len(cases)}, the first: {wrong[0]}"
