# SPDX-License-Identifier: Apache-2.0
"""rapidocr's three models: values without casts, the same text in bf16, no fallback; and the demo as a program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

for package in ("onnx", "onnxruntime", "ml_dtypes", "PIL"):
    pytest.importorskip(package, reason=f"needs {package}")

from command import BINARY, ROOT, Command, assert_close, fallbacks
from models import rapidocr_models, run_reference

MODELS = rapidocr_models()
if len(MODELS) != 3:
    pytest.skip("needs rapidocr: pip install --no-deps rapidocr==3.10.0", allow_module_level=True)

sys.path.insert(0, str(ROOT / "examples"))
import ocr_demo

pytestmark = pytest.mark.slow


def input_of(part: str) -> NDArray[Any]:
    """The demo's picture in the form that a model wants."""
    picture = ocr_demo.draw_picture()
    if part == "det":
        return ocr_demo.to_tensor(picture)[None]
    width = 192 if part == "cls" else 320
    line = picture.crop((16, 16, 340, 66)).resize((width, 48))
    return ocr_demo.to_tensor(line)[None]


@pytest.mark.parametrize("part", ["det", "cls", "rec"])
def test_values_without_casts_match_onnx_runtime(part: str, thorong: Command, tmp_path: Path) -> None:
    """The models' outputs within the project's bound, and no computing operator off the engines."""
    value = input_of(part)
    name = "x"
    reference = run_reference(MODELS[part], {name: value})
    ours, result = thorong.values(MODELS[part], {name: value}, tmp_path, "--auto-cast", "none")
    for output, expected in reference.items():
        assert_close(ours[output], expected)
    assert fallbacks(result) == []


def test_the_chip_reads_the_same_text_in_bf16(thorong: Command) -> None:
    """Detection and recognition in bf16 end in the text that was drawn."""
    reading = ocr_demo.read_picture(
        ocr_demo.Chip("trainium1", thorong.binary),
        ocr_demo.draw_picture(),
        (MODELS["det"], MODELS["rec"]),
    )
    assert reading.texts == list(ocr_demo.LINES)


def test_the_demo_ends_well(thorong: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The program prints the table over the chips and leaves the report."""
    status = ocr_demo.main(["--out", str(tmp_path), "--thorong", str(BINARY)])
    said = capsys.readouterr().out
    assert status == 0, said
    assert all(chip in said for chip in ocr_demo.CHIPS)
    assert (tmp_path / "report.html").stat().st_size > 1000


def test_onnx_runtime_can_stand_in_for_the_chip() -> None:
    """The demo's own steps are right: checked without the simulator."""
    reading = ocr_demo.read_picture(ocr_demo.OnnxRuntime(), ocr_demo.draw_picture(), (MODELS["det"], MODELS["rec"]))
    assert reading.texts == list(ocr_demo.LINES)


def test_components_of_a_mask() -> None:
    """Labelling joins along rows and columns, not diagonals."""
    mask = np.array([[1, 1, 0, 1], [0, 1, 0, 1], [1, 0, 1, 1]], dtype=bool)
    sizes = sorted(len(rows) for rows, _ in ocr_demo.label_components(mask))
    assert sizes == [1, 3, 4]
