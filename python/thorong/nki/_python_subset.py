# SPDX-License-Identifier: Apache-2.0
"""Warns of Python in a kernel that the vendor's compiler would refuse, where Python itself runs it.

What it takes is in the NKI Language Guide and the migration guide: functions, if, for, while, lists, tuples, dicts with string
keys, simple classes; no exceptions, generators, identity of values, state outside of the kernel, or libraries on tiles.
"""

from __future__ import annotations

import ast
import contextvars
import inspect
import os
import textwrap
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ._errors import report

_done: weakref.WeakSet[Any] = weakref.WeakSet()
_lock = threading.Lock()

# Python's statements and expressions, and what to write instead.
_NODES: dict[type[ast.AST], tuple[str, str]] = {
    ast.Try: ("try/except", "Test the condition with if before, outside of the kernel where it depends on the host"),
    ast.Raise: ("raise", "Use assert"),
    ast.Yield: ("a generator", "Return a list"),
    ast.YieldFrom: ("a generator", "Return a list"),
    ast.GeneratorExp: ("a generator expression", "Use a list"),
    ast.Global: ("global", "Pass the value as an argument"),
    ast.Nonlocal: ("nonlocal", "Return the value"),
    ast.AsyncFunctionDef: ("async", "Use an ordinary function"),
    ast.Await: ("await", "Use an ordinary call"),
    ast.Delete: ("del", "Let tiles end with the function that makes them"),
    ast.Set: ("a set", "Use a tuple or a list"),
    ast.SetComp: ("a set", "Use a list"),
    ast.NamedExpr: ("an assignment expression (:=)", "Assign in a statement of its own"),
}  # fmt: skip


_ON_SIZES = ("ceil", "floor", "gcd", "log2", "prod", "sqrt")  # functions of NumPy that kernels use on sizes


def _nodes(function: ast.AST) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(function):
        if type(node) in _NODES:
            found, advice = _NODES[type(node)]
            yield node.lineno, found, advice  # type: ignore[attr-defined]
        elif isinstance(node, ast.Compare):
            for op, right in zip(node.ops, node.comparators):
                if isinstance(op, (ast.Is, ast.IsNot)) and not (isinstance(right, ast.Constant) and right.value is None):
                    yield node.lineno, "is / is not with something else than None", "Compare with == or !="
        elif isinstance(node, ast.Dict):
            if any(isinstance(key, ast.Constant) and not isinstance(key.value, str) for key in node.keys):
                yield node.lineno, "a dict with keys that are not strings", "Use strings, or a list"
        elif isinstance(node, ast.FunctionDef) and node.args.kwonlyargs:
            yield node.lineno, "parameters that are keyword-only (*)", "Move parameters with defaults to the end of the signature"


def _globals_in_use(function: types.FunctionType, tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Values outside of the kernel that can change, and NumPy's functions."""
    variables = {**function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            variables[name] = cell.cell_contents
        except ValueError:
            continue
    local = set(function.__code__.co_varnames)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in local:
            value = variables.get(node.id)
            if type(value) in (list, dict, set, bytearray):
                kind = type(value).__name__
                yield node.lineno, f"the {kind} '{node.id}' from outside, which may change", "Pass it as an argument: compiled kernels are kept by their arguments"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            module = variables.get(node.func.value.id)
            if isinstance(module, types.ModuleType) and module.__name__.split(".")[0] in ("numpy", "torch", "jax", "scipy"):
                if not isinstance(getattr(module, node.func.attr, None), type) and node.func.attr not in _ON_SIZES:
                    yield node.lineno, f"{node.func.value.id}.{node.func.attr}()", "Use nki.language or nki.isa on tiles; compute host values before the kernel"


def findings(function: Callable[..., Any]) -> Iterator[tuple[int, str]]:
    """Lines of a function and sentences about them."""
    if not isinstance(function, types.FunctionType) or function.__code__.co_filename.startswith(os.path.dirname(__file__)):
        return
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError, IndentationError, IndexError):
        return
    if not isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    for line, found, advice in [*_nodes(tree), *_globals_in_use(function, tree)]:
        yield first + line - 1, _sentence(found, advice)


# The lines of the present run where a tile stood as a condition; None: nobody wants to know.
conditions: contextvars.ContextVar[set[str] | None] = contextvars.ContextVar("nki_conditions", default=None)


def tile_as_condition(where: str) -> None:
    """`if tile:` or `while tile:`, at the kernel's line."""
    seen = conditions.get()
    if seen is not None and where not in seen:
        seen.add(where)
        report("python", _sentence("a tile as a condition, which is true whatever its values are", "Load the value to a register and use that"), where)


def _sentence(found: str, advice: str) -> str:
    return f"expected Python that the vendor's compiler takes, found {found}. {advice}. [python]"


def warn(function: Callable[..., Any]) -> None:
    """Warns of each place of a kernel, once a process."""
    function = inspect.unwrap(function) if callable(function) else function
    try:
        with _lock:
            if function in _done:
                return
            _done.add(function)
    except TypeError:  # not to be remembered: nothing that has source either
        return
    seen = set()
    for line, message in findings(function):
        if (line, message) not in seen:
            seen.add((line, message))
            report("python", message, f"{inspect.getsourcefile(function)}:{line}")
