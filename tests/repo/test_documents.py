# SPDX-License-Identifier: Apache-2.0
"""Documents say what is true: links lead somewhere, commands exist, every option is explained."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from command_help import help_text, page, subcommands
from tree import BINARY, ROOT, text_of, with_suffix

needs_binary = pytest.mark.skipif(not BINARY.is_file(), reason=f"{BINARY} is not there; run ./dev build")
DOCUMENTS = [p for p in with_suffix(".md") if p.parts[0] != "bench" or p.name == "README.md"]


def code_lines(path: Path) -> list[str]:
    """Lines of a document's code: indented by four, or fenced."""
    lines, fenced = [], False
    for line in text_of(path).splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            lines.append(line.strip())
    return lines


def test_links_lead_somewhere() -> None:
    """Relative links of Markdown files name files that exist."""
    broken = []
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text_of(path)):
            if "://" not in target and not (ROOT / path.parent / target).exists():
                broken.append(f"{path}: {target}")
    assert not broken, broken


def test_paths_in_the_guides_exist() -> None:
    """Files named in `backquotes` with a folder of this repository before them are there."""
    missing = []
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "AGENTS.md"):
        text = text_of(Path(name))
        made = {"NAME", *re.findall(r"\./dev new \w+ (\w+)", text)}  # files that a recipe will write
        for target in re.findall(r"`((?:thorong|frontends|chips|tests|bench|docs|cmake|python|web|examples)/[\w./-]+)`", text):
            if Path(target).stem not in made and not (ROOT / target).exists():
                missing.append(f"{name}: {target}")
    assert not missing, missing


def test_dev_commands_in_documents_exist() -> None:
    """Each `./dev WORD` of a document is one of the script's commands."""
    usage = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True).stdout
    known = {"help", *re.findall(r"^  ([a-z]+)\b", usage, re.MULTILINE)}
    assert {"setup", "build", "test", "demo", "validate", "check", "format", "bench", "new", "docs"} <= known
    for path in DOCUMENTS:
        for word in re.findall(r"\./dev ([a-z]+)", text_of(path)):
            assert word in known, f"{path} names ./dev {word}"


def test_dev_refuses_what_it_does_not_know() -> None:
    """A wrong word ends with a sentence and a status, before anything is installed or built."""
    for words in (["nonsense"], ["new", "gadget", "x"], ["new", "operator", "Bad-Name"], ["new", "operator", "softmax"],
                  ["test", "nowhere"], ["test", "--fast"]):  # fmt: skip
        done = subprocess.run([ROOT / "dev", *words], capture_output=True, text=True, check=False)
        assert done.returncode != 0 and done.stderr.startswith("dev: "), words


@needs_binary
def test_every_option_is_explained() -> None:
    """No option or subcommand without a sentence in --help."""
    for name in subcommands(BINARY):
        lines = [*help_text(BINARY, name).splitlines(), ""]
        for line, following in zip(lines, lines[1:]):
            if re.match(r"  (?:-\w,)?--[\w-]+", line):
                beside = line[33:34] == " " and line[34:].strip()
                below = following.startswith(" " * 34) and following.strip()
                assert beside or below, f"thorong {name}: {line.strip()} is not explained"


@needs_binary
def test_the_reference_page_is_the_programs_help() -> None:
    """docs/reference/command.md was written by this program."""
    assert text_of(Path("docs/reference/command.md")) == page(BINARY), "run ./dev docs"


@needs_binary
def test_commands_in_documents_are_understood() -> None:
    """Each `thorong SUBCOMMAND --option` in a document's code exists."""
    options = {name: set(re.findall(r"--[\w-]+", help_text(BINARY, name))) for name in subcommands(BINARY)}
    top = set(re.findall(r"--[\w-]+", help_text(BINARY)))
    for path in DOCUMENTS:
        for line in code_lines(path):
            found = re.match(r"(?:\$ )?(?:\./|build/release/|\.venv/bin/)?thorong (?!\w+ \w+ \w+ \w+)(\S+)(.*)", line)
            if not found or path == Path("docs/reference/command.md"):
                continue
            name, rest = found.groups()
            if name.startswith("--"):
                assert name in top, f"{path}: {line}"
                continue
            assert name in options, f"{path}: thorong {name}"
            unknown = set(re.findall(r"(?<=\s)--[\w-]+", rest.split("#")[0])) - options[name]
            assert not unknown, f"{path}: thorong {name} has no {sorted(unknown)}"


@needs_binary
def test_chips_in_the_readme_are_those_shipped() -> None:
    """The table of chips names each shipped chip with its cores."""
    listed = subprocess.run([BINARY, "chips"], capture_output=True, text=True, check=True).stdout
    names = sorted(p.stem for p in with_suffix(".yaml") if p.parts[0] == "chips")
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", text_of(Path("README.md")), re.MULTILINE))
    for name in names:
        assert name in listed and name in rows, name


def test_the_readme_has_its_measured_part() -> None:
    """The markers between which the table of bench/validation is put."""
    text = text_of(Path("README.md"))
    assert text.count("<!-- validation:begin -->") == text.count("<!-- validation:end -->") == 1
