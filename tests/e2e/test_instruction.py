# SPDX-License-Identifier: Apache-2.0
"""`thorong instruction NAME` for every row of the instruction table: an engine that has it, or a sentence that says why not."""

from __future__ import annotations

import re

import pytest

from command import Command

# The engine that does each, by the NKI ISA reference.
ENGINES = {
    "tensor": "nc_matmul nc_transpose",
    "scalar": "activate2 activation activation_reduce",
    "gpsimd": "affine_select iota nc_n_gather nonzero_with_count rand_get_state rand_set_state sequence_bounds tensor_partition_reduce",
    "vector": "bn_aggr bn_stats dropout exponential max8 memset nc_find_index8 nc_match_replace8 nc_stream_shuffle rand2 range_select"
    " reciprocal rng scalar_tensor_tensor select select_reduce set_rng_seed tensor_copy tensor_copy_predicated tensor_reduce"
    " tensor_scalar tensor_scalar_cumulative tensor_scalar_reduce tensor_tensor tensor_tensor_scan",
    "sync": "branch register_load register_move register_store",
    "dma_move": "dma_copy dma_transpose",
}
# Those whose operands the command cannot make up.
NEED_MORE = (
    "core_barrier custom_op dma_compute dma_gather local_gather nc_matmul_mx quantize_mx sendrecv topk "
    "all_gather all_gather_v all_reduce all_to_all all_to_all_v collective_permute collective_permute_implicit "
    "collective_permute_implicit_reduce reduce_scatter"
).split()
ENGINE_OF = {name: engine for engine, names in ENGINES.items() for name in names.split()}


def test_every_instruction_is_listed_here(thorong: Command) -> None:
    """The command's own list of instructions is this file's."""
    done = thorong("instruction", "no_such_instruction")
    assert done.status == 2
    listed = re.search(r"There are: (.*?)\.", done.stderr)
    assert listed and sorted(listed[1].split(", ")) == sorted([*ENGINE_OF, *NEED_MORE])


NO_SOURCE = "iota memset rand2 rand_get_state rng".split()


@pytest.mark.parametrize("name", ENGINE_OF)
@pytest.mark.parametrize("options", [(), ("--source", "psum", "--dtype", "fp32")], ids=["sbuf", "psum"])
def test_is_timed_on_its_engine(thorong: Command, name: str, options: tuple[str, ...]) -> None:
    """A time, an energy and the engine; a source that cannot lie in PSUM is refused."""
    done = thorong("instruction", name, "--chip", "trainium3", "--json", *options)
    computes = ENGINE_OF[name] in ("vector", "scalar", "gpsimd") and name not in NO_SOURCE
    if options and not computes:
        assert done.status == 2
        assert re.search(f"{name} on .* reads no source in PSUM", done.stderr)
        return
    assert done.status == 0, done.stderr
    result = done.json()
    assert result["engine"] == ENGINE_OF[name]
    assert result["time_s"] > 0 and result["energy_j"] > 0


@pytest.mark.parametrize("name", NEED_MORE)
def test_says_what_it_lacks(thorong: Command, name: str) -> None:
    """Unsupported, and why."""
    done = thorong("instruction", name, "--chip", "trainium3")
    assert done.status == 2, done.stderr
    assert re.search(f"{name} needs .*; time it in a model or kernel", done.stderr)


def test_a_product_that_the_chip_lacks_is_named(thorong: Command) -> None:
    """fp32 on Inferentia1 is a cast; nowhere else."""
    for chip, dtype, expected in (("inferentia1", "fp32", True), ("inferentia1", "bf16", False), ("trainium1", "fp32", False)):
        words = ("instruction", "nc_matmul", "--chip", chip, "--dtype", dtype)
        assert ("no fp32 product" in thorong(*words).stdout) == expected
        assert ("note" in thorong(*words, "--json").json()) == expected


def test_cycles_are_those_of_engines(thorong: Command) -> None:
    """A DMA ring has none to print."""
    copied = thorong("instruction", "tensor_copy", "--json").json()
    assert f"({copied['cycles']:.0f} cycles, {copied['fixed_cycles']:.0f} of them fixed)" in thorong("instruction", "tensor_copy").stdout
    assert copied["cycles"] == 512 + copied["fixed_cycles"]
    assert "cycles" not in thorong("instruction", "dma_copy").stdout.split("rule")[0]



def test_engines_are_those_that_have_the_instruction(thorong: Command) -> None:
    """--engine chooses among them only."""
    assert thorong("instruction", "tensor_copy", "--engine", "gpsimd", "--json").json()["engine"] == "gpsimd"
    assert thorong("instruction", "nc_transpose", "--engine", "vector", "--json").json()["engine"] == "vector"
    done = thorong("instruction", "iota", "--engine", "scalar")
    assert done.status == 2
    assert "iota runs on gpsimd" in done.stderr
