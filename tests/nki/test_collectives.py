# SPDX-License-Identifier: Apache-2.0
"""nki.collectives between ranks of one chip: values against NumPy, per-rank inputs, rings, counts, times, threads."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import thorong
import thorong.nki as nki
import thorong.nki.collectives as ncc
import thorong.nki.isa as nisa
import thorong.nki.language as nl

RANDOM = np.random.default_rng(5)


def parts(ranks: int, shape: tuple[int, ...], dtype: Any = np.float32) -> list[np.ndarray]:
    """An array for each rank."""
    return [RANDOM.standard_normal(shape).astype(dtype) for _ in range(ranks)]


def group(ranks: int) -> ncc.ReplicaGroup:
    """All of them."""
    return ncc.ReplicaGroup([list(range(ranks))])


def launch(kernel: Any, ranks: int, lnc: int, *args: Any, **kwargs: Any) -> list[Any]:
    """A value for each rank."""
    made = nki.simulate(nki.jit(kernel), ranks=ranks)
    return (made[lnc] if lnc > 1 else made)(*args, **kwargs)


def hbm(shape: Any, dtype: Any) -> Any:
    """A tensor in HBM."""
    return nl.ndarray(shape, dtype, buffer=nl.shared_hbm)


def sbuf(shape: Any, dtype: Any) -> Any:
    """A tile."""
    return nl.ndarray(shape, dtype, buffer=nl.sbuf)


def through(kind: str, a: Any, shape: Any, ranks: int, in_sbuf: bool, dim: int = 0, op: Any = nl.add) -> Any:
    """The collective `kind` of a, by way of tensors of its own."""
    make = sbuf if in_sbuf else hbm
    src, dst, out = make(a.shape, a.dtype), make(shape, a.dtype), hbm(shape, a.dtype)
    nisa.dma_copy(src, a)
    if kind == "all_reduce":
        ncc.all_reduce([src], [dst], group(ranks), op)
    elif kind == "all_gather":
        ncc.all_gather([src], [dst], group(ranks), dim)
    elif kind == "reduce_scatter":
        ncc.reduce_scatter([src], [dst], group(ranks), 0, op)
    else:
        ncc.all_to_all([src], [dst], group(ranks), 0)
    nisa.dma_copy(out, dst)
    return out


CASES = [(ranks, lnc, where) for ranks, lnc in ((2, 1), (4, 1), (8, 1), (2, 2), (4, 2)) for where in (False, True)]


@pytest.mark.parametrize("ranks, lnc, in_sbuf", CASES)
def test_all_reduce(ranks: int, lnc: int, in_sbuf: bool) -> None:
    """The sum in the order of the ranks, bit for bit; the other operators."""
    given = parts(ranks, (16, 24))
    expected = given[0].copy()
    for each in given[1:]:
        expected += each
    for value in launch(lambda a: through("all_reduce", a, (16, 24), ranks, in_sbuf), ranks, lnc, nki.PerRank(given)):
        np.testing.assert_array_equal(value, expected)
    for op, function in ((nl.minimum, np.min), (nl.maximum, np.max)):
        values = launch(lambda a, op=op: through("all_reduce", a, (16, 24), ranks, in_sbuf, op=op), ranks, lnc, nki.PerRank(given))
        for value in values:
            np.testing.assert_array_equal(value, function(given, axis=0))


@pytest.mark.parametrize("ranks, lnc, in_sbuf", CASES)
def test_all_gather_and_reduce_scatter(ranks: int, lnc: int, in_sbuf: bool) -> None:
    """Along dimension 0; in SBUF also along 1."""
    given = parts(ranks, (8, 6))
    for value in launch(lambda a: through("all_gather", a, (8 * ranks, 6), ranks, in_sbuf), ranks, lnc, nki.PerRank(given)):
        np.testing.assert_array_equal(value, np.concatenate(given))
    if in_sbuf:
        for value in launch(lambda a: through("all_gather", a, (8, 6 * ranks), ranks, True, 1), ranks, lnc, nki.PerRank(given)):
            np.testing.assert_array_equal(value, np.concatenate(given, axis=1))
    given = parts(ranks, (4 * ranks, 6))
    total = np.zeros_like(given[0])
    for each in given:
        total = total + each
    for rank, value in enumerate(launch(lambda a: through("reduce_scatter", a, (4, 6), ranks, in_sbuf), ranks, lnc, nki.PerRank(given))):
        np.testing.assert_array_equal(value, total[4 * rank : 4 * rank + 4])


@pytest.mark.parametrize("ranks, lnc", [(2, 1), (4, 1), (8, 1), (2, 2), (4, 2)])
def test_all_to_all(ranks: int, lnc: int) -> None:
    """A transpose of the ranks' parts."""
    given = parts(ranks, (2 * ranks, 5))
    for rank, value in enumerate(launch(lambda a: through("all_to_all", a, a.shape, ranks, False), ranks, lnc, nki.PerRank(given))):
        np.testing.assert_array_equal(value, np.concatenate([each[2 * rank : 2 * rank + 2] for each in given]))


@pytest.mark.parametrize("in_sbuf", [False, True])
def test_bfloat16_is_summed_in_fp32_and_rounded_once(in_sbuf: bool) -> None:
    """ml_dtypes rounds the fp32 sum."""
    given = parts(4, (8, 32), ml_dtypes.bfloat16)
    expected = np.zeros((8, 32), np.float32)
    for each in given:
        expected = expected + each.astype(np.float32)
    for value in launch(lambda a: through("all_reduce", a, a.shape, 4, in_sbuf), 4, 1, nki.PerRank(given)):
        np.testing.assert_array_equal(value, expected.astype(ml_dtypes.bfloat16))


def test_two_tensors_in_one_call() -> None:
    """Coalesced: of two shapes and dtypes."""
    left, right = parts(2, (4, 8)), parts(2, (6, 2), ml_dtypes.bfloat16)

    def kernel(a: Any, b: Any) -> Any:
        outs = [hbm((8, 8), a.dtype), hbm((12, 2), b.dtype)]
        ncc.all_gather([a, b], outs, group(2), 0)
        return tuple(outs)

    for value in launch(kernel, 2, 1, nki.PerRank(left), nki.PerRank(right)):
        np.testing.assert_array_equal(value[0], np.concatenate(left))
        np.testing.assert_array_equal(value[1], np.concatenate(right))


def test_groups_meet_by_themselves() -> None:
    """Two rings of two, in an order of their own; the groups need not wait for each other."""
    given = parts(4, (4, 4))

    def kernel(a: Any) -> Any:
        out = hbm((8, 4), a.dtype)
        ncc.all_gather([a], [out], ncc.ReplicaGroup([[2, 0], [1, 3]]), 0)
        return out

    values = launch(kernel, 4, 1, nki.PerRank(given))
    for rank, order in enumerate(([2, 0], [1, 3], [2, 0], [1, 3])):
        np.testing.assert_array_equal(values[rank], np.concatenate([given[i] for i in order]))


def test_permute() -> None:
    """Explicit pairs; rank 3 is in none."""
    given = parts(4, (4, 4))

    def kernel(a: Any) -> Any:
        out = hbm(a.shape, a.dtype)
        nisa.dma_copy(out, a)
        ncc.collective_permute([a], [out], [(0, 1), (1, 2), (2, 0)])
        return out

    for value, source in zip(launch(kernel, 4, 1, nki.PerRank(given)), (2, 0, 1, 3)):
        np.testing.assert_array_equal(value, given[source])


def ring_gather(a: Any, ranks: int) -> Any:
    """An all-gather by a ring, as the documentation uses collective_permute_implicit."""
    rows, columns = a.shape
    out = hbm((ranks * rows, columns), a.dtype)
    buffers = [hbm(a.shape, a.dtype), hbm(a.shape, a.dtype)]
    nisa.dma_copy(buffers[0], a)
    for step in range(ranks):
        here, there = buffers[step % 2], buffers[(step + 1) % 2]
        if step < ranks - 1:
            ncc.collective_permute_implicit([[here]], [[there]], group(ranks))
        rank = ncc.collective_permute_implicit_current_processing_rank_id(step, group(ranks))
        nisa.dma_copy(out.ap([[columns, rows], [1, columns]], offset=rank * rows * columns), here)
    return out


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_ring(ranks: int) -> None:
    """Every rank ends with all parts, each where its rank says."""
    given = parts(ranks, (4, 8))
    for value in launch(lambda a: ring_gather(a, ranks), ranks, 1, nki.PerRank(given)):
        np.testing.assert_array_equal(value, np.concatenate(given))


def test_ring_with_channels_and_a_reduction() -> None:
    """Two channels in SBUF, and a step that reduces before it sends."""
    left, right = parts(4, (8, 8)), parts(4, (8, 8))

    def kernel(a: Any, b: Any) -> Any:
        x, y, swapped, summed = [sbuf(a.shape, a.dtype) for _ in range(4)]
        outs = [hbm(a.shape, a.dtype) for _ in range(3)]
        nisa.dma_copy(x, a)
        nisa.dma_copy(y, b)
        ncc.collective_permute_implicit([[x], [y]], [[swapped], [summed]], group(4), channel_ids=[0, 1])
        nisa.dma_copy(outs[0], swapped)
        nisa.dma_copy(outs[1], summed)
        ncc.collective_permute_implicit_reduce([[x]], [[y]], [[summed]], group(4), nl.add)
        nisa.dma_copy(outs[2], summed)
        return tuple(outs)

    for rank, value in enumerate(launch(kernel, 4, 1, nki.PerRank(left), nki.PerRank(right))):
        before = (rank - 1) % 4
        for got, expected in zip(value, (left[before], right[before], left[before] + right[before])):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("metadata_in_sbuf", [False, True])
def test_all_to_all_v(metadata_in_sbuf: bool) -> None:
    """Chunks of lengths that each rank reads from its metadata; row 2 says what came."""
    ranks, slot = 4, 6
    given = parts(ranks, (24,))
    counts = RANDOM.integers(0, slot + 1, (ranks, ranks))
    begins = np.array([[5 * i for i in range(ranks)] for _ in range(ranks)])
    metadata = [np.stack([counts[r], begins[r], np.full(ranks, 7)]).astype(np.uint32) for r in range(ranks)]

    def kernel(a: Any, table: Any) -> Any:
        out, known = hbm((ranks * slot,), a.dtype), hbm(table.shape, table.dtype)
        nisa.dma_copy(out, a)
        where = known
        if metadata_in_sbuf:
            where = sbuf((1, *table.shape), table.dtype)
            nisa.dma_copy(where, table.reshape((1, *table.shape)))
        else:
            nisa.dma_copy(where, table)
        ncc.all_to_all_v([a], [out], group(ranks), where)
        if metadata_in_sbuf:
            nisa.dma_copy(known.reshape((1, *table.shape)), where)
        return out, known

    values = launch(kernel, ranks, 1, nki.PerRank(given), nki.PerRank(metadata))
    for rank, (out, known) in enumerate(values):
        expected = given[rank].copy()
        for s in range(ranks):
            n, begin = counts[s, rank], begins[s, rank]
            expected[s * slot : s * slot + n] = given[s][begin : begin + n]
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(known[2], counts[:, rank])
        np.testing.assert_array_equal(known[:2], metadata[rank][:2])


def test_all_gather_v() -> None:
    """One chunk a rank; four ranks of two cores, as documented."""
    given = parts(4, (32,))
    metadata = [np.array([[r + 2] * 4, [3 * r] * 4, [9] * 4], np.uint32) for r in range(4)]

    def kernel(a: Any, table: Any) -> Any:
        out = hbm((32,), a.dtype)
        if nl.program_id(0) == 0:
            nisa.dma_copy(out, a)
        ncc.all_gather_v([a], [out], group(4), table, recv_counts_known=True)
        return out

    for rank, value in enumerate(launch(kernel, 4, 2, nki.PerRank(given), nki.PerRank(metadata))):
        expected = given[rank].copy()
        for s in range(4):
            expected[8 * s : 8 * s + s + 2] = given[s][3 * s : 4 * s + 2]
        np.testing.assert_array_equal(value, expected)


def test_cores_of_a_rank_share_hbm() -> None:
    """Each core writes half of what its rank sends; the collective waits for both."""
    given = parts(2, (8, 4))

    def kernel(a: Any) -> Any:
        half, src, out = nl.program_id(0) * 4, hbm(a.shape, a.dtype), hbm(a.shape, a.dtype)
        nisa.dma_copy(src[half : half + 4, :], a[half : half + 4, :])
        ncc.all_reduce([src], [out], group(2), nl.add)
        return out

    for value in launch(kernel, 2, 2, nki.PerRank(given)):
        np.testing.assert_array_equal(value, given[0] + given[1])


def test_ranks_without_the_option() -> None:
    """Each core is a rank where a group has as many ranks as the launch has cores."""
    x = RANDOM.standard_normal((4, 8, 8)).astype(np.float32)

    def kernel(a: Any, cores: int) -> Any:
        mine, total = sbuf((8, 8), a.dtype), sbuf((8, 8), a.dtype)
        out = hbm((8, 8), a.dtype)
        nisa.dma_copy(mine, a[nl.program_id(0), :, :])
        ncc.all_reduce([mine], [total], group(cores), nl.add)
        nisa.dma_copy(out, total)
        return out

    np.testing.assert_array_equal(nki.jit(kernel)[4](x, 4), ((x[0] + x[1]) + x[2]) + x[3])
    np.testing.assert_array_equal(nki.jit(kernel)[2](x, 2), x[0] + x[1])
    seen: list[int] = []
    for cores, chip in ((4, "trainium2"), (2, "trainium2"), (2, "trainium1"), (1, "trainium2")):
        nki.Kernel(lambda a: seen.append(ncc.rank_id()), (cores,), chip=chip)(x)
    assert seen == [0, 1, 2, 3, 0, 0, 0, 1, 0]


def test_rank_ids_and_own_copies() -> None:
    """rank_id is a number that selects; every rank has its own copy, and the caller's arrays stay."""
    x = np.arange(12, dtype=np.float32).reshape(3, 4)

    def kernel(a: Any) -> Any:
        t = sbuf((1, 4), a.dtype)
        rank = ncc.rank_id()
        nisa.dma_copy(t, a[rank : rank + 1, :])
        nisa.tensor_scalar(t, t, nl.multiply, 10.0)
        nisa.dma_copy(a[0:1, :], t)
        number = hbm((1, 1), nl.int32)
        nisa.register_store(number, rank)
        nisa.dma_copy(t, a.ap([[4, 1], [1, 4]], scalar_offset=nisa.register_alloc(rank), indirect_dim=0))
        return a, number

    before = x.copy()
    for rank, (value, number) in enumerate(launch(kernel, 3, 1, x)):
        assert number == rank
        np.testing.assert_array_equal(value, np.concatenate([10 * before[rank : rank + 1], before[1:]]))
    np.testing.assert_array_equal(x, before)


def test_time_and_energy() -> None:
    """One result of all ranks: outputs of each, the same without values, more for more bytes, what is left out is named."""
    small, large = parts(4, (128, 64)), parts(4, (128, 4096))
    kernel = nki.jit(lambda a: through("all_reduce", a, a.shape, 4, False))
    results = [nki.run(kernel, nki.PerRank(given), chip="trainium2", ranks=4) for given in (small, large)]
    assert results[1].device_s > results[0].device_s > 4e-6 and results[1].energy_j > results[0].energy_j
    assert len(results[0].rank_outputs) == 4 and results[0].cores_used == 4
    np.testing.assert_array_equal(results[0].rank_outputs[3]["output0"], results[0].outputs["output0"])
    assert any("NeuronLink, EFA" in text for text in results[0].not_modelled)
    assert "dma.collective_fraction" in [each["fact"] for each in results[1].assumed]
    alone = nki.run(lambda a: through("all_reduce", a, a.shape, 1, False), small[0], chip="trainium2", ranks=1)
    plain = nki.run(lambda a: nl.store(hbm(a.shape, a.dtype), nl.load(a)), small[0], chip="trainium2")
    assert alone.device_s < results[0].device_s and "collective" not in str(plain.assumed)
    assert "all_reduce" in results[0].timeline["instruction"]
    assert [each["op"] for each in results[0].operators].count("all_reduce of ranks 0, 1, 2, 3 in float32") == 1
    assert "all_reduce" not in [each["op"] for each in results[0].operators]
    timed = nki.run(kernel, nki.PerRank(large), chip="trainium2", ranks=4, timing_only=True)
    assert timed.device_s == results[1].device_s and timed.energy_j == results[1].energy_j
    # 2 MB: read and reduced at a quarter of 368 GB/s, three quarters of them gathered at half.
    data_s = large[0].nbytes * (2 / 184e9 + 0.75 / 184e9)
    assert data_s < results[1].device_s - results[0].device_s + 1e-6 < 3 * data_s


def test_a_rank_waits_for_the_last_one() -> None:
    """Work of one rank delays all of its group."""

    def kernel(a: Any, work: int) -> Any:
        t, total = sbuf(a.shape, a.dtype), sbuf(a.shape, a.dtype)
        out = hbm(a.shape, a.dtype)
        nisa.dma_copy(t, a)
        for _ in range(work):
            nisa.tensor_scalar(t, t, nl.multiply, 1.0)
        ncc.all_reduce([t], [total], group(2), nl.add)
        nisa.dma_copy(out, total)
        return out

    x = parts(1, (128, 512))[0]
    times = {work: nki.run(kernel, x, nki.PerRank(list(work)), chip="trainium2", ranks=2).device_s for work in ((0, 0), (40, 0), (0, 40), (40, 40))}
    assert times[40, 0] == times[0, 40] == times[40, 40] > times[0, 0] + 40 * 512 / 0.96e9


def test_threads_change_nothing() -> None:
    """Bits, seconds and joules."""
    given = nki.PerRank(parts(4, (128, 256)))
    results = [
        nki.run(nki.Kernel(lambda a: through("all_reduce", a, a.shape, 4, True), threads=threads), given, chip="trainium2", ranks=4) for threads in (1, 3)
    ]
    np.testing.assert_array_equal(results[0].outputs["output0"], results[1].outputs["output0"])
    assert results[0].device_s == results[1].device_s and results[0].energy_j == results[1].energy_j


def test_ranks_that_come_to_different_collectives() -> None:
    """The error says which line each stands at, with values and without."""

    def kernel(a: Any) -> Any:
        out, wide = hbm(a.shape, a.dtype), hbm((8, 4), a.dtype)
        if ncc.rank_id() == 0:
            ncc.all_reduce([a], [out], group(2), nl.add)
        else:
            ncc.all_gather([a], [wide], group(2), 0)
        return a

    line = kernel.__code__.co_firstlineno
    for timing_only in (False, True):
        with pytest.raises(thorong.MachineFault, match=f"all_gather of ranks 0, 1 .*test_collectives.py:{line + 5}") as caught:
            nki.run(kernel, parts(1, (4, 4))[0], chip="trainium2", ranks=2, timing_only=timing_only)
        assert caught.value.check == "deadlock" and caught.value.where.endswith(f":{line + 3}")


def test_too_many_ranks() -> None:
    """More than the chip has cores; a PerRank of another length."""
    x = np.zeros((4, 4), np.float32)
    with pytest.raises(thorong.InvalidArgument, match="expected 1 to 4 ranks of 2 cores, since trainium2 has 8, found ranks=5"):
        nki.run(nki.jit(lambda a: a)[2], x, chip="trainium2", ranks=5)
    with pytest.raises(thorong.InvalidArgument, match="PerRank of 2 values"):
        nki.run(lambda a: a, nki.PerRank([x]), chip="trainium2", ranks=2)


def _reductions(counts: dict[int, int], last: int, dtypes: Any = None) -> Any:
    """A kernel on four ranks: pairs of ranks sum so often; one rank goes on for longest."""

    def kernel(a: Any) -> Any:
        rank = int(ncc.rank_id())
        source, out = (nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm) for _ in range(2))
        nisa.dma_copy(source, a)
        tile = nl.ndarray(a.shape, a.dtype, buffer=nl.sbuf)
        nisa.dma_copy(tile, a)
        if rank == 3:
            for _ in range(40):
                nisa.activation(dst=tile, op=nl.exp, data=tile)
            nisa.dma_copy(source, tile)
        for _ in range(counts[rank]):
            ncc.all_reduce([source], [out], ncc.ReplicaGroup([[0, 1], [2, 3]]), nl.add)
        if rank == last:
            for _ in range(60):
                nisa.dma_copy(tile, source)
        return out if counts[rank] else a

    return kernel


@pytest.mark.parametrize("counts", [{0: 1, 1: 1, 2: 1, 3: 1}, {0: 1, 1: 1, 2: 9, 3: 9}])
def test_who_came_last_is_of_the_group(counts: dict[int, int]) -> None:
    """Groups meet by themselves, and not equally often."""
    result = nki.run(_reductions(counts, 2), np.zeros((128, 512), np.float32), chip="trainium2", ranks=4)
    waits = [wait for wait in result.waits if wait["waited_for"] == "other core"]
    assert waits and all(wait["cause_engine"].startswith("rank 3") for wait in waits)
    assert any("links between chips" in text for text in result.not_modelled)


def test_limits_are_named_whichever_rank_comes_to_a_collective() -> None:
    """Rank 0 comes to none."""
    result = nki.run(_reductions({0: 0, 1: 0, 2: 1, 3: 1}, 0), np.zeros((128, 512), np.float32), chip="trainium2", ranks=4)
    assert any("links between chips" in text for text in result.not_modelled)


@pytest.mark.parametrize("other", [np.int32, ml_dtypes.bfloat16])
def test_ranks_that_bring_different_dtypes_do_not_meet(other: Any) -> None:
    """The message says what each brings."""
    kernel = _reductions({0: 1, 1: 1, 2: 1, 3: 1}, 0)
    x = np.ones((128, 512), np.float32)
    with pytest.raises(Exception, match=r"all_reduce of ranks 0, 1 in (float32|int32|bfloat16)"):
        nki.simulate(kernel, ranks=4)(nki.PerRank([x, x.astype(other), x, x]))


@pytest.mark.parametrize("ranks", [-1, 0, 10**12])
def test_impossible_numbers_of_ranks(ranks: int) -> None:
    with pytest.raises(thorong.InvalidArgument, match="expected 1 to"):
        nki.run(_reductions({}, 0), np.zeros((128, 512), np.float32), ranks=ranks)


def test_a_benchmark_of_ranks_remembers_its_result() -> None:
    """And gives back a value for each rank."""
    kernel = nki.benchmark(_reductions({0: 1, 1: 1, 2: 1, 3: 1}, 0))
    values = nki.simulate(kernel, ranks=4)(np.ones((128, 512), np.float32))
    assert len(values) == 4 and kernel.benchmark_result is not None


def test_memory_maps_have_what_collectives_write() -> None:
    """A tile in SBUF that nobody reads afterwards."""

    def kernel(a: Any) -> Any:
        source, out = (nl.ndarray(a.shape, a.dtype, buffer=nl.sbuf) for _ in range(2))
        nisa.dma_copy(source, a)
        ncc.all_reduce([source], [out], ncc.ReplicaGroup([[0, 1]]), nl.add)
        return a

    result = nki.run(kernel, np.zeros((128, 512), np.float32), chip="trainium2", ranks=2)
    assert sum(tile["bytes"] * tile["partitions"] for tile in result.tiles if tile["memory"] == "sbuf") == result.memory["sbuf_peak_bytes"]
