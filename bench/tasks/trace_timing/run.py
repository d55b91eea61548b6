# SPDX-License-Identifier: Apache-2.0
"""Times a kernel of a million instructions, shapes only: its record in order, and everything from the call on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from common import Figure, parse_arguments, report

import thorong.nki as nki
from thorong.nki import isa as nisa
from thorong.nki import language as nl

ROWS = int(os.environ.get("THORONG_BENCH_ROWS", "125000"))  # eight instructions each
PER_ROW = 8


@nki.jit
def layers(left: Any, right: Any, rows: int) -> Any:
    """Tiles from HBM through the tensor, scalar and vector engines and back: what kernels are made of."""
    out = nl.ndarray(left.shape, left.dtype, buffer=nl.shared_hbm)
    weights = nl.ndarray((128, 128), left.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=weights, src=right)
    for _ in range(rows):
        tile = nl.ndarray((128, 512), left.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=left)
        product = nl.ndarray((128, 512), nl.float32, buffer=nl.psum)
        nisa.nc_matmul(product, weights, tile)
        wide = nl.ndarray((128, 512), nl.float32, buffer=nl.sbuf)
        nisa.activation(wide, op=nl.exp, data=product)
        total = nl.ndarray((128, 1), nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(total, op=nl.add, data=wide, axis=1)
        nisa.reciprocal(total, total)
        nisa.tensor_scalar(wide, data=wide, op0=nl.multiply, operand0=total)
        nisa.tensor_tensor(tile, wide, tile, op=nl.add)
        nisa.dma_copy(dst=out, src=tile)
    return out


def seconds(function: Any) -> tuple[float, Any]:
    """The time of this thread that a call takes, and what it gives."""
    start = time.thread_time()
    value = function()
    return time.thread_time() - start, value


def main() -> int:
    """Runs the task."""
    args = parse_arguments(__doc__ or "")
    left, right = np.zeros((128, 512), np.float16), np.zeros((128, 128), np.float16)
    instructions = ROWS * PER_ROW + 1
    kernel = nki.simulate(layers)
    kernel.options.update(chip="trainium2", timing_only=True, max_instructions=instructions, check="off")
    calls, launched = seconds(lambda: kernel.launch(left, right, ROWS))
    whole, first = seconds(launched.result)
    again = [seconds(launched.result) for _ in range(args.rounds)]
    if any(result.device_s != first.device_s or result.energy_j != first.energy_j for _, result in again):
        raise SystemExit("trace_timing: the same record was timed differently; look for what an earlier timing left behind.")
    if sum(engine["instructions"] for engine in first.engines.values()) != instructions:
        raise SystemExit("trace_timing: the result does not count every instruction once.")
    samples = [instructions / taken / 1e6 for taken, _ in again]
    timed = max(samples)
    order = whole - min(taken for taken, _ in again)
    total = instructions / (calls + whole) / 1e6
    nanoseconds = 1e9 / instructions
    kernel.options["check"] = "strict"  # which orders and places before the kernel's end
    checks = max(0.0, seconds(lambda: kernel.launch(left, right, ROWS))[0] - calls - order)
    print(f"    Python and record {calls * nanoseconds:.0f} ns, order and places {order * nanoseconds:.0f} ns, timing and totals "
          f"{(whole - order) * nanoseconds:.0f} ns an instruction; checks {checks * nanoseconds:.0f} ns more", file=sys.stderr)  # fmt: skip
    limit = "memory: about 500 bytes an instruction are read or written once"
    return report(args, [
        Figure("trace_timing", "an ordered record to start, end and totals", timed, "million instructions/s", None, "", None,
               "2 million/s a core", timed >= 2, limit, samples),
        Figure("trace_timing", "the same from the kernel's call on, without checks", total, "million instructions/s", None, "", None,
               "no bound", True, limit),
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
