# SPDX-License-Identifier: Apache-2.0
"""A lower bound of the device time that does not trust the simulator: counted from the ONNX file alone.

Matrix products and convolutions at the tensor engine's peak, and weights, inputs and outputs once through HBM.
Peaks are those of one core in the contract (bf16 unless the run keeps fp32) and the chip's whole HBM.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# TFLOPS of one core in bf16 and the share that fp32 operands reach; GB/s of HBM. Sources: shared facts.
PEAK_BF16 = {"inferentia1": 16e12, "inferentia2": 92e12, "trainium1": 92e12, "trainium2": 79e12, "trainium3": 79e12}
FP32_SHARE = 0.25
# models.yaml prints four digits; a bound must not exceed the truth by the rounding.
STATED_ROUNDING = 0.999
HBM = {"inferentia1": 50 * 2**30, "inferentia2": 820e9, "trainium1": 820e9, "trainium2": 2.9e12, "trainium3": 4.9e12}


@dataclass(frozen=True)
class Work:
    """Operations (a multiply-add is two) and bytes that must cross HBM at least once."""

    flops: float
    weight_bytes: float
    other_bytes: float


def count_work(path: Path) -> Work:
    """Counts the work of an ONNX file with static shapes, using onnx's own shape inference."""
    import onnx
    from onnx import shape_inference

    model = onnx.load(path, load_external_data=False)
    model = shape_inference.infer_shapes(model, data_prop=True)
    graph = model.graph
    shapes: dict[str, list[int]] = {i.name: list(i.dims) for i in graph.initializer}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        shapes[value.name] = [d.dim_value for d in value.type.tensor_type.shape.dim]
    flops = sum(_node_flops(node, shapes) for node in graph.node)
    gathered = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    weights = sum(_tensor_bytes(i.data_type, list(i.dims)) for i in graph.initializer if i.name not in gathered)
    ends = [*graph.input, *graph.output]
    others = sum(_tensor_bytes(value.type.tensor_type.elem_type, shapes[value.name]) for value in ends)
    return Work(flops, weights, others)


def _tensor_bytes(data_type: int, dims: list[int]) -> int:
    import onnx

    return math.prod(dims) * onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize


def _node_flops(node: Any, shapes: dict[str, list[int]]) -> float:
    """2 x multiply-adds of a matrix product or convolution; zero of anything else or of unknown shapes."""
    out = shapes.get(node.output[0])
    left = shapes.get(node.input[0]) if node.input else None
    if not out or not left or 0 in out:
        return 0.0
    if node.op_type == "MatMul":
        return 2.0 * math.prod(out) * left[-1]
    if node.op_type == "Gemm":
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        return 2.0 * math.prod(out) * left[0 if transposed else 1]
    if node.op_type in ("Conv", "ConvTranspose"):
        weight = shapes.get(node.input[1])
        if not weight:
            return 0.0
        positions = math.prod(out) if node.op_type == "Conv" else math.prod(left)
        return 2.0 * positions * math.prod(weight[1:])
    return 0.0


def lower_bound_s(work: Work, chip: str, casts: bool) -> float:
    """Seconds below which no run of `work` on one core of `chip` can be.

    `casts`: matrix products in 16 bits, and then fp32 weights may lie in HBM in 16 bits as well.
    """
    halved = casts or chip == "inferentia1"
    moved = work.weight_bytes * (0.5 if halved else 1.0) + work.other_bytes
    return max(work.flops / (PEAK_BF16[chip] * (1.0 if halved else FP32_SHARE)), moved / HBM[chip])


def stated_flops(entry: dict[str, Any], batch: int, seq_len: int) -> float:
    """The operation count of models.yaml for one run; zero where it is doubtful or for another length.

    Shape inference loses track of masks that the graph computes, so the file alone may count too little.
    """
    flops = entry.get("flops", {})
    if "uncertain" in entry or "gflops_batch1" not in flops:
        return 0.0
    if flops.get("at_sequence_length", seq_len) != seq_len:
        return 0.0
    return float(flops["gflops_batch1"]) * 1e9 * batch * STATED_ROUNDING


def cached_work(path: Path) -> Work:
    """`count_work`, kept beside the model, since shape inference of a large graph takes seconds."""
    kept = path.with_name("work.json")
    if kept.exists():
        return Work(**json.loads(kept.read_text(encoding="utf-8")))
    work = count_work(path)
    kept.write_text(json.dumps(asdict(work)), encoding="utf-8")
    return work
