# SPDX-License-Identifier: Apache-2.0
"""What scripts rely on: the JSON's keys and meanings, input and output files, options, determinism."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx to make models")
pytest.importorskip("onnxruntime", reason="needs onnxruntime as the reference")
pytest.importorskip("ml_dtypes", reason="needs ml_dtypes to read outputs")

from command import CHIPS, ROOT, Command, assert_close, read_outputs
from models import make_conv, make_fixed_mlp, make_matmul, make_mlp, run_reference, save_graph, tensor
from onnx import TensorProto, helper, numpy_helper

KEYS = {
    "thorong", "model", "chip", "cores_used", "schedule", "auto_cast", "auto_cast_type", "rounding", "seed",
    "latency_s", "device_s", "host_s", "throughput_per_s", "energy_j", "energy_by", "average_power_w", "cost",
    "engines", "memory", "operators", "outputs", "random_inputs", "not_modelled", "assumed", "expected_error", "wall",
}  # fmt: skip
BOUNDS = {"tensor", "vector", "scalar", "gpsimd", "dma", "hbm", "dependency", "host"}
VOLATILE = ("wall", "memory")


def stable(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what depends on the host."""
    kept = {key: value for key, value in result.items() if key not in VOLATILE}
    kept["memory"] = {key: v for key, v in result["memory"].items() if key != "host_overhead_bytes"}
    kept["outputs"] = {n: {k: v for k, v in o.items() if k != "file"} for n, o in result["outputs"].items()}
    return kept


def test_the_object_has_every_key(thorong: Command, tmp_path: Path) -> None:
    """All keys of the contract, with the units and relations that it states."""
    model = make_conv(tmp_path / "m.onnx")
    result = thorong.run(model, "--repeat", "2", "--seed", "5")
    assert set(result) >= KEYS
    assert "errors" not in result
    assert set(result["model"]) >= {"path", "sha256", "format"}
    assert result["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert (result["chip"], result["schedule"], result["rounding"]) == ("trainium1", "vendor", "rne")
    assert (result["auto_cast"], result["seed"], result["cores_used"]) == ("none", 5, 1)
    assert result["latency_s"] == pytest.approx(result["device_s"] + result["host_s"], rel=1e-12)
    assert result["device_s"] > 0 and result["host_s"] > 0 and result["throughput_per_s"] > 0
    assert set(result["cost"]) >= {"instance", "usd_per_hour", "price_kind", "usd_per_million"}
    assert set(result["wall"]) >= {"import_s", "compile_s", "run_s"}
    memory = {"hbm_peak_bytes", "hbm_traffic_bytes", "sbuf_peak_bytes", "psum_peak_bytes", "host_overhead_bytes"}
    assert set(result["memory"]) >= memory
    assert result["random_inputs"] == ["x"]


def test_engines_and_operators_are_consistent(thorong: Command, tmp_path: Path) -> None:
    """Busy times lie within the device time; each operator has a place, an engine, a path and a bound."""
    result = thorong.run(make_mlp(tmp_path / "m.onnx"), "--dim", "batch=256")
    device = result["device_s"]
    for engine in result["engines"].values():
        assert set(engine) >= {"busy_s", "utilization", "instructions"}
        assert 0 <= engine["busy_s"] <= device * (1 + 1e-9)
        assert engine["utilization"] == pytest.approx(engine["busy_s"] / device, rel=1e-6, abs=1e-9)
    for operator in result["operators"]:
        assert set(operator) >= {"name", "op", "start_s", "time_s", "energy_j", "engine", "path", "bound"}
        assert operator["path"] in {"tile", "gpsimd", "host"} and operator["bound"] in BOUNDS
        assert operator["start_s"] >= 0 and operator["start_s"] + operator["time_s"] <= device * (1 + 1e-9)


@pytest.mark.parametrize("chip", CHIPS)
def test_no_device_time_lies_below_the_roofline(chip: str, thorong: Command, tmp_path: Path) -> None:
    """2048 cubed in bf16: at least the operations at peak."""
    peak = {"inferentia1": 16e12, "inferentia2": 92e12, "trainium1": 92e12, "trainium2": 79e12, "trainium3": 79e12}
    model = make_matmul(tmp_path / "m.onnx", 2048)
    options = ("--timing-only", "--schedule", "best", "--auto-cast", "matmult", "--auto-cast-type", "bf16")
    result = thorong.run(model, "--chip", chip, *options)
    assert result["device_s"] >= 2 * 2048**3 / peak[chip]


def test_the_best_schedule_is_never_slower(thorong: Command, tmp_path: Path) -> None:
    """`best` uses all that dependencies allow."""
    model = make_mlp(tmp_path / "m.onnx")
    times = {s: thorong.run(model, "--dim", "batch=512", "--schedule", s)["device_s"] for s in ("vendor", "best")}
    assert times["best"] <= times["vendor"]


@pytest.mark.parametrize("form", ["npy", "npz", "pb"])
def test_inputs_come_from_each_file_format(form: str, thorong: Command, tmp_path: Path) -> None:
    """The same values from .npy, .npz and a TensorProto give ONNX Runtime's answer."""
    model = make_mlp(tmp_path / "m.onnx")
    value = np.random.default_rng(3).standard_normal((5, 64)).astype(np.float32)
    path = tmp_path / f"x.{form}"
    if form == "npy":
        np.save(path, value)
    elif form == "npz":
        np.savez(path, x=value)
    else:
        path.write_bytes(numpy_helper.from_array(value, "x").SerializeToString())
    result = thorong.run(model, "--input", f"x={path}", "--out", tmp_path / "out")
    assert result["random_inputs"] == []
    ours = read_outputs(result, tmp_path / "out")
    assert_close(ours["y"], run_reference(model, {"x": value})["y"])


def test_output_files_are_named_safely(thorong: Command, tmp_path: Path) -> None:
    """Characters outside [A-Za-z0-9._-] become _, and a second equal name is numbered."""
    nodes = [helper.make_node("Relu", ["x"], ["a/b"]), helper.make_node("Neg", ["x"], ["a:b"])]
    outputs = [tensor("a/b", [2, 3]), tensor("a:b", [2, 3])]
    model = save_graph(tmp_path / "m.onnx", nodes, [tensor("x", [2, 3])], outputs, {})
    result = thorong.run(model, "--out", tmp_path / "out")
    files = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert len(files) == 2 and files[0].startswith("a_b") and "a_b.npy" in files
    for name, output in result["outputs"].items():
        assert (output["shape"], output["dtype"]) == ([2, 3], "float32")
        value = read_outputs(result, tmp_path / "out")[name]
        assert hashlib.sha256(value.tobytes()).hexdigest() == output["sha256"]


def test_bf16_outputs_keep_their_type(thorong: Command, tmp_path: Path) -> None:
    """A bfloat16 output is written with ml_dtypes' descriptor."""
    import ml_dtypes

    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)]
    model = save_graph(tmp_path / "m.onnx", nodes, [tensor("x", [4])], [tensor("y", [4], TensorProto.BFLOAT16)], {})
    value = np.array([1.0, 1.00390625, -3.3, 1e30], dtype=np.float32)
    np.save(tmp_path / "x.npy", value)
    result = thorong.run(model, "--input", f"x={tmp_path / 'x.npy'}", "--out", tmp_path / "out")
    assert result["outputs"]["y"]["dtype"] == "bfloat16"
    ours = read_outputs(result, tmp_path / "out")["y"].view(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(ours, value.astype(ml_dtypes.bfloat16))


def test_dim_binds_a_symbol(thorong: Command, tmp_path: Path) -> None:
    """`--dim batch=N` sets shapes; throughput counts samples of the leading dimension."""
    model = make_mlp(tmp_path / "m.onnx")
    result = thorong.run(model, "--dim", "batch=32")
    assert result["outputs"]["y"]["shape"] == [32, 10]
    assert result["throughput_per_s"] >= 32 / result["latency_s"]


def test_against_the_reference_states_errors(thorong: Command, tmp_path: Path) -> None:
    """Each output's error against the plain-loop reference; bf16 errs more than fp32."""
    model = make_mlp(tmp_path / "m.onnx")
    errors = {}
    for cast in ("none", "matmult"):
        result = thorong.run(model, "--dim", "batch=8", "--against", "reference", "--auto-cast", cast)
        assert set(result["errors"]["y"]) >= {"max_abs", "max_rel", "rms"}
        errors[cast] = result["errors"]["y"]["rms"]
    assert 0 <= errors["none"] < 1e-5 < errors["matmult"] < 1


def test_seeds_decide_random_inputs_and_rounding(thorong: Command, tmp_path: Path) -> None:
    """The same seed gives the same bits, another seed others; stochastic rounding differs from nearest."""
    model = make_mlp(tmp_path / "m.onnx")
    base = ("--dim", "batch=8", "--auto-cast", "all", "--auto-cast-type", "bf16")

    def digest(*options: object) -> str:
        return str(thorong.run(model, *base, *options)["outputs"]["y"]["sha256"])

    assert digest("--seed", 1) == digest("--seed", 1) != digest("--seed", 2)
    stochastic = digest("--seed", 1, "--rounding", "stochastic")
    assert stochastic == digest("--seed", 1, "--rounding", "stochastic")
    assert stochastic != digest("--seed", 1)


@pytest.mark.parametrize("make", [make_conv, make_fixed_mlp])
def test_results_do_not_depend_on_the_host(make: Callable[[Path], Path], thorong: Command, tmp_path: Path) -> None:
    """The same hashes and picoseconds with 1 and 2 threads, repeated, and with narrower SIMD."""
    model = make(tmp_path / "m.onnx")
    common = ("--rounding", "stochastic", "--auto-cast", "matmult")
    first = stable(thorong.run(model, *common, "--threads", 1))
    assert stable(thorong.run(model, *common, "--threads", 2)) == first
    assert stable(thorong.run(model, *common, "--threads", 2, "--repeat", 3)) == first
    for target in ("AVX2", "AVX3"):
        assert stable(thorong.run(model, *common, env={"THORONG_SIMD_TARGET": target})) == first


def test_compare_lists_the_chips(thorong: Command, tmp_path: Path) -> None:
    """`compare` names each chip, as a table and as JSON."""
    model = make_conv(tmp_path / "m.onnx")
    done = thorong("compare", model, "--chips", "trainium1,inferentia2")
    assert done.status == 0, done.stderr
    assert "trainium1" in done.stdout and "inferentia2" in done.stdout
    done = thorong("compare", model, "--chips", "trainium1,inferentia2", "--json")
    assert done.status == 0, done.stderr
    assert "trainium1" in done.stdout and json.loads(done.stdout)


def test_chips_are_listed_and_described(thorong: Command) -> None:
    """`chips` names the five; `chip NAME` shows figures with sources."""
    listed = thorong("chips")
    assert listed.status == 0 and all(chip in listed.stdout for chip in CHIPS)
    for chip in CHIPS:
        shown = thorong("chip", chip)
        assert shown.status == 0 and chip in shown.stdout and len(shown.stdout.splitlines()) > 5


def test_a_variant_of_two_lines_is_a_chip(thorong: Command, tmp_path: Path) -> None:
    """`base:` and a name are enough, and the file works where a chip's name does."""
    variant = tmp_path / "mine.yaml"
    variant.write_text("name: mine\nbase: trainium2\n", encoding="utf-8")
    checked = thorong("verify-chip", variant)
    assert checked.status == 0, checked.stderr
    model = make_conv(tmp_path / "m.onnx")
    ours = thorong.run(model, "--chip", variant, "--timing-only")
    assert ours["device_s"] == thorong.run(model, "--chip", "trainium2", "--timing-only")["device_s"]


def test_human_output_is_not_json(thorong: Command, tmp_path: Path) -> None:
    """Without --json a table for a person; stderr stays silent where it is no terminal."""
    done = thorong("run", make_conv(tmp_path / "m.onnx"))
    assert done.status == 0 and done.stdout and not done.stdout.startswith("{")


def test_json_alone_leaves_stderr_empty(thorong: Command, tmp_path: Path) -> None:
    """Progress and logs go to stderr only on a terminal or with -v."""
    done = thorong("run", make_conv(tmp_path / "m.onnx"), "--json")
    assert done.status == 0 and done.stderr == "" and done.json()


@pytest.mark.parametrize(("cast", "used", "unused"), [("none", "float32", "bfloat16"), ("all", "bfloat16", "float32")])
def test_assumed_figures_had_a_part(cast: str, used: str, unused: str, thorong: Command, tmp_path: Path) -> None:
    """No energies of other formats, no rates of copies or transposes that were not made, no areas and words."""
    result = thorong.run(make_matmul(tmp_path / "m.onnx", 256), "--auto-cast", cast, "--schedule", "best", "--timing-only")
    facts = {fact["fact"] for fact in result["assumed"]}
    assert f"tensor.pj_per_mac_{used}" in facts and "host.bytes_per_second_to_host" in facts
    absent = {
        f"tensor.pj_per_mac_{unused}", "host.bytes_per_second_to_host_large", "host.large_bytes", "package.die_mm2",
        "hbm.technology", "dma.transpose_fraction_hbm", "control.vendor_overlap",
    }  # fmt: skip
    assert not facts & absent
    large = thorong.run(make_matmul(tmp_path / "m.onnx", 2048), "--auto-cast", cast, "--timing-only")
    facts = {fact["fact"] for fact in large["assumed"]}
    assert "host.bytes_per_second_to_host_large" in facts and "host.bytes_per_second_to_host" not in facts


def test_a_changed_copy_of_a_chip_is_called_by_its_file(thorong: Command, tmp_path: Path) -> None:
    """Two columns of one name would tell nothing."""
    copy = tmp_path / "faster.yaml"
    copy.write_text((ROOT / "chips" / "trainium1.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    words = ("compare", make_conv(tmp_path / "m.onnx"), "--timing-only", "--chips")
    assert [each["chip"] for each in thorong(*words, f"trainium1,{copy}", "--json").json()["results"]] == ["trainium1", "faster"]
    shipped = ROOT / "chips" / "trainium1.yaml"
    assert thorong.run(words[1], "--timing-only", "--chip", shipped)["chip"] == "trainium1"


def test_the_first_line_says_per_million_of_what(thorong: Command, tmp_path: Path) -> None:
    """A run may hold many samples."""
    lines = thorong("run", make_conv(tmp_path / "m.onnx"), "--timing-only").stdout.splitlines()
    assert " a run, " in lines[0] and lines[0].endswith(" per million samples.")


def test_columns_of_a_chip_stay_apart(thorong: Command) -> None:
    """Each figure's key, value with its unit as people write it, kind and source."""
    for chip in CHIPS:
        text = thorong("chip", chip).stdout
        rows = [line for line in text.split("\npackage (package)")[1].splitlines() if line.startswith("  ") and line[2] != "-"]
        assert all(re.match(r"  \w+  +\S.*  +(published|measured|recalled|derived|calibrated|assumed) +\S", row) for row in rows)
        assert " Hz " in text and " pJ " in text and not re.search(r"\d (hz|pj|w) ", text)
