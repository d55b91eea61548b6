# SPDX-License-Identifier: Apache-2.0
"""Kernels that never end, raise, or are called with what they cannot take: a Python exception of the right class, and the next run is right."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thorong
import thorong.nki as nki
import thorong.nki.isa as nisa
import thorong.nki.language as nl
from thorong._core import nki as core

X = np.arange(12, dtype=np.float32).reshape(3, 4)


@nki.jit
def double(a: Any) -> Any:
    """2 a."""
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.multiply(nl.load(a), 2.0))
    return out


@pytest.fixture(autouse=True)
def the_next_run_is_right() -> Any:
    """Whatever a test did, no kernel runs any more and a right one gives its result."""
    yield
    assert core.current() is None
    np.testing.assert_array_equal(double(X), 2 * X)


def test_a_kernel_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of instructions, by the environment."""
    monkeypatch.setenv("THORONG_NKI_MAX_INSTRUCTIONS", "100")

    def kernel(a: Any) -> Any:
        x = nl.full((3, 4), 0, nl.float32)
        while True:
            nisa.tensor_scalar(x, x, nl.add, 1.0)

    with pytest.raises(MemoryError, match=r"test_bad_input.py:\d+: expected a kernel of at most 100 instructions"):
        nki.jit(kernel)(X)


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("body", ["nisa.tensor_scalar(x, x, nl.add, 1.0)", "pass"])
def test_interrupt(tmp_path: Path, cores: int, body: str) -> None:
    """Ctrl-C ends an endless kernel on one core and on two, with and without instructions in the loop."""
    script = f"""
import numpy as np, thorong.nki as nki, thorong.nki.isa as nisa, thorong.nki.language as nl
def kernel(a):
    x = nl.full((3, 4), 0, nl.float32)
    print("runs", flush=True)
    while True:
        {body}
try:
    nki.jit(kernel){"[2]" if cores == 2 else ""}(np.zeros((3, 4), np.float32))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    (tmp_path / "script.py").write_text(script)
    process = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "runs\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60)[0].splitlines()[-1] == "interrupted" and process.returncode == 0
        finally:
            process.kill()


def test_a_kernel_that_recurses() -> None:
    """RecursionError, as Python has it."""

    def kernel(a: Any) -> Any:
        nl.load(a)
        return kernel(a)

    with pytest.raises(RecursionError):
        nki.jit(kernel)(X)


@pytest.mark.parametrize("cores", [1, 2])
def test_a_kernel_that_raises(cores: int) -> None:
    """Its own exception passes, also while the other core waits for it."""

    def kernel(a: Any) -> Any:
        if nl.program_id(0) == nl.num_programs(0) - 1:
            raise KeyError("mine")
        nisa.core_barrier(a, (0, 1))
        return a

    with pytest.raises(KeyError, match="mine"):
        nki.Kernel(kernel, (cores,) if cores > 1 else ())(X)


def test_an_order_that_is_left_open() -> None:
    """An exception inside of no_reorder does not reach into the next run."""

    def kernel(a: Any) -> Any:
        with nl.no_reorder():
            nl.load(a[0:9, :])

    with pytest.raises(IndexError):
        nki.jit(kernel)(X)


def test_a_kernel_that_returns_nothing() -> None:
    """None, and a Result without outputs."""

    def kernel(a: Any) -> None:
        nl.load(a)

    assert nki.jit(kernel)(X) is None
    assert nki.run(kernel, X).outputs == {}


WRONG_CALLS: dict[str, tuple[Callable[[], Any], Any, str]] = {
    "too few arguments": (lambda: double(), TypeError, "missing 1 required positional argument"),
    "an unknown argument": (lambda: double(X, b=1), TypeError, "unexpected keyword argument 'b'"),
    "complex numbers": (lambda: double(X.astype(np.complex64)), thorong.InvalidArgument, "complex64 have no dtype in NKI"),
    "objects": (lambda: double(np.array([[object()]])), thorong.InvalidArgument, "object have no dtype in NKI"),
    "text": (lambda: double("array"), AttributeError, "has no attribute 'shape'"),
    "a list": (lambda: double([[1.0, 2.0]]), AttributeError, "has no attribute 'shape'"),
    "no array": (lambda: double(None), AttributeError, "has no attribute 'shape'"),
    "too many rows": (lambda: double(np.zeros((300, 4), np.float32)), AssertionError, "at most 128 partitions"),
    "nine dimensions": (lambda: double(np.zeros((1,) * 9, np.float32)), thorong.Unsupported, "at most 8 dimensions"),
    "no elements": (lambda: double(np.zeros((0, 4), np.float32)), AssertionError, "positive sizes"),
    "an unknown chip": (lambda: nki.run(double, X, chip="trainium9"), thorong.Error, "trainium9"),
    "an unknown mode": (lambda: nki.run(double, X, check="perhaps"), thorong.InvalidArgument, "expected strict, warn or off, found 'perhaps'"),
    "no kernel": (lambda: nki.run(3, X), TypeError, "expected a kernel"),
    "no core": (lambda: double[0](X), thorong.InvalidArgument, "expected a grid of 1 core or more, found 0"),
    "outside of a kernel": (lambda: nl.ndarray((3, 4), nl.float32), RuntimeError, "expected to be called by a running kernel"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_wrong_calls(name: str) -> None:
    """A Python exception of the right class."""
    call, kind, words = WRONG_CALLS[name]
    with pytest.raises(kind, match=re.escape(words)):
        call()


def test_runs_in_threads_are_independent() -> None:
    """Right and wrong kernels side by side."""

    def wrong(a: Any) -> Any:
        nisa.tensor_copy(nl.ndarray((3, 4), nl.float32), nl.ndarray((3, 4), nl.float32))

    failures: list[str] = []

    def work(number: int) -> None:
        for i in range(10):
            if (number + i) % 2:
                if not (double(X + number) == 2 * (X + number)).all():
                    failures.append(f"a wrong value in thread {number}")
            else:
                try:
                    nki.jit(wrong)(X)
                    failures.append("nothing was found")
                except thorong.InvalidArgument as error:
                    if "[unwritten]" not in str(error):
                        failures.append(str(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def _script(tmp_path: Path, text: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "thorong.nki", *options, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip


def test_the_option_check(tmp_path: Path) -> None:
    """--check and THORONG_NKI_CHECK: strict by default; warn prints file and line once."""
    text = """import nki, nki.isa as nisa, nki.language as nl, numpy as np
@nki.jit
def kernel(a):
    x, y = nl.ndarray((4, 4), nl.float32), nl.ndarray((4, 4), nl.float32)
    for _ in range(3):
        nisa.tensor_copy(x, y)
    return a
kernel(np.zeros((4, 4), np.float32))
print("end")
"""
    done = _script(tmp_path, text)
    assert done.returncode == 1 and "script.py:6: tensor_copy: expected" in done.stderr and "[unwritten]" in done.stderr
    for done in (_script(tmp_path, text, "--check", "warn"), _script(tmp_path, text, THORONG_NKI_CHECK="warn")):
        assert done.returncode == 0 and done.stdout == "end\n" and done.stderr.count("script.py:6: NkiCheckWarning: tensor_copy") == 1
    for done in (_script(tmp_path, text, "--check=off"), _script(tmp_path, text, THORONG_NKI_CHECK="off")):
        assert done.returncode == 0 and done.stderr == ""
    done = _script(tmp_path, text, "--check", "perhaps")
    assert done.returncode == 2 and "expected strict, warn or off, found 'perhaps'" in done.stderr
