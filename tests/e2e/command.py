# SPDX-License-Identifier: Apache-2.0
"""Runs the command under test and reads what it prints. $THORONG names another binary."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("THORONG", ROOT / "build" / "release" / "thorong"))
CHIPS = ("inferentia1", "inferentia2", "trainium1", "trainium2", "trainium3")
TIMEOUT_S = 900


@dataclass
class Done:
    """What one invocation left behind."""

    status: int
    stdout: str
    stderr: str

    def json(self) -> dict[str, Any]:
        """stdout as one JSON object and nothing else."""
        return dict(json.loads(self.stdout))


@dataclass
class Command:
    """The command at one path."""

    binary: Path

    def __call__(self, *args: object, env: dict[str, str] | None = None, cwd: Path | None = None) -> Done:
        """Runs with `args`; never raises for an exit status."""
        words = [str(self.binary), *(str(a) for a in args)]
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def run(self, model: Path, *options: object, env: dict[str, str] | None = None) -> dict[str, Any]:
        """`thorong run MODEL … --json`, which must succeed; returns the object."""
        done = self("run", model, *options, "--json", env=env)
        assert done.status == 0, f"status {done.status}: {done.stderr}"
        return done.json()

    def values(
        self, model: Path, inputs: dict[str, NDArray[Any]], folder: Path, *options: object
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Runs with `inputs` and returns the outputs by name beside the object."""
        folder.mkdir(parents=True, exist_ok=True)
        words: list[object] = []
        for index, (name, value) in enumerate(inputs.items()):
            np.save(folder / f"in{index}.npy", value)
            words += ["--input", f"{name}={folder / f'in{index}.npy'}"]
        result = self.run(model, *words, "--out", folder / "out", *options)
        return read_outputs(result, folder / "out"), result


def press_ctrl_c(process: subprocess.Popen[Any]) -> None:
    """SIGINT, as soon as the command handles it: before that any program would just end."""
    state = Path(f"/proc/{process.pid}/status")
    until = time.monotonic() + TIMEOUT_S
    while process.poll() is None and state.exists() and time.monotonic() < until:
        caught = next(line.split()[1] for line in state.read_text().splitlines() if line.startswith("SigCgt:"))
        if int(caught, 16) >> (signal.SIGINT - 1) & 1:
            break
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)


def read_outputs(result: dict[str, Any], folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays that `--out` wrote, by output name; bf16 and fp8 through ml_dtypes."""
    import ml_dtypes  # noqa: F401  registers the types' names

    found = {}
    for name, output in result["outputs"].items():
        path = Path(output["file"])
        found[name] = np.load(path if path.is_absolute() else folder / path.name)
    return found


def assert_close(ours: NDArray[Any], reference: NDArray[Any], rtol: float = 1e-3, scale: float = 1e-5) -> None:
    """The project's bound: rtol, and an atol of `scale` times the reference's largest magnitude."""
    assert ours.shape == reference.shape
    assert ours.dtype == reference.dtype
    largest = float(np.max(np.abs(reference))) if reference.size else 0.0
    np.testing.assert_allclose(ours, reference, rtol=rtol, atol=scale * largest)


# What only moves or renames elements; anything else must have been mapped to tile instructions.
MOVEMENT = {
    "reshape", "flatten", "transpose", "concat", "concatenate", "squeeze", "unsqueeze", "slice", "identity", "shape",
    "constant", "constantofshape", "gather", "split", "pad", "expand", "broadcast_in_dim", "iota", "cast", "convert",
}  # fmt: skip


def fallbacks(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and operator of everything that computes but took no tile instructions."""
    found = []
    for operator in result["operators"]:
        kind = operator["op"].rsplit(".", 1)[-1].lower()
        if operator["path"] != "tile" and kind not in MOVEMENT:
            found.append((operator["name"], operator["op"]))
    return found
