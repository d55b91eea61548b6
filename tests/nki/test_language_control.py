# SPDX-License-Identifier: Apache-2.0
"""Loops, registers, order, the launch grid, assignment and operators on tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernels import normal, on_tiles

import thorong
import thorong.nki as nki
import thorong.nki.isa as nisa
import thorong.nki.language as nl


def test_unrolled_ranges_are_pythons() -> None:
    """One, two and three arguments."""
    for function in (nl.static_range, nl.affine_range, nl.sequential_range):
        assert list(function(3)) == [0, 1, 2] and list(function(1, 7, 2)) == [1, 3, 5]


def test_dynamic_range() -> None:
    """Bounds from registers; the index is a register that addresses and cannot be written."""

    @nki.jit
    def kernel(data: Any, count: Any) -> Any:
        out = nl.zeros((1, 8), nl.float32, nl.shared_hbm)
        tile = nl.ndarray((1, 1), nl.int32, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=count)
        stop = nisa.register_alloc(tile)
        for i in nl.dynamic_range(1, stop, 2):
            assert isinstance(i, nisa.VirtualRegister)
            cell = nl.ndarray((1, 1), nl.float32, buffer=nl.sbuf)
            nisa.dma_copy(dst=cell, src=data.ap([[1, 1], [1, 1]], scalar_offset=i, indirect_dim=1))
            nisa.dma_copy(dst=out.ap([[1, 1], [1, 1]], scalar_offset=i, indirect_dim=1), src=cell)
        return out

    data = np.arange(8, dtype=np.float32).reshape(1, 8)
    np.testing.assert_array_equal(kernel(data, np.array([[6]], np.int32)), [[0, 1, 0, 3, 0, 5, 0, 0]])


def test_fori_and_while_loop() -> None:
    """The body is called with registers; a while loop ends when the returned one holds 0."""
    seen: list[int] = []

    @nki.jit
    def kernel(value: Any, count: Any) -> Any:
        val, left = nl.load(value), nl.load(count)
        total, one = nl.zeros((1, 1), nl.float32), nl.full((1, 1), 1, nl.int32)
        nl.fori_loop(2, nisa.register_alloc(5), lambda i: seen.append(int(i)))
        register = nisa.register_alloc(left)

        def body(r: Any) -> Any:
            nisa.tensor_tensor(dst=total, data1=total, data2=val, op=nl.add)
            nisa.tensor_tensor(dst=left, data1=left, data2=one, op=nl.subtract)
            nisa.register_load(r, left)
            return r

        nl.while_loop(register, body)
        out = nl.ndarray((1, 1), nl.float32, buffer=nl.shared_hbm)
        nl.store(out, total)
        return out

    assert kernel(np.array([[2.5]], np.float32), np.array([[4]], np.int32)) == 10.0
    assert seen == [2, 3, 4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nl.dynamic_range(0, 4, nisa.register_alloc(1)), "a positive integer for step"),
        (lambda: nl.fori_loop(0, 4, print, 0), "a positive integer for step"),
        (lambda: nl.while_loop(1, lambda r: 3), "a register as the result of the body"),
    ],
)
def test_wrong_loops(call: Any, message: str) -> None:
    """A step that is no constant, a body that returns no register."""
    with pytest.raises(thorong.InvalidArgument, match=message):
        nki.jit(lambda a: call())(np.zeros(1, np.float32))


def test_dynamic_loops_and_no_reorder_exclude_each_other() -> None:
    """As on the chip; the other way round works."""

    def wrong(a: Any) -> Any:
        with nl.no_reorder():
            return list(nl.dynamic_range(3))

    def right(a: Any) -> Any:
        for _ in nl.dynamic_range(2):
            with nl.no_reorder():
                nl.zeros((1, 1), nl.float32)
        return a

    with pytest.raises(thorong.InvalidArgument, match="a loop outside of nl.no_reorder"):
        nki.jit(wrong)(np.zeros(1, np.float32))
    nki.jit(right)(np.zeros(1, np.float32))
    with pytest.raises(thorong.Error, match="a running kernel"), nl.no_reorder():
        pass


def _two_functions(a: Any) -> Any:
    x = nl.load(a)
    first, second = (nl.ndarray(a.shape, a.dtype, buffer=nl.sbuf) for _ in range(2))
    nisa.reciprocal(dst=first, data=x, name="recip")
    nisa.tensor_scalar(dst=second, data=x, op0=nl.add, operand0=1, name="plus1")
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.add(first, second))
    return out


def test_no_reorder_marks_its_instructions() -> None:
    """Blocks that nest are one; instructions outside belong to none."""

    def kernel(a: Any) -> Any:
        nl.zeros((1, 1), nl.float32)
        with nl.no_reorder():
            nl.zeros((1, 1), nl.float32)
            with nl.no_reorder():
                nl.zeros((1, 1), nl.float32)
        nl.zeros((1, 1), nl.float32)
        with nl.no_reorder():
            nl.zeros((1, 1), nl.float32)
        return a

    launched = nki.Kernel(kernel).launch(np.zeros(1, np.float32))
    assert launched.runs[0].chains() == [-1, 0, 0, -1, 1]


def test_with_schedule_and_depends_on() -> None:
    """Edges by name, one or several, and by what a call returned."""
    x = np.full((4, 4), 2.0, np.float32)
    for edges in ([("plus1", "recip")], [("plus1", ["recip"])]):
        launched = nki.jit(_two_functions).with_schedule(edges).launch(x)
        assert launched.runs[0].edges() == [(2, 1)]
        np.testing.assert_array_equal(launched.outputs(), np.full((4, 4), 3.5))

    def kernel(a: Any) -> Any:
        tile = nl.ndarray((1, 1), nl.float32, buffer=nl.sbuf)
        first = nisa.memset(dst=tile, value=1)
        second = nisa.memset(dst=nl.ndarray((1, 1), nl.float32, buffer=nl.sbuf), value=1).depends_on(first)
        assert isinstance(second, nisa.NkiInstruction)
        return a

    assert nki.Kernel(kernel).launch(x).runs[0].edges() == [(1, 0)]


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([("plus1", "absent")], "one instruction with name='absent', found none"),
        ([("recip", "plus1")], "an instruction that comes after the one it depends on"),
    ],
)
def test_wrong_schedule(edges: Any, message: str) -> None:
    """Unknown names, and edges against the kernel's own order."""
    with pytest.raises(thorong.InvalidArgument, match=message):
        nki.jit(_two_functions).with_schedule(edges)(np.ones((2, 2), np.float32))


def test_a_name_that_is_given_twice_has_no_edges() -> None:
    """with_schedule needs one instruction."""

    def kernel(a: Any) -> Any:
        for _ in range(2):
            nisa.memset(dst=nl.ndarray((1, 1), nl.float32, buffer=nl.sbuf), value=1, name="same")
        return a

    with pytest.raises(thorong.InvalidArgument, match="name='same', found several"):
        nki.jit(kernel).with_schedule([("same", "same")])(np.ones(1, np.float32))


def test_launch_grid() -> None:
    """program_id, num_programs and program_ndim with and without a grid."""

    @nki.jit
    def kernel(a: Any) -> Any:
        out = nl.ndarray((2, 4), nl.int32, buffer=nl.shared_hbm)
        row = nl.full((1, 4), 0, nl.int32)
        for i, value in enumerate([nl.program_id(0), nl.num_programs(0), nl.program_ndim(), nl.program_id(axis=1)]):
            nisa.memset(dst=row[:, i : i + 1], value=value)
        nl.store(out[nl.program_id(0) : nl.program_id(0) + 1, :], row)
        return out

    x = np.zeros(1, np.float32)
    np.testing.assert_array_equal(kernel[2](x), [[0, 2, 1, 0], [1, 2, 1, 0]])
    alone = nki.Kernel(kernel.func, check="off")(x)  # which leaves the other row unwritten
    np.testing.assert_array_equal(alone[0], [0, 1, 0, 0])


def test_operators_on_tiles() -> None:
    """Each is the function of the same meaning."""
    x, y = normal(8, 8), normal(8, 8, seed=1)
    check = lambda found, expected: np.testing.assert_allclose(found, expected, rtol=1e-6)  # noqa: E731
    check(on_tiles(lambda a, b: (a + b) * 2 - b / 4, x, y), (x + y) * 2 - y / 4)
    check(on_tiles(lambda a, b: 1.5 - a, x, y), 1.5 - x)
    check(on_tiles(lambda a, b: (a > b) + (a <= 0.0), x, y), (x > y).astype(np.float32) + (x <= 0))
    check(on_tiles(lambda a: -a, x), -x)
    i, j = np.arange(16, dtype=np.int32).reshape(4, 4), np.full((4, 4), 6, np.int32)
    np.testing.assert_array_equal(on_tiles(lambda a, b: (a & b) | (a ^ 1), i, j), (i & j) | (i ^ 1))
    np.testing.assert_array_equal(on_tiles(lambda a: ~(a << 2), i), ~(i << 2))
    with pytest.raises(TypeError):
        on_tiles(lambda a: a + "text", x)


def test_assignment_to_a_part() -> None:
    """A number, a tile, an HBM tensor, and a tensor in HBM as the target."""

    @nki.jit
    def kernel(a: Any) -> Any:
        tile = nl.zeros((4, 8), nl.float32)
        tile[:, 0:2] = 7
        tile[:, 2:4] = nl.load(a)[:, 2:4]
        tile[:, 4:6] = a[:, 4:6]
        tile[:, 6:8] += 1
        out = nl.ndarray((4, 8), nl.float32, buffer=nl.shared_hbm)
        out[...] = tile
        return out

    x = normal(4, 8)
    expected = np.concatenate([np.full((4, 2), 7), x[:, 2:6], np.ones((4, 2))], axis=1)
    np.testing.assert_array_equal(kernel(x), expected.astype(np.float32))


def test_own_values_over_common_ones_warn() -> None:
    """Both cores begin with zeros, then each writes its rows without a barrier: cores in step do what is meant."""

    @nki.jit
    def kernel(a: Any) -> Any:
        out, zeros = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm), nl.zeros(a.shape, a.dtype)
        nisa.dma_copy(out, zeros)
        me = nl.program_id(0)
        tile = nl.load(a[me * 32 : (me + 1) * 32, :])
        nisa.dma_copy(out[me * 32 : (me + 1) * 32, :], tile)
        return out

    a = np.arange(64 * 16, dtype=np.float32).reshape(64, 16)
    with pytest.warns(UserWarning, match=r"expected a core_barrier between two cores' accesses.*\[race\]"):
        np.testing.assert_array_equal(kernel[2](a), a)
