# SPDX-License-Identifier: Apache-2.0
"""neuronxcc.nki.language."""

from __future__ import annotations

import math
import sys
from typing import Any

import ml_dtypes
import numpy as np

from ..._core import nki as core
from .. import _run
from .. import language as newer
from ..language import _creation
from .._errors import NkiValidationError
from .._objects import DTYPES, MemoryRegion, numpy_dtype
from . import _allocate, _ops
from ._allocate import dtype_of, ndarray, new_tile
from ._index import Affine, LoopIndex, arange, loop_range, mgrid, par_dim, running_loops
from ._math import FUNCTIONS, is_float, promoted, reduction
from ._ops import call, number, operation, tensor
from ._tensor import HBM, Tensor, flush, made_of, session

globals().update(DTYPES)
globals().update(FUNCTIONS)

Tensor = Tensor
tensor_type = Tensor
affine_range = sequential_range = static_range = loop_range
ds = core.ds
tile_size = newer.tile_size
sbuf, psum = MemoryRegion.sbuf, MemoryRegion.psum
hbm = private_hbm = MemoryRegion.private_hbm
shared_hbm = MemoryRegion.shared_hbm
program_id, num_programs, program_ndim = newer.program_id, newer.num_programs, newer.program_ndim


class fp32:
    """Limits of float32."""

    min = float(np.finfo(np.float32).min)
    max = float(np.finfo(np.float32).max)


def finfo(dtype: Any) -> Any:
    """Limits of a dtype, as numpy.finfo gives them."""
    return ml_dtypes.finfo(numpy_dtype(dtype_of(dtype)))


def sizeinbytes(dtype: Any) -> int:
    """Bytes of an element."""
    return dtype_of(dtype).itemsize


# ---- the launch grid


class nc:
    """nl.nc(2): a dimension of the grid over so many physical cores; `nl.nc(2) * 4` has eight instances on two cores."""

    def __init__(self, cores: int) -> None:
        self.cores = int(cores)

    def __mul__(self, other: int) -> spmd_dim:
        return spmd_dim(self, int(other))

    def __rmul__(self, other: int) -> spmd_dim:
        return spmd_dim(int(other), self)


class spmd_dim:
    """A dimension of the grid of two parts, outer and inner; one of them may be nl.nc(n)."""

    def __init__(self, outer: Any, inner: Any) -> None:
        self.outer, self.inner = outer, inner


# ---- making tensors


def zeros(shape: Any, dtype: Any, *, buffer: Any = None, name: str = "", **_: Any) -> Any:
    """A tensor of zeros. Those in PSUM are not written if a product covers them first."""
    return full(shape, 0, dtype, buffer=buffer, name=name)


def ones(shape: Any, dtype: Any, *, buffer: Any = None, name: str = "", **_: Any) -> Any:
    """A tensor of ones."""
    return full(shape, 1, dtype, buffer=buffer, name=name)


def full(shape: Any, fill_value: Any, dtype: Any, *, buffer: Any = None, name: str = "", **_: Any) -> Any:
    """A tensor of one value."""
    region, _placed = _allocate.region_of(buffer)
    lazy = region is psum and number(fill_value) == 0
    made = ndarray(shape, dtype, buffer=buffer, name=name, zero=lazy)
    if lazy:
        return made
    flush()
    if isinstance(made, Tensor):
        _ops.fill(made, fill_value)
    else:
        for at in np.ndindex(*made.sizes):
            _ops.fill(made.tile(tuple(at)), fill_value)
    return made


def empty_like(a: Any, dtype: Any = None, *, buffer: Any = None, name: str = "", **_: Any) -> Any:
    """A tensor of the shape of another."""
    return ndarray(a.shape, dtype or a.dtype, buffer=buffer if buffer is not None else a.buffer, name=name)


def zeros_like(a: Any, dtype: Any = None, *, buffer: Any = None, name: str = "", **_: Any) -> Any:
    """Zeros in the shape of another tensor."""
    return zeros(a.shape, dtype or a.dtype, buffer=buffer if buffer is not None else a.buffer, name=name)


def shared_constant(constant: Any, dtype: Any = None, **_: Any) -> Tensor:
    """A constant array in HBM."""
    values = np.asarray(constant)
    return _ops.in_hbm(values.astype(numpy_dtype(dtype_of(dtype if dtype is not None else values.dtype))))


def shared_identity_matrix(n: int, dtype: Any = np.uint8, **_: Any) -> Tensor:
    """An identity matrix in HBM."""
    return shared_constant(np.identity(n), dtype)


def rand(shape: Any, dtype: Any = np.float32, *, mask: Any = None, **_: Any) -> Tensor:
    """Uniform random numbers between 0 and 1, by the engine's generator."""
    sizes = tuple(int(size) for size in shape)
    return operation(lambda dst: _creation._uniform(dst.core()), sizes, dtype_of(dtype), mask=mask)


def random_seed(seed: Any, *, mask: Any = None, **_: Any) -> None:
    """Sets the seed of the random numbers that follow."""
    flush()
    if not isinstance(seed, Tensor):
        tile = new_tile((128, 1), DTYPES["uint32"])
        _ops.fill(tile, seed)
        seed = tile
    tile = tensor(seed, "random_seed")
    if tile.shape[0] == 1:
        tile = _ops.spread(tile, 128)
    call("set_rng_seed", tile.core())


def static_cast(value: Any, dtype: Any) -> Any:
    """A number, an array or a tile as another dtype."""
    if isinstance(value, Tensor):
        return copy(value, dtype=dtype)
    if isinstance(value, np.ndarray):
        return value.astype(numpy_dtype(dtype_of(dtype)))
    return numpy_dtype(dtype_of(dtype)).type(value)


# ---- moving data


def load(src: Any, *, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """A tensor in HBM, copied to SBUF."""
    source = tensor(src, "nl.load")
    shape = source.shape if source.ndim > 1 else (*source.shape, 1) if source.shape else (1, 1)
    fitted = _ops.fit(source, shape) or source
    kind = dtype_of(dtype) if dtype is not None else source.dtype

    def emit(dst: Tensor, view: Tensor) -> None:
        _ops.transfer(dst, view)

    if source.on_chip:
        return copy(source, mask=mask, dtype=dtype)
    return operation(_by_rectangles(emit, (fitted,), mask), shape, kind, regions=(sbuf,), any_dtype=False)


def _by_rectangles(emit: Any, inputs: tuple[Tensor, ...], mask: Any) -> Any:
    """Transfers have any shape: a mask that is no rectangle makes several."""

    def run(dst: Tensor) -> None:
        if mask is None or mask is True:
            emit(dst, *inputs)
            return
        from ._mask import rectangle, rectangles

        ranges, rest = rectangle(mask, dst.shape)
        if ranges is None:
            return
        for part in [ranges] if rest is None else rectangles(rest, ranges, dst.shape):
            emit(dst.part(part), *(view.part(part) for view in inputs))

    return run


def store(dst: Any, value: Any, *, mask: Any = None, **_: Any) -> None:
    """A tile or a number, written to HBM."""
    if not isinstance(value, Tensor) and not hasattr(value, "tiles"):
        flush()
        target = tensor(dst, "nl.store: dst")
        _by_rectangles(lambda to: _ops.fill(to, value), (), mask)(target)
        return
    source = tensor(value, "nl.store: value")
    target = tensor(dst, "nl.store: dst")
    flush()
    if source.region is psum or source.dtype != target.dtype and target.indirect is not None:
        cast = new_tile(source.shape, target.dtype)
        call("tensor_copy", cast.core(), source.core())
        source = cast
    fitted = _ops.fit(source, target.shape)
    if fitted is None:
        other = _ops.fit(target, source.shape)
        if other is not None:
            target, fitted = other, source
        elif mask is None:
            _ops.copy(target, source)
            return
        else:
            raise NkiValidationError(f"nl.store: expected tiles of one shape, found {target!r} and {source!r}", core.caller())
    _by_rectangles(_ops.transfer, (fitted,), mask)(target)


def load_transpose2d(src: Any, *, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """A tensor in HBM, loaded with its two dimensions exchanged."""
    from . import isa

    source = tensor(src, "nl.load_transpose2d")
    if source.ndim != 2:
        raise NkiValidationError(f"nl.load_transpose2d: expected two dimensions, found {source!r}", core.caller())
    return isa.dma_transpose(source, mask=mask, dtype=dtype)


def atomic_rmw(dst: Any, value: Any, op: Any, *, mask: Any = None, **_: Any) -> None:
    """dst = dst + value in HBM."""
    from . import isa

    isa.dma_copy(dst=dst, src=value, mask=mask, dst_rmw_op=op)


def copy(src: Any, *, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """A copy of a tile."""
    from . import isa

    return isa.tensor_copy(src, mask=mask, dtype=dtype)


def broadcast_to(src: Any, *, shape: Any, dtype: Any = None, mask: Any = None, **_: Any) -> Tensor:
    """A tile repeated along dimensions of one element."""
    return copy(tensor(src, "broadcast_to").broadcast_to(tuple(shape)), mask=mask, dtype=dtype)


def expand_dims(data: Any, axis: Any) -> Tensor:
    """A new dimension of one element."""
    return tensor(data, "expand_dims").expand_dims(int(axis))


def gather_flattened(data: Any, indices: Any, *, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """Elements of each partition by their places in it."""
    source, places = tensor(data, "gather_flattened: data"), tensor(indices, "gather_flattened: indices")

    def emit(dst: Tensor, where: Tensor) -> None:
        call("nc_n_gather", dst=dst.core(), data=source.core(), indices=where.core())

    return operation(emit, places.shape, dtype_of(dtype) if dtype is not None else source.dtype, (places,), mask=mask, any_dtype=False)


def device_print(prefix: str, x: Any, *, mask: Any = None, **_: Any) -> None:
    """Prints a tensor's values."""
    print(prefix, x.to_array() if isinstance(x, Tensor) else x, file=sys.stdout)


# ---- arithmetic beyond single operators

max = reduction("max", "maximum")
min = reduction("min", "minimum")
sum = reduction("sum", "add")
prod = reduction("prod", "multiply")
all = reduction("all", "logical_and")
for _function, _name in ((max, "maximum"), (min, "minimum"), (sum, "add"), (prod, "multiply")):
    core.register_operator(_function, _name)


def _count(x: Tensor, axis: Any) -> int:
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    return math.prod(x.shape[int(a)] for a in axes)


def mean(x: Any, axis: Any, *, dtype: Any = None, mask: Any = None, keepdims: bool = False, **_: Any) -> Tensor:
    """The mean along free dimensions."""
    tile = tensor(x, "mean")
    total = sum(tile, axis, dtype=np.float32, mask=mask, keepdims=keepdims)
    return FUNCTIONS["multiply"](total, 1.0 / _count(tile, axis), dtype=dtype or tile.dtype)


def var(x: Any, axis: Any, *, dtype: Any = None, mask: Any = None, keepdims: bool = False, **_: Any) -> Tensor:
    """The variance along free dimensions."""
    tile = tensor(x, "var")
    middle = mean(tile, axis, dtype=np.float32, keepdims=True)
    difference = FUNCTIONS["subtract"](tile, middle, dtype=np.float32)
    return mean(FUNCTIONS["square"](difference), axis, dtype=dtype or tile.dtype, keepdims=keepdims)


def where(condition: Any, x: Any, y: Any, *, dtype: Any = None, mask: Any = None, **_: Any) -> Tensor:
    """x where the condition is not zero, else y."""
    test = tensor(condition, "where: condition")
    sides = [tensor(v, "where") if isinstance(v, Tensor) else number(v) for v in (x, y)]
    shape, kind = test.shape, None
    for side in sides:
        if isinstance(side, Tensor):
            shape = tuple(a if b == 1 else b for a, b in zip(shape, side.shape))
            kind = side.dtype if kind is None else promoted(kind, side.dtype)
    kind = dtype_of(dtype) if dtype is not None else kind if kind is not None else DTYPES["float32"]
    tiles = tuple(side.broadcast_to(shape) for side in sides if isinstance(side, Tensor))

    def emit(dst: Tensor, test_view: Tensor, *views: Tensor) -> None:
        left = iter(views)
        first, second = (next(left) if isinstance(side, Tensor) else side for side in sides)
        result = dst if first is not dst else new_tile(dst.shape, dst.dtype)
        _put(result, second)
        if not isinstance(first, Tensor):
            value = new_tile(dst.shape, dst.dtype)
            _ops.fill(value, first)
            first = value
        call("tensor_copy_predicated", dst=result.core(), src=first.core(), predicate=test_view.core())

    return operation(emit, shape, kind, (test.broadcast_to(shape), *tiles), mask=mask)


def _put(dst: Tensor, value: Any) -> None:
    if isinstance(value, Tensor):
        _ops.copy(dst, value)
    else:
        _ops.fill(dst, value)


def transpose(x: Any, *, dtype: Any = None, mask: Any = None, **_: Any) -> Tensor:
    """A tile with partitions and free elements exchanged."""
    from . import isa

    return isa.nc_transpose(x, mask=mask, dtype=dtype)


def matmul(x: Any, y: Any, *, transpose_x: bool = False, mask: Any = None, **_: Any) -> Tensor:
    """x @ y, or x' @ y with transpose_x, in PSUM. Operands in PSUM are copied to SBUF first, where the tensor engine reads."""
    from . import isa

    left, right = _ops.to_sbuf(tensor(x, "matmul: x")), _ops.to_sbuf(tensor(y, "matmul: y"))
    if not transpose_x:
        turned = isa.nc_transpose(left).settle()
        left = new_tile(turned.shape, left.dtype)
        call("tensor_copy", left.core(), turned.core())
    return isa.nc_matmul(left, right, mask=mask)


def softmax(x: Any, axis: Any, *, dtype: Any = None, compute_dtype: Any = None, mask: Any = None, **_: Any) -> Tensor:
    """exp(x - max) over its sum, along a free dimension."""
    tile = tensor(x, "softmax")
    highest = max(tile, axis, dtype=np.float32, keepdims=True)
    powers = FUNCTIONS["exp"](FUNCTIONS["subtract"](tile, highest, dtype=np.float32))
    powers.settle()
    total = sum(powers, axis, dtype=np.float32, keepdims=True)
    return FUNCTIONS["multiply"](powers, FUNCTIONS["reciprocal"](total), dtype=dtype or tile.dtype, mask=mask)


def rms_norm(x: Any, w: Any, axis: Any, n: Any, epsilon: float = 1e-6, *, dtype: Any = None, compute_dtype: Any = None, mask: Any = None, **_: Any) -> Tensor:
    """x / sqrt(sum(x^2) / n + epsilon), times w."""
    tile = tensor(x, "rms_norm")
    squares = sum(FUNCTIONS["square"](tile, dtype=np.float32), axis, dtype=np.float32, keepdims=True)
    scale = FUNCTIONS["rsqrt"](FUNCTIONS["add"](FUNCTIONS["multiply"](squares, 1.0 / number(n)), epsilon))
    normed = FUNCTIONS["multiply"](tile, scale, dtype=dtype or tile.dtype, mask=mask)
    return normed if w is None else FUNCTIONS["multiply"](normed, w, dtype=dtype or tile.dtype, mask=mask)


def dropout(x: Any, rate: Any, *, dtype: Any = None, mask: Any = None, **_: Any) -> Tensor:
    """x with elements set to zero at random."""
    from . import isa

    return isa.dropout(x, rate, dtype=dtype, mask=mask)


def loop_reduce(data: Any, op: Any, loop_indices: Any, *, dtype: Any = None, mask: Any = None, **_: Any) -> Tensor:
    """A tile reduced over the iterations of loops: the same tile in each, complete after the last. Each step of the other loops around
    it, outside or inside of these, has its own."""
    tile = tensor(data, "loop_reduce")
    place = core.caller()
    loops = tuple(id(index.loop) if isinstance(index, LoopIndex) else None for index in loop_indices)
    kept = [index.loop for index in loop_indices if isinstance(index, LoopIndex)]
    # Of a number that arithmetic made nobody knows the loop.
    others = tuple(loop.value for loop in running_loops() if loop not in kept) if len(kept) == len(loops) else ()
    known = session().loops.get((place, loops, others))
    if known is None:
        total = new_tile(tile.shape, dtype_of(dtype) if dtype is not None else tile.dtype)
        session().loops[place, loops, others] = (total, kept)  # the loops are kept so that their numbers stay theirs
        flush()
        _ops.copy(total, tile)
        return total
    total = known[0]
    flush()
    call("tensor_tensor", total.core(), total.core(), tile.core(), op)
    return total


def no_reorder(*args: Any, **kwargs: Any) -> Any:
    """A block whose instructions keep their order; instructions of the older interface always do."""
    from .compiler import no_reorder as block

    return block(*args, **kwargs)
