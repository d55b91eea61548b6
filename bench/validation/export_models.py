# SPDX-License-Identifier: Apache-2.0
"""Exports the models of the published rows to ONNX, with static shapes, as the vendor's tracer sees them.

The weights are external data in a sparse file: the right size, all zeros, hardly a block on the disk, because
`--timing-only` never reads a value. One folder a model and shape below $THORONG_CACHE or ~/.cache/thorong:

    validation/<model>-b<batch>-s<tokens>-<key>/model.onnx, weights.bin

The key hashes the builders' source, the model's entry and the exporter's versions, so a stale file is never used.
Run alone to fill the cache:  python export_models.py [--kind KIND] [--published DIR] [--list]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections import deque
from pathlib import Path
from typing import Any

import yaml
from rows import HERE, Row, Shape, read_models, read_rows, shape_of

OPSET = 17
SOURCES = ("architectures.py", "builders.py", "kernels.py", "export_models.py")
ALIGNMENT = 4096


def cache_root() -> Path:
    """$THORONG_CACHE/validation, or the user's cache folder."""
    base = os.environ.get("THORONG_CACHE")
    return (Path(base) if base else Path.home() / ".cache" / "thorong") / "validation"


def _versions() -> str:
    """Versions of the packages that decide what the graph looks like; no import of torch for a cached file."""
    from importlib.metadata import version

    return " ".join(f"{name}={version(name)}" for name in ("torch", "transformers", "onnx"))


def cache_folder(entry: dict[str, Any], shape: Shape) -> Path:
    """Where the model of `entry` at `shape` lies or will lie."""
    digest = hashlib.sha256(_versions().encode())
    for name in SOURCES:
        digest.update((HERE / name).read_bytes())
    digest.update(yaml.safe_dump([entry["builder"], entry["architecture"], entry.get("variant")]).encode())
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", str(entry["id"]))
    sizes = f"b{shape.batch}" + (f"-s{shape.seq_len}" if shape.seq_len else "")
    sizes += f"-{shape.image[0]}x{shape.image[1]}" if shape.image[0] else ""
    return cache_root() / f"{slug}-{sizes}-{digest.hexdigest()[:12]}"


def export(entry: dict[str, Any], shape: Shape) -> Path:
    """The ONNX file of `entry` at `shape`, exported if it is not in the cache. Raises builders.Unsupported."""
    folder = cache_folder(entry, shape)
    path = folder / "model.onnx"
    if path.exists():
        return path
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    try:
        _export_into(entry, shape, work)
        try:
            work.rename(folder)
        except OSError:  # another process was faster
            if not path.exists():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return path


def _export_into(entry: dict[str, Any], shape: Shape, folder: Path) -> None:
    """Traces the module without its weights and moves them into a sparse external file."""
    import builders
    import kernels
    import onnx
    import torch

    if "kernel" in entry:
        direct = kernels.matmul_model(entry)
        if direct is not None:
            onnx.save(direct, folder / "model.onnx")
            return
        built = kernels.build(entry)
    else:
        built = builders.build(entry, builders.Sizes(shape.batch, shape.seq_len, shape.image))
    raw = folder / "raw.onnx"
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            built.module,
            tuple(built.inputs.values()),
            raw,
            dynamo=False,
            opset_version=OPSET,
            export_params=False,
            input_names=list(built.inputs),
            output_names=built.outputs,
        )
    model = onnx.load(raw)
    raw.unlink()
    detach_weights(model, set(built.inputs), dict(built.module.named_buffers()), folder / "weights.bin")
    model.producer_name = "thorong bench/validation"
    onnx.save(model, folder / "model.onnx")


def detach_weights(model: Any, inputs: set[str], buffers: dict[str, Any], weights: Path) -> None:
    """Turns the graph inputs that are weights into initialisers whose data lie in the sparse file `weights`.

    Buffers that are not floating point (position tables) keep their values, since a shape may depend on them.
    """
    import onnx
    from onnx import TensorProto, numpy_helper

    offset = 0
    kept = []
    for value in model.graph.input:
        if value.name in inputs:
            kept.append(value)
            continue
        kind = value.type.tensor_type
        dims = [d.dim_value for d in kind.shape.dim]
        if kind.elem_type not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16):
            if value.name not in buffers:
                raise RuntimeError(f"{value.name}: an integer weight that is not a buffer of the module")
            model.graph.initializer.append(numpy_helper.from_array(buffers[value.name].numpy(), value.name))
            continue
        size = 4 if kind.elem_type == TensorProto.FLOAT else 2
        for dim in dims:
            size *= dim
        tensor = onnx.TensorProto(name=value.name, data_type=kind.elem_type, dims=dims)
        tensor.data_location = TensorProto.EXTERNAL
        for key, text in (("location", weights.name), ("offset", str(offset)), ("length", str(size))):
            tensor.external_data.add(key=key, value=text)
        model.graph.initializer.append(tensor)
        offset += -(-size // ALIGNMENT) * ALIGNMENT
    del model.graph.input[:]
    model.graph.input.extend(kept)
    with weights.open("wb") as file:
        file.truncate(offset)


def jobs_of(rows: list[Row], models: dict[str, dict[str, Any]]) -> list[tuple[dict[str, Any], Shape]]:
    """Each model and shape that `rows` need, once, in the rows' order."""
    found: dict[str, tuple[dict[str, Any], Shape]] = {}
    for row in rows:
        plan = shape_of(row, models)
        if plan.skipped_because is None and plan.entry is not None:
            key = json.dumps([plan.entry["id"], plan.shape.batch, plan.shape.seq_len, plan.shape.image])
            found.setdefault(key, (plan.entry, plan.shape))
    return list(found.values())


def main() -> int:
    """Fills the cache and prints one line a model."""
    parser = argparse.ArgumentParser(description="Export the models of the published rows to ONNX.")
    parser.add_argument("--published", type=Path, default=HERE / "data", help="folder with measurements.csv")
    parser.add_argument("--kind", help="only rows of this kind")
    parser.add_argument("--list", action="store_true", help="only print the folders, export nothing")
    args = parser.parse_args()
    rows = [r for r in read_rows(args.published) if args.kind in (None, r.kind)]
    jobs = deque(jobs_of(rows, read_models(args.published)))
    while jobs:
        entry, shape = jobs.popleft()
        start = time.monotonic()
        path = cache_folder(entry, shape) / "model.onnx" if args.list else export(entry, shape)
        print(f"{path}  {time.monotonic() - start:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
