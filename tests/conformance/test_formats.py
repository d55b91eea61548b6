# SPDX-License-Identifier: Apache-2.0
"""Every value of every format of at most 16 bits, and roundings to it, against ml_dtypes and NumPy.

Runs thorong_format_dump from the build folder in THORONG_BUILD_DIR (default build/release). Widening: all codes, bit for
bit except NaN (only that it is NaN, with the same sign). Narrowing: all values, all midpoints between neighbours, one fp32
step on both sides of each, and random bit patterns.
"""

import os
import pathlib
import subprocess

import pytest

np = pytest.importorskip("numpy")
ml_dtypes = pytest.importorskip("ml_dtypes")

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("THORONG_BUILD_DIR", "build/release"))
TOOL = (BUILD if BUILD.is_absolute() else ROOT / BUILD) / "obj/numerics/thorong_format_dump"

FLOATS = ["bfloat16", "float16", "float8_e4m3", "float8_e4m3fn", "float8_e5m2", "float8_e3m4"]
FLOATS += ["float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]
FLOATS += ["float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn"]
INTEGERS = ["int2", "uint2", "int4", "uint4", "int8", "uint8", "int16", "uint16"]

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")


def dtype_of(name):
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def code_type(name):
    return np.uint8 if dtype_of(name).itemsize == 1 else np.uint16


def dump(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], check=True, capture_output=True).stdout


def bits_of(name):
    limits = ml_dtypes.iinfo if name in INTEGERS else ml_dtypes.finfo
    return limits(dtype_of(name)).bits


def all_values(name):
    bits = bits_of(name)
    codes = np.arange(2**bits, dtype=np.uint32).astype(code_type(name))
    return codes.view(dtype_of(name)).astype(np.float32)


def narrowed(name, values, folder):
    path = folder / "values.f32"
    values.astype(np.float32).tofile(path)
    return np.frombuffer(dump("narrow", name, path), dtype=code_type(name))


def trial_values(name):
    """Values of the format, midpoints with their neighbours in fp32, random bit patterns."""
    values = all_values(name)
    finite = np.unique(values[np.isfinite(values)]).astype(np.float64)
    beyond = 2 * finite[-1] - finite[-2]  # what the next value would be
    if name == "float8_e8m0fnu":
        beyond = 2 * finite[-1]
    line = np.concatenate([[-beyond], finite, [beyond]])
    with np.errstate(over="ignore"):
        middle = ((line[1:] + line[:-1]) / 2).astype(np.float32)
        up = np.nextafter(middle, np.float32(np.inf))
        down = np.nextafter(middle, np.float32(-np.inf))
    random = np.random.default_rng(1)
    patterns = random.integers(0, 2**32, 1_000_000, dtype=np.uint32).view(np.float32)
    with np.errstate(over="ignore"):
        near = (random.standard_normal(1_000_000) * finite[-1] / 4).astype(np.float32)
    return np.concatenate([values, middle, up, down, patterns, near])


@pytest.mark.parametrize("name", FLOATS + INTEGERS)
def test_widen_all_codes(name):
    actual = np.frombuffer(dump("widen", name), dtype=np.float32)
    expected = all_values(name)
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(actual), nan)
    np.testing.assert_array_equal(actual[~nan].view(np.uint32), expected[~nan].view(np.uint32))
    np.testing.assert_array_equal(np.signbit(actual[nan]), np.signbit(expected[nan]))


@pytest.mark.parametrize("name", FLOATS)
def test_narrow_floats(name, tmp_path):
    values = trial_values(name)
    if name == "float8_e8m0fnu":  # ml_dtypes rounds every subnormal fp32 number above 2^-127 to 2^-126
        values = values[~((values > 2.0**-127) & (values < 2.0**-126))]
    actual = narrowed(name, values, tmp_path)
    with np.errstate(all="ignore"):
        expected = values.astype(dtype_of(name))
    nan = np.isnan(expected.astype(np.float32))
    np.testing.assert_array_equal(np.isnan(actual.view(dtype_of(name)).astype(np.float32)), nan)
    np.testing.assert_array_equal(actual[~nan], expected.view(code_type(name))[~nan])


@pytest.mark.parametrize("name", INTEGERS)
def test_narrow_integers(name, tmp_path):
    limits = ml_dtypes.iinfo(dtype_of(name))
    random = np.random.default_rng(2)
    values = (random.standard_normal(500_000) * int(limits.max)).astype(np.float32)
    steps = np.arange(int(limits.min), int(limits.max) + 1, dtype=np.float32)
    values = np.concatenate([values, steps + np.float32(0.5)])
    expected = np.clip(np.rint(values), int(limits.min), int(limits.max)).astype(dtype_of(name))
    np.testing.assert_array_equal(narrowed(name, values, tmp_path), expected.view(code_type(name)))


def test_tfloat32_keeps_ten_mantissa_bits(tmp_path):
    random = np.random.default_rng(3)
    bits = random.integers(0, 2**32, 1_000_000, dtype=np.uint32)
    values = bits.view(np.float32)
    path = tmp_path / "values.f32"
    values.tofile(path)
    actual = np.frombuffer(dump("narrow", "tfloat32", path), dtype=np.uint32)
    finite = np.isfinite(values)
    wide = bits[finite].astype(np.uint64)
    expected = (wide + 0xFFF + ((wide >> 13) & 1)) & ~np.uint64(0x1FFF)
    np.testing.assert_array_equal(actual[finite], expected.astype(np.uint32))
