# SPDX-License-Identifier: Apache-2.0
"""Whole models with values, time and energy, beside ONNX Runtime on the same threads, in one interleaved run."""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from common import ROOT, Figure, interleave, parse_arguments, peak_gflops, peak_text, peer_session, report, run_command
from numpy.typing import NDArray

Feeds = dict[str, NDArray[Any]]

# Multiply-adds count two; from the shapes of the products.
GFLOPS = {
    "resnet50": 8.2, "vgg19": 39.3, "densenet121": 5.7, "squeezenet": 0.7, "bert": 22.4, "rapidocr-det": 11.0,
    "shufflenet": 0.28, "inception_v2": 4.1,
}  # fmt: skip
COUNTED = ("resnet50", "vgg19", "densenet121", "squeezenet", "bert", "rapidocr-det")
BESIDE = ("shufflenet", "inception_v2")
MEAN, WORST, OVERHEAD_BYTES = 1.3, 2.0, 100e6
REPEATS = 7
TOLERANCE = 2e-3  # of the largest output: the orders of summation differ


def light(name: str, folder: Path) -> tuple[Path, Feeds]:
    """A model of the onnx package with seeded weights, without outputs in its middle."""
    from models import light_model

    case = light_model(name, folder, middle=0)
    return case.path, case.inputs


def bert(folder: Path) -> tuple[Path, Feeds]:
    """BERT-base at 128 tokens, exported by bench/validation, with seeded weights."""
    sys.path.insert(0, str(ROOT / "bench" / "validation"))
    import export_models
    import onnx
    import rows
    from onnx import numpy_helper

    entry = rows.read_models(rows.HERE / "data")["bert-base-uncased"]
    model = onnx.load(export_models.export(entry, rows.Shape(1, 128)))
    rng = np.random.default_rng(3)
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32 and value.size > 1:
            scale = "layernorm" in tensor.name.lower() and "weight" in tensor.name.lower()
            drawn = rng.standard_normal(value.shape, dtype=np.float32) * np.float32(0.02) + np.float32(scale)
            tensor.CopyFrom(numpy_helper.from_array(drawn.astype(np.float32), tensor.name))
    path = folder / "bert.onnx"
    onnx.save(model, path)
    tokens = rng.integers(0, 30000, (1, 128)).astype(np.int64)
    values = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
    return path, {i.name: values[i.name] for i in model.graph.input}


def detector(folder: Path) -> tuple[Path, Feeds]:
    """rapidocr's text detector on a picture of 640 x 640."""
    import onnx
    from models import rapidocr_models

    path = folder / "rapidocr-det.onnx"
    shutil.copy(rapidocr_models()["det"], path)
    entry = onnx.load(path).graph.input[0].name
    return path, {entry: np.random.default_rng(0).standard_normal((1, 3, 640, 640)).astype(np.float32)}


def build(name: str, folder: Path) -> tuple[Path, Feeds]:
    """The model's file and its inputs."""
    if name == "bert":
        return bert(folder)
    return detector(folder) if name == "rapidocr-det" else light(name, folder)


def measure(args: argparse.Namespace, name: str, threads: int, path: Path, feeds: Feeds) -> list[Figure]:
    """One model on `threads` threads: run time beside ONNX Runtime's, and memory."""
    session = peer_session(path, threads)
    words: list[object] = [path, "--threads", threads, "--repeat", REPEATS]
    for index, (entry, value) in enumerate(feeds.items()):
        np.save(path.parent / f"{name}-{index}.npy", value)
        words += ["--input", f"{entry}={path.parent / f'{name}-{index}.npy'}"]
    checked, _ = run_command(args.thorong, *words, "--out", path.parent / f"{name}-out")
    for output, wanted in zip(session.get_outputs(), session.run(None, feeds), strict=True):
        value = np.load(path.parent / f"{name}-out" / Path(checked["outputs"][output.name]["file"]).name)
        error = float(np.abs(value - wanted).max() / np.abs(wanted).max())
        assert error < TOLERANCE, f"{name}: output {output.name} is wrong by {error}"
    results, peers = interleave(args, words, lambda: session.run(None, feeds), REPEATS)
    ours = [r["wall"]["run_s"] for r in results]
    overhead = max(r["memory"]["host_overhead_bytes"] for r in results)
    ratio = min(ours) / min(peers)
    peak = peak_gflops(threads)
    limit = "unknown" if peak is None else f"{GFLOPS[name] / peak:.4g} s ({peak_text(threads)})"
    what = f"{name}, {threads} thread(s)"
    return [
        Figure("models", what, min(ours), "s", min(peers), "ONNX Runtime", ratio, f"ratio <= {WORST:g}",
               ratio <= WORST, limit, ours),
        Figure("models", f"{what}, host_overhead_bytes", overhead, "bytes", None, "", None,
               f"<= {OVERHEAD_BYTES:g}", overhead <= OVERHEAD_BYTES, "the modelled SBUF and PSUM: 27 MB"),
    ]  # fmt: skip


def main() -> int:
    """Prints each model's figures and the geometric mean of the counted ones, for one and two threads."""
    args = parse_arguments(__doc__ or "", threads=2)
    figures: list[Figure] = []
    ratios: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="thorong-models-") as folder:
        for name in (*COUNTED, *BESIDE):
            try:
                path, feeds = build(name, Path(folder))
            except (ImportError, KeyError) as error:
                print(f"models: {name} is left out, {error}", file=sys.stderr)
                continue
            for threads in sorted({1, args.threads}):
                figures += measure(args, name, threads, path, feeds)
                if name in COUNTED:
                    ratios.setdefault(threads, []).append(figures[-2].ratio or math.nan)
            path.unlink()
    for threads, values in ratios.items():
        mean = math.exp(sum(map(math.log, values)) / len(values))
        what = f"geometric mean of {len(values)} models, {threads} thread(s)"
        figures.append(Figure("models", what, mean, "", None, "", mean, f"<= {MEAN:g}", mean <= MEAN, "1 is ONNX Runtime"))
    return report(args, figures)


if __name__ == "__main__":
    sys.exit(main())
