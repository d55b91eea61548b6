# SPDX-License-Identifier: Apache-2.0
"""The same bits, picoseconds and joules from every build: tests/golden/figures.json holds them, and each build that runs
these tests ($THORONG names it, or `./dev test e2e --preset dev|clang|asan-ubsan|tsan`) must reproduce them exactly.

Weights are made by integer arithmetic and inputs by the command's own generator, so no library's version plays a part.
THORONG_UPDATE_GOLDEN=1 rewrites the file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx to make models")

from command import CHIPS, Command
from models import Array, save_graph, tensor
from onnx import helper

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "figures.json"
OPTIONS = {
    "none": [],
    "matmult": ["--auto-cast", "matmult", "--schedule", "best"],
    "all_stochastic": ["--auto-cast", "all", "--rounding", "stochastic", "--seed", "5"],
}


def weight(dims: list[int], salt: int, scale: float = 0.25) -> Array:
    """Multiples of scale/512 in [-scale, scale), the same everywhere."""
    count = int(np.prod(dims))
    numbers = (np.arange(count, dtype=np.int64) * 7919 + salt * 104729) % 1024 - 512
    return (numbers.astype(np.float32) * np.float32(scale / 512)).reshape(dims)


def make_cnn(path: Path) -> Path:
    """Convolution, batch norm, relu, grouped convolution with stride, sum, pooling, a dense layer and a softmax."""
    weights = {
        "w1": weight([8, 3, 3, 3], 1), "b1": weight([8], 2),
        "scale": weight([8], 3) + np.float32(1), "shift": weight([8], 4), "mean": weight([8], 5),
        "variance": weight([8], 6) + np.float32(1), "w2": weight([8, 2, 3, 3], 7), "w3": weight([8, 8, 1, 1], 8),
        "w4": weight([5, 8], 9), "b4": weight([5], 10),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c1", "scale", "shift", "mean", "variance"], ["n1"], "norm"),
        helper.make_node("Relu", ["n1"], ["r1"], "relu"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "grouped", group=4, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["r1", "w3"], ["c3"], "short", strides=[2, 2]),
        helper.make_node("Add", ["c2", "c3"], ["s"], "sum"),
        helper.make_node("MaxPool", ["s"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"], "mean"),
        helper.make_node("Flatten", ["g"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["d"], "dense", transB=1),
        helper.make_node("Softmax", ["d"], ["y"], "softmax", axis=1),
    ]
    return save_graph(path, nodes, [tensor("x", [1, 3, 14, 14])], [tensor("y", [1, 5]), tensor("s", [1, 8, 7, 7])], weights)


def make_encoder(path: Path, tokens: int = 10, width: int = 32, heads: int = 2) -> Path:
    """One layer on embedded tokens: attention with heads, residuals, layer norms, gelu by erf."""
    weights: dict[str, Array] = {
        "table": weight([50, width], 1, 1.0), "half": np.array(0.5, np.float32), "one": np.array(1, np.float32),
        "root": np.array(0.70710677, np.float32), "scale": np.array((width // heads) ** -0.5, np.float32),
        "split": np.array([1, tokens, heads, width // heads], np.int64), "join": np.array([1, tokens, width], np.int64),
        "up": weight([width, 4 * width], 2), "down": weight([4 * width, width], 3), "out": weight([width, width], 4),
    }  # fmt: skip
    for index, name in enumerate(["q", "k", "v"]):
        weights[f"w{name}"], weights[f"b{name}"] = weight([width, width], 10 + index), weight([width], 20 + index)
    for index in (1, 2):
        weights[f"g{index}"], weights[f"h{index}"] = weight([width], 30 + index) + np.float32(1), weight([width], 40 + index)
    nodes = [helper.make_node("Gather", ["table", "ids"], ["x"], "embed")]
    for name in "qkv":
        axes = [0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]
        nodes += [
            helper.make_node("MatMul", ["x", f"w{name}"], [f"m{name}"], f"{name}_product"),
            helper.make_node("Add", [f"m{name}", f"b{name}"], [f"a{name}"], f"{name}_bias"),
            helper.make_node("Reshape", [f"a{name}", "split"], [f"r{name}"], f"{name}_split"),
            helper.make_node("Transpose", [f"r{name}"], [f"t{name}"], f"{name}_heads", perm=axes),
        ]
    nodes += [
        helper.make_node("MatMul", ["tq", "tk"], ["s0"], "scores"),
        helper.make_node("Mul", ["s0", "scale"], ["s1"], "scaled"),
        helper.make_node("Softmax", ["s1"], ["p"], "softmax", axis=-1),
        helper.make_node("MatMul", ["p", "tv"], ["c0"], "context"),
        helper.make_node("Transpose", ["c0"], ["c1"], "context_rows", perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["c1", "join"], ["c2"], "context_join"),
        helper.make_node("MatMul", ["c2", "out"], ["o"], "output"),
        helper.make_node("Add", ["o", "x"], ["e1"], "residual"),
        helper.make_node("LayerNormalization", ["e1", "g1", "h1"], ["l1"], "norm", epsilon=1e-5),
        helper.make_node("MatMul", ["l1", "up"], ["u"], "up"),
        helper.make_node("Mul", ["u", "root"], ["u1"], "gelu_scale"),
        helper.make_node("Erf", ["u1"], ["u2"], "gelu_erf"),
        helper.make_node("Add", ["u2", "one"], ["u3"], "gelu_one"),
        helper.make_node("Mul", ["u", "u3"], ["u4"], "gelu_product"),
        helper.make_node("Mul", ["u4", "half"], ["u5"], "gelu_half"),
        helper.make_node("MatMul", ["u5", "down"], ["d"], "down"),
        helper.make_node("Add", ["d", "l1"], ["e2"], "residual_2"),
        helper.make_node("LayerNormalization", ["e2", "g2", "h2"], ["y"], "norm_2", epsilon=1e-5),
    ]
    ids = tensor("ids", [1, tokens], 7)
    return save_graph(path, nodes, [ids], [tensor("y", [1, tokens, width])], weights)


MODELS = {"cnn": make_cnn, "encoder": make_encoder}


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """What must be equal: hashes, whole picoseconds, joules to the last bit."""
    return {
        "outputs": {name: output["sha256"] for name, output in result["outputs"].items()},
        "device_ps": round(result["device_s"] * 1e12),
        "energy_j": result["energy_j"],
    }


@pytest.mark.parametrize("model", MODELS)
def test_every_build_gives_the_golden_figures(model: str, thorong: Command, tmp_path: Path) -> None:
    """On each chip, cast and not, with one thread and with three."""
    path = MODELS[model](tmp_path / f"{model}.onnx")
    found: dict[str, Any] = {}
    for chip in CHIPS:
        for name, options in OPTIONS.items():
            result = thorong.run(path, "--chip", chip, *options, "--threads", 3 if name == "matmult" else 1)
            found[f"{model} {chip} {name}"] = figures(result)
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}
    if os.environ.get("THORONG_UPDATE_GOLDEN") == "1":
        golden = {key: value for key, value in golden.items() if not key.startswith(f"{model} ")} | found
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    remedy = "another build gave other figures; where the change is meant, THORONG_UPDATE_GOLDEN=1 rewrites them"
    for key, value in found.items():
        assert golden.get(key) == value, f"{key}: {remedy}"
    assert {key for key in golden if key.startswith(f"{model} ")} == set(found), remedy
