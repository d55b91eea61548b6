# SPDX-License-Identifier: Apache-2.0
"""The older interface, neuronxcc.nki: index tiles, masks, results as return values, blocks, grids, errors."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from thorong.nki import legacy

legacy.install()
import neuronxcc.nki as nki  # noqa: E402
import neuronxcc.nki.isa as nisa  # noqa: E402
import neuronxcc.nki.language as nl  # noqa: E402

RANDOM = np.random.default_rng(7)


def values(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, dtype=np.float32)


def lines(kernel, *args) -> list[tuple[str, int]]:
    """Mnemonic and line of the kernel for each line and instruction that were recorded, in order."""
    result = kernel.launch(*args).result()
    return [(op["op"], int(op["name"].rpartition(":")[2])) for op in result.operators]


# ---- index tiles


def test_index_tiles_are_access_patterns() -> None:
    """Any affine access is one transfer, whatever its steps."""

    @nki.jit
    def kernel(a):
        out = nl.ndarray((32, 4, 6), dtype=a.dtype, buffer=nl.shared_hbm)
        p, x, y = nl.mgrid[0:32, 0:4, 0:6]
        tile = nl.load(a[2 * p + 1, 3 * x + y])
        nl.store(out[p, x, y], tile)
        return out

    a = values(64, 16)
    want = np.stack([a[1::2, 3 * x : 3 * x + 6] for x in range(4)], axis=1)
    np.testing.assert_array_equal(kernel(a), want)
    assert [kind for kind, _ in lines(kernel, a)] == ["dma_copy", "dma_copy"]


def test_index_tile_arithmetic() -> None:
    a, b = nl.arange(4)[:, None], nl.arange(0, 6, 2)[None, :]
    np.testing.assert_array_equal((3 * a - b + 1).values(), 3 * np.arange(4)[:, None] - np.arange(0, 6, 2)[None, :] + 1)
    np.testing.assert_array_equal((5 - a).values(), 5 - np.arange(4)[:, None])
    np.testing.assert_array_equal(((4 * a + b // 2) // 4).values(), np.broadcast_to(np.arange(4)[:, None], (4, 3)))
    assert (a * 2 + b).bounds() == (0, 10)
    with pytest.raises(TypeError, match="not affine"):
        a % 2
    with pytest.raises(TypeError, match="not affine"):
        a * b
    with pytest.raises(ValueError, match="do not go together"):
        nl.arange(3) + nl.arange(4)
    with pytest.raises(ValueError, match="at least one element"):
        nl.arange(0)


def test_index_out_of_bounds_names_the_line() -> None:
    @nki.jit
    def kernel(a):
        return nl.load(a[nl.arange(64)[:, None], nl.arange(17)[None, :]])

    with pytest.raises(IndexError, match=r"test_legacy.py:\d+: the index reaches elements 0 to 16 of a dimension of 16"):
        kernel(values(64, 16))


def test_a_column_is_a_tile_of_one_column() -> None:
    """A kernel that is given tile[:, i] may index both dimensions of it."""

    @nki.jit
    def kernel(a):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        tile = nl.load(a)
        column = tile[:, 2]
        column[:, 0] = nl.multiply(column[:, 0], 2.0)
        nl.store(out, tile)
        return out

    a = values(16, 4)
    np.testing.assert_array_equal(kernel(a), a * np.float32([1, 1, 2, 1]))


def test_view_of_a_view() -> None:
    @nki.jit
    def kernel(a):
        out = nl.ndarray((16, 8), dtype=a.dtype, buffer=nl.shared_hbm)
        tile = nl.load(a)
        part = tile[:, 8:40]
        p, f = nl.mgrid[0:16, 0:8]
        nl.store(out, nl.copy(part[p, 4 * f + 1]))
        return out

    a = values(16, 64)
    np.testing.assert_array_equal(kernel(a), a[:, 9:41:4])


# ---- results


def test_assigned_result_is_one_instruction() -> None:
    """dst[...] = nisa.op(...) writes to dst itself, on the line that says so."""

    @nki.jit
    def kernel(a):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        tile = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.sbuf)
        tile[...] = nl.load(a)
        tile[:, 0:8] = nl.exp(tile[:, 0:8])
        nl.store(out, tile)
        return out

    a = values(16, 32)
    want = a.copy()
    want[:, :8] = np.exp(a[:, :8])
    np.testing.assert_allclose(kernel(a), want, rtol=1e-6)
    first = kernel.func.__code__.co_firstlineno
    assert lines(kernel, a) == [("dma_copy", first + 4), ("activation", first + 5), ("dma_copy", first + 6)]


def test_kept_result_is_a_tile_of_its_own() -> None:
    """A result in a variable stays what it was when its copy changes."""

    @nki.jit
    def kernel(a):
        out = nl.ndarray((2, *a.shape), dtype=a.dtype, buffer=nl.shared_hbm)
        kept = nl.load(a)
        tile = nl.ndarray(a.shape, dtype=a.dtype)
        tile[...] = kept
        tile[...] = tile + 1.0
        nl.store(out[0], kept)
        nl.store(out[1], tile)
        return out

    a = values(8, 16)
    np.testing.assert_array_equal(kernel(a), np.stack([a, a + 1]))


def test_results_keep_their_order() -> None:
    """An operation that waits is executed before its operands change."""

    @nki.jit
    def kernel(a):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        tile = nl.load(a)
        before = nl.copy(tile)
        tile[...] = 0
        nl.store(out, before)
        return out

    a = values(8, 16)
    np.testing.assert_array_equal(kernel(a), a)


def test_operators_on_tiles() -> None:
    @nki.jit
    def kernel(a, b):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        x, y = nl.load(a), nl.load(b)
        total = 3 * x - y / 2.0 + x * y
        total += 1.0
        nl.store(out, -total)
        return out

    a, b = values(16, 32), values(16, 32)
    np.testing.assert_allclose(kernel(a, b), -(3 * a - b / 2 + a * b + 1), rtol=1e-5, atol=1e-6)


def test_numpy_copy_is_an_operator() -> None:
    """With it an activation is data * scale + bias."""

    @nki.jit
    def kernel(a, scale):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        nl.store(out, nisa.activation(np.copy, nl.load(a), scale=nl.load(scale)))
        return out

    a, scale = values(16, 32), values(16, 1)
    np.testing.assert_array_equal(kernel(a, scale), a * scale)


def test_broadcasting() -> None:
    """[P, 1] and [1, F] beside [P, F]."""

    @nki.jit
    def kernel(a, column, row):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.add(nl.multiply(nl.load(a), nl.load(column)), nl.load(row)))
        return out

    a, column, row = values(16, 32), values(16, 1), values(1, 32)
    np.testing.assert_allclose(kernel(a, column, row), a * column + row, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kept", [1, 6])
def test_a_row_is_repeated_by_a_product_with_ones(kept: int) -> None:
    """As the vendor's architecture guide says; rows that the kernel keeps leave half of PSUM to others."""

    @nki.jit
    def kernel(a, rows):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        tile = nl.load(a)
        wide = [nl.load(rows[i : i + 1]).broadcast_to((16, 512)) for i in range(rows.shape[0])]
        for row in wide:
            tile = nisa.tensor_tensor(tile, row, op=np.multiply)
        nl.store(out, tile)
        return out

    a, rows = values(16, 512), values(kept, 512)
    np.testing.assert_allclose(kernel(a, rows), a * np.prod(rows, axis=0), rtol=1e-5)
    operators = {op["op"]: op for op in kernel.launch(a, rows).result().operators}
    assert "nc_matmul" in operators


def test_a_repeated_row_may_be_an_operand_of_a_product() -> None:
    @nki.jit
    def kernel(row, y):
        out = nl.ndarray((16, 32), dtype=row.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.copy(nisa.nc_matmul(nl.load(row).broadcast_to((8, 16)), nl.load(y))))
        return out

    row, y = values(1, 16), values(8, 32)
    np.testing.assert_allclose(kernel(row, y), np.broadcast_to(row, (8, 16)).T @ y, rtol=1e-5, atol=1e-5)


# ---- masks


def test_rectangular_mask_is_a_smaller_pattern() -> None:
    @nki.jit
    def kernel(a):
        out = nl.zeros((64, 48), dtype=a.dtype, buffer=nl.shared_hbm)
        p, f = nl.mgrid[0:128, 0:64]
        tile = nl.load(a[p, f], mask=(p < 50) & (f < 40))
        nl.store(out[p, f], nl.multiply(tile, 2.0, mask=(p < 50) & (f < 40)), mask=(p < 50) & (f >= 8) & (f < 40))
        return out

    a = values(50, 40)
    want = np.zeros((64, 48), np.float32)
    want[:50, 8:40] = 2 * a[:, 8:]
    np.testing.assert_array_equal(kernel(a), want)


def test_slice_beyond_the_tensor_wants_a_mask() -> None:
    @nki.jit
    def kernel(a, masked):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        p = nl.arange(16)[:, None]
        for first in range(0, 40, 16):
            mask = first + p < 40 if masked else None
            nl.store(out[first : first + 16, :], nl.load(a[first : first + 16, :], mask=mask), mask=mask)
        return out

    a = values(40, 8)
    np.testing.assert_array_equal(kernel(a, True), a)
    with pytest.raises(IndexError, match="the index reaches elements 32 to 47 of a dimension of 40"):
        kernel(a, False)


def test_triangular_mask_of_a_transfer_is_several() -> None:
    @nki.jit
    def kernel(a):
        out = nl.zeros(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        p, f = nl.mgrid[0:8, 0:8]
        nl.store(out[p, f], nl.load(a), mask=p >= f)
        return out

    a = values(8, 8)
    np.testing.assert_array_equal(kernel(a), np.tril(a))


def test_triangular_mask_of_an_operation_selects() -> None:
    @nki.jit
    def kernel(a):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        p, f = nl.mgrid[0:8, 0:8]
        tile = nl.load(a)
        tile[p, f] = nl.multiply(tile, 2.0, mask=(p > f) | (f > 5))
        nl.store(out, tile)
        return out

    a = values(8, 8)
    p, f = np.mgrid[0:8, 0:8]
    np.testing.assert_array_equal(kernel(a), np.where((p > f) | (f > 5), 2 * a, a))


@pytest.mark.parametrize("mask", [True, False])
def test_mask_that_is_known(mask: bool) -> None:
    @nki.jit
    def kernel(a):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        tile = nl.load(a)
        tile[...] = nl.multiply(tile, 2.0, mask=mask)
        nl.store(out, tile)
        return out

    a = values(8, 8)
    np.testing.assert_array_equal(kernel(a), 2 * a if mask else a)


def test_and_in_a_mask() -> None:
    """The vendor's compiler reads `and` in a mask as &."""

    @nki.jit
    def kernel(a):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        p, f = nl.mgrid[0:8, 0:8]
        tile = nl.load(a)
        tile[p, f] = nl.multiply(tile, 2.0, mask=(p < limit and f < limit))
        nl.store(out, tile)
        return out

    limit = 4
    a = values(8, 8)
    want = a.copy()
    want[:limit, :limit] *= 2
    np.testing.assert_array_equal(kernel(a), want)


def test_truth_of_a_mask() -> None:
    p = nl.arange(8)
    assert bool(p < 8) is True
    assert bool(p < 0) is False
    with pytest.raises(TypeError, match="combine masks with &"):
        bool(p < 4)


def test_mask_of_a_reduction_cuts_its_input() -> None:
    @nki.jit
    def kernel(a):
        out = nl.ndarray((16, 1), dtype=a.dtype, buffer=nl.shared_hbm)
        p, f = nl.mgrid[0:16, 0:32]
        nl.store(out, nl.sum(nl.load(a)[p, f], axis=1, mask=f < 20))
        return out

    a = values(16, 32)
    np.testing.assert_allclose(kernel(a), a[:, :20].sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-5)


# ---- matrix products


def test_accumulation_in_psum() -> None:
    """`psum += nc_matmul(...)`: the first product overwrites the zeros, so that no memset is needed."""

    @nki.jit
    def kernel(a, b):
        out = nl.ndarray((32, 64), dtype=np.float32, buffer=nl.shared_hbm)
        total = nl.zeros((nl.par_dim(32), 64), dtype=np.float32, buffer=nl.psum)
        for k in nl.affine_range(3):
            p, m, n = nl.arange(16)[:, None], nl.arange(32)[None, :], nl.arange(64)[None, :]
            total[nl.arange(32)[:, None], n] += nisa.nc_matmul(nl.load(a[16 * k + p, m]), nl.load(b[16 * k + p, n]))
        nl.store(out, nl.copy(total))
        return out

    a, b = values(48, 32), values(48, 64)
    np.testing.assert_allclose(kernel(a, b), a.T @ b, rtol=1e-5, atol=1e-5)
    assert "memset" not in [kind for kind, _ in lines(kernel, a, b)]


def test_zeros_in_psum_that_are_read() -> None:
    @nki.jit
    def kernel(a, b):
        out = nl.ndarray((32, 64), dtype=np.float32, buffer=nl.shared_hbm)
        total = nl.zeros((nl.par_dim(32), 64), dtype=np.float32, buffer=nl.psum)
        total[:, 0:32] += nisa.nc_matmul(nl.load(a), nl.load(b))
        nl.store(out, total)
        return out

    a, b = values(16, 32), values(16, 32)
    np.testing.assert_allclose(kernel(a, b), np.hstack([a.T @ b, np.zeros((32, 32), np.float32)]), rtol=1e-5, atol=1e-5)


def test_matmul_and_transposes() -> None:
    @nki.jit
    def kernel(x, y):
        out = nl.ndarray((32, 64), dtype=np.float32, buffer=nl.shared_hbm)
        turned = nl.ndarray((16, 32), dtype=np.float32, buffer=nl.shared_hbm)
        tile = nl.load(x)
        nl.store(out, nl.matmul(tile, nl.load(y)))
        nl.store(turned, nl.copy(nl.transpose(tile)))
        return out, turned

    x, y = values(32, 16), values(16, 64)
    product, turned = kernel(x, y)
    np.testing.assert_allclose(product, x @ y, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(turned, x.T)


@pytest.mark.parametrize("target", ["trn1", "trn2"])
def test_transposes_into_fp32(target: str) -> None:
    """The destination may be fp32 for narrower data; the tensor engine of NeuronCore-v2 has no other."""

    @nki.jit(mode="simulation", platform_target=target)
    def kernel(x):
        out = nl.ndarray((16, 32), dtype=np.float32, buffer=nl.shared_hbm)
        turned = nl.ndarray((16, 32), dtype=np.float32, buffer=nl.psum)
        turned[:, :] = nisa.nc_transpose(nl.load(x))
        nl.store(out, nl.copy(turned))
        return out

    x = values(32, 16).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(kernel(x), x.T.astype(np.float32))


@pytest.mark.parametrize("grid", [None, 0, (0, 2)])
def test_products_of_what_lies_in_psum(grid: Any) -> None:
    """A transpose's result is an operand as it is; a grid of 0 is one instance."""

    @nki.jit
    def kernel(x, y):
        out = nl.ndarray((32, 24), dtype=np.float32, buffer=nl.shared_hbm)
        nl.store(out, nl.copy(nisa.nc_matmul(nisa.nc_transpose(nl.load(x)), nl.load(y))))
        return out

    x, y = values(32, 16), values(16, 24)
    found = (kernel if grid is None else kernel[grid])(x, y)
    np.testing.assert_allclose(found, x @ y, rtol=1e-5, atol=1e-5)


# ---- blocks and places


def test_blocks_of_tiles() -> None:
    @nki.jit
    def kernel(a):
        out = nl.ndarray((3, nl.par_dim(16), 8), dtype=a.dtype, buffer=nl.shared_hbm)
        tiles = nl.ndarray((3, nl.par_dim(16), 8), dtype=a.dtype, buffer=nl.sbuf)
        for b in nl.affine_range(3):
            tiles[b] = nl.load(a[b])
        for b in nl.affine_range(3):
            tiles[b, :, 0:4] = nl.multiply(tiles[b, nl.arange(16)[:, None], nl.arange(4)[None, :]], 2.0)
            nl.store(out[b], tiles[b])
        return out

    a = values(3, 16, 8)
    want = a.copy()
    want[:, :, :4] *= 2
    np.testing.assert_array_equal(kernel(a), want)


def test_a_range_of_blocks_is_refused() -> None:
    @nki.jit
    def kernel():
        nl.ndarray((3, nl.par_dim(16), 8), dtype=np.float32)[nl.arange(3)[:, None, None], nl.arange(16)[None, :, None], 0]

    with pytest.raises(ValueError, match="numbers tiles and takes one number at a time"):
        kernel()


def test_modulo_allocation() -> None:
    """Tiles take turns in the places that the kernel gives; what a place held is gone."""
    import neuronxcc.nki.compiler as ncc

    places = []

    @nki.jit
    def kernel(a):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        tiles = nl.ndarray((4, nl.par_dim(16), 8), dtype=a.dtype, buffer=ncc.sbuf.mod_alloc(base_addr=1024, num_free_tiles=(2,)))
        own = nl.ndarray((nl.par_dim(16), 8), dtype=a.dtype, buffer=ncc.sbuf.alloc(lambda idx, pdim_size, fdim_size: (0, 4096)))
        products = nl.ndarray((3, nl.par_dim(16), 8), dtype=np.float32, buffer=ncc.psum.mod_alloc(base_bank=2, num_bank_tiles=(2,)))
        for b in nl.affine_range(4):
            tiles[b] = nl.load(a[b])
            places.append(tiles[b].core().address)
            own[...] = nl.copy(tiles[b])
            nl.store(out[b], own)
        for b in range(3):
            places.append(products[b].core().address)
        places.append(own.core().address)
        return out

    a = values(4, 16, 8)
    np.testing.assert_array_equal(kernel(a), a)
    assert places == [1024, 1056, 1024, 1056, 2 * 2048, 3 * 2048, 2 * 2048, 4096]


# ---- grids, loops, indirect access


def test_instances_of_a_grid() -> None:
    @nki.jit
    def kernel(a):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        i, j = nl.program_id(0), nl.program_id(1)
        assert nl.program_ndim() == 2 and nl.num_programs(0) == 4
        nl.store(out[i, j], nl.multiply(nl.load(a[i, j]), 1.0 + i))
        return out

    a = values(4, 2, 8, 8)
    want = a * (1 + np.arange(4, dtype=np.float32))[:, None, None, None]
    for grid in [(4, 2), (nl.nc(2) * 2, 2), (2 * nl.nc(2), 2), (nl.spmd_dim(nl.nc(2), 2), 2)]:
        np.testing.assert_array_equal(kernel[grid](a), want)


def test_loop_reduce() -> None:
    @nki.jit
    def kernel(a):
        out = nl.ndarray((2, 16, 8), dtype=a.dtype, buffer=nl.shared_hbm)
        for outer in nl.affine_range(2):
            for inner in nl.affine_range(3):
                total = nl.loop_reduce(nl.load(a[outer, inner]), op=np.add, loop_indices=[inner])
            nl.store(out[outer], total)
        return out

    a = values(2, 3, 16, 8)
    np.testing.assert_allclose(kernel(a), a.sum(axis=1), rtol=1e-6, atol=1e-6)


def test_loop_reduce_over_an_outer_loop() -> None:
    """Each step of a loop within has a sum of its own."""

    @nki.jit
    def kernel(a):
        out = nl.ndarray((2, 16, 8), dtype=a.dtype, buffer=nl.shared_hbm)
        sums = nl.zeros((2, nl.par_dim(16), 8), dtype=a.dtype)
        for outer in nl.affine_range(3):
            for inner in nl.affine_range(2):
                sums[inner] = nl.loop_reduce(nl.load(a[outer, inner]), op=np.add, loop_indices=(outer,))
        for inner in nl.affine_range(2):
            nl.store(out[inner], sums[inner])
        return out

    a = values(3, 2, 16, 8)
    np.testing.assert_allclose(kernel(a), a.sum(axis=0), rtol=1e-6, atol=1e-6)


def test_indirect_load_and_store() -> None:
    @nki.jit
    def kernel(a, places):
        out = nl.zeros((64, 8), dtype=a.dtype, buffer=nl.shared_hbm)
        f = nl.arange(8)[None, :]
        where = nl.load(places[nl.arange(16)[:, None]])
        rows = nl.load(a[where, f])
        nl.store(out[2 * nisa.iota(nl.arange(16)[:, None], dtype=np.int32), f], rows)
        return out

    a, places = values(64, 8), RANDOM.permutation(64)[:16].astype(np.int32)
    want = np.zeros((64, 8), np.float32)
    want[:32:2] = a[places]
    np.testing.assert_array_equal(kernel(a, places), want)


def test_indirect_index_out_of_bounds() -> None:
    @nki.jit
    def kernel(a, places):
        return nl.load(a[nl.load(places), nl.arange(8)[None, :]])

    with pytest.raises(IndexError, match="index 512 is out of bounds for axis 0 with size 512"):
        kernel(values(64, 8), np.full((16, 1), 64, np.int32))


# ---- ways to run


def test_outputs_as_arguments() -> None:
    """nki.trace kernels write to the arrays that they are given."""

    @nki.trace
    def kernel(a, out):
        nl.store(out, nl.exp(nl.load(a)))

    a, out = values(16, 8), np.zeros((16, 8), np.float32)
    nki.simulate_kernel(kernel, a, out)
    np.testing.assert_allclose(out, np.exp(a), rtol=1e-6)


def test_benchmark_baremetal_and_profile(tmp_path) -> None:
    def kernel(a):
        out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.load(a) + 1.0)
        return out

    a = values(128, 512)
    np.testing.assert_array_equal(nki.baremetal()(kernel)(a), a + 1)
    timed = nki.benchmark(warmup=5, iters=10)(kernel)
    np.testing.assert_array_equal(timed(a), a + 1)
    latency = timed.benchmark_result.nc_latency
    assert 1 < latency.get_latency_percentile(50) < 1000
    assert latency.get_latency_percentile(99) == latency.get_latency_percentile(50)
    with pytest.raises(ValueError, match="percentile from 0 to 100"):
        latency.get_latency_percentile(101)
    profiled = nki.profile(kernel, working_directory=str(tmp_path), save_trace_name="p.ntff")
    np.testing.assert_array_equal(profiled(a), a + 1)
    assert (tmp_path / "p.json").stat().st_size > 0


def test_platform_target() -> None:
    @nki.jit(mode="simulation", platform_target="trn1")
    def kernel():
        out = nl.ndarray((1, 1), dtype=np.int32, buffer=nl.shared_hbm)
        nl.store(out, int(nisa.get_nc_version().value))
        return out

    assert kernel()[0, 0] == 2
    with pytest.raises(ValueError, match="platform_target: expected one of"):
        nki.jit(kernel.func, platform_target="tpu")


def test_unrounded_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """NKI_PRECISE_FP=0 keeps fp32 in tiles of narrower floats, as the simulator of 2025 did."""

    @nki.jit
    def kernel(a):
        out = nl.ndarray(a.shape, dtype=np.float32, buffer=nl.shared_hbm)
        nl.store(out, nl.multiply(nl.load(a), 3.0, dtype=nl.bfloat16))
        return out

    a = values(16, 8)
    np.testing.assert_array_equal(kernel(a), (a * 3).astype(ml_dtypes.bfloat16).astype(np.float32))
    monkeypatch.setenv("NKI_PRECISE_FP", "0")
    np.testing.assert_array_equal(kernel(a), a * 3)


# ---- errors


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (lambda t: t[0, 0, 0], IndexError, "at most 2 indices"),
        (lambda t: t[16], IndexError, "expected an index from 0 to 15"),
        (lambda t: t[:, 8:4], IndexError, "expected a slice within 0 to 8"),
        (lambda t: t["x"], TypeError, "indexed by numbers, slices, nl.ds and index tiles"),
        (lambda t: t[nl.arange(8)[None, :], 0], ValueError, "partitions run along the first dimension"),
        (lambda t: t.__setitem__(0, "x"), ValueError, "expected a tile or a number to assign"),
        (lambda t: nl.add(1, 2), ValueError, "expected a tile"),
        (lambda t: nl.sum(t, axis=0), ValueError, "expected free dimensions"),
        (lambda t: nisa.iota(t, dtype=np.int32), ValueError, "expected an index tile"),
        (lambda t: nl.ndarray((4, 4), dtype="complex64"), ValueError, "expected a dtype"),
        (lambda t: nl.ndarray((4, 4), dtype=np.float32, buffer=7), ValueError, "expected a buffer"),
        (lambda t: t.broadcast_to((16, 9)), ValueError, "each dimension must be equal or 1"),
        (lambda t: nl.load_transpose2d(np.zeros(3)), ValueError, "expected a tile"),
    ],
)  # fmt: skip
def test_errors_name_the_line(body, error, message) -> None:
    @nki.jit
    def kernel(a):
        body(nl.load(a))

    with pytest.raises(error, match=message) as caught:
        kernel(values(16, 8))
    assert "test_legacy.py:" in str(caught.value)


def test_error_of_a_waiting_operation_names_its_own_line() -> None:
    @nki.jit
    def kernel(a):
        tile = nl.load(a)
        bad = nisa.activation(nl.add, tile)
        other = nl.exp(tile)
        return bad, other

    line = kernel.func.__code__.co_firstlineno + 3
    with pytest.raises(ValueError, match=rf"test_legacy.py:{line}: activation"):
        kernel(values(16, 8))


def test_matmul_takes_operands_in_psum() -> None:
    """A transposed tile lies in PSUM; nl.matmul copies it to where the tensor engine reads."""

    @nki.jit
    def kernel(a, b):
        out = nl.ndarray((32, 48), dtype=np.float32, buffer=nl.shared_hbm)
        nl.store(out, nl.matmul(nl.transpose(nl.load(a)), nl.transpose(nl.load(b))))
        return out

    a, b = values(64, 32), values(48, 64)
    np.testing.assert_allclose(kernel(a, b), a.T @ b.T, rtol=1e-4, atol=1e-4)


def test_elementwise_operations_take_any_number_of_dimensions() -> None:
    """Where one access pattern has too few, the instruction is issued for each part."""

    @nki.jit
    def kernel(a):
        out = nl.ndarray((8, 512), dtype=np.float32, buffer=nl.shared_hbm)
        tile, result = nl.load(a), nl.zeros((8, 512), np.float32)
        p, d, h, w, x, y, z = nl.mgrid[0:8, 0:2, 0:2, 0:2, 0:3, 0:3, 0:3]
        at = 128 * x + 16 * y + 4 * z + 64 * d + 8 * h + 2 * w
        result[p, at] = 3.0 * tile[p, at] + nl.exp(tile[p, at])
        nl.store(out, result)
        return out

    a = values(8, 512)
    d, h, w, x, y, z = np.mgrid[0:2, 0:2, 0:2, 0:3, 0:3, 0:3]
    at = (128 * x + 16 * y + 4 * z + 64 * d + 8 * h + 2 * w).reshape(-1)
    want = np.zeros_like(a)
    want[:, at] = 3 * a[:, at] + np.exp(a[:, at])
    np.testing.assert_allclose(kernel(a), want, rtol=1e-5, atol=1e-6)


def test_transposing_bfloat16_into_a_tile_of_fp32() -> None:
    """The engine turns it in its own dtype; a copy converts."""

    @nki.jit
    def kernel(a):
        out = nl.ndarray((128, 128), dtype=np.float32, buffer=nl.shared_hbm)
        turned = nl.ndarray((nl.par_dim(128), 128), dtype=np.float32, buffer=nl.psum)
        turned[:, 0:128] = nisa.nc_transpose(nl.load(a))
        nl.store(out, nl.copy(turned))
        return out

    a = values(128, 128).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(kernel(a), a.T.astype(np.float32))
