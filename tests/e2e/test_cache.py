# SPDX-License-Identifier: Apache-2.0
"""--cache: the same figures and values, whatever has happened to the folder."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import BINARY, Command
from models import make_conv, make_matmul

package = pytest.importorskip("thorong")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small convolution."""
    return make_conv(tmp_path / "m.onnx")


def figures(result: Any) -> tuple[Any, ...]:
    """What must not depend on the cache."""
    values = {name: array.tobytes() for name, array in result.outputs.items()}
    return result.device_s, result.energy_j, result.operators, result.memory["hbm_peak_bytes"], values


def programs(folder: Path) -> list[Path]:
    """The files of a cache."""
    return sorted(folder.glob("*.program"))


def test_the_second_run_finds_the_first(model: Path, tmp_path: Path) -> None:
    """Same bits, times and energies; another chip, cast or model is another program."""
    folder = tmp_path / "cache"
    plain = package.run(model)
    first = package.run(model, cache=folder)
    second = package.run(model, cache=folder)
    assert [r.wall["from_cache"] for r in (plain, first, second)] == [False, False, True]
    assert figures(plain) == figures(first) == figures(second)
    assert len(programs(folder)) == 1
    for options in ({"chip": "trainium2"}, {"auto_cast": "all"}, {"timing_only": True}, {"assume": {"dma.fixed_s": 3e-6}}):
        assert not package.run(model, cache=folder, **options).wall["from_cache"], options
    assert not package.run(make_matmul(tmp_path / "n.onnx", 64), cache=folder).wall["from_cache"]
    assert len(programs(folder)) == 6


def test_weights_are_content(tmp_path: Path) -> None:
    """Two models that differ in one weight are two programs."""
    onnx = pytest.importorskip("onnx")
    path = make_conv(tmp_path / "m.onnx")
    package.run(path, cache=tmp_path)
    proto = onnx.load(path)
    weight = proto.graph.initializer[0]
    changed = onnx.numpy_helper.to_array(weight).copy()
    changed.flat[-1] += 1
    weight.CopyFrom(onnx.numpy_helper.from_array(changed, weight.name))
    assert not package.run(proto, cache=tmp_path).wall["from_cache"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "garbage", "folder"])
def test_a_damaged_file_is_compiled_anew(damage: str, model: Path, tmp_path: Path) -> None:
    """Whatever lies there, the figures are right and the file is put in order."""
    folder = tmp_path / "cache"
    plain = package.run(model, cache=folder)
    (path,) = programs(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"cut": bytes(content[:-9]), "flipped": bytes(content), "empty": b"", "garbage": b"x" * 999}[damage])
    again = package.run(model, cache=folder)
    assert figures(again) == figures(plain) and not again.wall["from_cache"]
    if damage != "folder":
        assert package.run(model, cache=folder).wall["from_cache"]


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/full", "file"])
def test_a_folder_that_cannot_be_used_costs_nothing(place: str, model: Path, tmp_path: Path) -> None:
    """Read-only, full, or no folder at all."""
    (tmp_path / "file").write_text("keep me")
    folder = tmp_path / "file" if place == "file" else Path(place)
    assert figures(package.run(model, cache=folder)) == figures(package.run(model))
    assert (tmp_path / "file").read_text() == "keep me"


def test_processes_share_a_folder(model: Path, tmp_path: Path) -> None:
    """Eight at a time give the same figures, and one file is left."""
    command = Command(BINARY)
    folder = tmp_path / "cache"
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: command.run(model, "--cache", folder, "--threads", 1), range(8)))
    assert len({r["device_s"] for r in results}) == 1
    assert len({str(r["outputs"]) for r in results}) == 1
    assert [path.name for path in folder.iterdir()] == [path.name for path in programs(folder)]
    env = {"THORONG_CACHE": str(folder)}
    assert command.run(model, env=env)["wall"]["from_cache"]


def test_the_oldest_make_room(tmp_path: Path) -> None:
    """A folder that is over its bound loses what was used longest ago (sparse files stand for large programs)."""
    folder = tmp_path / "cache"
    folder.mkdir()
    for age in (1, 2, 3):
        path = folder / f"{age}.program"
        with path.open("wb") as file:
            file.truncate(1 << 30)
        os.utime(path, (1000 - age, 1000 - age))
    (folder / "mine.txt").write_text("keep me")
    package.run(make_conv(tmp_path / "m.onnx"), cache=folder)
    names = {path.name for path in folder.iterdir()}
    assert "mine.txt" in names and "1.program" in names and not names & {"2.program", "3.program"}
    assert np.sum([path.stat().st_size for path in programs(folder)]) <= 2 << 30
