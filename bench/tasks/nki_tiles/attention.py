# SPDX-License-Identifier: Apache-2.0
"""Forward flash attention of nki-samples (the older interface, neuronxcc.nki), one head, beside plain NumPy."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TOKENS, HEAD = 4096, 128
PLACE = "src/nki_samples/reference"


def restored(checkout: Path, folder: Path) -> Any:
    """The module of the kernel: the checkout's, or that of the last commit that had it."""
    if not (checkout / PLACE / "attention.py").exists():
        git = ["git", "-C", str(checkout)]
        removed = subprocess.run([*git, "log", "--diff-filter=D", "-1", "--format=%H", "--", f"{PLACE}/attention.py"],
                                 capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
        archive = subprocess.run([*git, "archive", f"{removed}^", PLACE], capture_output=True, check=True)
        subprocess.run(["tar", "x", "-C", str(folder)], input=archive.stdout, check=True)
        checkout = folder
    sys.path.insert(0, str(checkout / "src"))
    return importlib.import_module("nki_samples.reference.attention")


def plain(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Causal attention of one head: q and k (head, tokens), v (tokens, head)."""
    scores = (q.T * q.dtype.type(HEAD**-0.5)) @ k
    scores[np.triu_indices(TOKENS, 1)] = -9984
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray((weights / weights.sum(axis=1, keepdims=True)) @ v)


def competitors(checkout: Path, folder: Path) -> tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]:
    """Ours and NumPy's, over the same numbers."""
    from neuronxcc.nki import simulate_kernel

    attention = restored(checkout, folder)
    rng = np.random.default_rng(0)
    q, k = (2 * rng.random((1, 1, HEAD, TOKENS), np.float32) - 1 for _ in range(2))
    v = 2 * rng.random((1, 1, TOKENS, HEAD), np.float32) - 1
    config = attention.FlashConfig(seq_tile_size=2048, training=False, should_transpose_v=False)

    def ours() -> np.ndarray:
        out = simulate_kernel(attention.flash_fwd[1, 1], q, k, v, None, use_causal_mask=True, mixed_precision=True, config=config)
        return np.asarray(out)[0, 0]

    return ours, lambda: plain(q[0, 0], k[0, 0], v[0, 0])
