# SPDX-License-Identifier: Apache-2.0
"""assume= and --assume: kernels timed with another figure of the chip, beside the chip's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thorong
import thorong.nki as nki
import thorong.nki.isa as nisa
import thorong.nki.language as nl

FACT = "vector.fixed_cycles"
X = np.ones((128, 512), np.float32)


def chain(a: Any, tiles: int = 40) -> Any:
    """Each tile is the one before plus one; more tiles than half of SBUF holds."""
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(a.shape, a.dtype, buffer=nl.sbuf)
    nisa.dma_copy(tile, a)
    for _ in range(tiles):
        following = nl.ndarray(a.shape, a.dtype, buffer=nl.sbuf)
        nisa.tensor_scalar(following, tile, op0=nl.add, operand0=1.0)
        tile = following
    nisa.dma_copy(out, tile)
    return out


@pytest.mark.parametrize(("tiles", "check"), [(2, "strict"), (60, "strict"), (60, "off")])
@pytest.mark.parametrize("grid", [1, 2])
def test_both_times_are_those_of_runs_by_themselves(tiles: int, check: str, grid: int) -> None:
    """The same record in the order and places of either chip: what a run without the assumption would give."""
    kernel = nki.jit(chain)[grid]
    own = nki.run(kernel, X, tiles, check="off", chip="trainium2")
    given = nki.run(kernel, X, tiles, check=check, chip="trainium2", assume={FACT: 1000})
    assert given.assumptions["device_s_of_chip"] == own.device_s < given.device_s
    np.testing.assert_array_equal(given.outputs["output0"], own.outputs["output0"])
    assert "assumptions" not in dir(own)


def test_numbers_and_texts() -> None:
    """As in the chip file; None is no assumption."""
    times = [nki.run(chain, X, 4, assume={FACT: value}).device_s for value in (500, 500.0, "500", "5e2 cycles", "{value: 500, unit: cycles}")]
    assert len(set(times)) == 1
    assert nki.run(chain, X, 4, assume=None).device_s == nki.run(chain, X, 4).device_s < times[0]


def test_models_take_it_too() -> None:
    """thorong.run and thorong.compile know the option."""
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    own = thorong.run(model, chip="trainium2", timing_only=True)
    given = thorong.run(model, chip="trainium2", timing_only=True, assume={"dma.latency_s": 1e-3})
    assert given.device_s > own.device_s == given.assumptions["device_s_of_chip"]
    with pytest.raises(TypeError, match="option 'assume' wants a dict"):
        thorong.run(model, assume="dma.latency_s=1e-3")


@pytest.mark.parametrize(
    ("assume", "error", "says"),
    [
        ({FACT: "many"}, thorong.InvalidArgument, "must be a number"),
        ({FACT: "1 ns"}, thorong.InvalidArgument, "needs 'unit: cycles'"),
        ({FACT: -1}, thorong.InvalidArgument, "is -1, but must be"),
        ({FACT: float("nan")}, thorong.InvalidArgument, "must be a number"),
        ({"vector.fixd_cycles": 1}, thorong.NotFound, f"did you mean '{FACT}'"),
        ({FACT: None}, TypeError, "wants names and numbers"),
        ({FACT: True}, TypeError, "wants names and numbers"),
        ([FACT], TypeError, "wants a dict"),
    ],
)
def test_bad_assumptions(assume: Any, error: type[Exception], says: str) -> None:
    """An exception that names the fact and the remedy."""
    with pytest.raises(error, match=says):
        nki.run(chain, X, assume=assume)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m thorong.nki` in a folder."""
    return subprocess.run([sys.executable, "-m", "thorong.nki", *words], cwd=folder, capture_output=True, text=True, check=False)


def test_the_option_of_the_module(tmp_path: Path) -> None:
    """Every kernel of the script, with --check in any order; what the script prints of a result shows both times."""
    (tmp_path / "script.py").write_text(
        "import numpy as np, nki, nki.isa as nisa, nki.language as nl, thorong.nki\n"
        "def kernel(a):\n    t = nl.load(a)\n    nisa.tensor_scalar(t, t, op0=nl.add, operand0=1.0)\n"
        "print(thorong.nki.run(kernel, np.ones((128, 8), np.float32)))\n"
    )
    done = run(tmp_path, "--assume", f"{FACT}=1000", "--check=off", "--assume=vector.min_issue_cycles=99 cycles", "script.py")
    assert done.returncode == 0, done.stderr
    assert f"{FACT}: 1000 cycles in place of" in done.stdout and "with the chip's own" in done.stdout
    for words, says in (
        (["--assume", FACT], "expected NAME=VALUE"),
        (["--assume"], "expected NAME=VALUE"),
        (["--assume", f"{FACT}=1", "--assume", f"{FACT}=1"], "is given twice"),
    ):
        done = run(tmp_path, *words, "script.py")
        assert done.returncode == 2 and says in done.stderr and "--assume" in done.stderr, done.stderr
