# SPDX-License-Identifier: Apache-2.0
"""The matrix product with values, time and energy, beside OpenBLAS's sgemm (through NumPy) on one core."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from common import Figure, best_of, parse_arguments, peak_text, report, run_command

SIZE = 1024
WANTED = 0.9


def main() -> int:
    """Interleaves both, checks the answer first, prints the ratio of the speeds."""
    args = parse_arguments(__doc__ or "", threads=1)
    from models import make_matmul

    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((SIZE, SIZE)).astype(np.float32) for _ in range(2))
    work = 2.0 * SIZE**3 / 1e9
    figures = []
    with tempfile.TemporaryDirectory(prefix="thorong-matmul-") as name:
        folder = Path(name)
        model = make_matmul(folder / "m.onnx", SIZE)
        np.save(folder / "a.npy", left)
        np.save(folder / "b.npy", right)
        words = [model, "--input", f"a={folder / 'a.npy'}", "--input", f"b={folder / 'b.npy'}"]
        words += ["--threads", args.threads, "--repeat", 7]
        run_command(args.thorong, *words, "--out", folder / "out")
        np.testing.assert_allclose(np.load(folder / "out" / "c.npy"), left @ right, rtol=1e-3, atol=1e-2)
        for cast in ("none", "matmult"):
            ours, peers = [], []
            for _ in range(args.rounds):
                result, _ = run_command(args.thorong, *words, "--auto-cast", cast, "--auto-cast-type", "bf16")
                ours.append(work / result["wall"]["run_s"])
                peers.append(work / best_of(lambda: left @ right, 7))
            ratio = max(ours) / max(peers)
            what = f"{SIZE} cubed, {'fp32' if cast == 'none' else 'bf16 operands'}"
            figures.append(
                Figure(
                    "matmul", what, max(ours), "GFLOP/s", max(peers), "OpenBLAS sgemm", ratio,
                    f"ratio >= {WANTED}", ratio >= WANTED, peak_text(args.threads), ours,
                )
            )  # fmt: skip
    return report(args, figures)


if __name__ == "__main__":
    sys.exit(main())
