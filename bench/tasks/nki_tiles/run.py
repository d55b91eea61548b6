# SPDX-License-Identifier: Apache-2.0
"""One tile instruction of a kernel, with values, time and energy, beside NumPy and ml_dtypes doing the same; with --nki-samples
a whole kernel of the older interface, too."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import attention
import ml_dtypes
import numpy as np
from common import Figure, best_of, parse_arguments, peak_gflops, processor, report

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


class Calls:
    """One call, all included: the call from Python, values, recording, order, time and energy; what a launch costs itself taken off."""

    def __init__(self, kernel: Kernel, left: np.ndarray, right: np.ndarray, threads: int) -> None:
        run = nki.Kernel(kernel, chip="trainium2", threads=threads)
        self.run = lambda calls: run.launch(left, right, calls).result()
        self.best = {CALLS: float("inf"), CALLS // 10: float("inf")}

    def microseconds(self) -> float:
        """After one more round, from the shortest runs of all rounds."""
        for calls in self.best:
            self.best[calls] = min(self.best[calls], best_of(lambda n=calls: self.run(n), 5))
        (many, most), (few, least) = self.best.items()
        return 1e6 * (most - least) / (many - few)


def vector_limit(operations: float) -> tuple[float, str]:
    """Microseconds of so many vector operations for each vector of a tile's elements, four a cycle; unknown: zero."""
    found = processor()
    if found["mhz"] is None:
        return 0, "unknown (the system shows no clock)"
    limit = SHAPE[0] * SHAPE[1] / found["lanes"] * operations / 4 / found["mhz"]
    return limit, f"{limit:.3g} us: {operations:g} vector operations for {found['lanes']} elements, 4 a cycle at {found['mhz'] / 1e3:.2f} GHz"


def product_limit() -> tuple[float, str]:
    """Microseconds of the product's fused multiply-adds."""
    peak = peak_gflops(1)
    if peak is None:
        return 0, "unknown (the system shows no clock)"
    limit = 2 * 128 * 128 * 512 / peak / 1e3
    return limit, f"{limit:.3g} us: fused multiply-adds at {peak:.0f} GFLOP/s; NumPy's is BLAS, which has the same limit"


def placed(array: np.ndarray) -> np.ndarray:
    """A copy at a page's begin. Where NumPy puts the target of a copy a few bytes behind its source, modulo a page, some hosts (Zen 3)
    take fifteen times as long."""
    room = np.empty(array.nbytes + 4096, np.uint8)
    first = -room.ctypes.data % 4096
    result = room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


def copy_limit(array: np.ndarray) -> tuple[float, str]:
    """Microseconds of the host's copy of as many plain bytes, measured."""
    source, target = placed(array.view(np.uint8)), placed(array.view(np.uint8))
    limit = 1e6 * best_of(lambda: np.copyto(target, source), 500)
    return limit, f"{limit:.3g} us: the host's copy of {source.nbytes} bytes, measured"


def tile_figures(args: argparse.Namespace) -> list[Figure]:
    """Interleaves both competitors, checks the answers first."""
    rng = np.random.default_rng(0)
    left, right = (placed(rng.standard_normal(SHAPE).astype(ml_dtypes.bfloat16)) for _ in range(2))
    f32 = np.float32
    out = placed(left)
    tasks: list[tuple[str, Kernel, Callable[[], np.ndarray], tuple[float, str]]] = [
        ("bf16 matmul 128x128x512", matmul, lambda: left[:, 0:128].T @ right, product_limit()),
        ("bf16 add 128x512", add, lambda: left + right, vector_limit(11)),
        ("bf16 exp 128x512", exp, lambda: np.exp(left), vector_limit(24)),
        ("bf16 sum of rows 128x512", reduce, lambda: np.sum(left, axis=1, dtype=f32, keepdims=True), vector_limit(2.5)),
        ("bf16 DMA 128x512", copy, lambda: np.copyto(out, left) or out, copy_limit(left)),
        ("bf16 multiply 128x1", small, lambda: left[:, 0:1] * ml_dtypes.bfloat16(2), (0, "the call from Python")),
    ]
    figures = []
    for what, kernel, peer, (limit, why) in tasks:
        got = next(iter(nki.run(kernel, left, right, 1, chip="trainium2").outputs.values()))
        np.testing.assert_allclose(got.astype(f32), peer().astype(f32), rtol=2e-2, atol=2e-2)
        calls, ours, peers = Calls(kernel, left, right, args.threads), [], []
        for _ in range(args.rounds):
            ours.append(calls.microseconds())
            peers.append(1e6 * best_of(peer, 50))
        ratio = min(peers) / ours[-1]
        wanted, met = ("ours <= 3 us", ours[-1] <= 3) if kernel is small else ("ratio >= 10", ratio >= 10)
        if limit > 0:
            why += f" (ratio {min(peers) / limit:.2g} there)"
        figures.append(Figure("nki_tiles", what, ours[-1], "us", min(peers), "NumPy", ratio, wanted, met, why, ours))
    return figures


def attention_figure(args: argparse.Namespace) -> Figure:
    """The whole kernel; both on as many threads as they like, in one run each round."""
    with tempfile.TemporaryDirectory() as folder:
        ours, peer = attention.competitors(args.nki_samples, Path(folder))
        np.testing.assert_allclose(ours(), peer(), atol=1e-2)
        pairs = [(best_of(ours, 1), best_of(peer, 1)) for _ in range(min(args.rounds, 3))]
    seconds, peers = ([pair[i] for pair in pairs] for i in range(2))
    what = f"flash attention forward, {attention.TOKENS} tokens, one head of {attention.HEAD}"
    return Figure("nki_tiles", what, min(seconds), "s", min(peers), "NumPy", min(peers) / min(seconds), "no figure", True,
                  "products in fp32 and exponentials in the chip's arithmetic", seconds)  # fmt: skip


def main() -> int:
    """Prints the ratio of the times."""
    args = parse_arguments(__doc__ or "", 1, lambda parser: parser.add_argument("--nki-samples", type=Path, help="a checkout of nki-samples"))
    figures = tile_figures(args)
    if args.nki_samples is not None:
        figures.append(attention_figure(args))
    else:
        print("flash attention is left out: --nki-samples names no checkout of nki-samples", file=sys.stderr)
    return report(args, figures)


if __name__ == "__main__":
    sys.exit(main())
