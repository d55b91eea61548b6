# SPDX-License-Identifier: Apache-2.0
"""The node cases of the ONNX standard, as the installed package onnx generates them, run by Thorong.

    python tests/e2e/onnx_nodes.py [--chip CHIP] [NAME_PART]   prints what does not pass
    python tests/e2e/onnx_nodes.py --page docs/onnx.md         writes the page
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import thorong
import yaml
from onnx import numpy_helper

EXCEPTIONS = Path(__file__).with_name("onnx_node_exceptions.yaml")


def cases(name_part: str = "") -> list[Any]:
    """All cases whose name contains the part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        return [case for case in load_model_tests(kind="node") if name_part in case.name]


def exceptions() -> dict[str, str]:
    """Names of cases that do not pass, and why."""
    listed = yaml.safe_load(EXCEPTIONS.read_text(encoding="utf-8"))
    return {name: " ".join(entry["reason"].split()) for entry in listed for name in entry["cases"]}


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def is_close(found: Any, expected: Any, rtol: float, atol: float) -> bool:
    """As the standard's own runner compares: shapes and types equal, values within the case's tolerances."""
    if isinstance(expected, (list, tuple)):
        same = isinstance(found, list) and len(found) == len(expected)
        return same and all(is_close(f, e, rtol, atol) for f, e in zip(found, expected))
    if expected is None:
        return found is None
    expected = np.asarray(_array(expected))
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if expected.dtype == object:
        return bool((found == expected).all())
    if expected.dtype.kind == "V" or expected.dtype.name not in np.sctypeDict:  # of ml_dtypes
        found, expected = found.astype(np.float32), expected.astype(np.float32)
    return bool(np.allclose(found, expected, rtol=rtol, atol=atol, equal_nan=True))


def run(case: Any, chip: str = "trainium2") -> tuple[str, set[str]]:
    """Empty where the case passes, else what is wrong; and the paths of its operators."""
    paths: set[str] = set()
    for inputs, expected in case.data_sets:
        given = {value.name: _array(x) for value, x in zip(case.model.graph.input, inputs)}
        try:
            result = thorong.run(case.model, chip=chip, inputs=given, auto_cast="none")
        except thorong.Error as error:
            return f"{type(error).__name__}: {error}", paths
        paths |= {use["path"] for use in result.operators}
        for value, output in zip(case.model.graph.output, expected):
            if not is_close(result.outputs[value.name], output, case.rtol, case.atol):
                return f"output {value.name!r} differs", paths
    return "", paths


def page() -> str:
    """docs/onnx.md: what passes by operator, what does not and why."""
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    paths: dict[str, set[str]] = defaultdict(set)
    failed = {}
    everything = cases()
    for case in everything:
        wrong, used = run(case)
        names = sorted({node.op_type for node in case.model.graph.node})
        operator = names[0] if len(names) == 1 else "function bodies" if "expanded" in case.name else "several operators"
        total[operator] += 1
        paths[operator] |= used
        passed[operator] += not wrong
        if wrong:
            failed[case.name] = wrong
    reasons = exceptions()
    lines = [
        "# ONNX: what is covered",
        "",
        "Written by `./dev docs` from the node cases of the ONNX standard, as the package `onnx` "
        f"{onnx.__version__} generates them, with",
        "`--auto-cast none` on trainium2 at the suite's tolerances. Where meanings differ: [reference/onnx.md](reference/onnx.md).",
        "",
        f"**{len(everything) - len(failed)} of {len(everything)} cases pass.** The rest:",
        "",
    ]
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name in failed:
        by_reason[reasons.get(name, "not listed: " + failed[name])].append(name)
    for reason, names in by_reason.items():
        lines.append(f"- {reason} ({len(names)}: {', '.join(f'`{name}`' for name in sorted(names))})")
    lines += ["", "Path: `tile` where generated tile instructions of the engines ran; `gpsimd` the plain meaning on that engine;"]
    lines += ["none where all is known when the model is imported (constants, sequences, strings).", ""]
    lines += ["| Operator | Cases | Passed | Path |", "|---|---:|---:|---|"]
    for operator in sorted(total):
        lines.append(f"| {operator} | {total[operator]} | {passed[operator]} | {', '.join(sorted(paths[operator]))} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Prints what does not pass, or writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name_part", nargs="?", default="", help="only cases whose name contains it")
    parser.add_argument("--chip", default="trainium2")
    parser.add_argument("--page", type=Path, help="writes the page")
    given = parser.parse_args()
    if given.page:
        given.page.write_text(page(), encoding="utf-8")
        return 0
    chosen = cases(given.name_part)
    failed = {case.name: wrong for case in chosen if (wrong := run(case, given.chip)[0])}
    for name, wrong in failed.items():
        print(f"{name}: {wrong}")
    print(f"{len(chosen) - len(failed)} of {len(chosen)} pass")
    return 0 if set(failed) <= set(exceptions()) else 1


if __name__ == "__main__":
    sys.exit(main())
