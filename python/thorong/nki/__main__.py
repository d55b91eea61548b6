# SPDX-License-Identifier: Apache-2.0
"""`python -m thorong.nki SCRIPT.py ARGS...` runs a script whose `import nki` finds this package."""

from __future__ import annotations

import os
import runpy
import sys

from .._errors import Error, InvalidArgument
from . import _run, legacy, names

_USAGE = """usage: python -m thorong.nki [OPTIONS] SCRIPT.py ARGS...
       python -m thorong.nki [OPTIONS] -m MODULE ARGS...

Runs a Python script on the simulator: `import nki` (and nki.language, nki.isa ...) and the older
`import neuronxcc.nki` find Thorong's modules.
--check strict|warn|off says what the checks of kernels do (docs/nki.md): raise (strict, the
default), warn, or nothing; THORONG_NKI_CHECK says the same.
--assume NAME=VALUE gives a figure of the chip another value (tensor.min_issue_cycles=128;
`thorong chip NAME` lists them), may be repeated; results also state the time with the chip's own.
THORONG_NKI_ASSUME says the same, with semicolons between several.
--summary on|off: after the script, on stderr, the modelled time of the last call of each kernel
that the script did not time itself: use of the engines, MFU, the most expensive waits with their
lines. By default on where stderr is a terminal and a script runs, off for a module.
With THORONG_NKI=vendor the vendor's package is used where it is installed."""


def _vendor_wanted() -> bool:
    return os.environ.get("THORONG_NKI", "").lower() == "vendor"


class _Summary:
    """The last launch of each kernel, summed up when the script has ended."""

    most_kernels = 8

    def __init__(self) -> None:
        self.last: dict[str, _run.Launched] = {}
        self.calls: dict[str, int] = {}

    def note(self, launched: _run.Launched) -> None:
        """Keeps the record of a launch in place of the one before."""
        self.last[launched.name] = launched
        self.calls[launched.name] = self.calls.get(launched.name, 0) + 1

    def print(self) -> None:
        """What the script did not ask for itself; a kernel whose record cannot be timed says why."""
        untimed = [launched for launched in self.last.values() if not launched.timed]
        for launched in untimed[: self.most_kernels]:
            calls = self.calls[launched.name]
            print(f"\n{launched.name}: {'one call' if calls == 1 else f'the last of {calls} calls'}", file=sys.stderr)
            try:
                print(launched.result().brief(), file=sys.stderr)
            except Exception as error:  # noqa: BLE001: the script itself has done its work
                print(f"it has no modelled time: {error}", file=sys.stderr)
        if len(untimed) > self.most_kernels:
            print(f"\nand {len(untimed) - self.most_kernels} more kernels; time them with thorong.nki.run.", file=sys.stderr)


_OPTIONS = {"--check": ("strict", "warn", "off"), "--summary": ("on", "off")}


def _options(arguments: list[str]) -> tuple[dict[str, str], list[str], list[str]]:
    """The options before the script, what --assume said, and the rest."""
    options: dict[str, str] = {}
    assumed: list[str] = []
    while arguments and arguments[0].split("=")[0] in (*_OPTIONS, "--assume"):
        name, equals, value = arguments[0].partition("=")
        value, arguments = (value, arguments[1:]) if equals else ("".join(arguments[1:2]), arguments[2:])
        if name == "--assume":
            assumed.append(value)
            continue
        *first, last = _OPTIONS[name]
        if value not in _OPTIONS[name]:
            raise InvalidArgument(f"expected {', '.join(first)} or {last}, found '{value}'.", name)
        options[name] = value
    return options, assumed, arguments


def _run_script(arguments: list[str], summary: _Summary | None) -> None:
    _run.on_launch = summary.note if summary is not None else None
    try:
        if arguments[0] == "-m":
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit:  # as scripts end that call sys.exit
        if summary is not None:
            summary.print()
        raise
    finally:
        _run.on_launch = None
    if summary is not None:
        summary.print()


def main(arguments: list[str]) -> int:
    """Runs the script in this process; its exit status is ours."""
    try:
        options, assumed, arguments = _options(arguments)
        if assumed:
            _run.parse_assumptions(assumed, "--assume")
            os.environ["THORONG_NKI_ASSUME"] = ";".join(assumed)
    except Error as error:
        print(f"python -m thorong.nki: {error}", file=sys.stderr)
        return 2
    if "--check" in options:
        os.environ["THORONG_NKI_CHECK"] = options["--check"]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if not _vendor_wanted():
        names.install("nki")
        legacy.install()
    os.environ.setdefault("NKI_SIMULATOR", "1")
    module = arguments[0] == "-m"
    if module:
        if len(arguments) < 2:
            print("python -m thorong.nki: expected a module's name after -m, found nothing.", file=sys.stderr)
            return 2
        sys.argv = arguments[1:]
        sys.path.insert(0, os.getcwd())
    else:
        script = arguments[0]
        if not os.path.isfile(script):
            print(f"python -m thorong.nki: expected a Python script, found no file '{script}'. Check its path.", file=sys.stderr)
            return 2
        sys.argv = arguments
        sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    wanted = options.get("--summary", "on" if not module and sys.stderr.isatty() else "off") == "on"
    _run_script(arguments, _Summary() if wanted else None)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
