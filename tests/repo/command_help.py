# SPDX-License-Identifier: Apache-2.0
"""The command's own help as a page, so that reference and program cannot differ.

    python tests/repo/command_help.py build/release/thorong [docs/reference/command.md]
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def help_text(binary: Path, *words: str) -> str:
    """What `thorong [SUBCOMMAND] --help` prints; the program is called by its bare name."""
    done = subprocess.run(["thorong", *words, "--help"], executable=binary, capture_output=True, text=True, check=True)
    return done.stdout


def subcommands(binary: Path) -> list[str]:
    """Names from the list of `thorong --help`."""
    listed = help_text(binary).split("Subcommands:")[1]
    return re.findall(r"^  (\S+)", listed, re.MULTILINE)


def page(binary: Path) -> str:
    """The whole page."""
    parts = ["# The command\n\nWritten by `./dev docs` from `thorong --help`. Exit statuses: 0 done; 2 the input, options or "
             "files are wrong;\n3 a fault of the simulated machine; 70 a bug of Thorong; 130 interrupted.\n"]  # fmt: skip
    for words in [[], *([name] for name in subcommands(binary))]:
        title = " ".join(["thorong", *words])
        body = "\n".join(line.rstrip() for line in help_text(binary, *words).strip().splitlines())
        parts.append(f"\n## {title}\n\n```text\n{body}\n```\n")
    return "".join(parts)


if __name__ == "__main__":
    text = page(Path(sys.argv[1]).resolve())
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(text, encoding="utf-8")
    else:
        print(text, end="")
