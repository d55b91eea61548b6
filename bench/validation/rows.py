# SPDX-License-Identifier: Apache-2.0
"""The published rows and what a prediction of each needs: model, shape, options, conversion to the row's unit.

No torch here, so that a run with a full cache starts at once.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from roofline import HBM

HERE = Path(__file__).resolve().parent

MODEL_KINDS = ("inference-encoder", "inference-cnn", "inference-vit")

# Physical cores of a chip, to turn the throughput of a whole chip into that of the cores a row used.
CORES = {"inferentia1": 4, "inferentia2": 2, "trainium1": 2, "trainium2": 8, "trainium3": 8}

# Kernel rows that an ONNX graph states; see kernels.py. The figure is device time, hand-scheduled.
ONNX_KERNELS = (
    "nki-tutorial/exp",
    "nki-tutorial/mlp-3-layer",
    "nki-tutorial/matmul-fully-optimized",
    "nki-tutorial/matmul-block-free-dim",
    "nki-tutorial/matmul-hoist-load",
    "nki-samples/adaptive_avg_pool2d",
    "nki-samples/sd_attention_small_head",
    "nki-samples/rmsnorm_qkv",
)


@dataclass(frozen=True)
class Row:
    """One published figure; `cells` are the columns of measurements.csv as text."""

    cells: dict[str, str]

    def __getattr__(self, name: str) -> str:
        try:
            return self.cells[name]
        except KeyError:
            raise AttributeError(f"measurements.csv has no column {name!r}") from None

    @property
    def value_number(self) -> float:
        """The figure in the row's own unit."""
        return float(self.cells["value"])

    @property
    def counts(self) -> bool:
        """Whether the row enters the summary: not quality C and not an upper bound."""
        return self.quality != "C" and not self.metric.endswith(("_limit", "_target"))


@dataclass(frozen=True)
class Shape:
    """What a row fixes beside the architecture; zero where it has no meaning."""

    batch: int = 1
    seq_len: int = 0
    image: tuple[int, int] = (0, 0)


@dataclass
class Plan:
    """How to predict a row: a models.yaml entry and shape, or the sentence why not."""

    entry: dict[str, Any] | None = None
    shape: Shape = field(default_factory=Shape)
    options: list[str] = field(default_factory=list)
    skipped_because: str | None = None


def read_rows(folder: Path) -> list[Row]:
    """The rows of `folder`/measurements.csv; lines that start with # are skipped."""
    path = folder / "measurements.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return [Row(cells) for cells in csv.DictReader(line for line in file if not line.startswith("#"))]


def read_models(folder: Path) -> dict[str, dict[str, Any]]:
    """models.yaml of `folder`, or the project's own where there is none beside the rows, by id."""
    path = folder / "models.yaml"
    if not path.exists():
        path = HERE / "data" / "models.yaml"
    with path.open(encoding="utf-8") as file:
        return {str(entry["id"]): entry for entry in yaml.safe_load(file)["models"]}


def read_timelines(folder: Path) -> list[dict[str, Any]]:
    """The entries of kernel_timelines.yaml; an empty list where the file is missing."""
    path = folder / "kernel_timelines.yaml"
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return list(yaml.safe_load(file)["entries"])


def chip_of(text: str) -> str:
    """A chip's name without the table's remarks: `trainium1 (assumed)` is `trainium1`."""
    return text.split(" ")[0].split("(")[0].strip()


def _skip(sentence: str) -> Plan:
    return Plan(skipped_because=sentence)


def shape_of(row: Row, models: dict[str, dict[str, Any]]) -> Plan:
    """The plan of a row: which graph at which shape with which options, or why there is none."""
    if chip_of(row.chip) not in CORES:
        return _skip(f"The chip {row.chip!r} is not one of {', '.join(CORES)}.")
    if row.kind in MODEL_KINDS:
        return _model_plan(row, models)
    if row.kind == "kernel":
        return _kernel_plan(row)
    reasons = {
        "inference-diffusion": "One image is a pipeline of several models and tens of steps driven by the host, "
        "which a single ONNX file cannot express.",
        "training": "A training step has no ONNX form: it needs gradients, an optimizer and collectives.",
    }
    if row.kind.startswith("inference-decoder"):
        return _skip(
            f"The decoder is split over {row.neuroncores_used} cores with collectives and a cache that stays on the "
            "device, which one ONNX run on one core cannot express."
        )
    return _skip(reasons.get(row.kind, f"Rows of kind {row.kind!r} are not known to this version."))


def _model_plan(row: Row, models: dict[str, dict[str, Any]]) -> Plan:
    entry = models.get(row.model)
    if entry is None:
        return _skip(f"models.yaml has no entry for {row.model}, so its architecture is not known.")
    if "image_size" not in entry["architecture"] and "video" in entry["architecture"]:
        return _skip("One inference is an encoder call and many decoder calls that the host drives in sequence.")
    ways = int(row.tp_degree or 1) * int(row.pp_degree or 1)
    if ways > 1 or int(row.neuroncores_used) > int(row.dp_copies or 1):
        return _skip(f"Each copy is spread over several cores ({row.neuroncores_used} cores, {row.dp_copies} copies).")
    options = cast_options(row)
    if isinstance(options, str):
        return _skip(options)
    numbers = [int(n) for n in re.findall(r"\d+", row.image_size)]
    image = (numbers[0], numbers[-1]) if numbers else _default_image(entry["architecture"])
    shape = Shape(int(row.batch_size or 1), int(row.seq_len or 0), image)
    return Plan(entry, shape, options)


def _default_image(arch: dict[str, Any]) -> tuple[int, int]:
    size = arch.get("image_size") or arch.get("vision", {}).get("image_size")
    return (int(size[0]), int(size[1])) if isinstance(size, list) else (0, 0)


def cast_options(row: Row) -> list[str] | str:
    """The command's cast options for the row's type columns, or a sentence where the model itself differs."""
    model, cast = row.model_dtype, row.autocast_dtype
    if model != "FP32":
        return f"The model is loaded in {model}, and this table exports fp32 models only."
    if cast in ("", "none"):
        return ["--auto-cast", "none"]
    target = cast.split(" ")[0].lower()
    if target not in ("bf16", "fp16", "tf32"):
        return f"The cast {cast!r} has no counterpart among the command's options."
    # neuron-cc, the compiler for Inferentia, cast every fp32 tensor by default (fp32-cast-all); neuronx-cc did so for
    # the operands of matrix products.
    scope = "all" if "all tensors" in cast or "inf1 compiler default" in cast else "matmult"
    return ["--auto-cast", scope, "--auto-cast-type", target]


def _kernel_plan(row: Row) -> Plan:
    if row.model not in ONNX_KERNELS:
        return _skip(
            f"{row.model} is a kernel written in NKI: the row times that program, and no ONNX file or single "
            "instruction expresses it."
        )
    if int(row.neuroncores_used or 1) > 1 or "lnc=2" in row.config or "LNC=2" in row.config:
        return _skip("The kernel runs on a pair of cores (LNC=2), and one ONNX run uses one core.")
    if row.model == "nki-tutorial/mlp-3-layer" and "linears" not in row.config:
        return _skip("The row refers to another row's shapes, so its own work is not stated.")
    kernel = {"model": row.model, "config": row.config, "dtype": row.model_dtype}
    entry = {"id": row.id, "builder": "kernel", "architecture": {}, "variant": kernel, "kernel": kernel}
    return Plan(entry, Shape(0), ["--auto-cast", "none", "--schedule", "best"])


def predicted_value(row: Row, result: dict[str, Any]) -> tuple[float, str]:
    """The prediction in the row's unit and how it was derived from the result of one run.

    One request a core in flight: its latency with the host's part is the service time (`latency_s`), in which the
    device takes at least as long as the chip's memory does for all cores that the row used. Two or more a core:
    copies overlap with computation, which is what `throughput_per_s` of the chip states.
    """
    if row.kind == "kernel":
        scale = {"us": 1e6, "ms": 1e3, "ns": 1e9, "s": 1.0}[row.unit]
        seconds = result["device_s"] + result["program_start_s"] + result["program_stop_s"]
        return seconds * scale, "device_s with the program's start and stop"
    cores, batch = int(row.neuroncores_used), int(row.batch_size)
    if float(row.in_flight or cores) / cores > 1.5 and result.get("throughput_per_s"):
        return result["throughput_per_s"] * cores / CORES[chip_of(row.chip)], "throughput_per_s"
    chip = chip_of(row.chip)
    traffic = (result.get("memory") or {}).get("hbm_traffic_bytes", 0) * min(cores, CORES[chip])
    waits_s = max(0.0, traffic / HBM[chip] - result.get("device_s", 0.0))
    return cores * batch / (result["latency_s"] + waits_s), "latency_s"
