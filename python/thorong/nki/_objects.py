# SPDX-License-Identifier: Apache-2.0
"""Objects that stand for something in the core: dtypes, memories, enumerations. Registered once, looked up by identity."""

from __future__ import annotations

import dataclasses
import sys
from enum import Enum
from typing import Any

import ml_dtypes
import numpy as np

from .._core import nki as core


class DType(str):
    """A data type of nki.language: a string that compares equal to NumPy's types of the same name."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name: "bfloat16"."""
        return str(self)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return _BYTES[self]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other)
        if isinstance(other, np.dtype) and other.names is not None:
            return PACKED.get(str(self)) == other
        name = getattr(other, "name", None) or getattr(other, "__name__", None)
        return isinstance(name, str) and str.__eq__(self, "bool" if name == "bool_" else name)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        packed = PACKED.get(str(self))  # a key of a dictionary is found by an array's dtype too
        return str.__hash__(self) if packed is None else hash(packed)

    def __repr__(self) -> str:
        return f"nki.language.{self}"


class NKIObject:
    """Base class of objects that kernels take. Each class works like a data class, with or without @dataclass: what its body
    annotates or sets to a plain value is a field, and the initializer takes the fields and calls `__post_init__` at the end, unless
    the class defines one."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = _own_annotations(cls)
        values = {name: value for name, value in cls.__dict__.items() if not name.startswith("_") and name not in known}
        cls.__annotations__ = {**known, **{name: Any for name, value in values.items() if _is_plain(value)}}
        if cls.__init__ is NKIObject.__init__:
            cls.__init__ = NKIObject.__init__  # its own, which @dataclass leaves alone: a data class's is stricter

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = _annotated(type(self))
        given = dict(zip(names, args))
        wrong = [name for name in kwargs if name not in names or name in given]
        if len(args) > len(names) or wrong:
            found = f"{len(args)} values" if len(args) > len(names) else f"'{wrong[0]}'"
            raise TypeError(f"{type(self).__name__}: expected each of ({', '.join(names)}) at most once, found {found}. Annotate what it shall have.")
        for name in names:
            value = {**given, **kwargs}[name] if name in given or name in kwargs else _default(type(self), name)
            object.__setattr__(self, name, value)  # frozen classes too
        self.__post_init__()

    def __post_init__(self) -> None:
        """What a class does after its values are set; nothing unless it says so."""


def _own_annotations(kind: type) -> dict[str, Any]:
    """A class's annotations without its bases'."""
    found = kind.__dict__.get("__annotations__")
    return found if found is not None else getattr(kind, "__annotations__", {}) if sys.version_info >= (3, 14) else {}


def _is_plain(value: Any) -> bool:
    """A value that may be a field's default: no method, property or class, and nothing that instances would share and change."""
    return not hasattr(value, "__get__") and not isinstance(value, type) and type(value).__hash__ is not None


def _annotated(kind: type) -> list[str]:
    """The names that a class and its bases annotate, the bases' first."""
    found: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        found.update({name: None for name, hint in _own_annotations(base).items() if "ClassVar" not in str(hint)})
    return list(found)


def _default(kind: type, name: str) -> Any:
    """A name's default; None where the class gives none."""
    value = getattr(kind, name, getattr(kind, "__dataclass_fields__", {}).get(name))  # @dataclass takes what has a factory out of the class
    if isinstance(value, dataclasses.Field):
        return value.default_factory() if value.default_factory is not dataclasses.MISSING else None if value.default is dataclasses.MISSING else value.default
    return value


class MemoryRegion(Enum):
    """Where a tensor lies."""

    sbuf = "sbuf"
    psum = "psum"
    private_hbm = "private_hbm"
    shared_hbm = "shared_hbm"


class engine(Enum):
    """A NeuronCore's engines."""

    tensor = 1
    vector = 5
    scalar = 2
    gpsimd = 3
    dma = 4
    sync = 6
    unknown = 0


class reduce_cmd(Enum):
    """What an instruction does with its engine's accumulators."""

    idle = 0
    reset = 1
    reduce = 2
    reset_reduce = 3
    load_reduce = 4


class dge_mode(Enum):
    """Who makes a transfer's descriptors."""

    unknown = 0
    swdge = 1
    hwdge = 2
    none = 3


class oob_mode(Enum):
    """What an index out of bounds does."""

    error = 0
    skip = 1


class matmul_perf_mode(Enum):
    """The tensor engine's modes."""

    none = "none"
    double_row = "double_row"


class nc_version(Enum):
    """NeuronCore generations."""

    gen2 = 2
    gen3 = 3
    gen4 = 4

    def __lt__(self, other: nc_version) -> bool:
        return self.value < other.value

    def __le__(self, other: nc_version) -> bool:
        return self.value <= other.value

    def __gt__(self, other: nc_version) -> bool:
        return self.value > other.value

    def __ge__(self, other: nc_version) -> bool:
        return self.value >= other.value


class dma_engine(Enum):
    """Who moves the data of sendrecv."""

    dma = 1
    gpsimd_dma = 2


# Names of nki.language and of the core.
_DTYPES = {
    "bool_": "bool", "int8": "int8", "int16": "int16", "int32": "int32", "uint8": "uint8", "uint16": "uint16",
    "uint32": "uint32", "int64": "int64", "uint64": "uint64", "float16": "float16", "float32": "float32",
    "bfloat16": "bfloat16", "tfloat32": "tfloat32", "float8_e4m3": "float8_e4m3", "float8_e4m3fn": "float8_e4m3fn",
    "float8_e5m2": "float8_e5m2", "float8_e5m2_x4": "float8_e5m2_x4", "float8_e4m3fn_x4": "float8_e4m3fn_x4",
    "float8_e8m0fnu": "float8_e8m0fnu", "float4_e2m1fn_x4": "float4_e2m1fn_x4", "float64": "float64",
    "float8_e3m4": "float8_e3m4",
}  # fmt: skip
# How NumPy keeps a type that it does not have.
_STORED_AS = {
    "tfloat32": "float32", "float8_e5m2_x4": "uint32", "float8_e4m3fn_x4": "uint32", "float4_e2m1fn_x4": "uint16",
    "float8_e8m0fnu": "float8_e8m0fnu",
}  # fmt: skip

# NumPy dtypes that say more than the bytes: arrays of them are of the packed type.
PACKED = {name: np.dtype([(name, _STORED_AS[name])]) for name in ("float8_e5m2_x4", "float8_e4m3fn_x4", "float4_e2m1fn_x4")}


def _numpy_dtype(name: str) -> np.dtype[Any]:
    stored = _STORED_AS.get(name, name)
    return np.dtype(getattr(ml_dtypes, stored, None) or stored)


DTYPES = {name: DType(core_name) for name, core_name in _DTYPES.items()}
# As ml_dtypes does for its types: np.zeros(shape, dtype=nl.float8_e4m3fn_x4). By name too.
np.sctypeDict.update(PACKED | {DTYPES[name]: kind for name, kind in PACKED.items()})  # type: ignore[attr-defined]
_BYTES = {dtype: _numpy_dtype(str(dtype)).itemsize for dtype in DTYPES.values()}
REGIONS = {region.name: region for region in MemoryRegion}
ENGINES = {member.name: member for member in engine}


def numpy_dtype(dtype: Any) -> np.dtype[Any]:
    """The NumPy type that holds a type of nki.language."""
    return _numpy_dtype(str(dtype)) if isinstance(dtype, str) else np.dtype(dtype)


def _register() -> None:
    for dtype in DTYPES.values():
        core.register_dtype(dtype, str(dtype), True)
        try:
            kind = _numpy_dtype(str(dtype))
        except TypeError:
            continue
        if kind.name == dtype:
            core.register_dtype(kind.type, str(dtype), False)
    core.register_dtype(bool, "bool", False)
    core.register_dtype(float, "float32", False)
    core.register_dtype(int, "int32", False)
    for number, region in enumerate(MemoryRegion):
        core.register_region(region, number, True)
    for kind in (engine, reduce_cmd, dge_mode, oob_mode, dma_engine):
        for member in kind:
            core.register_name(member, kind.__name__, member.value)
    core.register_name(matmul_perf_mode.none, "matmul_perf_mode", 0)
    core.register_name(matmul_perf_mode.double_row, "matmul_perf_mode", 1)


_register()
