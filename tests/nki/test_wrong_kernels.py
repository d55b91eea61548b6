# SPDX-License-Identifier: Apache-2.0
"""Each kernel of wrong_kernels is caught by the check that is meant for it, at its line; the table of checks is documented."""

from __future__ import annotations

import inspect
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thorong
import thorong.nki as nki
import thorong.nki.isa as nisa
import thorong.nki.language as nl
from thorong._core import nki as core
from thorong.nki._errors import NkiCheckWarning
from wrong_kernels import CASES, array, calls, memories, ranks, state  # noqa: F401: the imports fill CASES

KINDS = {name: kind for name, kind, _ in core.checks()}


def mark(function: Any) -> tuple[str, str]:
    """The check that a kernel names, and "file.py:12"."""
    lines, first = inspect.getsourcelines(function)
    (found,) = [(i, re.search(r"# wrong: ([a-z-]+)", text)) for i, text in enumerate(lines) if "# wrong:" in text]
    return found[1].group(1), f"{Path(inspect.getsourcefile(function)).name}:{first + found[0]}"


def launch(name: str, check: str, **options: Any) -> tuple[list[Any], Any]:
    """The warnings and the exception of a kernel's run."""
    entry = CASES[name]
    if mark(entry["function"])[0] == "instruction-limit":
        options["max_instructions"] = 1000
    if entry["ranks"]:
        options["ranks"] = entry["ranks"]
    nki._python_subset._done.discard(entry["function"])
    kernel = nki.Kernel(entry["function"], (entry["cores"],) if entry["cores"] > 1 else (), chip=entry["chip"], check=check, **options)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            kernel(array(), **{key: value.copy() for key, value in entry["arrays"].items()})
        except thorong.Error as error:
            return seen, error
    return seen, None


def explained(message: str) -> bool:
    """Expected, found, and a sentence on what to do."""
    return bool(re.search("expect|needs|never meet", message) and re.search("found|has|gives|waits", message))


@pytest.mark.parametrize("name", CASES)
def test_strict_raises(name: str) -> None:
    """The check's name, the line, what was expected and found; Python that is refused elsewhere only warns."""
    check, line = mark(CASES[name]["function"])
    seen, error = launch(name, "strict")
    if KINDS[check] == "warning":
        (warning,) = [each for each in seen if each.message.check == check]
        assert error is None and f"{Path(warning.filename).name}:{warning.lineno}" == line and explained(str(warning.message))
        return
    assert error is not None, "nothing was found"
    assert error.check == check, error
    assert error.where.endswith(line), error
    assert explained(str(error)), error


@pytest.mark.parametrize("name", [name for name in CASES if KINDS[mark(CASES[name]["function"])[0]] == "mode"])
def test_warn_goes_on(name: str) -> None:
    """A warning at the line, once; then the kernel comes to its end where it can."""
    check, line = mark(CASES[name]["function"])
    seen, error = launch(name, "warn")
    found = [f"{Path(each.filename).name}:{each.lineno}" for each in seen if isinstance(each.message, NkiCheckWarning) and each.message.check == check]
    assert found == [line] or (check == "sendrecv" and not found), [str(each.message) for each in seen]
    if CASES[name]["goes_on"]:
        assert error is None, error


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name]["goes_on"]])
def test_off_finds_nothing(name: str) -> None:
    """No warning, no error."""
    seen, error = launch(name, "off")
    assert error is None and not [each for each in seen if isinstance(each.message, NkiCheckWarning)]


def test_every_check_has_a_wrong_kernel() -> None:
    """And there are enough of them."""
    assert len(CASES) >= 45
    assert {mark(entry["function"])[0] for entry in CASES.values()} == set(KINDS)


def test_the_table_is_documented() -> None:
    """docs/nki.md has a row for each check, with its meaning and what --check does to it."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "nki.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (.*) \|$", text, re.MULTILINE)
    assert rows == core.checks()


def double(a: Any) -> Any:
    """2 a."""
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.multiply(nl.load(a), 2.0))
    return out


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_left_behind(name: str) -> None:
    """After a wrong kernel a right one gives its result, in the same thread."""
    launch(name, "strict")
    assert core.current() is None
    np.testing.assert_array_equal(nki.Kernel(double, chip=CASES[name]["chip"])(array()), 2 * array())


def test_sums_over_strided_writes_are_exact() -> None:
    """Columns, rows, strided and transposed writes that fill a tensor leave nothing unwritten."""

    def kernel(a: Any) -> Any:
        out = nl.ndarray((64, 128), nl.float32, buffer=nl.shared_hbm)
        x = nl.ndarray((128, 64), nl.float32)
        for i in range(4):
            nisa.dma_copy(x[32 * i : 32 * i + 32, 0:64:2], a[32 * i : 32 * i + 32, 0:64:2])
        for i in range(1, 64, 2):
            nisa.dma_copy(x[:, i : i + 1], a[:, i : i + 1])
        nisa.dma_copy(out.permute((1, 0)), x)
        return out

    np.testing.assert_array_equal(nki.Kernel(kernel, chip="trainium2")(array()), array().T)


def test_copies_of_tiles_that_are_filled_in_part_are_no_errors() -> None:
    """As kernels with a remainder do: what nobody wrote is copied along, and then cut off or overwritten."""

    def kernel(a: Any) -> Any:
        out = nl.ndarray((128, 64), nl.float32, buffer=nl.shared_hbm)
        x, y, z = [nl.ndarray((128, 64), nl.float32) for _ in range(3)]
        nisa.dma_copy(x[0:96, 0:40], a[0:96, 0:40])
        nisa.tensor_scalar(y, x, op0=nl.multiply, operand0=2.0)
        nisa.activation(z, nl.copy, y)
        nisa.memset(z[96:128, :], 0)
        nisa.memset(z[0:96, 40:64], 0)
        nisa.tensor_tensor(y[0:96, 0:40], y[0:96, 0:40], x[0:96, 0:40], op=nl.add)
        nisa.tensor_copy(z[0:96, 0:40], y[0:96, 0:40])
        nisa.dma_copy(out, z)
        return out

    expected = np.zeros((128, 64), np.float32)
    expected[:96, :40] = 3 * array()[:96, :40]
    np.testing.assert_array_equal(nki.Kernel(kernel, chip="trainium2")(array()), expected)


def test_cores_tell_each_other_what_is_written() -> None:
    """One core sends half a tile and gets a whole one: it may use all of that, and the other the half."""

    def kernel(a: Any) -> Any:
        core = nl.program_id(0)
        out = nl.ndarray((2, 128, 64), nl.float32, buffer=nl.shared_hbm)
        mine, got, product = [nl.ndarray((128, 64), nl.float32) for _ in range(3)]
        nisa.memset(product, 0)
        rows = 128 if core else 64
        nisa.dma_copy(mine[0:rows, :], a[0:rows, :])
        nisa.sendrecv(src=mine, dst=got, send_to_rank=1 - core, recv_from_rank=1 - core, pipe_id=0)
        rows = 64 if core else 128
        nisa.tensor_scalar(product[0:rows, :], got[0:rows, :], op0=nl.add, operand0=1.0)
        nisa.dma_copy(out[core], product)
        return out

    found = nki.Kernel(kernel, (2,), chip="trainium2")(array())
    np.testing.assert_array_equal(found[0], array() + 1)
    np.testing.assert_array_equal(found[1], np.concatenate([array()[:64] + 1, np.zeros((64, 64), np.float32)]))
