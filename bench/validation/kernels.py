# SPDX-License-Identifier: Apache-2.0
"""Kernel rows that a small ONNX graph states exactly: the same mathematics as the published NKI kernel.

Most kernel rows time one particular way to write a kernel, which only the kernel itself can express; those are
skipped with a sentence. Here are the ones whose figure the arithmetic and the memory decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import builders
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn


class _Function(nn.Module):
    """A function of its inputs as a module, for the exporter."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *values: Tensor) -> Tensor:
        """values: the function's operands."""
        return self.function(*values)


def parse_config(text: str) -> dict[str, str]:
    """The `key=value` parts of a row's config column."""
    parts = (part.strip() for part in re.split(r"[;,]\s*(?![^(]*\))", text))
    return dict(part.split("=", 1) for part in parts if "=" in part)


def _dtype(entry: dict[str, Any]) -> torch.dtype:
    return {"BF16": torch.bfloat16, "FP16": torch.float16}.get(entry["kernel"]["dtype"], torch.float32)


def _exp(entry: dict[str, Any]) -> builders.Built:
    match = re.search(r"input (\d+) x (\d+)", entry["kernel"]["config"])
    if match is None:
        raise builders.Unsupported("The config of this exp row states no shape of the form 'input R x C'.")
    rows, columns = int(match.group(1)), int(match.group(2))
    return builders.Built(_Function(torch.exp), {"x": torch.zeros(rows, columns, dtype=_dtype(entry))})


def _mlp(entry: dict[str, Any]) -> builders.Built:
    match = re.search(r"x\[(\d+),(\d+)\].*linears ([\d-]+)", entry["kernel"]["config"])
    if match is None:
        raise builders.Unsupported("The config of this MLP row states no layer sizes.")
    widths = [int(w) for w in match.group(3).split("-")]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.ReLU()]
    layers[-1] = nn.LogSoftmax(dim=1)
    rows = torch.zeros(int(match.group(1)), int(match.group(2)))
    module = nn.Sequential(*layers)
    builders.make_distinct(module)
    return builders.Built(module.eval(), {"x": rows})


def _pool(entry: dict[str, Any]) -> builders.Built:
    config = parse_config(entry["kernel"]["config"])
    size = [int(n) for n in re.findall(r"\d+", config["output_size"])]
    shape = [int(config[key]) for key in ("N", "C", "H", "W")]
    pool = nn.AdaptiveAvgPool2d((size[0], size[-1]))
    return builders.Built(pool, {"x": torch.zeros(*shape, dtype=_dtype(entry))})


def _attention(entry: dict[str, Any]) -> builders.Built:
    config = parse_config(entry["kernel"]["config"])
    shape = [int(config[key]) for key in ("bs", "seqlen", "d")]
    dtype = _dtype(entry)

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        scores = torch.matmul(query, key.transpose(1, 2)) * float(shape[2]) ** -0.5
        return torch.matmul(torch.softmax(scores, dim=-1), value)

    return builders.Built(_Function(attend), {name: torch.zeros(*shape, dtype=dtype) for name in ("q", "k", "v")})


def _rmsnorm_qkv(entry: dict[str, Any]) -> builders.Built:
    config = parse_config(entry["kernel"]["config"])
    batch, tokens, hidden, columns = (int(config[key]) for key in ("batch", "seqlen", "dim", "d_head"))
    dtype = _dtype(entry)

    def project(x: Tensor, weight: Tensor) -> Tensor:
        scale = torch.rsqrt(torch.mean(x * x, dim=-1, keepdim=True) + 1e-6)
        return torch.matmul(x * scale, weight)

    inputs = {"x": torch.zeros(batch, tokens, hidden, dtype=dtype), "w": torch.zeros(hidden, columns, dtype=dtype)}
    return builders.Built(_Function(project), inputs)


def matmul_model(entry: dict[str, Any]) -> onnx.ModelProto | None:
    """The graph of a plain product, written directly: the exporter would compute it, which takes minutes in bf16."""
    if not str(entry["kernel"]["model"]).startswith("nki-tutorial/matmul-"):
        return None
    config = parse_config(entry["kernel"]["config"])
    m, k, n = (int(config[letter]) for letter in "MKN")
    dtype = {"BF16": TensorProto.BFLOAT16, "FP16": TensorProto.FLOAT16}.get(entry["kernel"]["dtype"], TensorProto.FLOAT)
    shapes = {"lhs": [m, k], "rhs": [k, n], "out": [m, n]}
    values = {name: helper.make_tensor_value_info(name, dtype, shape) for name, shape in shapes.items()}
    node = helper.make_node("MatMul", ["lhs", "rhs"], ["out"])
    graph = helper.make_graph([node], "matmul", [values["lhs"], values["rhs"]], [values["out"]])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


BUILDERS: dict[str, Callable[[dict[str, Any]], builders.Built]] = {
    "nki-tutorial/exp": _exp,
    "nki-tutorial/mlp-3-layer": _mlp,
    "nki-samples/adaptive_avg_pool2d": _pool,
    "nki-samples/sd_attention_small_head": _attention,
    "nki-samples/rmsnorm_qkv": _rmsnorm_qkv,
}


def build(entry: dict[str, Any]) -> builders.Built:
    """The graph of one kernel row; `entry["kernel"]` holds model, config and dtype. Raises Unsupported."""
    return BUILDERS[entry["kernel"]["model"]](entry)
