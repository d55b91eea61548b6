# SPDX-License-Identifier: Apache-2.0
"""A first run: makes a small ONNX model, runs it on a modelled chip and prints values, time, energy and cost.

    python examples/first_run.py [CHIP]
"""

from __future__ import annotations

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import thorong


def make_model() -> onnx.ModelProto:
    """y = softmax(relu(x w1) w2) with x of [batch, 64]."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.standard_normal((64, 256), dtype=np.float32) / 8,
        "w2": rng.standard_normal((256, 10), dtype=np.float32) / 16,
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "w2"], ["scores"], name="second"),
        helper.make_node("Softmax", ["scores"], ["y"], name="softmax", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "first_run",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main(chip: str = "trainium1") -> None:
    """Runs the model with eight random rows."""
    x = np.random.default_rng(1).standard_normal((8, 64), dtype=np.float32)
    result = thorong.run(make_model(), chip=chip, inputs={"x": x}, against="reference")

    print(result)
    print("class of each row:", result.outputs["y"].argmax(axis=1))
    print("largest error against plain fp32:", result.errors["y"]["max_abs"])
    print(f"latency: {result.latency_s:.3g} s, of which on the device {result.device_s:.3g} s")
    print(f"energy: {result.energy_j:.3g} J")
    for operator in result.operators:
        print(f"  {operator['name']:<10} {operator['op']:<24} {operator['time_s']:.3g} s, bound by {operator['bound']}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2])
    except thorong.Error as error:
        sys.exit(f"first_run: {error}")
