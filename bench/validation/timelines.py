# SPDX-License-Identifier: Apache-2.0
"""kernel_timelines.yaml: timings below a model. Which of them one instruction can express, and how to ask for it.

The command's side is a hook: `thorong instruction OP --chip C --json …` printing {"time_s": …}. Where the binary
does not know that subcommand, the entries are listed as skipped and the sentence says so.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from rows import chip_of

ENGINES = ("tensor-engine", "vector-engine", "scalar-engine")
TO_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}

# A pattern of an entry's text and the operation it names; the first match counts.
OPERATIONS = (
    (r"used as transpose|nc_transpose", "transpose"),
    (r"\bMATMUL\b|nc_matmul", "matmul"),
    (r"TENSOR_TENSOR\w* (multiply|add|subtract|max)", "tensor_tensor"),
    (r"TENSOR_SCALAR\b|tensor_scalar", "tensor_scalar"),
    (r"TENSOR_REDUCE\b|tensor_reduce", "tensor_reduce"),
    (r"TENSOR_COPY\b|tensor_copy|\bCOPY\b", "tensor_copy"),
    (r"ACTIVATE\b|\bactivation\b", "activation"),
)


def chip_of_target(target: str) -> str:
    """The chip that a timeline's target names; empty where it names none in particular."""
    for pattern, chip in (
        (r"inf1|NeuronCore-v1", "inferentia1"),
        (r"trn2|NeuronCore-v3", "trainium2"),
        (r"trn3|NeuronCore-v4", "trainium3"),
        (r"trn1|NeuronCore-v2", "trainium1"),
        (r"inf2", "inferentia2"),
    ):
        if re.search(pattern, target):
            return chip
    return chip_of(target) if target.startswith(("inferentia", "trainium")) else ""


def instruction_of(entry: dict[str, Any]) -> dict[str, Any] | None:
    """The single instruction that an entry times, as the hook's options; None where it is more than one."""
    text = str(entry.get("what", ""))
    if entry.get("category") not in ENGINES or entry.get("unit") not in TO_SECONDS:
        return None
    if re.search(r"interval|mean |activity|pitch|dependent|semaphore|TABLE_LOAD|throttled", text, re.IGNORECASE):
        return None
    operation = next((name for pattern, name in OPERATIONS if re.search(pattern, text)), None)
    elements = re.search(r"(\d+)(?: \w+)? (?:elements|columns)", text) or re.search(r"(\d+) columns", text)
    if operation is None or elements is None:
        return None
    partitions = re.search(r"(\d+) partitions", text)
    dtype = re.search(r"\b(fp32|bf16|fp16|fp8)\b", text)
    return {
        "op": operation,
        "elements": int(elements.group(1)),
        "partitions": int(partitions.group(1)) if partitions else 128,
        "dtype": dtype.group(1) if dtype else "fp32",
        "source": "psum" if "PSUM to" in text else "sbuf",
        # fp32 products are two instructions of the machine, and the profiler shows one of them.
        "share": 0.5 if re.search(r"becomes two such instructions", str(entry.get("note", ""))) else 1.0,
    }


def has_instruction_command(thorong: Path) -> bool:
    """Whether the binary knows the subcommand `instruction`."""
    done = subprocess.run([thorong, "instruction", "--help"], capture_output=True, check=False)
    return done.returncode == 0


def time_instruction(thorong: Path, chip: str, spec: dict[str, Any]) -> float:
    """Seconds of one instruction in a busy stream. Raises RuntimeError with the command's own sentence.

    A profiler shows an instruction from its start to its end. On the tensor engine that contains the way through
    the array, during which the next instructions have started: what the command calls visible.
    """
    command = [str(thorong), "instruction", spec["op"], "--chip", chip, "--json"]
    for key in ("elements", "partitions", "dtype", "source"):
        command += [f"--{key}", str(spec[key])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no message")
    timed = json.loads(done.stdout)
    latency_s = timed["warm_visible_s"] - timed["warm_s"] if timed["engine"] == "tensor" else 0.0
    return float(timed["warm_s"] * spec["share"] + latency_s)


def predict(thorong: Path | None, entry: dict[str, Any]) -> dict[str, Any]:
    """One result line for an entry, in the form of the other rows."""
    value = entry.get("value")
    published = float(value) if isinstance(value, (int, float)) else None
    chip = chip_of_target(str(entry.get("target", "")))
    result: dict[str, Any] = {
        "id": entry["id"],
        "kind": f"timeline-{entry['category']}",
        "chip": chip or None,
        "predicted": None,
        "published": published,
        "unit": entry.get("unit"),
        "error": None,
        "quality": {"high": "A", "medium": "B", "low": "C"}.get(str(entry.get("confidence")), ""),
        "skipped_because": None,
        "counts": str(entry.get("confidence")) != "low",
        "below_roofline": False,
        "derived_from": "instruction",
    }
    if entry["category"] == "documented-constant":
        result["skipped_because"] = (
            "A documented constant goes into the chip file, so predicting it would prove nothing."
        )
        return result
    spec = instruction_of(entry)
    if spec is None or published is None or not chip:
        result["skipped_because"] = "The entry is not the duration of a single instruction of a known chip."
        return result
    if thorong is None or not has_instruction_command(thorong):
        result["skipped_because"] = (
            f"This is one {spec['op']} instruction, and the command has no subcommand yet that times one."
        )
        return result
    try:
        seconds = time_instruction(thorong, chip, spec)
    except (RuntimeError, ValueError, KeyError) as error:
        result["skipped_because"] = f"Timing the {spec['op']} instruction failed: {error}."
        return result
    result["predicted"] = seconds / TO_SECONDS[str(entry["unit"])]
    result["error"] = result["predicted"] / published - 1.0
    return result
