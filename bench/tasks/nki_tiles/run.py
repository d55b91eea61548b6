# SPDX-License-Identifier: Apache-2.0
"""One tile instruction of a kernel, with values, time and energy, beside NumPy and ml_dtypes doing the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import ml_dtypes
import numpy as np
from common import Figure, best_of, parse_arguments, report

import thorong.nki as nki
from thorong.nki import isa as nisa
from thorong.nki import language as nl

CALLS = 400
SHAPE = (128, 512)
Kernel = Callable[[Any, Any, int], Any]


def tile(array: Any, dtype: Any = None) -> Any:
    """An HBM tensor's values in SBUF."""
    result = nl.ndarray(array.shape, dtype or array.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=result, src=array)
    return result


def finished(array: Any, value: Any) -> Any:
    """The kernel's output."""
    out = nl.ndarray(value.shape, value.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=value)
    return out


def matmul(left: Any, right: Any, calls: int) -> Any:
    """128 x 128 x 512."""
    a, b = tile(left)[:, 0:128], tile(right)
    product = nl.ndarray(SHAPE, nl.float32, buffer=nl.psum)
    result = nl.ndarray(SHAPE, nl.float32, buffer=nl.sbuf)
    for _ in range(calls):
        nisa.nc_matmul(product, a, b, accumulate=False)
    nisa.tensor_copy(result, product)
    return finished(left, result)


def add(left: Any, right: Any, calls: int) -> Any:
    """Elementwise sum."""
    a, b = tile(left), tile(right)
    result = nl.ndarray(SHAPE, left.dtype, buffer=nl.sbuf)
    for _ in range(calls):
        nisa.tensor_tensor(result, a, b, op=nl.add)
    return finished(left, result)


def exp(left: Any, right: Any, calls: int) -> Any:
    """Exponential of every element."""
    a = tile(left)
    result = nl.ndarray(SHAPE, left.dtype, buffer=nl.sbuf)
    for _ in range(calls):
        nisa.activation(result, op=nl.exp, data=a)
    return finished(left, result)


def reduce(left: Any, right: Any, calls: int) -> Any:
    """Sum of every row."""
    a = tile(left)
    result = nl.ndarray((128, 1), nl.float32, buffer=nl.sbuf)
    for _ in range(calls):
        nisa.tensor_reduce(result, op=nl.add, data=a, axis=1)
    return finished(left, result)


def copy(left: Any, right: Any, calls: int) -> Any:
    """DMA from HBM to SBUF."""
    result = nl.ndarray(SHAPE, left.dtype, buffer=nl.sbuf)
    for _ in range(calls):
        nisa.dma_copy(dst=result, src=left)
    return finished(left, result)


def small(left: Any, right: Any, calls: int) -> Any:
    """The smallest call: 128 x 1."""
    a = tile(left)[:, 0:1]
    result = nl.ndarray((128, 1), left.dtype, buffer=nl.sbuf)
    for _ in range(calls):
        nisa.tensor_scalar(result, a, op0=nl.multiply, operand0=2.0)
    return finished(left, result)


def seconds_a_call(kernel: Kernel, left: np.ndarray, right: np.ndarray) -> float:
    """All included: the call from Python, values, recording, order, time and energy; what a launch costs itself taken off."""

    def run(calls: int) -> float:
        return best_of(lambda: nki.run(kernel, left, right, calls, chip="trainium2"), 3)

    few = CALLS // 10
    return (run(CALLS) - run(few)) / (CALLS - few)


def main() -> int:
    """Interleaves both competitors, checks the answers first, prints the ratio of the times."""
    args = parse_arguments(__doc__ or "", threads=1)
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal(SHAPE).astype(ml_dtypes.bfloat16) for _ in range(2))
    f32 = np.float32
    out = np.empty_like(left)
    tasks: list[tuple[str, Kernel, Callable[[], np.ndarray]]] = [
        ("bf16 matmul 128x128x512", matmul, lambda: left[:, 0:128].T @ right),
        ("bf16 add 128x512", add, lambda: left + right),
        ("bf16 exp 128x512", exp, lambda: np.exp(left)),
        ("bf16 sum of rows 128x512", reduce, lambda: np.sum(left, axis=1, dtype=f32, keepdims=True)),
        ("bf16 DMA 128x512", copy, lambda: np.copyto(out, left) or out),
        ("bf16 multiply 128x1", small, lambda: left[:, 0:1] * ml_dtypes.bfloat16(2)),
    ]
    figures = []
    for what, kernel, peer in tasks:
        got = next(iter(nki.run(kernel, left, right, 1, chip="trainium2").outputs.values()))
        np.testing.assert_allclose(got.astype(f32), peer().astype(f32), rtol=2e-2, atol=2e-2)
        ours, peers = [], []
        for _ in range(args.rounds):
            ours.append(1e6 * seconds_a_call(kernel, left, right))
            peers.append(1e6 * best_of(peer, 50))
        ratio = min(peers) / min(ours)
        wanted, met = ("ours <= 3 us", min(ours) <= 3) if kernel is small else ("ratio >= 10", ratio >= 10)
        limit = "memory bandwidth" if kernel is copy else "the call from Python" if kernel is small else "the core's vector units"
        figures.append(Figure("nki_tiles", what, min(ours), "us", min(peers), "NumPy", ratio, wanted, met, limit, ours))
    return report(args, figures)


if __name__ == "__main__":
    sys.exit(main())
