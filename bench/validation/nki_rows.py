# SPDX-License-Identifier: Apache-2.0
"""Which published kernel row is which call of which kernel: shapes, dtypes and options from the row's config column.

Only times are asked for, so the arrays are zeros that nobody touches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from nki_sources import Missing, Sources
from rows import Row

DTYPES: dict[str, Any] = {"BF16": ml_dtypes.bfloat16, "FP16": np.float16, "FP32": np.float32, "FP8": ml_dtypes.float8_e4m3}
SAMPLES = "reference/"
MATMULS = "tutorials/matrix_multiplication/matrix_multiplication_nki_kernels.py"


@dataclass
class Call:
    """A kernel and what it is called with."""

    kernel: Any
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    cores: int = 1


def parse(config: str) -> dict[str, str]:
    """The parts of a config column: `key=value`, or a flag whose value is "1"."""
    parts = (part.strip() for part in re.split(r"[;,]\s*(?![^(]*\))", config))
    return {key: value or "1" for key, _, value in (part.partition("=") for part in parts if part)}


def _zeros(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.zeros(shape, dtype=DTYPES[dtype])


def _attention_cte(row: Row, c: dict[str, str], sources: Sources) -> Call:
    kernel = sources.library("core.attention.attention_cte").attention_cte
    heads, queries, keys, d = (int(c[key]) for key in ("bs_heads", "q", "kv", "d"))
    kv_heads = int(c.get("kv_heads", heads))
    dtype = c.get("dtype", row.model_dtype)

    def rows_of(n: int, length: int, transposed: bool) -> np.ndarray:
        return _zeros((n, length, d) if transposed else (n, d, length), dtype)

    options: dict[str, Any] = {"causal_mask": c.get("causal") == "1", "sliding_window": int(c.get("window", 0))}
    options.update({key: key in c for key in ("tp_q", "tp_k", "tp_out")})
    special = "prior" in c or "context_parallel" in c or "window" in c
    options["scale"] = 1.0 if special else d**-0.5
    if "prior" in c:
        prior = int(c["prior"])
        options["k_prior"] = rows_of(kv_heads, prior, "tp_k" in c)
        options["v_prior"] = _zeros((kv_heads, prior, d), dtype)
        options["prior_used_len"] = np.full((1,), int(c["prior_used"]), dtype=np.int32)
    if "sink" in c:
        options["sink"] = np.zeros((heads, 1), dtype=np.float32)
    if "context_parallel" in c:
        options["global_cp_deg"] = int(c["context_parallel"])
        options["cp_offset"] = np.full((1, 1), int(c["rank"]) * queries, dtype=np.int32)
    q, k = rows_of(heads, queries, "tp_q" in c), rows_of(kv_heads, keys, "tp_k" in c)
    return Call(kernel, (q, k, _zeros((kv_heads, keys, d), dtype)), options, cores=int(c["lnc"]))


def _mlp(row: Row, c: dict[str, str], sources: Sources, quantized: str | None) -> Call:
    kernel, types = sources.library("core.mlp.mlp").mlp, sources.library("core.utils.common_types")
    batch, tokens, hidden, inner = (int(c[key]) for key in ("batch", "tokens", "hidden", "intermediate"))
    wanted = c["quant"].partition("(")[0]
    weights = quantized or row.model_dtype
    norm = types.NormType[c["norm"]]
    options: dict[str, Any] = {
        "fused_add_tensor": _zeros((batch, tokens, hidden), row.model_dtype) if "fused_add" in c else None,
        "store_fused_add_result": "store_add" in c,
        "activation_fn": types.ActFnType[c["act"]],
        "normalization_type": norm,
        "quantization_type": types.QuantizationType[wanted],
        "skip_gate_proj": "no_gate" in c,
        "eps": 1e-6,
        "output_dtype": "bfloat16",
    }
    if norm not in (types.NormType.NO_NORM, types.NormType.RMS_NORM_SKIP_GAMMA):
        options["normalization_weights_tensor"] = _zeros((1, hidden), row.model_dtype)
    for name, size, flags in (
        ("gate", inner, ("gate_bias", "biases")),
        ("up", inner, ("up_down_bias", "biases")),
        ("down", hidden, ("up_down_bias", "biases")),
    ):
        if any(flag in c for flag in flags):
            options[f"{name}_proj_bias_tensor"] = _zeros((1, size), row.model_dtype)
        if quantized:
            options[f"{name}_w_scale"] = _zeros((128, 1 if wanted == "STATIC" else size), "FP32")
    if wanted == "STATIC":
        options["gate_up_in_scale"], options["down_in_scale"] = _zeros((128, 1), "FP32"), _zeros((128, 1), "FP32")
    for key, name in (
        ("gate_up_col_tiling", "use_tkg_gate_up_proj_column_tiling"),
        ("down_col_tiling", "use_tkg_down_proj_column_tiling"),
        ("down_layout_opt", "use_tkg_down_proj_optimized_layout"),
    ):
        if key in c:
            options[name] = c[key] == "1"
    x = _zeros((batch, tokens, hidden), row.model_dtype)
    gate, up, down = (_zeros(shape, weights) for shape in ((hidden, inner), (hidden, inner), (inner, hidden)))
    return Call(kernel, (x, gate, up, down), options, cores=int(c["lnc"]))


def _mlp_cte(row: Row, c: dict[str, str], sources: Sources) -> Call:
    # The public test hands fp8 weights over in every case.
    return _mlp(row, c, sources, "FP8")


def _mlp_tkg(row: Row, c: dict[str, str], sources: Sources) -> Call:
    return _mlp(row, c, sources, None if c["quant"] == "NONE" else "FP8")


def _qkv_tkg(row: Row, c: dict[str, str], sources: Sources) -> Call:
    types = sources.library("core.utils.common_types")
    batch, tokens, hidden, columns = (int(c[key]) for key in ("batch", "tokens", "hidden", "qkv_columns"))
    norm, quant = types.NormType[c["norm"]], types.QuantizationType[c["quant"]]
    d_head = int(c["d_head"])
    heads = columns // d_head
    options: dict[str, Any] = {
        "output_layout": types.QKVOutputLayout.BSD,
        "quantization_type": quant,
        "fused_residual_add": "fused_add" in c,
        "fused_norm_type": norm,
        "d_head": d_head,
        "num_q_heads": heads - 2,
        "num_kv_heads": 1,
    }
    if "fused_add" in c:
        options["mlp_prev"] = _zeros((batch, tokens, hidden), row.model_dtype)
        options["attention_prev"] = _zeros((batch, tokens, hidden), row.model_dtype)
    if norm != types.NormType.NO_NORM:
        options["gamma_norm_weights"] = _zeros((1, hidden), row.model_dtype)
    if c["quant"] == "STATIC":
        options["qkv_w_scale"], options["qkv_in_scale"] = _zeros((128, 3), "FP32"), _zeros((128, 1), "FP32")
    weights = _zeros((hidden, columns), row.model_dtype if c["quant"] == "NONE" else "FP8")
    x = _zeros((batch, tokens, hidden), row.model_dtype)
    return Call(sources.library("core.qkv.qkv").qkv, (x, weights), options, cores=int(c["lnc"]))


def _rmsnorm_quant(row: Row, c: dict[str, str], sources: Sources) -> Call:
    types = sources.library("core.utils.common_types")
    module = sources.library("core.rmsnorm.rmsnorm_quant")
    rows, hidden, cores = int(c.get("rows", row.seq_len or 0)), int(c["hidden"]), int(c["lnc"])
    kargs = module.RmsNormQuantKernelArgs(
        quantization_type=types.QuantizationType.ROW, lower_bound=0.0, norm_type=types.NormType.RMS_NORM, eps=1e-6
    )
    gamma = _zeros((1, hidden) if cores > 1 else (hidden,), row.model_dtype)
    options = {"ln_w": gamma, "kargs": kargs, "input_dequant_scale": None}
    return Call(module.rmsnorm_quant_kernel, (_zeros((1, rows, hidden), row.model_dtype),), options, cores=cores)


def _flash_attention(row: Row, c: dict[str, str], sources: Sources) -> Call:
    module = sources.sample(SAMPLES + "attention.py")
    bs, heads, queries, keys, d = (int(c[key]) for key in ("bs", "nheads", "seqlen_q", "seqlen_k", "d"))
    config = module.FlashConfig(seq_tile_size=int(c["tile_size"]), training=c["training"] == "True", should_transpose_v=False)
    q, k = _zeros((bs, heads, d, queries), c["dtype"]), _zeros((bs, heads, d, keys), c["dtype"])
    options = {"use_causal_mask": True, "sliding_window": int(c["sliding_window"]), "mixed_precision": True, "config": config}
    return Call(module.flash_fwd[bs, heads], (q, k, _zeros((bs, heads, keys, d), c["dtype"]), None), options)


def _sd_attention(row: Row, c: dict[str, str], sources: Sources) -> Call:
    kernel = sources.sample(SAMPLES + "attention.py").fused_self_attn_for_SD_small_head_size
    bs, length, d = (int(c[key]) for key in ("bs", "seqlen", "d"))
    other = (bs, length, d)
    return Call(kernel[bs], (_zeros((bs, d, length), c["dtype"]), _zeros(other, c["dtype"]), _zeros(other, c["dtype"])))


def _adaptive_pool(row: Row, c: dict[str, str], sources: Sources) -> Call:
    size = [int(n) for n in re.findall(r"\d+", c["output_size"])]
    x = _zeros(tuple(int(c[key]) for key in "NCHW"), c["dtype"])
    return Call(sources.sample(SAMPLES + "vision.py").adaptive_avg_pool2d_kernel, (x, size[0] if len(size) == 1 else tuple(size)))


def _resize(row: Row, c: dict[str, str], sources: Sources) -> Call:
    shapes = [tuple(int(c[f"{side}_{key}"]) for key in "bhwc") for side in ("in", "out")]
    # The test's grid has an instance for each image, and each would do all of them: more than the memory moves in the row's time.
    kernel = sources.sample(SAMPLES + "vision.py").resize_nearest_fixed_dma_kernel
    return Call(kernel, (_zeros(shapes[0], c["dtype"]), shapes[1]))


def _double_row(row: Row, c: dict[str, str], sources: Sources) -> Call:
    kernel = sources.sample(SAMPLES + "double_row_matmul.py").quantized_double_row_matmul
    m, k, n = (int(c[key]) for key in "MKN")
    tiles = {key: int(c[key]) for key in ("TILES_IN_BLOCK_M", "TILES_IN_BLOCK_N", "TILES_IN_BLOCK_K")}
    arguments = (_zeros((m, k), c["dtype"]), _zeros((k // 2, 2 * n), "FP8"), _zeros((128, n), "FP32"))
    return Call(kernel, arguments, tiles)


def _rmsnorm_qkv(row: Row, c: dict[str, str], sources: Sources) -> Call:
    kernel = sources.sample(SAMPLES + "allocated_fused_linear.py").allocated_fused_rms_norm_qkv
    batch, tokens, hidden, columns = (int(c[key]) for key in ("batch", "seqlen", "dim", "d_head"))
    return Call(kernel, (_zeros((batch, tokens, hidden), c["dtype"]), _zeros((hidden, columns), c["dtype"])))


def _mamba(row: Row, c: dict[str, str], sources: Sources) -> Call:
    name = row.model.rpartition("/")[2].replace("-", "_")
    kernel = getattr(sources.sample("tutorials/fused_mamba/mamba_nki_kernels.py"), name)
    channels, state, length = (int(c[key]) for key in ("channels", "state", "seq"))
    wide, narrow = _zeros((1, channels, length), "FP32"), _zeros((1, state, length), "FP32")
    return Call(kernel, (wide, wide.copy(), _zeros((channels, state), "FP32"), narrow, narrow.copy()))


def _matmul(row: Row, c: dict[str, str], sources: Sources) -> Call:
    name = {
        "matmul-hoist-load": "nki_matmul_hoist_load_",
        "matmul-block-free-dim": "nki_matmul_block_free_dimension_",
        "matmul-fully-optimized": "nki_matmul_fully_optimized_",
    }[row.model.rpartition("/")[2]]
    m, k, n = (int(c[key]) for key in "MKN")
    dtype = row.model_dtype
    return Call(getattr(sources.sample(MATMULS), name), (_zeros((k, m), dtype), _zeros((k, n), dtype)))


CALLS: dict[str, Callable[[Row, dict[str, str], Sources], Call]] = {
    "nkilib/attention_cte": _attention_cte,
    "nkilib/mlp_cte": _mlp_cte,
    "nkilib/mlp_tkg": _mlp_tkg,
    "nkilib/qkv_tkg": _qkv_tkg,
    "nkilib/rmsnorm_quant": _rmsnorm_quant,
    "nki-samples/flash_attention_fwd": _flash_attention,
    "nki-samples/sd_attention_small_head": _sd_attention,
    "nki-samples/adaptive_avg_pool2d": _adaptive_pool,
    "nki-samples/resize_nearest": _resize,
    "nki-samples/double_row_matmul_fp8": _double_row,
    "nki-samples/rmsnorm_qkv": _rmsnorm_qkv,
    "nki-tutorial/mamba-v1": _mamba,
    "nki-tutorial/mamba-v3": _mamba,
    "nki-tutorial/matmul-hoist-load": _matmul,
    "nki-tutorial/matmul-block-free-dim": _matmul,
    "nki-tutorial/matmul-fully-optimized": _matmul,
}


@dataclass(frozen=True)
class Timeline:
    """A profile of a kernel: which row's call it was, and which of its figures is what of the run's."""

    model: str
    chip: str
    dtype: str
    config: str
    figures: tuple[tuple[str, str, str], ...]  # the entry's key, its unit, the run's: "total" or an engine


_MATMUL = "M=4096;K=8192;N=8192"
_ACTIVE = (("total_us", "us", "total"), ("tensor_active_ms", "ms", "tensor"), ("vector_active_ms", "ms", "vector"), ("dma_active_ms", "ms", "dma"))
TIMELINES: dict[str, Timeline] = {
    "matmul-trn2-hoist-profile": Timeline("nki-tutorial/matmul-hoist-load", "trainium2", "FP32", _MATMUL, _ACTIVE),
    "matmul-trn2-block-profile": Timeline("nki-tutorial/matmul-block-free-dim", "trainium2", "FP32", _MATMUL, _ACTIVE),
    "matmul-trn2-full-profile": Timeline("nki-tutorial/matmul-fully-optimized", "trainium2", "FP32", _MATMUL, _ACTIVE),
    "matmul-trn1-full-profile": Timeline("nki-tutorial/matmul-fully-optimized", "trainium1", "BF16", _MATMUL, _ACTIVE[3:]),
    "matmul-trn1-step4": Timeline("nki-tutorial/matmul-fully-optimized", "trainium1", "BF16", _MATMUL, (("value", "ms", "total"),)),
    "ve-mamba-v1-4k": Timeline("nki-tutorial/mamba-v1", "trainium1", "FP32", "channels=4096;state=16;seq=512", (("value", "us", "vector"),)),
    "ve-mamba-v3-8k": Timeline("nki-tutorial/mamba-v3", "trainium1", "FP32", "channels=4096;state=16;seq=8192", (("value", "us", "vector"),)),
}


def call_of(row: Row, sources: Sources) -> Call:
    """The call that a row timed. Raises Missing where no checkout describes it."""
    if row.model not in CALLS:
        raise Missing(f"No source that is called here describes the kernel {row.model}.")
    return CALLS[row.model](row, parse(row.config), sources)
