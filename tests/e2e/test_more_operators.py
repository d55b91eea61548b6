# SPDX-License-Identifier: Apache-2.0
"""Vision, signal, loss, training and random operators: settings that ONNX's node cases do not have, against ONNX
Runtime or NumPy, bad input of each, and what random numbers promise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

pytest.importorskip("onnxruntime", reason="needs onnxruntime")
import onnxruntime

package = pytest.importorskip("thorong", reason="the package thorong is not installed here: ./dev build makes .venv")
if not hasattr(package, "run"):
    pytest.skip("thorong found here is a folder and not the installed package", allow_module_level=True)

Array = NDArray[Any]
RANDOM = np.random.default_rng(11)


def floats(*shape: int) -> Array:
    """Normal numbers of float32."""
    return RANDOM.standard_normal(shape).astype(np.float32)


def integers(*values: int) -> Array:
    """A list of int64."""
    return np.array(values, np.int64)


def scalar(value: int) -> Array:
    """One int64."""
    return np.array(value, np.int64)


@dataclass
class Case:
    """One node: operands that are inputs, and `known` ones (by position) that are constants."""

    op: str
    inputs: list[Array | None]
    attributes: dict[str, Any] = field(default_factory=dict)
    known: tuple[int, ...] = ()
    opset: int = 20
    outputs: int = 1

    def model(self) -> onnx.ModelProto:
        """The model of the node."""
        names = ["" if x is None else f"x{i}" for i, x in enumerate(self.inputs)]
        results = [f"y{i}" for i in range(self.outputs)]
        node = helper.make_node(self.op, names, results, "n", **self.attributes)
        given = [(name, x) for name, x in zip(names, self.inputs) if x is not None]
        declared = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for i, (name, x) in enumerate(given)
            if names.index(name) not in self.known
        ]
        constants = [numpy_helper.from_array(x, name) for name, x in given if names.index(name) in self.known]
        outputs = [onnx.ValueInfoProto(name=name) for name in results]
        graph = helper.make_graph([node], "g", declared, outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=9)
        return onnx.shape_inference.infer_shapes(model)

    def feed(self) -> dict[str, Array]:
        """The inputs by name."""
        return {f"x{i}": x for i, x in enumerate(self.inputs) if x is not None and i not in self.known}


def run(case: Case, **options: Any) -> list[Array]:
    """Our outputs."""
    outputs = package.run(case.model(), inputs=case.feed(), auto_cast="none", **options).outputs
    return [outputs[f"y{i}"] for i in range(case.outputs)]


def grid(*shape: int) -> Array:
    """Positions, some of them outside."""
    return RANDOM.uniform(-1.6, 1.6, shape).astype(np.float32)


def grid_cases() -> list[Any]:
    """Every mode, padding and alignment in two dimensions, and volumes."""
    cases = []
    for mode in ("linear", "nearest", "cubic"):
        for padding in ("zeros", "border", "reflection"):
            for align in (0, 1):
                attributes = {"mode": mode, "padding_mode": padding, "align_corners": align}
                flat = Case("GridSample", [floats(2, 3, 5, 7), grid(2, 4, 6, 2)], attributes)
                cases.append(pytest.param(flat, id=f"GridSample-{mode}-{padding}-{align}"))
                if mode != "cubic":
                    volume = Case("GridSample", [floats(2, 3, 4, 5, 6), grid(2, 3, 2, 4, 3)], attributes)
                    cases.append(pytest.param(volume, id=f"GridSample-3d-{mode}-{padding}-{align}"))
    return cases


ROIS = np.array([[0, 0, 9, 9], [2.5, 1.5, 7, 3], [-3, -2, 14, 12], [6, 6, 6.2, 6.1]], np.float32)


def roi_cases() -> list[Any]:
    """RoiAlign with and without its own number of samples a region."""
    cases = []
    for mode in ("avg", "max"):
        for ratio in (0, 2):
            for place in ("half_pixel", "output_half_pixel"):
                attributes = {
                    "mode": mode,
                    "sampling_ratio": ratio,
                    "output_height": 3,
                    "output_width": 2,
                    "spatial_scale": 0.9,
                    "coordinate_transformation_mode": place,
                }
                inputs = [floats(2, 3, 9, 10), ROIS, integers(0, 1, 1, 0)]
                case = Case("RoiAlign", inputs, attributes, known=(1,) if ratio == 0 else (), opset=16)
                cases.append(pytest.param(case, id=f"RoiAlign-{mode}-{ratio}-{place}"))
    return cases


POOLS = [
    {"kernel_shape": [2, 3]},
    {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]},
    {"kernel_shape": [2, 2], "dilations": [2, 3]},
    {"kernel_shape": [3, 2], "storage_order": 1},
    {"kernel_shape": [3, 3], "ceil_mode": 1, "strides": [2, 3]},
    {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"},
]
REGIONS = np.array([[0, 0, 0, 6, 5], [1, 2, 1, 3, 9], [1, 4, 4, 30, 30]], np.float32)
CASES = [
    *grid_cases(),
    *roi_cases(),
    *(pytest.param(Case("MaxPool", [floats(2, 3, 7, 8)], p, outputs=2), id=f"MaxPool-{i}") for i, p in enumerate(POOLS)),
    Case("MaxPool", [floats(2, 2, 4, 5, 6)], {"kernel_shape": [2, 3, 2], "storage_order": 1}, outputs=2),
    Case("MaxPool", [np.zeros((1, 2, 6, 6), np.float32)], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, outputs=2),
    Case("MaxUnpool", [floats(1, 1, 2, 2), integers(0, 7, 13, 10).reshape(1, 1, 2, 2)], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    Case("MaxRoiPool", [floats(2, 3, 8, 9), REGIONS], {"pooled_shape": [2, 3], "spatial_scale": 0.7}),
    Case("Col2Im", [floats(2, 12, 25), integers(6, 8), integers(2, 2)], {"strides": [1, 2], "pads": [0, 1, 0, 1]}, known=(1, 2)),
    Case("ReverseSequence", [floats(5, 3, 2), integers(2, 5, 0)], {"batch_axis": 1, "time_axis": 0}),
    Case("ReverseSequence", [floats(3, 5, 2), integers(2, 5, 1)], {"batch_axis": 0, "time_axis": 1}, known=(1,)),
    Case("CenterCropPad", [floats(5, 6, 7), integers(8, 3)], {"axes": [-1, 0]}, known=(1,)),
    Case("DFT", [floats(2, 9, 3, 2), scalar(12), scalar(-2)], {"inverse": 1}, known=(1, 2)),
    Case("DFT", [floats(3, 16, 1), scalar(11)], {"onesided": 1}, known=(1,)),
    Case("DFT", [floats(3, 7, 5, 2), scalar(4)], {"axis": 1}, known=(1,), opset=17),
    Case("STFT", [floats(2, 64, 1), scalar(8), np.hanning(16).astype(np.float32)], known=(1, 2), opset=17),
    Case("STFT", [floats(2, 64, 1), scalar(8), np.hanning(16).astype(np.float32)], known=(1,), opset=17),
    Case("STFT", [floats(2, 64, 1), scalar(5), None, scalar(15)], {"onesided": 0}, known=(1, 3), opset=17),
    Case("NegativeLogLikelihoodLoss", [floats(4, 5, 3), np.ones((4, 3), np.int64), floats(5)], {"reduction": "sum"}, opset=13),
    Case("HannWindow", [scalar(10)], {"periodic": 0}, known=(0,)),
    Case("HammingWindow", [scalar(9)], known=(0,)),
    Case("BlackmanWindow", [scalar(8)], known=(0,)),
]


def name_of(case: Any) -> str:
    """The operator, for cases without an id."""
    return case.op if isinstance(case, Case) else ""


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_values_are_onnx_runtimes(case: Case) -> None:
    """Every output, indices exactly."""
    model = case.model()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, case.feed())
    for ours, theirs in zip(run(case), expected):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_determinants_are_numpys(n: int) -> None:
    """Small ones by their elements, larger ones by elimination."""
    x = floats(2, 3, n, n)
    (ours,) = run(Case("Det", [x], opset=11))
    np.testing.assert_allclose(ours, np.linalg.det(x.astype(np.float64)), rtol=1e-4, atol=1e-5)


def test_cross_entropy_ignores_and_weighs() -> None:
    """In half precision too; a target that is no class chooses nothing."""
    scores, weight = floats(6, 4), np.array([1, 2, 0.5, 3], np.float32)
    target = np.array([0, 3, 2, 1, 2, 9], np.int32)
    log = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    losses = np.array([-weight[t] * log[i, t] if t < 4 and t != 2 else 0 for i, t in enumerate(target)])
    for kind, tolerance in ((np.float32, 1e-5), (np.float16, 4e-3)):
        operands = [scores.astype(kind), target, weight.astype(kind)]
        case = Case("SoftmaxCrossEntropyLoss", operands, {"ignore_index": 2, "reduction": "none"}, outputs=2, opset=13)
        loss, probabilities = run(case)
        np.testing.assert_allclose(loss, losses, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(probabilities, log, rtol=tolerance, atol=tolerance)
        (mean,) = run(Case(case.op, operands, {"ignore_index": 2}, opset=13))
        np.testing.assert_allclose(mean, losses.sum() / (1 + 3 + 2), rtol=tolerance)


def test_a_target_beyond_16_and_32_bits_is_no_class() -> None:
    """Its low bits may be those of a class."""
    x, target = floats(4, 5), integers(1, (1 << 16) + 1, (1 << 32) + 1, -(1 << 40) + 1)
    (loss,) = run(Case("NegativeLogLikelihoodLoss", [x, target], {"reduction": "none"}, opset=13))
    np.testing.assert_array_equal(loss, [-x[0, 1], 0, 0, 0])


@pytest.mark.parametrize("n", [601, 1000, 1024, 1550, 16384])
def test_long_transforms_are_numpys(n: int) -> None:
    """By factors and, of a prime length, whole: complex, one-sided, and back from half a spectrum; shortened and filled up."""
    x = floats(2, n - 3, 2, 2)
    signal, half = x[..., 0] + 1j * x[..., 1], floats(2, n // 2 + 1, 2)
    wanted = [
        (x, {}, np.fft.fft(signal, n, axis=1)),
        (x, {"inverse": 1}, np.fft.ifft(signal, n, axis=1)),
        (x[..., :1], {"onesided": 1}, np.fft.rfft(x[..., 0], n, axis=1)),
        (half, {"onesided": 1, "inverse": 1}, np.fft.irfft(half[..., 0] + 1j * half[..., 1], n, axis=1)),
    ]
    for operand, attributes, expected in wanted:
        (y,) = run(Case("DFT", [operand, scalar(n), scalar(1)], attributes, known=(1, 2)))
        parts = [expected] if y.shape[-1] == 1 else [expected.real, expected.imag]
        np.testing.assert_allclose(y, np.stack(parts, -1), rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def deformed(x: Array, w: Array, offset: Array, mask: Array) -> Array:
    """A plain deformable convolution of stride 1 without padding."""
    (n, _, h, wide), (o, c, kh, kw) = x.shape, w.shape
    oh, ow = h - kh + 1, wide - kw + 1
    y = np.zeros((n, o, oh, ow))

    def at(image: Array, row: float, column: float) -> Array:
        top, left = int(np.floor(row)), int(np.floor(column))
        value = np.zeros(image.shape[0])
        for i, j in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            if 0 <= i < h and 0 <= j < wide:
                value += image[:, i, j] * (1 - abs(row - i)) * (1 - abs(column - j))
        return value

    for b, i, j, p, q in np.ndindex(n, oh, ow, kh, kw):
        tap = p * kw + q
        value = at(x[b], i + p + offset[b, 2 * tap, i, j], j + q + offset[b, 2 * tap + 1, i, j])
        y[b, :, i, j] += w[:, :, p, q] @ (value * mask[b, tap, i, j])
    return y


def test_deform_conv_moves_and_masks() -> None:
    """Offsets that leave the image, too."""
    x, w, offset, mask = floats(2, 3, 6, 5), floats(4, 3, 2, 3), 2 * floats(2, 12, 5, 3), floats(2, 6, 5, 3)
    (ours,) = run(Case("DeformConv", [x, w, offset, None, mask], opset=19))
    np.testing.assert_allclose(ours, deformed(x, w, offset, mask), rtol=1e-4, atol=1e-4)


def test_batch_normalization_trains_on_volumes() -> None:
    """Statistics over all but the channels, and the running ones."""
    x, operands = floats(3, 2, 4, 5, 2), [np.array(v, np.float32) for v in ([1.5, 2], [0.5, -1], [0.1, 0.2], [1.1, 0.9])]
    case = Case("BatchNormalization", [x, *operands], {"training_mode": 1, "momentum": 0.8}, outputs=3, opset=15)
    y, mean, variance = run(case)
    axes, shape = (0, 2, 3, 4), (1, 2, 1, 1, 1)
    own, spread = x.mean(axes), x.var(axes)
    normal = (x - own.reshape(shape)) / np.sqrt(spread.reshape(shape) + 1e-5)
    np.testing.assert_allclose(y, normal * operands[0].reshape(shape) + operands[1].reshape(shape), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mean, 0.8 * operands[2] + 0.2 * own, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance, 0.8 * operands[3] + 0.2 * spread, rtol=1e-4)


# ---- Random numbers ----

MANY = [300, 400]
DRAWS = [
    (Case("RandomUniform", [], {"shape": MANY, "low": -1.0, "high": 3.0}), 1, 4 / 12**0.5),
    (Case("RandomNormal", [], {"shape": MANY, "mean": 2.0, "scale": 0.5}), 2, 0.5),
    (Case("RandomUniformLike", [np.zeros(MANY, np.float32)]), 0.5, 1 / 12**0.5),
    (Case("RandomNormalLike", [np.zeros(MANY, np.float16)]), 0, 1),
    (Case("Bernoulli", [np.full(MANY, 0.3, np.float32)]), 0.3, 0.21**0.5),
    (Case("Multinomial", [np.log([[0.2, 0.3, 0.5]]).astype(np.float32)], {"sample_size": 120000}), 1.3, 0.61**0.5),
]


@pytest.mark.parametrize(("case", "mean", "deviation"), DRAWS, ids=[d[0].op for d in DRAWS])
def test_random_numbers_have_their_distribution(case: Case, mean: float, deviation: float) -> None:
    """Mean and deviation within five standard errors, and independent neighbours."""
    (x,) = run(case)
    x = x.astype(np.float64).ravel()
    error = 5 * deviation / len(x) ** 0.5
    assert abs(x.mean() - mean) < error
    assert abs(x.std() - deviation) < error
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 5 / len(x) ** 0.5


def test_random_numbers_follow_the_seed() -> None:
    """The same for the same seed and node; other ones for another seed or node; the result says so."""
    case = Case("RandomNormal", [], {"shape": [50]})
    assert np.array_equal(run(case, seed=3)[0], run(case, seed=3)[0])
    assert not np.array_equal(run(case, seed=3)[0], run(case, seed=4)[0])
    seeded = Case("RandomNormal", [], {"shape": [50], "seed": 5.0})
    assert not np.array_equal(run(case, seed=3)[0], run(seeded, seed=3)[0])
    result = package.run(case.model(), auto_cast="none", seed=3)
    assert any("generator with seed 3" in line for line in result.not_modelled)
    model = case.model()
    second = helper.make_node("RandomNormal", [], ["other"], "m", shape=[50])
    model.graph.node.append(second)
    model.graph.output.append(onnx.ValueInfoProto(name="other"))
    outputs = package.run(model, auto_cast="none").outputs
    assert not np.array_equal(outputs["y0"], outputs["other"])


def test_dropout_drops_its_share() -> None:
    """What is kept is raised; the mask says what; ratio 0 keeps all."""
    x = floats(100, 300)
    operands = [x, np.array(0.25, np.float32), np.array(True)]
    y, mask = run(Case("Dropout", operands, known=(1, 2), outputs=2, opset=13))
    assert abs(mask.mean() - 0.75) < 0.02
    np.testing.assert_allclose(y, np.where(mask, x / 0.75, 0), rtol=1e-6)
    operands[1] = np.array(0, np.float32)
    y, mask = run(Case("Dropout", operands, known=(1, 2), outputs=2, opset=13))
    assert mask.all()
    assert np.array_equal(y, x)


# ---- Bad input ----

BAD = [
    (Case("NegativeLogLikelihoodLoss", [floats(4, 5), np.ones(3, np.int64)], opset=13), "target integers [N, d...]"),
    (Case("GridSample", [floats(1, 1, 2, 2), floats(1, 3, 3, 3)]), "the grid floats"),
    (Case("GridSample", [floats(1, 1, 2, 2), floats(1, 3, 3, 2)], {"mode": "best"}), "nearest, linear or cubic"),
    (Case("AffineGrid", [floats(1, 2, 3), integers(1, 1, 1 << 40, 1 << 40)], known=(1,)), "more than 2^63"),
    (Case("AffineGrid", [floats(1, 2, 3), integers(1)], known=(1,)), "size must be [N, C, H, W]"),
    (Case("RoiAlign", [floats(1, 1, 4, 4), floats(2, 4), integers(0)], opset=16), "batch_indices integers"),
    (Case("MaxRoiPool", [floats(1, 1, 4, 4), np.array([[7, 0, 0, 1, 1]], np.float32)], {"pooled_shape": [1, 1]}), "names image 7"),
    (Case("DeformConv", [floats(1, 1, 4, 4), floats(1, 1, 2, 2), floats(1, 8, 4, 4)], opset=19), "the offset must be"),
    (Case("Col2Im", [floats(1, 4, 9), integers(4, 5), integers(2, 2)], known=(1, 2)), "positions of the block"),
    (Case("MaxUnpool", [floats(1, 1, 2), integers(0)], {"kernel_shape": [2]}), "indices integers of its shape"),
    (Case("CenterCropPad", [floats(2, 2), integers(1, 1 << 62)], known=(1,)), "[0, 2^31]"),
    (Case("DFT", [floats(4, 3)]), "last dimension of 1 (real) or 2"),
    (Case("DFT", [floats(4, 3, 2), scalar(1 << 62)], known=(1,)), "dft_length must lie in"),
    (Case("STFT", [floats(1, 8, 1), scalar(0), None, scalar(4)], known=(1, 3), opset=17), "frame_step must be positive"),
    (Case("STFT", [floats(1, 8, 1), scalar(1), None, scalar(9)], known=(1, 3), opset=17), "frame_length must lie in"),
    (Case("HannWindow", [scalar(-1)], known=(0,)), "size must not be negative"),
    (Case("ReverseSequence", [floats(2, 3), integers(1)], {"batch_axis": 0, "time_axis": 1}), "sequence_lens integers"),
    (Case("Det", [floats(2, 3)], opset=11), "[..., n, n]"),
    (Case("RandomUniform", [], {"shape": [2], "dtype": 7}), "random numbers are floats"),
    (Case("RandomUniform", [], {"shape": [1 << 40, 1 << 40]}), "more than 2^63"),
    (Case("Multinomial", [floats(3)]), "[batch, classes]"),
    (Case("Dropout", [floats(2), np.array(1.5, np.float32), np.array(True)], known=(1, 2), opset=13), "in [0, 1)"),
]


@pytest.mark.parametrize(("case", "sentence"), BAD, ids=[f"{c.op}-{i}" for i, (c, _) in enumerate(BAD)])
def test_bad_input_is_explained(case: Case, sentence: str) -> None:
    """One exception of the package that says what was expected."""
    with pytest.raises(package.Error) as raised:
        run(case)
    assert sentence in str(raised.value)
