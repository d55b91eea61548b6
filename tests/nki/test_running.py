# SPDX-License-Identifier: Apache-2.0
"""The ways to run a kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import thorong
import thorong.nki as nki
import thorong.nki.language as nl
from thorong.nki import legacy, neuron_dtypes


@nki.jit
def double(a: Any) -> Any:
    """2 a."""
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.multiply(nl.load(a), 2.0))
    return out


X = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_kinds_of_arrays() -> None:
    """NumPy and PyTorch in, the same out; jax where it is installed."""
    np.testing.assert_array_equal(double(X), 2 * X)
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.bfloat16):
        result = double(torch.from_numpy(X).to(dtype))
        assert isinstance(result, torch.Tensor) and result.dtype == dtype
        assert (result.float().numpy() == 2 * X).all()


def test_simulate_and_cpu_simulate() -> None:
    """Both spellings of the number of cores, plain functions, arguments by name."""
    for kernel in (nki.simulate(double)[2], nki.simulate(double[2]), nki.cpu_simulate(double)[1], nki.simulate(double.func)):
        np.testing.assert_array_equal(kernel(a=X), 2 * X)


def test_what_a_kernel_writes_to_its_arguments_is_there() -> None:
    """In-place updates reach the caller's array."""

    @nki.jit
    def fill(a: Any) -> None:
        nl.store(a, nl.full((3, 4), 9, nl.float32))

    x = X.copy()
    fill(x)
    assert (x == 9).all()


def test_a_kernel_calls_a_kernel() -> None:
    """It becomes a part of the outer one."""

    @nki.jit
    def outer(a: Any) -> Any:
        return double(double(a))

    np.testing.assert_array_equal(outer(X), 4 * X)


@pytest.mark.parametrize(
    ("variable", "value", "version"),
    [("NEURON_PLATFORM_TARGET_OVERRIDE", "trn2", "gen3"), ("NEURON_PLATFORM_TARGET_OVERRIDE", "inf2", "gen2"),
     ("NKI_NC_VERSION", "gen4", "gen4"), ("NKI_NC_VERSION", "gen3", "gen3")],
)  # fmt: skip
def test_target_of_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, version: str) -> None:
    """The variables choose the generation, in and out of kernels; without them it is the vendor's default."""
    import thorong.nki.isa as nisa

    assert nisa.get_nc_version() is nisa.nc_version.gen4
    monkeypatch.setenv(variable, value)
    seen = []
    nki.simulate(lambda a: seen.append(nisa.get_nc_version()))(X)
    assert seen == [nisa.get_nc_version()] == [nisa.nc_version[version]]


def test_unknown_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message lists what there is."""
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", "trn9")
    with pytest.raises(thorong.InvalidArgument, match="expected one of trn1, .*, found 'trn9'"):
        double(X)


def test_stochastic_rounding_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two bf16 numbers both are taken; a seed decides which."""

    @nki.jit
    def narrow(a: Any) -> Any:
        out = nl.ndarray(a.shape, nl.bfloat16, buffer=nl.shared_hbm)
        nl.store(out, nl.copy(nl.load(a), dtype=nl.bfloat16))
        return out

    x = np.full((64, 64), 1 + 2.0**-9, np.float32)
    assert (narrow(x) == 1).all()
    monkeypatch.setenv("NEURON_RT_STOCHASTIC_ROUNDING_EN", "1")
    monkeypatch.setenv("NEURON_RT_STOCHASTIC_ROUNDING_SEED", "7")
    first = narrow(x)
    assert 0.1 < (first > 1).mean() < 0.4
    np.testing.assert_array_equal(first, narrow(x))
    monkeypatch.setenv("NEURON_RT_STOCHASTIC_ROUNDING_SEED", "8")
    assert (first != narrow(x)).any()


def test_high_precision_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """NKI_PRECISE_FP=0: tiles of narrow dtypes keep fp32 values, and are still of their dtype."""

    @nki.jit
    def narrow(a: Any) -> Any:
        half = nl.copy(nl.load(a), dtype=nl.bfloat16)
        assert half.dtype == nl.bfloat16
        out = nl.ndarray(a.shape, nl.float32, buffer=nl.shared_hbm)
        nl.store(out, half)
        return out

    x = np.full((2, 2), 1 + 2.0**-12, np.float32)
    assert (narrow(x) == 1).all()
    monkeypatch.setenv("NKI_PRECISE_FP", "0")
    np.testing.assert_array_equal(narrow(x), x)
    monkeypatch.setenv("NKI_PRECISE_FP", "1")
    assert (narrow(x) == 1).all()


def test_benchmark_and_profile(tmp_path: Path) -> None:
    """Latency in microseconds in the vendor's shape; profile writes a trace and a page."""
    timed = nki.benchmark(warmup=5, iters=10)(double)
    assert timed.benchmark_result is None
    np.testing.assert_array_equal(timed[1](X), 2 * X)
    latency = timed.benchmark_result.nc_latency
    microseconds = timed.benchmark_result.result.device_s * 1e6
    assert microseconds <= latency.get_latency_percentile(50) == latency.get_latency_percentile(99) < microseconds + 1
    with pytest.raises(ValueError, match="percentile from 0 to 100"):
        latency.get_latency_percentile(101)
    profiled = nki.profile(double, working_directory=str(tmp_path / "out"), save_trace_name="double.ntff", profile_nth=2)
    profiled(X)
    assert profiled.profile_result.device_s > 0
    written = ["double.html", "double.json", "double.json.gz", "double.ntff", "double_summary.json", "file.neff"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == written
    assert json.loads((tmp_path / "out" / "double_summary.json").read_text())["device_s"] == profiled.profile_result.device_s


@pytest.mark.parametrize("interface", [nki, legacy], ids=["nki", "neuronxcc"])
def test_benchmark_writes_the_files_that_scripts_rename(interface: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """By the names they asked for, in the working directory; the latency is on the console."""
    monkeypatch.chdir(tmp_path)
    timed = interface.benchmark(_legacy_double if interface is legacy else double, warmup=2, iters=3, save_neff_name="file.neff", save_trace_name="profile.ntff",
                                additional_compile_opt="-O1")  # fmt: skip
    np.testing.assert_array_equal(timed(X), 2 * X)
    assert "No NEFF" in json.loads(Path("file.neff").read_text())["note"]
    assert json.loads(Path("profile.ntff").read_text())["traceEvents"]
    latency = timed.benchmark_result.nc_latency.get_latency_percentile(99)
    assert latency == timed.benchmark_result.result.device_s * 1e6 and f"{latency:.2f} us" in capsys.readouterr().out


def _legacy_double(a: Any) -> Any:
    out = legacy.language.ndarray(a.shape, dtype=a.dtype, buffer=legacy.language.shared_hbm)
    legacy.language.store(out, legacy.language.load(a) * 2.0)
    return out


def _python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("NKI_", "NEURON_"))}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env={**known, **environment}, capture_output=True, text=True, check=False)


SCRIPT = """
import sys
import numpy as np
import nki
import nki.language as nl
import nki.isa as nisa
from nki.isa.constants import oob_mode
import nki.typing, nki.dtype, nki.tensor, nki.compiler, nki.builtin, nki.collectives, nki.language.dtypes

@nki.jit
def kernel(a):
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.add(nl.load(a), 1))
    return out

print(sys.argv[1:], kernel(np.zeros((1, 2), np.float32)), nki.__name__)
"""


@pytest.mark.parametrize("command", [["-m", "thorong.nki"], []])
def test_scripts_that_import_nki(tmp_path: Path, command: list[str]) -> None:
    """By `python -m thorong.nki`, and by plain `python`."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = _python(*command, "script.py", "--one", "two", cwd=tmp_path, NKI_SIMULATOR="1")
    assert (done.returncode, done.stdout) == (0, "['--one', 'two'] [[1. 1.]] thorong.nki\n"), done.stderr


def test_an_installed_package_called_nki_comes_first(tmp_path: Path) -> None:
    """Beside our file, as site-packages would have it; `python -m thorong.nki` takes ours."""
    (tmp_path / "nki").mkdir()
    (tmp_path / "nki" / "__init__.py").write_text("print('the vendor')\n")
    (tmp_path / "nki.py").write_text("print('ours')\n")
    (tmp_path / "script.py").write_text("import nki\nprint(nki.__name__)\n")
    assert _python("script.py", cwd=tmp_path).stdout == "the vendor\nnki\n"
    assert _python("-m", "thorong.nki", "script.py", cwd=tmp_path).stdout == "thorong.nki\n"
    assert _python("-m", "thorong.nki", "script.py", cwd=tmp_path, THORONG_NKI="vendor").stdout == "the vendor\nnki\n"


def test_bad_scripts(tmp_path: Path) -> None:
    """No script, an absent one, one that raises, one that imports what is not there."""
    done = _python("-m", "thorong.nki", cwd=tmp_path)
    assert done.returncode == 2 and "usage:" in done.stderr
    done = _python("-m", "thorong.nki", "absent.py", cwd=tmp_path)
    assert done.returncode == 2 and "found no file 'absent.py'" in done.stderr
    (tmp_path / "wrong.py").write_text("import nki.absent\n")
    done = _python("-m", "thorong.nki", "wrong.py", cwd=tmp_path)
    assert done.returncode == 1 and "No module named 'nki.absent'" in done.stderr
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(5)\n")
    assert _python("-m", "thorong.nki", "exits.py", cwd=tmp_path).returncode == 5


def test_the_names_of_nki_librarys_tests(tmp_path: Path) -> None:
    """nki_cpu_simulator has the module tree; nki.collectives is found once sys.modules has the others."""
    script = """
import sys
import nki_cpu_simulator.nki.builtin, nki_cpu_simulator.nki.compiler, nki_cpu_simulator.nki.isa.constants
import nki_cpu_simulator.nki.language.dtypes, nki_cpu_simulator.nki.tensor, nki_cpu_simulator.nki.typing
from nki_cpu_simulator import nki as sim
sys.modules["nki"] = sim
import nki.collectives as ncc
from nki.compiler.frontend import ParserFrontend
import nki.isa
print(sim.cpu_simulate.__name__, ncc.rank_id(), nki.isa is sim.isa)
"""
    (tmp_path / "script.py").write_text(script)
    assert _python("script.py", cwd=tmp_path).stdout == "simulate 0 True\n"


def test_tracing_without_values() -> None:
    """nki.compiler.frontend records instructions and checks them; wrong kernels fail."""
    from thorong.nki.compiler.frontend import ParserFrontend

    traced = ParserFrontend().compile(double, inputs={"a": X}, target="trn2", lnc=1)
    assert traced.instructions == [3] and traced.launched.result().device_s > 0
    with pytest.raises(thorong.InvalidArgument, match="at most 128 partitions"):
        ParserFrontend().compile(double, inputs={"a": np.zeros((200, 4), np.float32)})


@pytest.mark.parametrize("name", ["float8_e4m3fn_x4", "float8_e5m2_x4", "float4_e2m1fn_x4"])
def test_packed_types(name: str) -> None:
    """Four neighbours in one element and back; a kernel sees the packed dtype."""
    element = getattr(ml_dtypes, name.removesuffix("_x4"))
    values = np.linspace(-4, 4, 64).astype(np.float32).astype(element).reshape(2, 32)
    packed = neuron_dtypes.static_cast(values.astype(np.float32), getattr(neuron_dtypes, name))
    assert packed.shape == (2, 8) and packed.dtype.itemsize == neuron_dtypes.sizeinbytes(getattr(nl, name))
    np.testing.assert_array_equal(neuron_dtypes.static_cast(packed, np.float32), values.astype(np.float32))
    seen = []
    nki.simulate(lambda a: seen.append((a.dtype, a.shape)))(packed)
    assert seen == [(getattr(nl, name), (2, 8))] and np.zeros(1, getattr(nl, name)).dtype == packed.dtype
    assert {getattr(nl, name): 1}[packed.dtype] == 1 and getattr(nl, name) == packed.dtype and packed.dtype != nl.bfloat16
    assert np.dtype(name) == packed.dtype and nl.float8_e5m2_x4 != np.zeros(1, nl.float8_e4m3fn_x4).dtype
    assert neuron_dtypes.is_float_type(ml_dtypes.bfloat16) and not neuron_dtypes.is_float_type(np.int8)
    with pytest.raises(ValueError, match="a multiple of four"):
        neuron_dtypes.static_cast(np.zeros((2, 3), np.float32), getattr(neuron_dtypes, name))


SUMMED = """
import sys
import numpy as np
import nki
import nki.isa as nisa
import nki.language as nl

@nki.jit
def scale(a):
    x = nl.ndarray(a.shape, a.dtype, buffer=nl.sbuf)
    out = nl.ndarray(a.shape, a.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=x, src=a)
    nisa.activation(x, op=nl.exp, data=x)
    nisa.dma_copy(dst=out, src=x)
    return out

for _ in range(3):
    scale(np.ones((128, 512), np.float32))
if "time" in sys.argv:
    import thorong.nki
    thorong.nki.run(scale, np.ones((128, 512), np.float32))
print("values")
sys.exit(3 if "exit" in sys.argv else 0)
"""


def test_a_script_is_summed_up(tmp_path: Path) -> None:
    """--summary on: engines, waits and their lines, once a kernel, on stderr; off, or where it is no terminal: nothing."""
    (tmp_path / "script.py").write_text(SUMMED)
    done = _python("-m", "thorong.nki", "--summary", "on", "script.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "values\n"), done.stderr
    assert done.stderr.count("scale: the last of 3 calls") == 1 and "Most expensive waits" in done.stderr
    assert "script.py:13" in done.stderr and "script.py:12" in done.stderr and "Engines" in done.stderr
    ended = _python("-m", "thorong.nki", "--summary=on", "script.py", "exit", cwd=tmp_path)
    assert ended.returncode == 3 and "scale: the last of 3 calls" in ended.stderr
    for silent in (("script.py",), ("--summary", "off", "script.py"), ("--summary", "on", "script.py", "time")):
        done = _python("-m", "thorong.nki", *silent, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    wrong = _python("-m", "thorong.nki", "--summary", "perhaps", "script.py", cwd=tmp_path)
    assert wrong.returncode == 2 and "--summary: expected on or off, found 'perhaps'" in wrong.stderr
