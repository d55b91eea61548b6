# SPDX-License-Identifier: Apache-2.0
"""ResNet-50, batch 1, with values, time and energy, beside ONNX Runtime on the same threads."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from common import Figure, interleave, parse_arguments, peak_gflops, peak_text, peer_session, report, run_command

GFLOPS = 8.178  # a multiply-add is two; bench/validation/data/models.yaml
RATIO, STARTUP_S, OVERHEAD_BYTES = 3.0, 3.0, 200e6


def main() -> int:
    """Interleaves both; prints the ratio of run times, start-up and memory."""
    args = parse_arguments(__doc__ or "", threads=2)
    from models import light_model

    with tempfile.TemporaryDirectory(prefix="thorong-resnet50-") as name:
        folder = Path(name)
        case = light_model("resnet50", folder)
        session = peer_session(case.path, args.threads)
        (entry,) = case.inputs
        np.save(folder / "x.npy", case.inputs[entry])
        words = [case.path, "--input", f"{entry}={folder / 'x.npy'}", "--threads", args.threads, "--repeat", 7]
        checked, _ = run_command(args.thorong, *words, "--out", folder / "out")
        value = np.load(folder / "out" / Path(checked["outputs"][case.final]["file"]).name)
        assert int(value.argmax()) == int(case.outputs[case.final].argmax()), "the answer is wrong"
        results, peers = interleave(args, words, lambda: session.run(None, case.inputs), 7)
    ours = [r["wall"]["run_s"] for r in results]
    ratio = min(ours) / min(peers)
    startup = min(r["wall"]["import_s"] + r["wall"]["compile_s"] for r in results)
    overhead = max(r["memory"]["host_overhead_bytes"] for r in results)
    peak = peak_gflops(args.threads)
    limit = "unknown" if peak is None else f"{GFLOPS / peak:.4g} s ({peak_text(args.threads)})"
    figures = [
        Figure("resnet50", "run time", min(ours), "s", min(peers), "ONNX Runtime", ratio,
               f"ratio <= {RATIO:g}", ratio <= RATIO, limit, ours),
        Figure("resnet50", "import and compilation", startup, "s", None, "", None,
               f"<= {STARTUP_S:g} s", startup <= STARTUP_S, "reading 102 MB of weights: 0.01 s"),
        Figure("resnet50", "host_overhead_bytes", overhead, "bytes", None, "", None,
               f"<= {OVERHEAD_BYTES:g}", overhead <= OVERHEAD_BYTES, "the modelled SBUF and PSUM: 27 MB"),
    ]  # fmt: skip
    return report(args, figures)


if __name__ == "__main__":
    sys.exit(main())
