# SPDX-License-Identifier: Apache-2.0
"""`python -m thorong.nki SCRIPT.py ARGS...` runs a script whose `import nki` finds this package."""

from __future__ import annotations

import os
import runpy
import sys

from .._errors import Error, InvalidArgument
from . import _run, legacy, names

_USAGE = """usage: python -m thorong.nki [--check strict|warn|off] [--assume NAME=VALUE]... SCRIPT.py ARGS...
       python -m thorong.nki [--check strict|warn|off] [--assume NAME=VALUE]... -m MODULE ARGS...

Runs a Python script on the simulator: `import nki` (and nki.language, nki.isa ...) and the older
`import neuronxcc.nki` find Thorong's modules.
--check says what the checks of kernels do (docs/nki.md): raise (strict, the default), warn, or
nothing; THORONG_NKI_CHECK says the same.
--assume gives a figure of the chip another value (tensor.min_issue_cycles=128; `thorong chip NAME`
lists them); results also state the time with the chip's own. THORONG_NKI_ASSUME says the same, with
semicolons between several.
With THORONG_NKI=vendor the vendor's package is used where it is installed."""


def _vendor_wanted() -> bool:
    return os.environ.get("THORONG_NKI", "").lower() == "vendor"


def _read_options(arguments: list[str]) -> list[str]:
    """Tells the environment what --check and --assume say; gives back what follows them."""
    assumed: list[str] = []
    while arguments and arguments[0].split("=")[0] in ("--check", "--assume"):
        option, equals, value = arguments[0].partition("=")
        value, arguments = (value, arguments[1:]) if equals else ("".join(arguments[1:2]), arguments[2:])
        if option == "--assume":
            assumed.append(value)
            continue
        if value not in ("strict", "warn", "off"):
            raise InvalidArgument(f"expected strict, warn or off, found '{value}'.", option)
        os.environ["THORONG_NKI_CHECK"] = value
    if assumed:
        _run.parse_assumptions(assumed, "--assume")
        os.environ["THORONG_NKI_ASSUME"] = ";".join(assumed)
    return arguments


def main(arguments: list[str]) -> int:
    """Runs the script in this process; its exit status is ours."""
    try:
        arguments = _read_options(arguments)
    except Error as error:
        print(f"python -m thorong.nki: {error}", file=sys.stderr)
        return 2
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if not _vendor_wanted():
        names.install("nki")
        legacy.install()
    os.environ.setdefault("NKI_SIMULATOR", "1")
    if arguments[0] == "-m":
        if len(arguments) < 2:
            print("python -m thorong.nki: expected a module's name after -m, found nothing.", file=sys.stderr)
            return 2
        sys.argv = arguments[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return 0
    script = arguments[0]
    if not os.path.isfile(script):
        print(f"python -m thorong.nki: expected a Python script, found no file '{script}'. Check its path.", file=sys.stderr)
        return 2
    sys.argv = arguments
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
