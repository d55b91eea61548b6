# SPDX-License-Identifier: Apache-2.0
"""Runs the public NKI suites on the installed package; see README.md beside this file.

    python tests/nki/suites/run.py --sdk DIR --nki-library DIR --nki-samples DIR [--every N] [--only WORD ...]
                                    [--timeout S] [--work DIR]

A suite runs from a temporary copy of its checkout, with stand-ins for what public snapshots lack. What fails without a line in
`exceptions.yaml`, and a line there that no failing case matches in a complete run, make the exit status 1.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
FAMILIES = ["attention", "cumsum", "embeddings", "max", "output_projection", "qkv", "rmsnorm", "router_topk", "topk", "utils"]


@dataclass(frozen=True)
class Choice:
    """What to run of the suites, and for how long."""

    every: int  # each N-th case of the pytest suites
    only: list[str]  # families of nki-library; none: all
    timeout_s: int  # of one case


@dataclass
class Case:
    """One case of a suite and what became of it."""

    suite: str
    family: str
    name: str
    outcome: str  # passed, failed, skipped
    reason: str = ""

    @property
    def id(self) -> str:
        """How exceptions.yaml names it."""
        return f"{self.suite}/{self.family}/{self.name}"


def copy(source: Path, to: Path) -> Path:
    """A copy of a checkout without its history."""
    shutil.copytree(source, to, ignore=shutil.ignore_patterns(".git", "__pycache__"))
    return to


def write(path: Path, text: str) -> None:
    """A stand-in, where the checkout has no such file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def environment(*folders: Path) -> dict[str, str]:
    """This process's environment with these folders to import from before its own, and nothing of the vendor's variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NKI_", "NEURON_"))}
    path = [*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


def frameworks(work: Path) -> Path:
    """torch_xla and torch_neuronx, as far as examples need them: the device is the host."""
    folder = work / "frameworks"
    write(folder / "torch_xla" / "__init__.py", "import torch\n\n\ndef device():\n    return torch.device('cpu')\n\n\ndef sync():\n    pass\n")
    write(folder / "torch_xla" / "core" / "__init__.py", "")
    write(folder / "torch_xla" / "core" / "xla_model.py", "import torch\n\n\ndef xla_device():\n    return torch.device('cpu')\n\n\n"
          "def mark_step():\n    pass\n")  # fmt: skip
    write(folder / "torch_neuronx.py", "from nki import jit as nki_jit\n")
    return folder


# ---- pytest suites


def pytest_cases(suite: str, folder: Path, arguments: list[str], env: dict[str, str], choice: Choice) -> Iterator[Case]:
    """Runs pytest in a folder and reads its JUnit file."""
    report = folder / "thorong-junit.xml"
    shutil.copy(HERE / "plugin.py", folder / "thorong_plugin.py")
    env = {**env, "PYTHONPATH": os.pathsep.join([str(folder), env["PYTHONPATH"]])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "thorong_plugin", "--every", str(choice.every), "--tb=short",
               f"--timeout={choice.timeout_s}", f"--junitxml={report}", "-o", "junit_logging=no", *arguments]  # fmt: skip
    with (folder / "thorong-pytest.log").open("w") as log:
        subprocess.run(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT, check=False)
    if not report.exists():
        yield Case(suite, "collection", "pytest", "failed", f"pytest ended without a report: {folder / 'thorong-pytest.log'}")
        return
    for case in ElementTree.parse(report).iter("testcase"):
        found = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        outcome = "passed" if found is None else "skipped" if found.tag == "skipped" else "failed"
        reason = "" if found is None else (found.get("message") or found.text or "").strip().splitlines()[0][:300]
        where = case.get("classname", "").split(".")
        yield Case(suite, family_of(where), f"{case.get('name')}", outcome, reason)


def family_of(modules: list[str]) -> str:
    """The folder of a test of nki-library, the file of another."""
    if "core" in modules:
        return modules[modules.index("core") + 1]
    return next((name for name in modules if name.startswith("test_")), modules[0])


def nki_library(checkout: Path, work: Path, choice: Choice) -> Iterator[Case]:
    """The library's own suite in its mode `simulation`, on the generations that it names."""
    folder = copy(checkout, work / "nki-library")
    write(folder / "test" / "utils" / "scripts" / "__init__.py", "")
    write(folder / "test" / "utils" / "scripts" / "remote_lock_scripts.py", "class LockResult:\n    pass\n\n\nclass LockStatus:\n    pass\n")
    write(folder / "test" / "utils" / "perf_analysis_private.py", "def analyze_trace(*args, **kwargs):\n    pass\n")
    env = environment(folder, folder / "src", folder / "src" / "nkilib_src")
    tests = [f"test/integration/nkilib/core/{family}" for family in FAMILIES if not choice.only or family in choice.only]
    if not tests:
        return
    for target, marks in (("trn2", []), ("trn3", ["-m", "not trn2"])):
        options = ["--test-mode", "simulation", "--platform-target", target, "--output-directory", str(work / f"output-{target}"),
                   "--force-local-cleanup"]  # fmt: skip
        yield from pytest_cases(f"nki-library {target}", folder, [*tests, *options, *marks], env, choice)
        (folder / "thorong-junit.xml").unlink(missing_ok=True)


def samples_tests(folder: Path, work: Path, choice: Choice) -> Iterator[Case]:
    """The unit tests of nki-samples that say that they need no device."""
    env = environment(folder / "src", frameworks(work))
    yield from pytest_cases("nki-samples", folder, ["test/unit", "--simulation-only"], env, choice)


def restore_reference(checkout: Path, folder: Path) -> None:
    """The kernels that the unit tests of nki-samples are for, from its history where the newest commit has none."""
    place = "src/nki_samples/reference"
    if (folder / place).exists():
        return
    git = ["git", "-C", str(checkout)]
    last = subprocess.run([*git, "log", "--diff-filter=D", "-1", "--format=%H", "--", f"{place}/attention.py"], capture_output=True, text=True, check=False)
    if last.stdout.strip():
        archive = subprocess.run([*git, "archive", f"{last.stdout.strip()}^", place], capture_output=True, check=True)
        subprocess.run(["tar", "x", "-C", str(folder)], input=archive.stdout, check=True)


# ---- scripts


def script_case(suite: str, script: Path, folder: Path, env: dict[str, str], choice: Choice) -> Case:
    """Runs an example as a user would; what it prints about a comparison that failed counts."""
    family, name = str(script.parent.relative_to(folder)), script.name
    path = os.pathsep.join([str(script.parent), env["PYTHONPATH"]])
    try:
        done = subprocess.run([sys.executable, str(script)], cwd=script.parent, env={**env, "PYTHONPATH": path}, capture_output=True, text=True,
                              timeout=choice.timeout_s, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        return Case(suite, family, name, "failed", f"longer than {choice.timeout_s} s")
    wrong = [line for line in done.stdout.splitlines() if "differ" in line or line.endswith("pass? False") or "mismatch" in line.lower()]
    if done.returncode != 0:
        return Case(suite, family, name, "failed", (done.stderr.strip().splitlines() or ["no output"])[-1][:300])
    return Case(suite, family, name, "failed" if wrong else "passed", wrong[0] if wrong else "")


def scripts(suite: str, root: Path, folders: list[str], work: Path, choice: Choice) -> Iterator[Case]:
    """All Python files below folders of a checkout."""
    for folder in folders:
        for script in sorted((root / folder).rglob("*.py")):
            yield script_case(suite, script, root, environment(frameworks(work)), choice)


def sdk(checkout: Path, work: Path, choice: Choice) -> Iterator[Case]:
    """nki/test, and the examples as scripts."""
    folder = work / "sdk"
    copy(checkout / "nki", folder / "nki")
    tests = sorted(str(path.relative_to(folder)) for path in (folder / "nki" / "test").glob("test_*.py"))
    yield from pytest_cases("sdk", folder, tests, environment(frameworks(work)), choice)
    yield from scripts("sdk", folder, ["nki/examples", "nki/deep-dives/src"], work, choice)


def nki_samples(checkout: Path, work: Path, choice: Choice) -> Iterator[Case]:
    """Tutorials and contributed kernels as scripts, and the unit tests."""
    folder = copy(checkout, work / "nki-samples")
    restore_reference(checkout, folder)
    yield from scripts("nki-samples", folder, ["src/nki_samples/tutorials", "contributed"], work, choice)
    yield from samples_tests(folder, work, choice)


# ---- the report


def reason_of(case: Case, exceptions: dict[str, str], used: set[str]) -> str | None:
    """Why a failing case is expected to fail; None: it is not."""
    for pattern, reason in exceptions.items():
        if fnmatch.fnmatchcase(case.id, pattern):
            used.add(pattern)
            return reason
    return None


def report(cases: list[Case], exceptions: dict[str, str], complete: bool) -> int:
    """Prints counts, reasons and what is unexpected; the exit status."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    used: set[str] = set()
    unexpected = []
    known: Counter[str] = Counter()
    for case in cases:
        counts[case.suite, case.family][case.outcome] += 1
        if case.outcome == "failed":
            reason = reason_of(case, exceptions, used)
            if reason is None:
                unexpected.append(case)
            else:
                known[reason] += 1
    print(f"{'suite':<18} {'family':<48} passed failed skipped")
    for (suite, family), outcomes in sorted(counts.items()):
        print(f"{suite:<18} {family:<48} {outcomes['passed']:>6} {outcomes['failed']:>6} {outcomes['skipped']:>7}")
    for reason, number in known.most_common():
        print(f"expected to fail, {number}: {reason}")
    for case in unexpected:
        print(f"UNEXPECTED {case.id}: {case.reason}")
    stale = sorted(set(exceptions) - used) if complete else []
    for pattern in stale:
        print(f"STALE {pattern}: nothing fails there any more; take the line out of exceptions.yaml")
    return 1 if unexpected or stale or not cases else 0


def main() -> int:
    """Runs what there is a checkout of."""
    parser = argparse.ArgumentParser(description="the public NKI suites on the installed package")
    parser.add_argument("--sdk", type=Path, help="checkout of aws-neuron-sdk")
    parser.add_argument("--nki-library", type=Path, help="checkout of nki-library")
    parser.add_argument("--nki-samples", type=Path, help="checkout of nki-samples")
    parser.add_argument("--every", type=int, default=1, help="only every N-th case of the pytest suites")
    parser.add_argument("--only", nargs="*", default=[], help="only these families of nki-library")
    parser.add_argument("--timeout", type=int, default=600, metavar="S", help="seconds that a case may take; more where the host is busy")
    parser.add_argument("--work", type=Path, help="a new folder to keep the copies in; by default a temporary one")
    options = parser.parse_args()
    given = {"sdk": options.sdk, "nki-library": options.nki_library, "nki-samples": options.nki_samples}
    for name, folder in given.items():
        if folder is not None and not folder.is_dir():
            parser.error(f"--{name}: expected a folder with a checkout, found {folder}")
    if not any(given.values()):
        parser.error("expected at least one checkout: --sdk, --nki-library or --nki-samples DIR")
    exceptions = yaml.safe_load((HERE / "exceptions.yaml").read_text(encoding="utf-8")) or {}
    choice = Choice(options.every, options.only, options.timeout)
    cases: list[Case] = []
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary) / "suites"
        work.mkdir(parents=True)
        if options.sdk:
            cases += sdk(options.sdk.resolve(), work, choice)
        if options.nki_samples:
            cases += nki_samples(options.nki_samples.resolve(), work, choice)
        if options.nki_library:
            cases += nki_library(options.nki_library.resolve(), work, choice)
    return report(cases, exceptions, all(given.values()) and options.every == 1 and not options.only)


if __name__ == "__main__":
    sys.exit(main())
