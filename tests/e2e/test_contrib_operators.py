# SPDX-License-Identifier: Apache-2.0
"""Operators of ONNX Runtime's domain com.microsoft, as exporters and its optimizer write them, beside ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from single_node import Arrays, feeds, make_model, onnx_runtime, simulated
from single_node import check as check_node

pytest.importorskip("onnxruntime")

MICROSOFT = "com.microsoft"
RANDOM = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray:
    return np.asarray(RANDOM.normal(0, 1, shape), np.float32)


def integers(low: int, high: int, *shape: int, kind: Any = np.uint8) -> np.ndarray:
    return np.asarray(RANDOM.integers(low, high, shape), kind)


def number(value: float, kind: Any = np.float32) -> np.ndarray:
    return np.array(value, kind)


def check(op: str, operands: list[np.ndarray | None], results: int = 1, **attributes: Any) -> None:
    check_node(op, operands, results, **{"domain": MICROSOFT, **attributes})


def both(op: str, operands: list[np.ndarray | None], results: int, **attributes: Any) -> tuple[Arrays, Arrays]:
    model = make_model(op, operands, results, domain=MICROSOFT, **attributes)
    given = feeds(operands, ())
    return simulated(model, given), onnx_runtime(model, given)


# ---- Products ----


@pytest.mark.parametrize(
    ("a", "b", "attributes"),
    [
        ((4, 5), (5, 3), {}),
        ((2, 4, 5), (2, 5, 3), {"alpha": 0.5}),
        ((2, 5, 4), (2, 3, 5), {"transA": 1, "transB": 1}),
        ((4, 2, 5), (2, 5, 3), {"transBatchA": 1}),
        ((2, 4, 5), (5, 2, 3), {"transBatchB": 1}),
        ((5, 2, 4), (2, 5, 3), {"transBatchA": 1, "transA": 1}),
        ((2, 4, 5), (3, 2, 5), {"transBatchB": 1, "transB": 1}),
    ],
)
def test_fused_matmul(a: tuple[int, ...], b: tuple[int, ...], attributes: dict[str, Any]) -> None:
    check("FusedMatMul", [normal(*a), normal(*b)], **attributes)


@pytest.mark.parametrize(
    "attributes",
    [
        {"activation": "Relu"},
        {"activation": "Sigmoid", "alpha": 0.5},
        {"activation": "Tanh", "transB": 1},
        {"activation": "LeakyRelu", "activation_alpha": 0.2},
        {"activation": "HardSigmoid", "activation_alpha": 0.3, "activation_beta": 0.4},
        {"activation": "Elu", "activation_alpha": 0.7},
    ],
)
def test_fused_gemm(attributes: dict[str, Any]) -> None:
    b = normal(3, 5) if attributes.get("transB") else normal(5, 3)
    check("FusedGemm", [normal(4, 5), b, normal(3)], **attributes)


@pytest.mark.parametrize(
    ("activation", "parameters"),
    [("Relu", []), ("Sigmoid", []), ("Tanh", []), ("LeakyRelu", [0.2]), ("Clip", [-0.5, 0.5]), ("HardSigmoid", [0.3, 0.4])],
)
@pytest.mark.parametrize("addend", [False, True])
def test_fused_conv(activation: str, parameters: list[float], addend: bool) -> None:
    if addend and activation != "Relu":
        pytest.skip("ONNX Runtime adds a tensor before Relu only")
    more = {"activation_params": parameters} if parameters else {}
    operands = [normal(1, 3, 6, 6), normal(4, 3, 3, 3), normal(4)] + ([normal(1, 4, 6, 6)] if addend else [])
    check("FusedConv", operands, activation=activation, kernel_shape=[3, 3], pads=[1, 1, 1, 1], **more)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("zero", ["none", "packed", "floats"])
@pytest.mark.parametrize(("k", "block"), [(64, 32), (70, 16)])
def test_matmul_nbits(bits: int, zero: str, k: int, block: int) -> None:
    n, blocks = 6, -(-k // block)
    weights, scales = integers(0, 256, n, blocks, block * bits // 8), np.abs(normal(n, blocks)) / 8
    zeros = None
    if zero == "packed":
        zeros = integers(0, 256, n, -(-blocks * bits // 8))
    elif zero == "floats":
        if bits != 4:
            pytest.skip("ONNX Runtime takes unpacked zero points for 4 bits")
        zeros = integers(0, 16, n, blocks, kind=np.float32)
    operands = [normal(2, 3, k), weights, scales, zeros, None, normal(n)]
    check("MatMulNBits", operands, constants=(1, 2, 3), K=k, N=n, bits=bits, block_size=block, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("per_column", [False, True])
def test_matmul_integer_to_float(kind: Any, per_column: bool) -> None:
    low, high = (0, 256) if kind == np.uint8 else (-60, 60)  # without VNNI ONNX Runtime's sums of two products saturate
    columns = (3,) if per_column else ()
    operands = [
        integers(0, 256, 4, 5),
        integers(low, high, 5, 3, kind=kind),
        number(0.02),
        np.asarray(np.abs(normal(*columns)) / 50),
        number(120, np.uint8),
        integers(low // 2, high // 2, *columns, kind=kind),
        normal(3),
    ]
    check("MatMulIntegerToFloat", operands, rtol=1e-4)


@pytest.mark.parametrize("per_column", [False, True])
def test_dynamic_quantize_matmul(per_column: bool) -> None:
    columns = (3,) if per_column else (1,)
    operands = [normal(4, 5), integers(0, 256, 5, 3), np.abs(normal(*columns)) / 50, integers(100, 140, *columns), normal(3)]
    check("DynamicQuantizeMatMul", operands, constants=(1, 2, 3), rtol=1e-4, atol=1e-4)


# ---- Activations and normalisations ----


@pytest.mark.parametrize(
    ("op", "operands", "attributes"),
    [
        ("Gelu", [(3, 8)], {}),
        ("FastGelu", [(3, 8)], {}),
        ("FastGelu", [(3, 8), (8,)], {}),
        ("BiasGelu", [(3, 8), (8,)], {}),
        ("QuickGelu", [(3, 8)], {}),
        ("QuickGelu", [(3, 8)], {"alpha": 1.0}),
    ],
)
def test_gelus(op: str, operands: list[tuple[int, ...]], attributes: dict[str, Any]) -> None:
    check(op, [normal(*shape) for shape in operands], rtol=1e-4, atol=5e-6, **attributes)


@pytest.mark.parametrize("skip", [(2, 3, 8), (1, 3, 8), (3, 8)])
@pytest.mark.parametrize("more", [False, True])
def test_skip_layer_normalization(skip: tuple[int, ...], more: bool) -> None:
    operands = [normal(2, 3, 8), normal(*skip), normal(8)] + ([normal(8), normal(8)] if more else [])
    model = make_model("SkipLayerNormalization", operands, 4, domain=MICROSOFT, epsilon=1e-5)
    for output in ("y2", "y1"):  # ONNX Runtime's CPU kernel leaves the statistics out
        model.graph.node[0].output[int(output[1])] = ""
        del model.graph.output[int(output[1])]
    given = feeds(operands, ())
    for found, expected in zip(simulated(model, given), onnx_runtime(model, given)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_simplified_layer_normalizations() -> None:
    check_node("SimplifiedLayerNormalization", [normal(2, 3, 8), normal(8)], axis=-1, epsilon=1e-5)
    check("SkipSimplifiedLayerNormalization", [normal(2, 3, 8), normal(2, 3, 8), normal(8)], epsilon=1e-5)
    check("SkipSimplifiedLayerNormalization", [normal(2, 3, 8), normal(2, 3, 8), normal(8), normal(8)], epsilon=1e-5)


@pytest.mark.parametrize("positions", [False, True])
@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("mask", [False, True])
def test_embed_layer_normalization(positions: bool, segments: bool, mask: bool) -> None:
    ids = integers(0, 2, 2, 4, kind=np.int32)
    operands = [
        integers(0, 10, 2, 4, kind=np.int32),
        ids if segments else None,
        normal(10, 8),
        normal(6, 8),
        normal(2, 8) if segments else None,
        normal(8),
        normal(8),
        np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32) if mask else None,
        integers(0, 6, 2, 4, kind=np.int32) if positions else None,
    ]
    while operands[-1] is None:
        operands.pop()
    check("EmbedLayerNormalization", operands, 3, epsilon=1e-5)


# ---- Attention ----

B, S, N, D = 2, 4, 3, 8
HIDDEN = N * D

MASKS = {
    "none": None,
    "lengths": np.array([3, 4], np.int32),
    "ends and starts": np.array([4, 3, 1, 0], np.int32),
    "keys": np.array([[1, 1, 0, 1], [0, 1, 1, 1]], np.int32),
    "queries and keys": np.array([[[1, 1, 0, 1]] * 4, [[0, 1, 1, 1]] * 4], np.int32),
    "nothing seen": np.array([[0, 0, 0, 0], [1, 1, 1, 1]], np.int32),
}


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("mask", list(MASKS))
def test_attention(mask: str, causal: int) -> None:
    operands = [normal(B, S, 16), normal(16, 3 * HIDDEN) / 4, normal(3 * HIDDEN), MASKS[mask]]
    check("Attention", operands, constants=(1, 2), num_heads=N, unidirectional=causal)


def test_attention_with_a_past_and_biases_and_sizes() -> None:
    operands = [normal(B, S, 16), normal(16, 3 * HIDDEN) / 4, normal(3 * HIDDEN), None, normal(2, B, N, 5, D)]
    check("Attention", operands, 2, num_heads=N, unidirectional=1)
    operands = [normal(B, S, 16), normal(16, 2 * HIDDEN + N * 4) / 4, normal(2 * HIDDEN + N * 4), None, None, normal(1, 1, S, S)]
    check("Attention", operands, num_heads=N, qkv_hidden_sizes=[HIDDEN, HIDDEN, N * 4], scale=0.2)


@pytest.mark.parametrize("mask", ["none", "lengths", "keys", "queries and keys"])
@pytest.mark.parametrize("bias", [False, True])
def test_multi_head_attention(mask: str, bias: bool) -> None:
    operands = [normal(B, S, HIDDEN), normal(B, S, HIDDEN), normal(B, S, HIDDEN), normal(3 * HIDDEN) if bias else None, MASKS[mask]]
    if bias:
        operands.append(normal(1, N, S, S))
    check("MultiHeadAttention", operands, num_heads=N)


def test_multi_head_attention_of_other_layouts() -> None:
    check("MultiHeadAttention", [normal(B, S, HIDDEN), normal(B, N, 6, D), normal(B, N, 6, D)], num_heads=N)
    cross = [normal(B, S, HIDDEN), normal(B, 6, HIDDEN), normal(B, 6, N * 5)]
    check("MultiHeadAttention", cross, num_heads=N, scale=0.3)
    past = [*(normal(B, S, HIDDEN) for _ in range(3)), None, None, None, normal(B, N, 5, D), normal(B, N, 5, D)]
    check("MultiHeadAttention", past, 3, num_heads=N, unidirectional=1)


@pytest.mark.parametrize("count", [2, 3])
def test_packed_parts_are_the_parts(count: int) -> None:
    """ONNX Runtime's CPU kernel has no packed ones."""
    packed, query = normal(B, S, N, count, D), normal(B, S, HIDDEN)
    parts = [np.ascontiguousarray(packed[:, :, :, i]).reshape(B, S, HIDDEN) for i in range(count)]
    choices = ([packed], parts) if count == 3 else ([query, packed], [query, *parts])
    found, expected = (simulated(make_model("MultiHeadAttention", x, domain=MICROSOFT, num_heads=N), feeds(x, ())) for x in choices)
    np.testing.assert_array_equal(found[0], expected[0])


@pytest.mark.parametrize("mask", [None, np.array([3, 4], np.int32)])
@pytest.mark.parametrize("per_column", [False, True])
def test_qattention(mask: np.ndarray | None, per_column: bool) -> None:
    columns = (3 * HIDDEN,) if per_column else ()
    operands = [
        integers(0, 256, B, S, 16),
        integers(-60, 60, 16, 3 * HIDDEN, kind=np.int8),
        normal(3 * HIDDEN),
        number(0.02),
        np.full(columns, 0.01, np.float32),
        mask,
        number(128, np.uint8),
        np.zeros(columns, np.int8),
    ]
    check("QAttention", operands, constants=(1,), num_heads=N, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("ids", [np.array([2], np.int64), np.array([[0, 1, 2, 3], [4, 5, 6, 7]], np.int64)])
def test_rotary_embedding(ids: np.ndarray, interleaved: int) -> None:
    tables = [normal(10, D // 2), normal(10, D // 2)]
    check("RotaryEmbedding", [normal(B, S, HIDDEN), ids, *tables], interleaved=interleaved)
    check("RotaryEmbedding", [normal(B, N, S, D), ids, *tables], interleaved=interleaved)
    half = [normal(10, D // 4), normal(10, D // 4)]
    check("RotaryEmbedding", [normal(B, S, HIDDEN), ids, *half], interleaved=interleaved, num_heads=N, rotary_embedding_dim=D // 2)


def group_query(batch: int, fresh: int, total: int, past: int, lengths: list[int], parts: str = "") -> list[np.ndarray | None]:
    """Operands of GroupQueryAttention with 4 query heads and 2 key heads; `parts`: p packed, r rotary, b bias, s sink."""
    heads, groups, size = 4, 2, 16
    operands: list[np.ndarray | None] = [normal(batch, fresh, heads * size), normal(batch, fresh, groups * size), normal(batch, fresh, groups * size)]
    if "p" in parts:
        operands = [np.concatenate([x for x in operands if x is not None], 2), None, None]
    operands += [normal(batch, groups, past, size), normal(batch, groups, past, size)]
    operands += [np.array(lengths, np.int32) - 1, number(total, np.int32)]
    angles = RANDOM.uniform(0, 6, (32, size // 2)).astype(np.float32)
    operands += [np.cos(angles), np.sin(angles)] if "r" in parts else [None, None]
    operands += [None, normal(batch, heads, fresh, total) if "b" in parts else None, normal(heads) if "s" in parts else None]
    while operands[-1] is None:
        operands.pop()
    return operands


GROUP_QUERY = {
    "prompt": (group_query(2, 4, 4, 0, [4, 4]), {}),
    "prompt of two lengths": (group_query(2, 4, 4, 0, [4, 2], "r"), {"do_rotary": 1}),
    "next token": (group_query(2, 1, 6, 5, [6, 6]), {}),
    "next tokens at two places": (group_query(2, 1, 6, 5, [6, 4], "r"), {"do_rotary": 1}),
    "next token in a buffer": (group_query(2, 1, 6, 8, [6, 3]), {}),
    "prompt in a buffer": (group_query(2, 4, 4, 8, [4, 4]), {}),
    "more tokens of one sample": (group_query(1, 3, 8, 5, [8], "r"), {"do_rotary": 1}),
    "packed": (group_query(1, 4, 4, 0, [4], "pr"), {"do_rotary": 1, "rotary_interleaved": 1}),
    "window": (group_query(1, 6, 6, 0, [6]), {"local_window_size": 3}),
    "window of the next token": (group_query(1, 1, 7, 6, [7]), {"local_window_size": 3}),
    "soft cap and scale": (group_query(1, 4, 4, 0, [4]), {"softcap": 1.5, "scale": 0.4}),
    "bias": (group_query(2, 4, 4, 0, [4, 4], "b"), {}),
    "sink": (group_query(2, 4, 4, 0, [4, 4], "s"), {}),
    "smooth": (group_query(2, 4, 4, 0, [4, 4]), {"smooth_softmax": 1}),
}


@pytest.mark.parametrize("name", list(GROUP_QUERY))
def test_group_query_attention(name: str) -> None:
    operands, attributes = GROUP_QUERY[name]
    found, expected = both("GroupQueryAttention", operands, 3, num_heads=4, kv_num_heads=2, **attributes)
    lengths = operands[5] + 1
    fresh, total = operands[0].shape[1], int(operands[6])
    for sample, length in enumerate(lengths):  # what lies behind a sample's tokens means nothing
        rows = length if fresh == total else fresh
        np.testing.assert_allclose(found[0][sample, :rows], expected[0][sample, :rows], rtol=1e-4, atol=1e-5)
        for cache in (1, 2):
            assert found[cache].shape == expected[cache].shape
            np.testing.assert_allclose(found[cache][sample, :, :length], expected[cache][sample, :, :length], rtol=1e-4, atol=1e-5)


# ---- QLinear operators ----


def quantized(kind: Any, *shape: int) -> list[np.ndarray]:
    """Integers with a scale and a zero point."""
    low, high = (0, 256) if kind == np.uint8 else (-128, 128)
    return [integers(low, high, *shape, kind=kind), number(0.03), number(low + 120, kind)]


def result_scale(kind: Any, scale: float = 0.05) -> list[np.ndarray]:
    return [number(scale), number(110 if kind == np.uint8 else -5, kind)]


KINDS = pytest.mark.parametrize("kind", [np.uint8, np.int8])


@KINDS
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("shape", [(3, 40), (40,), (1, 1)])
def test_qlinear_add_and_mul(op: str, kind: Any, shape: tuple[int, ...]) -> None:
    check(op, [*quantized(kind, 3, 40), *quantized(kind, *shape), *result_scale(kind, 0.0517)])


@KINDS
@pytest.mark.parametrize(("op", "attributes"), [("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.2})])
def test_qlinear_sigmoid_and_leaky_relu(op: str, attributes: dict[str, Any], kind: Any) -> None:
    check(op, [*quantized(kind, 3, 40), *result_scale(kind, 0.0137)], **attributes)


@KINDS
@pytest.mark.parametrize("opset", [12, 13])
@pytest.mark.parametrize("axis", [-1, 1])
def test_qlinear_softmax(kind: Any, opset: int, axis: int) -> None:
    found, expected = both("QLinearSoftmax", [*quantized(kind, 2, 3, 5), *result_scale(kind, 1 / 256)], 1, opset=opset, axis=axis)
    assert found[0].dtype == expected[0].dtype
    np.testing.assert_array_equal(found[0], expected[0])


@KINDS
def test_qlinear_concat(kind: Any) -> None:
    check("QLinearConcat", [*result_scale(kind), *quantized(kind, 2, 3), *quantized(kind, 2, 5)], axis=1)


@KINDS
def test_qlinear_where(kind: Any) -> None:
    condition = RANDOM.integers(0, 2, (3, 6)).astype(bool)
    check("QLinearWhere", [condition, *quantized(kind, 3, 6), *quantized(kind, 6), *result_scale(kind)])


@KINDS
@pytest.mark.parametrize("channels_last", [0, 1])
def test_qlinear_pools(kind: Any, channels_last: int) -> None:
    shape = (1, 6, 6, 4) if channels_last else (1, 4, 6, 6)
    operands = [*quantized(kind, *shape), *result_scale(kind, 0.0317)]
    check("QLinearGlobalAveragePool", operands, channels_last=channels_last)
    for include in (0, 1):
        check("QLinearAveragePool", operands, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=include,
              channels_last=channels_last)


# ---- Images [N, H, W, C]: ONNX Runtime has these on GPUs only, so the standard's operators are the oracle ----


def last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, 1, -1)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("attributes", [{}, {"pads": [1, 0, 2, 1], "strides": [2, 1]}, {"group": 2, "dilations": [1, 2]}])
def test_nhwc_conv(attributes: dict[str, Any], bias: bool) -> None:
    x, w = normal(2, 4, 7, 9), normal(6, 4 // attributes.get("group", 1), 3, 3)
    operands = [x, w] + ([normal(6)] if bias else [])
    (expected,) = onnx_runtime(make_model("Conv", operands, **attributes), feeds(operands, ()))
    operands[:2] = last(x), last(w)
    (found,) = simulated(make_model("NhwcConv", operands, domain=MICROSOFT, **attributes), feeds(operands, ()))
    np.testing.assert_allclose(found, last(expected), rtol=2e-5, atol=1e-5)


def group_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, groups: int, silu: bool) -> np.ndarray:
    """Of [N, C, H, W], in float64."""
    rows = x.astype(np.float64).reshape(len(x), groups, -1)
    y = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + 1e-5)
    y = y.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]
    return y / (1 + np.exp(-y)) if silu else y


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize("is_last", [False, True])
def test_group_norm(is_last: bool, silu: bool, kind: Any) -> None:
    x, gamma, beta = normal(2, 8, 3, 5).astype(kind), normal(8), normal(8)
    operands = [last(x) if is_last else x, gamma, beta]
    model = make_model("GroupNorm", operands, domain=MICROSOFT, groups=4, activation=int(silu), channels_last=int(is_last))
    (found,) = simulated(model, feeds(operands, ()))
    expected = group_norm(x, gamma, beta, 4, silu)
    assert found.dtype == kind
    np.testing.assert_allclose(found, last(expected) if is_last else expected, rtol=2e-3 if kind == np.float16 else 2e-5, atol=1e-3 if kind == np.float16 else 1e-5)


@pytest.mark.parametrize("skip", [(2, 3, 5, 8), (2, 1, 1, 8), (2, 8)])
@pytest.mark.parametrize("bias", [False, True])
def test_skip_group_norm(skip: tuple[int, ...], bias: bool) -> None:
    x, gamma, beta, other = normal(2, 3, 5, 8), normal(8), normal(8), normal(*skip)
    operands = [x, gamma, beta, other] + ([normal(8)] if bias else [])
    found, total = simulated(make_model("SkipGroupNorm", operands, 2, domain=MICROSOFT, groups=2, activation=1), feeds(operands, ()))
    expected = x + (other if other.ndim == 4 else other[:, None, None, :]) + (operands[4] if bias else 0)
    np.testing.assert_allclose(total, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found, last(group_norm(np.moveaxis(expected, -1, 1), gamma, beta, 2, True)), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(("op", "attributes", "words"), [("GroupNorm", {"groups": 3}, "groups must divide"), ("GroupNorm", {"groups": 2, "activation": 2}, "activation must be"), ("NhwcConv", {}, r"\[N, spatial..., C\]"), ("SkipGroupNorm", {"groups": 2, "channels_last": 0}, "channels_last must be 1")])
def test_wrong_image_operators(op: str, attributes: dict[str, Any], words: str) -> None:
    import thorong

    operands = [normal(2, 8) if op == "NhwcConv" else normal(2, 3, 5, 8), normal(8), normal(8), normal(2, 8)]
    with pytest.raises(thorong.Error, match=words):
        thorong.run(make_model(op, operands, domain=MICROSOFT, **attributes), chip="trainium2")
