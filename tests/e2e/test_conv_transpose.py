# SPDX-License-Identifier: Apache-2.0
"""ConvTranspose against ONNX Runtime: one to three dimensions, strides, pads, output_padding, dilations, groups, auto_pad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Command, assert_close, fallbacks
from models import run_reference, save_graph, tensor
from onnx import helper

# Input, weights [C, M/group, kernel...], attributes.
CASES: dict[str, tuple[list[int], list[int], dict[str, Any]]] = {
    "one_dimension": ([2, 3, 9], [3, 4, 3], {"strides": [2]}),
    "unet": ([1, 16, 12, 12], [16, 8, 2, 2], {"strides": [2, 2]}),
    "gan": ([1, 8, 7, 5], [8, 6, 4, 4], {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "odd": ([1, 5, 6, 7], [5, 4, 3, 3], {"strides": [2, 3], "pads": [1, 0, 0, 1], "output_padding": [1, 2]}),
    "stride_beyond_kernel": ([1, 4, 5, 5], [4, 3, 2, 1], {"strides": [3, 4]}),
    "dilated": ([1, 4, 6, 6], [4, 3, 3, 2], {"strides": [2, 2], "dilations": [2, 3]}),
    "dilation_equals_stride": ([1, 4, 6, 6], [4, 3, 3, 3], {"strides": [2, 2], "dilations": [2, 2], "pads": [2, 1, 2, 1]}),
    "grouped": ([2, 8, 5, 5], [8, 3, 3, 3], {"strides": [2, 2], "group": 2, "pads": [1, 1, 1, 1]}),
    "depthwise": ([1, 6, 5, 5], [6, 1, 4, 4], {"strides": [2, 2], "group": 6, "pads": [1, 1, 1, 1]}),
    "same_upper": ([1, 3, 5, 6], [3, 4, 3, 3], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "three_dimensions": ([1, 4, 3, 4, 5], [4, 3, 3, 2, 3], {"strides": [2, 2, 2], "pads": [1, 0, 1, 1, 0, 1]}),
    "one_stride_of_two": ([1, 4, 6, 6], [4, 5, 3, 3], {"strides": [1, 2]}),
    "many_channels": ([1, 150, 9, 9], [150, 140, 4, 4], {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "long_rows": ([1, 8, 3, 400], [8, 4, 3, 5], {"strides": [2, 4]}),
}


def make_model(path: Path, case: str) -> Path:
    """The operator with a bias, then a relu."""
    shape, kernel, attributes = CASES[case]
    rng = np.random.default_rng(len(case))
    outputs = kernel[1] * attributes.get("group", 1)
    weights = {
        "w": rng.standard_normal(kernel).astype(np.float32) * 0.3,
        "b": rng.standard_normal(outputs).astype(np.float32),
    }
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w", "b"], ["c"], "up", **attributes),
        helper.make_node("Relu", ["c"], ["y"], "relu"),
    ]
    spatial: list[int | str] = [f"d{i}" for i in range(len(shape) - 2)]
    return save_graph(path, nodes, [tensor("x", list(shape))], [tensor("y", [shape[0], outputs, *spatial])], weights)


@pytest.mark.parametrize("case", CASES)
def test_values_are_onnx_runtimes(case: str, thorong: Command, tmp_path: Path) -> None:
    """In fp32, on the engines."""
    path = make_model(tmp_path / "m.onnx", case)
    inputs = {"x": np.random.default_rng(3).standard_normal(CASES[case][0]).astype(np.float32)}
    ours, result = thorong.values(path, inputs, tmp_path)
    assert_close(ours["y"], run_reference(path, inputs)["y"])
    assert fallbacks(result) == []
