# SPDX-License-Identifier: Apache-2.0
"""Objects that kernels take (NKIObject), and cores that hand over what they wrote."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

import thorong.nki as nki
import thorong.nki.isa as nisa
import thorong.nki.language as nl
from thorong._core import nki as core


class Plain(nl.NKIObject):
    """Without @dataclass."""

    rows: int
    factor: float = 2.0
    names: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.twice = 2 * (self.rows or 0)


class Longer(Plain):
    """With a base's values before its own."""

    last: str = "z"


@dataclass(frozen=True)
class Frozen(nl.NKIObject):
    """With @dataclass."""

    rows: int
    weights: Any = None
    names: list = field(default_factory=list)


def test_classes_without_a_decorator_have_an_initializer() -> None:
    """By position and by name; what has no default is None; lists are not shared."""
    a, b = Plain(3), Plain(rows=4, factor=1.5)
    assert (a.rows, a.factor, a.names, a.twice) == (3, 2.0, [], 6) and (b.rows, b.factor, b.twice) == (4, 1.5, 8)
    assert a.names is not b.names and Plain().rows is None
    assert vars(Longer(1, 2.0, [], "y"))["last"] == "y" and Longer(1).last == "z"
    assert Frozen(5).rows == 5


def test_data_classes_may_be_given_less() -> None:
    """A data class of its own would refuse a field without a value; factories are called for each object."""
    a, b = Frozen(), Frozen(weights=1)
    assert a.rows is None and b.weights == 1 and a.names == [] and a.names is not b.names
    for wrong in (lambda: Plain(1, 2.0, [], 4), lambda: Plain(1, rows=1), lambda: Plain(columns=1)):
        with pytest.raises(TypeError, match="Plain: expected each of .rows, factor, names. at most once, found"):
            wrong()


def test_values_without_annotations_are_fields() -> None:
    """With and without @dataclass; methods, classes and what instances would share are none."""

    class Bare(nl.NKIObject):
        index = None
        offset = 3
        shared: ClassVar[int] = 7
        table = [1]

        class Inner:
            pass

        @property
        def both(self) -> int:
            return self.index + self.offset

    assert Bare(1).both == 4
    with pytest.raises(TypeError, match="index, offset"):
        Bare(table=[2])
    decorated = dataclass(Bare)
    assert decorated(index=1, offset=2).both == 3 and decorated().index is None


def test_arrays_in_objects_become_tensors() -> None:
    """The caller's object stays as it was."""
    values = np.arange(8, dtype=np.float32).reshape(2, 4)

    @nki.jit
    def kernel(config: Frozen) -> Any:
        out = nl.ndarray(config.weights.shape, config.weights.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.multiply(nl.load(config.weights), float(config.rows)))
        return out

    config = Frozen(3, values)
    np.testing.assert_array_equal(kernel(config), 3 * values)
    assert config.weights is values


def test_cores_see_each_others_half_after_their_own() -> None:
    """Without a barrier, which the checks find: each core writes its half of a shared tensor and then reads all of it."""

    @nki.jit
    def kernel(a: Any) -> Any:
        me = nl.program_id(0)
        between = nl.ndarray((2, 64), nl.float32, buffer=nl.shared_hbm)
        out = nl.ndarray((4, 64), nl.float32, buffer=nl.shared_hbm)
        nisa.dma_copy(dst=between[me : me + 1], src=nl.load(a[me : me + 1]))
        nisa.dma_copy(dst=out[2 * me : 2 * me + 2], src=nl.load(between))
        return out

    a = np.arange(128, dtype=np.float32).reshape(2, 64)
    (out,) = nki.run(kernel[2], a, check="off").outputs.values()
    np.testing.assert_array_equal(out, np.concatenate([a, a]))


def test_rearrange() -> None:
    """Dimensions split, reordered and merged, as NumPy does it."""
    a = np.arange(128 * 24, dtype=np.float32).reshape(128, 24)

    def kernel(a: Any, refused: Any = None) -> Any:
        tile = nl.load(a)
        out = nl.ndarray((128, 6, 4), nl.float32, buffer=nl.shared_hbm)
        nisa.dma_copy(out, tile.rearrange(("b", ("h", "w")), ("b", "w", "h"), {"h": 4}))
        split = tile.rearrange(("b", ("h", "w")), ("b", "h", "w"), {"w": 6})
        assert split.shape == (128, 4, 6) and split.rearrange(("b", "h", "w"), ("b", ("h", "w"))).shape == (128, 24)
        for wrong in refused or ():
            with pytest.raises(nki.isa.NkiValidationError, match=r"test_objects.py:\d+: rearrange"):
                tile.rearrange(*wrong)
        return out

    refused = ((("b", "c"), ("b", "d")), (("b", ("h", "w")), ("b", "w", "h")), (("b", ("h", "w")), ("b", "w", "h"), {"h": 5}),
               (("b",), ("b",)), (("b", "c"), ("b", "c"), {"x": 1}), (("b", "b"), ("b", "b")))  # fmt: skip
    expected = a.reshape(128, 4, 6).transpose(0, 2, 1)
    np.testing.assert_array_equal(nki.jit(kernel)(a, refused), expected)


def test_signatures_of_instructions() -> None:
    """Editors and help() see parameters and defaults."""
    found = {name: inspect.signature(function) for name, function in core.functions.items()}
    assert found["activation"].parameters["scale"].default == 1.0
    assert found["nc_matmul"].parameters["perf_mode"].default is nisa.matmul_perf_mode.none
    assert list(found["tensor_copy"].parameters) == ["dst", "src", "engine", "name"]
