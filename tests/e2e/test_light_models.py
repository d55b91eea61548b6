# SPDX-License-Identifier: Apache-2.0
"""The nine light models of the onnx package against ONNX Runtime: values, top-1 in bf16, and who computed what."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx, which ships the light models")
pytest.importorskip("onnxruntime", reason="needs onnxruntime as the reference")
pytest.importorskip("ml_dtypes", reason="needs ml_dtypes to read outputs")

from command import Command, assert_close, fallbacks
from models import LIGHT_MODELS, Case, light_model

FAST = ("squeezenet",)
Maker = Callable[[str], Case]
PARAMETERS = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in LIGHT_MODELS]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Makes each case once."""
    folder: Path = tmp_path_factory.mktemp("light")

    @cache
    def make(name: str) -> Case:
        return light_model(name, folder)

    return make


@pytest.mark.parametrize("name", PARAMETERS)
def test_values_match_onnx_runtime(name: str, cases: Maker, thorong: Command, tmp_path: Path) -> None:
    """Four tensors of each model within rtol 1e-3 and 1e-5 of the largest magnitude."""
    case = cases(name)
    ours, result = thorong.values(case.path, case.inputs, tmp_path, "--auto-cast", "none")
    assert set(ours) == set(case.outputs)
    for output, reference in case.outputs.items():
        assert_close(ours[output], reference)
    assert fallbacks(result) == []


@pytest.mark.parametrize("name", PARAMETERS)
def test_bf16_products_keep_the_top_answer(name: str, cases: Maker, thorong: Command, tmp_path: Path) -> None:
    """`--auto-cast matmult` to bf16 names the same class; the error is printed for the log."""
    case = cases(name)
    ours, result = thorong.values(
        case.path, case.inputs, tmp_path, "--auto-cast", "matmult", "--auto-cast-type", "bf16"
    )
    reference = case.outputs[case.final]
    difference = ours[case.final].astype(np.float64) - reference
    print(f"{name}: bf16 rms error {np.sqrt((difference**2).mean()) / reference.std():.2e} of the scores' spread")
    assert int(ours[case.final].argmax()) == int(reference.argmax())
    assert fallbacks(result) == []


@pytest.mark.parametrize("name", [pytest.param("squeezenet", marks=pytest.mark.slow)])
def test_inferentia1_says_that_it_has_no_fp32_product(
    name: str, cases: Maker, thorong: Command, tmp_path: Path
) -> None:
    """`none` on inferentia1 means bf16 operands; the result states it and the answer stays the same."""
    case = cases(name)
    ours, result = thorong.values(case.path, case.inputs, tmp_path, "--chip", "inferentia1", "--auto-cast", "none")
    said = " ".join(result["not_modelled"]) + " ".join(str(fact) for fact in result["assumed"])
    assert "bf16" in said.lower() or "bfloat16" in said.lower()
    assert int(ours[case.final].argmax()) == int(case.outputs[case.final].argmax())
