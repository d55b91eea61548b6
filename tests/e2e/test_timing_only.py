# SPDX-License-Identifier: Apache-2.0
"""Timing without values: also without the weights' files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

package = pytest.importorskip("thorong")


def model(folder: Path, columns: int = 512) -> Path:
    """relu(x w) reshaped by a constant that is external as well, and data files beside it."""
    random = np.random.default_rng(0)
    weights = {
        "w": random.standard_normal((256, columns)).astype(np.float32),
        "shape": np.array([8, 2, columns // 2], np.int64),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "product"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Reshape", ["b", "shape"], ["y"], "cut"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [8, 256])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [8, 2, columns // 2])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path = folder / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=1024)
    return path


def test_weights_need_not_be_there(tmp_path: Path) -> None:
    """The same figures as with them, and a line that says so; values need them."""
    path = model(tmp_path)
    there = package.run(path, timing_only=True)
    (tmp_path / "w.bin").unlink()
    missing = package.run(path, timing_only=True)
    assert missing.device_s == there.device_s and missing.energy_j == there.energy_j
    assert missing.memory["hbm_peak_bytes"] == there.memory["hbm_peak_bytes"]
    assert any("external data files that are missing" in line for line in missing.not_modelled)
    assert not any("missing" in line for line in there.not_modelled)
    with pytest.raises(package.NotFound, match=r"w\.bin"):
        package.run(path)


def test_what_must_be_known_is_named(tmp_path: Path) -> None:
    """A shape in a file that is missing cannot be guessed."""
    path = model(tmp_path)
    proto = onnx.load(path, load_external_data=False)
    onnx.external_data_helper.set_external_data(proto.graph.initializer[1], "s.bin", 0, 24)
    proto.graph.initializer[1].ClearField("raw_data")
    proto.graph.initializer[1].data_location = TensorProto.EXTERNAL
    onnx.save(proto, path)
    with pytest.raises(package.FailedPrecondition, match=r"(?s)cut.*shape.*missing"):
        package.run(path, timing_only=True)


def test_a_model_without_weights_may_exceed_the_memory(tmp_path: Path) -> None:
    """Its time is told, and that it does not fit; with weights it is refused."""
    path = model(tmp_path)
    (tmp_path / "w.bin").unlink()
    proto = onnx.load(path, load_external_data=False)
    big = proto.graph.initializer[0]
    big.dims[1] = 20_000_000  # 20 GB
    next(entry for entry in big.external_data if entry.key == "length").value = str(256 * 20_000_000 * 4)
    proto.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array([8, 2, 10_000_000], np.int64), "shape"))
    proto.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 10_000_000
    onnx.save(proto, path)
    result = package.run(path, chip="inferentia1", timing_only=True)
    assert "does not fit" in result.not_modelled[0] and result.device_s > 0
