# SPDX-License-Identifier: Apache-2.0
"""Small models of well-known families, exported by PyTorch, beside ONNX Runtime: names, types and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="needs torch, which makes and exports the models")
pytest.importorskip("onnxscript", reason="needs onnxscript, which torch's exporter uses")
pytest.importorskip("transformers", reason="needs transformers, whose models are exported")
ort = pytest.importorskip("onnxruntime", reason="needs onnxruntime as the reference")
thorong = pytest.importorskip("thorong", reason="needs the Python package: ./dev build")

from exported_models import MODELS, QUANTIZED, export, quantize

pytestmark = pytest.mark.slow
HALF = ("bert", "gpt2", "llama", "t5_encoder", "whisper_encoder", "vit", "convnext", "unet", "lstm_tagger")
Arrays = dict[str, NDArray[Any]]


def expected(path: Path, inputs: Arrays, optimized: bool = True) -> Arrays:
    """ONNX Runtime's outputs by name; not optimised, each node is computed as the model says."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    known = {i.name for i in session.get_inputs()}
    values = session.run(None, {name: value for name, value in inputs.items() if name in known})
    return dict(zip((o.name for o in session.get_outputs()), values, strict=True))


def ours(path: Path, inputs: Arrays) -> Arrays:
    """Thorong's outputs by name."""
    import onnx

    known = {i.name for i in onnx.load(path, load_external_data=False).graph.input}
    given = {name: value for name, value in inputs.items() if name in known}
    return dict(thorong.run(str(path), chip="trainium2", auto_cast="none", inputs=given).outputs)


def check(found: Arrays, reference: Arrays, rtol: float, scale: float, share: float = 1.0) -> None:
    """Names, shapes and types agree, and at least this share of each output's values."""
    assert list(found) == list(reference)
    for name, wanted in reference.items():
        value = found[name]
        assert (value.dtype, value.shape) == (wanted.dtype, wanted.shape), name
        if not np.issubdtype(wanted.dtype, np.floating):
            np.testing.assert_array_equal(value, wanted, err_msg=name)
            continue
        exact = wanted.astype(np.float64)
        finite = np.isfinite(exact)
        np.testing.assert_array_equal(np.isfinite(value), finite, err_msg=name)
        largest = np.abs(exact[finite]).max(initial=0.0)
        close = np.isclose(value.astype(np.float64), exact, rtol=rtol, atol=scale * largest)
        assert close.mean() >= share, f"{name}: {(~close).sum()} of {close.size} values differ"


def exported(name: str, path: Path, **variant: Any) -> Arrays:
    """Exports, or skips with what the exporter says."""
    try:
        return export(name, path, **variant)
    except Exception as error:  # whatever the exporter raises is no matter of ours
        pytest.skip(f"PyTorch does not export it: {type(error).__name__}: {str(error).strip().splitlines()[-1]}")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("exporter", ["dynamo", "script"])
def test_values_are_onnx_runtimes(name: str, exporter: str, tmp_path: Path) -> None:
    """With dynamic axes, in fp32."""
    path = tmp_path / f"{name}.onnx"
    inputs = exported(name, path, exporter=exporter, dynamic=True)
    check(ours(path, inputs), expected(path, inputs), 1e-3, 1e-4)


@pytest.mark.parametrize("name", HALF)
def test_half_precision(name: str, tmp_path: Path) -> None:
    """Weights and activations in fp16."""
    path = tmp_path / f"{name}.onnx"
    inputs = exported(name, path, half=True)
    check(ours(path, inputs), expected(path, inputs), 2e-2, 1e-2)


@pytest.mark.parametrize("name", QUANTIZED)
@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_quantized(name: str, kind: str, tmp_path: Path) -> None:
    """Quantised by ONNX Runtime's tool. A sum in another order may tip a tie, which later layers spread."""
    path, quantized = tmp_path / f"{name}.onnx", tmp_path / f"{name}_{kind}.onnx"
    inputs = exported(name, path)
    quantize(path, quantized, inputs, kind)
    check(ours(quantized, inputs), expected(quantized, inputs, optimized=False), 2e-2, 2e-2, 0.98)
