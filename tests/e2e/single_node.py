# SPDX-License-Identifier: Apache-2.0
"""Models of one node, run by Thorong and by ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

Arrays = list[np.ndarray]


def make_model(op: str, operands: list[np.ndarray | None], results: int = 1, *, domain: str = "", version: int = 17,
               constants: tuple[int, ...] = (), **attributes: Any) -> onnx.ModelProto:
    """A model of the node: operand i is the input `x<i>` (an initializer where listed in `constants`, absent where None),
    its results are `y0`, `y1`, ...."""
    names = ["" if operand is None else f"x{i}" for i, operand in enumerate(operands)]
    outputs = [f"y{i}" for i in range(results)]
    node = helper.make_node(op, names, outputs, "node", domain=domain, **attributes)
    given = [(i, operand) for i, operand in enumerate(operands) if operand is not None]
    graph = helper.make_graph(
        [node],
        op,
        [helper.make_tensor_value_info(f"x{i}", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for i, x in given if i not in constants],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(x, f"x{i}") for i, x in given if i in constants],
    )
    opsets = [helper.make_opsetid("", version)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def feeds(operands: list[np.ndarray | None], constants: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {f"x{i}": x for i, x in enumerate(operands) if x is not None and i not in constants}


def onnx_runtime(model: onnx.ModelProto, given: dict[str, np.ndarray]) -> Arrays:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, given)


def simulated(model: onnx.ModelProto, given: dict[str, np.ndarray]) -> Arrays:
    import thorong

    result = thorong.run(model, chip="trainium2", inputs=given, auto_cast="none")
    return [result.outputs[output.name] for output in model.graph.output]


def check(op: str, operands: list[np.ndarray | None], results: int = 1, *, constants: tuple[int, ...] = (), rtol: float = 2e-5,
          atol: float = 1e-5, **attributes: Any) -> None:
    """Both give the same values."""
    model = make_model(op, operands, results, constants=constants, **attributes)
    given = feeds(operands, constants)
    for index, (found, expected) in enumerate(zip(simulated(model, given), onnx_runtime(model, given))):
        assert found.dtype == expected.dtype and found.shape == expected.shape, index
        if expected.dtype.kind in "iub":
            np.testing.assert_array_equal(found, expected, err_msg=f"result {index}")
        else:
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=f"result {index}")
