# SPDX-License-Identifier: Apache-2.0
"""Energy: components add up, fp32 products cost more than three times bf16 ones, nothing is negative."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs onnx to make models")

from command import CHIPS, Command
from models import make_conv, make_fixed_mlp, make_matmul, make_mlp

COMPONENTS = {
    "tensor", "vector", "scalar", "gpsimd", "sbuf", "psum", "hbm", "dma", "instructions", "static", "host_link",
}  # fmt: skip


@pytest.mark.parametrize("chip", ["trainium1", "trainium2"])
def test_a_bf16_product_costs_less_than_a_third_of_fp32(chip: str, thorong: Command, tmp_path: Path) -> None:
    """1024 cubed; `energy_by.tensor` of the cast run against that of fp32."""
    model = make_matmul(tmp_path / "m.onnx", 1024)
    common = ("--chip", chip, "--timing-only")
    full = thorong.run(model, *common, "--auto-cast", "none")
    cast = thorong.run(model, *common, "--auto-cast", "matmult", "--auto-cast-type", "bf16")
    assert 0 < cast["energy_by"]["tensor"] < full["energy_by"]["tensor"] / 3


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("make", [make_conv, make_fixed_mlp])
def test_components_add_up(make: Callable[[Path], Path], chip: str, thorong: Command, tmp_path: Path) -> None:
    """The contract's eleven components, none negative, their sum the total; power is energy over latency."""
    result = thorong.run(make(tmp_path / "m.onnx"), "--chip", chip)
    parts = result["energy_by"]
    assert set(parts) >= COMPONENTS
    assert all(value >= 0 for value in parts.values())
    assert sum(parts.values()) == pytest.approx(result["energy_j"], rel=1e-9)
    assert result["average_power_w"] == pytest.approx(result["energy_j"] / result["latency_s"], rel=1e-9)


def test_operators_share_the_dynamic_energy(thorong: Command, tmp_path: Path) -> None:
    """No operator costs more than the run, and together they do not exceed it."""
    result = thorong.run(make_mlp(tmp_path / "m.onnx"), "--dim", "batch=128")
    shares = [operator["energy_j"] for operator in result["operators"]]
    assert all(share >= 0 for share in shares)
    assert sum(shares) <= result["energy_j"] * (1 + 1e-9)


def test_energy_does_not_depend_on_values(thorong: Command, tmp_path: Path) -> None:
    """Timing only and a run with values give the same joules and seconds."""
    model = make_conv(tmp_path / "m.onnx")
    full = thorong.run(model)
    shapes = thorong.run(model, "--timing-only")
    for key in ("latency_s", "device_s", "host_s", "energy_j", "energy_by"):
        assert full[key] == shapes[key]
