# SPDX-License-Identifier: Apache-2.0
"""Text in a picture, read by a modelled chip: the demo of `./dev demo`.

Draws a picture, finds the lines with the text-detection model and reads them with the text-recognition model that
the PyPI package `rapidocr` ships, both unmodified, on a chip in bf16. Prints what the chip reads beside ONNX
Runtime's answer, then the same on every chip with time, energy and cost, and the path of an HTML report.

    python examples/ocr_demo.py [--chip trainium1] [--picture FILE.png] [--out FOLDER]

`--chip host` lets ONNX Runtime stand in for the chip: the same program without a simulator.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
CHIPS = ("inferentia1", "inferentia2", "trainium1", "trainium2", "trainium3")
LINES = ("Thorong La 5416 m", "one model, five chips", "bf16 in, fp32 sums")
PICTURE_SIZE = (480, 224)  # width and height: multiples of 32, as the detector wants
RECOGNITION_HEIGHT = 48
THRESHOLD = 0.3  # probability above which a pixel is text
BOX_THRESHOLD = 0.5  # mean probability of a box that is kept
UNCLIP = 1.6  # the detector marks shrunken boxes; this is how far they grow again

Array = NDArray[Any]


@dataclass
class Answer:
    """One run's outputs by name and the command's figures (empty for ONNX Runtime)."""

    outputs: dict[str, Array]
    figures: dict[str, Any]


class Reader(Protocol):
    """Anything that runs an ONNX file."""

    def run(self, model: Path, inputs: dict[str, Array], report: Path | None = None) -> Answer:
        """Runs `model` once."""


class OnnxRuntime:
    """The reference: ONNX Runtime on this machine, fp32."""

    def run(self, model: Path, inputs: dict[str, Array], report: Path | None = None) -> Answer:
        """Runs `model` once; there is no report."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return Answer(dict(zip(names, session.run(names, inputs), strict=True)), {})


class Chip:
    """A modelled chip, through the command: products in bf16, everything else in fp32."""

    options = ("--auto-cast", "matmult", "--auto-cast-type", "bf16")

    def __init__(self, name: str, thorong: Path) -> None:
        self.name = name
        self.thorong = thorong

    def run(self, model: Path, inputs: dict[str, Array], report: Path | None = None) -> Answer:
        """Runs `model` once. Exits with the command's message where it fails."""
        with tempfile.TemporaryDirectory(prefix="thorong-ocr-") as name:
            folder = Path(name)
            command = [str(self.thorong), "run", str(model), "--chip", self.name, *self.options, "--json"]
            for index, (key, value) in enumerate(inputs.items()):
                np.save(folder / f"in{index}.npy", value)
                command += ["--input", f"{key}={folder / f'in{index}.npy'}"]
            command += ["--out", str(folder / "out")]
            if report is not None:
                command += ["--report", str(report)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode != 0:
                raise SystemExit(f"ocr_demo: {' '.join(command[:4])} … ended with status {done.returncode}.")
            figures = json.loads(done.stdout)
            outputs = {}
            for key, output in figures["outputs"].items():
                path = Path(output["file"])
                outputs[key] = np.load(path if path.is_absolute() else folder / "out" / path.name)
            return Answer(outputs, figures)


def find_models() -> tuple[Path, Path]:
    """Detection and recognition model in the installed `rapidocr`; the package itself is not imported."""
    spec = importlib.util.find_spec("rapidocr")
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise SystemExit("ocr_demo: the package rapidocr is missing: pip install --no-deps rapidocr==3.10.0")
    folder = Path(places[0]) / "models"
    found = []
    for part in ("det", "rec"):
        files = sorted(folder.glob(f"*_{part}_*.onnx"))
        if not files:
            raise SystemExit(f"ocr_demo: {folder} has no {part} model; rapidocr 3.10.0 has one.")
        found.append(files[0])
    return found[0], found[1]


def read_characters(model: Path) -> list[str]:
    """The recogniser's classes: blank, the dictionary in the model's metadata, space."""
    import onnx

    properties = {p.key: p.value for p in onnx.load(model, load_external_data=False).metadata_props}
    return ["", *properties["character"].split("\n"), " "]


def draw_picture() -> Image.Image:
    """Three lines of dark text on a light gradient, slightly different in size."""
    width, height = PICTURE_SIZE
    shade = np.linspace(255, 225, width)[None, :, None] - np.linspace(0, 10, height)[:, None, None]
    picture = Image.fromarray(np.repeat(shade, 3, axis=2).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for index, text in enumerate(LINES):
        pen.text((24 + 12 * index, 22 + 64 * index), text, fill=(20, 30 + 40 * index, 60), font=_font(34 - 2 * index))
    return picture


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def to_tensor(picture: Image.Image) -> Array:
    """[3, H, W] in BGR order, scaled to -1 … 1, as both models were trained."""
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float32)[:, :, ::-1]
    return np.ascontiguousarray((pixels / 255.0 - 0.5).transpose(2, 0, 1) / 0.5)


def label_components(mask: Array) -> list[tuple[Array, Array]]:
    """Rows and columns of each 4-connected component of a boolean image, by propagating the smallest index."""
    rows, columns = np.nonzero(mask)
    labels = np.full((mask.shape[0] + 2, mask.shape[1] + 2), -1, dtype=np.int64)
    labels[rows + 1, columns + 1] = np.arange(len(rows))
    parents = np.arange(len(rows))
    edges = []
    for down, right in ((1, 0), (0, 1)):
        other = labels[rows + 1 + down, columns + 1 + right]
        edges.append(np.stack([np.arange(len(rows))[other >= 0], other[other >= 0]]))
    first, second = np.concatenate(edges, axis=1)
    while True:
        smallest = np.minimum(parents[first], parents[second])
        updated = parents.copy()
        np.minimum.at(updated, parents[first], smallest)
        np.minimum.at(updated, parents[second], smallest)
        updated = updated[updated]
        if np.array_equal(updated, parents):
            break
        parents = updated
    return [(rows[parents == root], columns[parents == root]) for root in np.unique(parents)]


def find_boxes(probability: Array) -> list[tuple[int, int, int, int]]:
    """Upright boxes (left, top, right, bottom) of text lines, top to bottom, from the detector's map [H, W]."""
    height, width = probability.shape
    boxes = []
    for rows, columns in label_components(probability > THRESHOLD):
        left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
        if min(right - left, bottom - top) < 4 or probability[rows, columns].mean() < BOX_THRESHOLD:
            continue
        grow = (right - left) * (bottom - top) * UNCLIP / (2 * (right - left + bottom - top))
        box = (left - grow, top - grow, right + grow, bottom + grow)
        limits = (width, height, width, height)
        boxes.append(tuple(int(min(max(v, 0), limit)) for v, limit in zip(box, limits, strict=True)))
    return sorted(boxes, key=lambda b: (b[1], b[0]))  # type: ignore[return-value]


def crop_lines(picture: Image.Image, boxes: list[tuple[int, int, int, int]]) -> Array:
    """The boxes as one batch [N, 3, 48, W], padded with zeros to the widest."""
    pieces = []
    for left, top, right, bottom in boxes:
        scaled = max(1, round((right - left) * RECOGNITION_HEIGHT / (bottom - top)))
        line = picture.crop((left, top, right, bottom)).resize((scaled, RECOGNITION_HEIGHT), Image.Resampling.BILINEAR)
        pieces.append(to_tensor(line))
    widest = max(max(piece.shape[2] for piece in pieces), 320)
    widest = -(-widest // 32) * 32
    batch = np.zeros((len(pieces), 3, RECOGNITION_HEIGHT, widest), dtype=np.float32)
    for index, piece in enumerate(pieces):
        batch[index, :, :, : piece.shape[2]] = piece
    return batch


def decode_text(scores: Array, characters: list[str]) -> list[str]:
    """Greedy CTC decoding of [N, T, classes]: drop repetitions, then blanks."""
    texts = []
    for best in scores.argmax(axis=2):
        kept = best[np.concatenate([[True], best[1:] != best[:-1]])]
        texts.append("".join(characters[c] for c in kept if c != 0))
    return texts


def only_value(values: dict[str, Array]) -> Array:
    """The one output of a model with one output."""
    (value,) = values.values()
    return value


@dataclass
class Reading:
    """What one reader made of the picture."""

    texts: list[str]
    figures: list[dict[str, Any]]
    lines: int


def read_picture(
    reader: Reader, picture: Image.Image, models: tuple[Path, Path], report: Path | None = None
) -> Reading:
    """Detection, cropping, recognition, decoding."""
    detected = reader.run(models[0], {"x": to_tensor(picture)[None]}, report)
    boxes = find_boxes(only_value(detected.outputs)[0, 0])
    if not boxes:
        return Reading([], [detected.figures], 0)
    recognised = reader.run(models[1], {"x": crop_lines(picture, boxes)})
    texts = decode_text(only_value(recognised.outputs), read_characters(models[1]))
    return Reading(texts, [detected.figures, recognised.figures], len(boxes))


def table_row(name: str, reading: Reading, reference: list[str]) -> str:
    """A line of the table: one picture is one detection and one batch of lines."""
    latency = sum(f["latency_s"] for f in reading.figures)
    energy = sum(f["energy_j"] for f in reading.figures)
    samples = [1, reading.lines]
    busy = sum(n / f["throughput_per_s"] for n, f in zip(samples, reading.figures, strict=False))
    prices = [f["cost"].get("usd_per_million") for f in reading.figures]
    known = [n * p for n, p in zip(samples, prices, strict=False) if p is not None]
    cost = f"{sum(known):9.3f}" if len(known) == len(prices) else "  unknown"
    same = "same text" if reading.texts == reference else "differs: " + " / ".join(reading.texts)
    return f"  {name:<12} {latency * 1e3:>10.3f} {1 / busy:>12.1f} {energy * 1e3:>10.2f} {cost:>12}   {same}"


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """The demo's options."""
    parser = argparse.ArgumentParser(description="Reads the text in a picture on modelled chips.")
    parser.add_argument("--chip", default="trainium1", help="chip for the first answer, or 'host' for ONNX Runtime")
    parser.add_argument("--chips", default=",".join(CHIPS), help="chips of the table")
    parser.add_argument("--picture", type=Path, help="a picture of your own instead of the drawn one")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "demo", help="folder for picture and report")
    default = os.environ.get("THORONG", str(ROOT / "build" / "release" / "thorong"))
    parser.add_argument("--thorong", type=Path, default=Path(default), help="the command")
    return parser.parse_args(argv)


def load_picture(path: Path | None) -> Image.Image:
    """The user's picture with sides rounded to multiples of 32, or the drawn one."""
    if path is None:
        return draw_picture()
    picture = Image.open(path).convert("RGB")
    sides = [max(32, round(side / 32) * 32) for side in picture.size]
    return picture.resize((sides[0], sides[1]))


def main(argv: list[str] | None = None) -> int:
    """Prints both readings, the table and the report's path. Exit status 1 where the texts differ."""
    args = parse_arguments(argv)
    models = find_models()
    picture = load_picture(args.picture)
    args.out.mkdir(parents=True, exist_ok=True)
    picture.save(args.out / "picture.png")
    print(f"picture: {args.out / 'picture.png'}, {picture.width} x {picture.height} pixels")
    print(f"models:  {models[0].name}, {models[1].name} (from the package rapidocr)\n")
    reference = read_picture(OnnxRuntime(), picture, models).texts
    host = args.chip == "host"
    report = args.out / "report.html"
    reader: Reader = OnnxRuntime() if host else Chip(args.chip, args.thorong)
    first = read_picture(reader, picture, models, None if host else report)
    title = "ONNX Runtime, standing in" if host else f"{args.chip} in bf16"
    print(f"  {title:<28} ONNX Runtime in fp32")
    for ours, theirs in zip_longest(first.texts, reference, fillvalue="(nothing)"):
        print(f"  {ours:<28} {theirs}")
    same = first.texts == reference
    if host:
        return 0 if same else 1
    columns = f"{'latency ms':>10} {'pictures/s':>12} {'energy mJ':>10} {'USD/million':>12}"
    print(f"\n  {'chip':<12} {columns}   against ONNX Runtime")
    for name in args.chips.split(","):
        reading = first if name == args.chip else read_picture(Chip(name, args.thorong), picture, models)
        same = same and reading.texts == reference
        print(table_row(name, reading, reference), flush=True)
    print(f"\nreport of the detection model on {args.chip}: {report}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
