# SPDX-License-Identifier: Apache-2.0
"""neuronxcc.nki.isa: the instructions as functions that return tiles. Each forwards to the instruction of nki.isa."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..._core import nki as core
from .._errors import NkiValidationError
from .._objects import DTYPES, MemoryRegion, dge_mode, dma_engine, engine, matmul_perf_mode, nc_version, oob_mode, reduce_cmd
from .._run import get_nc_version
from . import _ops
from ._allocate import dtype_of, new_tile
from ._index import Affine
from ._mask import rectangle
from ._ops import PSUM, SBUF, call, number, operation, tensor
from ._tensor import Tensor, flush

tensor_engine = engine.tensor
vector_engine = engine.vector
scalar_engine = engine.scalar
gpsimd_engine = engine.gpsimd
unknown_engine = engine.unknown

_LOWEST = float(np.finfo(np.float32).min)
_FLOAT32 = DTYPES["float32"]
_NARROW_FLOATS = tuple(DTYPES[name] for name in ("bfloat16", "float16", "float8_e4m3", "float8_e5m2"))


def _kind(dtype: Any, default: Any) -> Any:
    return default if dtype is None else dtype_of(dtype)


def _chosen(**options: Any) -> dict[str, Any]:
    """Options of the instruction that the kernel gave."""
    return {name: value for name, value in options.items() if value is not None and value is not engine.unknown}


def _column(value: Any, rank: int, what: str) -> Any:
    """A number, or a tile of one element a partition with `rank` dimensions."""
    if not isinstance(value, Tensor):
        return number(value)
    column = tensor(value, what)
    sized = _ops.fit(column, column.shape[:1] + (1,) * (rank - 1))
    return column if sized is None else sized


def _views(*values: Any) -> tuple[Tensor, ...]:
    return tuple(value for value in values if isinstance(value, Tensor))


def _cores(values: tuple[Any, ...], views: tuple[Tensor, ...]) -> list[Any]:
    """The arguments with the tiles among them replaced by these views of them."""
    left = iter(views)
    return [next(left).core() if isinstance(value, Tensor) else value for value in values]


# ---- tensor engine


def nc_matmul(stationary: Any, moving: Any, *, is_stationary_onezero: bool = False, is_moving_onezero: bool = False,
              is_transpose: bool = False, tile_position: Any = (), tile_size: Any = (), mask: Any = None, perf_mode: Any = None,
              performance_mode: Any = None, **_: Any) -> Tensor:
    """stationary[K, M]' @ moving[K, N], in PSUM. Operands in PSUM are copied to SBUF first."""
    left, right = (_ops.to_sbuf(tensor(value, f"nc_matmul: {name}")) for value, name in ((stationary, "stationary"), (moving, "moving")))
    mode = perf_mode or performance_mode
    double = mode is not None and "double_row" in str(getattr(mode, "name", mode))
    columns = math.prod(left.shape[1:]) // (2 if double else 1)
    free = right.shape[1:]
    if double:
        free = free[1:] if free[0] == 2 else (math.prod(free) // 2,)
    same = is_transpose and get_nc_version() >= nc_version.gen3
    dtype = right.dtype if same else _FLOAT32
    options: dict[str, Any] = {"is_transpose": is_transpose, "is_stationary_onezero": is_stationary_onezero, "is_moving_onezero": is_moving_onezero}
    if tile_position:
        options["tile_position"] = tuple(tile_position)
    if tile_size:
        options["tile_size"] = tuple(tile_size)
    if double:
        options["perf_mode"] = matmul_perf_mode.double_row

    def emit(dst: Tensor, accumulate: bool | None = False) -> None:
        a, b, out = left, right, dst
        if mask is not None and mask is not True:  # a mask of (K, N): partitions of both operands, columns of the moving one
            ranges, rest = rectangle(mask, right.shape)
            if ranges is None:
                return
            if rest is not None:
                raise NkiValidationError("nc_matmul: expected a mask that cuts a rectangle, found another. Mask the operands with "
                                         "nisa.affine_select.", core.caller())
            a = left.part([ranges[0], *((0, size) for size in left.shape[1:])])
            b = right.part(ranges)
            out = dst if double else dst.part([(0, dst.shape[0]), *ranges[1:]])
        call("nc_matmul", out.core(), a.core(), b.core(), accumulate=accumulate, **options)

    return operation(emit, (columns, *free), dtype, region=PSUM, regions=(PSUM,), accumulates=True)


def nc_transpose(data: Any, *, mask: Any = None, dtype: Any = None, engine: Any = unknown_engine, **_: Any) -> Tensor:
    """Partitions become free elements and the other way round."""
    tile = tensor(data, "nc_transpose")
    free = math.prod(tile.shape[1:])
    on_vector = engine is vector_engine
    default = tile.dtype if on_vector or get_nc_version() >= nc_version.gen3 else _FLOAT32
    region = SBUF if on_vector else PSUM

    def emit(dst: Tensor) -> None:
        source, to = tile, dst
        if mask is not None and mask is not True:
            ranges, rest = rectangle(mask, tile.shape)
            if ranges is None:
                return
            if rest is not None or len(ranges) != 2:
                raise NkiValidationError("nc_transpose: expected a mask that cuts a rectangle, found another.", core.caller())
            source, to = tile.part(ranges), dst.part([ranges[1], ranges[0]])
        if to.region is PSUM and to.dtype == _FLOAT32 and source.dtype in _NARROW_FLOATS and get_nc_version() >= nc_version.gen3:
            identity = _ops.constant(np.identity(source.shape[0]), source.dtype)  # transpose mode keeps the dtype
            call("nc_matmul", to.core(), source.core(), identity.core(), is_moving_onezero=True, accumulate=False)
            return
        call("nc_transpose", to.core(), source.core(), **_chosen(engine=engine))

    kind = _kind(dtype, default)
    return operation(emit, (free, tile.shape[0]), kind, region=region, regions=(SBUF, PSUM) if on_vector else (PSUM,), any_dtype=kind != tile.dtype)


# ---- elementwise


def activation(op: Any, data: Any, *, bias: Any = None, scale: Any = 1.0, reduce_op: Any = None, reduce_res: Any = None,
               reduce_cmd: Any = None, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """op(data * scale + bias)."""
    tile = tensor(data, "activation: data")
    side = (_column(bias, tile.ndim, "bias") if bias is not None else None, _column(scale, tile.ndim, "scale"),
            _column(reduce_res, tile.ndim, "reduce_res") if reduce_res is not None else None)
    options = _chosen(reduce_op=reduce_op, reduce_cmd=reduce_cmd)

    def emit(dst: Tensor, source: Tensor, *views: Tensor) -> None:
        b, s, result = _cores(side, views)
        if result is not None:
            options["reduce_res"] = result
        call("activation", dst.core(), op, source.core(), bias=b, scale=s, **options)

    emit = emit if options or side[2] is not None else _ops.piecewise(emit)
    return operation(emit, tile.shape, _kind(dtype, tile.dtype), (tile, *_views(*side)), mask=mask)


def activation_reduce(op: Any, data: Any, *, reduce_op: Any = None, reduce_res: Any = None, bias: Any = None, scale: Any = 1.0,
                      mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """op(data * scale + bias), and the sum of each row in reduce_res."""
    return activation(op, data, bias=bias, scale=scale, reduce_op=reduce_op, reduce_res=reduce_res, reduce_cmd=reduce_cmd_of("reset_reduce"),
                      mask=mask, dtype=dtype)


def reduce_cmd_of(name: str) -> Any:
    """A member of reduce_cmd."""
    return getattr(reduce_cmd, name)


def tensor_tensor(data1: Any, data2: Any, op: Any, *, dtype: Any = None, mask: Any = None, engine: Any = unknown_engine, **_: Any) -> Tensor:
    """op(data1, data2), element by element."""
    from .language import promoted

    a, b = tensor(data1, "tensor_tensor: data1"), tensor(data2, "tensor_tensor: data2")
    kind = _kind(dtype, promoted(a.dtype, b.dtype))
    if a.region is PSUM and b.region is PSUM:
        b = _ops.to_sbuf(b)
    a, b, shape = _ops.broadcast_pair(a, b)

    def emit(dst: Tensor, left: Tensor, right: Tensor) -> None:
        call("tensor_tensor", dst.core(), left.core(), right.core(), op, **_chosen(engine=engine))

    return operation(_ops.piecewise(emit), shape, kind, (a, b), mask=mask)


def tensor_scalar(data: Any, op0: Any, operand0: Any, reverse0: bool = False, op1: Any = None, operand1: Any = None, reverse1: bool = False, *,
                  dtype: Any = None, mask: Any = None, engine: Any = unknown_engine, **_: Any) -> Tensor:
    """op1(op0(data, operand0), operand1) with a number or one value a partition as operands."""
    tile = tensor(data, "tensor_scalar: data")
    side = (_column(operand0, tile.ndim, "operand0"), _column(operand1, tile.ndim, "operand1"))

    def emit(dst: Tensor, source: Tensor, *views: Tensor) -> None:
        first, second = _cores(side, views)
        options = _chosen(engine=engine)
        if op1 is not None:
            options.update(op1=op1, operand1=second, reverse1=reverse1)
        call("tensor_scalar", dst.core(), source.core(), op0, first, reverse0=reverse0, **options)

    return operation(_ops.piecewise(emit), tile.shape, _kind(dtype, tile.dtype), (tile, *_views(*side)), mask=mask)


def tensor_scalar_reduce(*, data: Any, op0: Any, operand0: Any, reduce_op: Any, reduce_res: Any, reverse0: bool = False, dtype: Any = None,
                         mask: Any = None, **_: Any) -> Tensor:
    """op0(data, operand0), and each row reduced in reduce_res."""
    tile = tensor(data, "tensor_scalar_reduce: data")
    side = (_column(operand0, tile.ndim, "operand0"), _column(reduce_res, tile.ndim, "reduce_res"))

    def emit(dst: Tensor, source: Tensor, *views: Tensor) -> None:
        operand, result = _cores(side, views)
        call("tensor_scalar_reduce", dst=dst.core(), data=source.core(), op0=op0, operand0=operand, reduce_op=reduce_op, reduce_res=result,
             reverse0=reverse0)

    return operation(emit, tile.shape, _kind(dtype, tile.dtype), (tile, *_views(*side)), mask=mask)


def scalar_tensor_tensor(*, data: Any, op0: Any, operand0: Any, op1: Any, operand1: Any, reverse0: bool = False, reverse1: bool = False,
                         dtype: Any = None, mask: Any = None, **_: Any) -> Tensor:
    """op1(op0(data, operand0), operand1) with a number or column first and a tile second."""
    tile, other = tensor(data, "scalar_tensor_tensor: data"), tensor(operand1, "scalar_tensor_tensor: operand1")
    side = (_column(operand0, tile.ndim, "operand0"), _ops.fit(other, tile.shape) or other.broadcast_to(tile.shape))

    def emit(dst: Tensor, source: Tensor, *views: Tensor) -> None:
        first, second = _cores(side, views)
        call("scalar_tensor_tensor", dst.core(), source.core(), op0, first, op1, second, reverse0=reverse0, reverse1=reverse1)

    return operation(_ops.piecewise(emit), tile.shape, _kind(dtype, tile.dtype), (tile, *_views(*side)), mask=mask)


def tensor_tensor_scan(data0: Any, data1: Any, initial: Any, op0: Any, op1: Any, reverse0: bool = False, reverse1: bool = False, *,
                       dtype: Any = None, mask: Any = None, **_: Any) -> Tensor:
    """result[i] = op1(op0(data0[i], result[i - 1]), data1[i])."""
    a, b = tensor(data0, "tensor_tensor_scan: data0"), tensor(data1, "tensor_tensor_scan: data1")
    side = (_column(initial, a.ndim, "initial"),)

    def emit(dst: Tensor, left: Tensor, right: Tensor, *views: Tensor) -> None:
        call("tensor_tensor_scan", dst=dst.core(), data0=left.core(), data1=right.core(), initial=_cores(side, views)[0], op0=op0, op1=op1,
             reverse0=reverse0, reverse1=reverse1)

    return operation(emit, a.shape, _kind(dtype, a.dtype), (a, b, *_views(*side)), mask=mask)


def reciprocal(data: Any, *, dtype: Any = None, mask: Any = None, **_: Any) -> Tensor:
    """1 / data."""
    tile = tensor(data, "reciprocal: data")
    emit = _ops.piecewise(lambda dst, source: call("reciprocal", dst.core(), source.core()))
    return operation(emit, tile.shape, _kind(dtype, tile.dtype), (tile,), mask=mask)


def tensor_copy(src: Any, *, mask: Any = None, dtype: Any = None, engine: Any = unknown_engine, **_: Any) -> Tensor:
    """A copy."""
    tile = tensor(src, "tensor_copy: src")
    chosen = None if engine is unknown_engine else engine
    return operation(lambda dst, source: _ops.copy(dst, source, chosen), tile.shape, _kind(dtype, tile.dtype), (tile,), mask=mask)


tensor_copy_dynamic_src = tensor_copy


def tensor_copy_dynamic_dst(*, dst: Any, src: Any, mask: Any = None, engine: Any = unknown_engine, **_: Any) -> None:
    """dst = src, with an index of values in dst."""
    _now(dst, (src,), mask, lambda to, source: call("tensor_copy", to.core(), source.core(), **_chosen(engine=engine)))


def tensor_copy_predicated(*, src: Any, dst: Any, predicate: Any, mask: Any = None, reverse_pred: bool = False, **_: Any) -> None:
    """dst = src where the predicate is not zero."""
    options = {"reverse_pred": True} if reverse_pred else {}
    values = () if not isinstance(src, Tensor) else (src,)

    def emit(to: Tensor, where: Tensor, *sources: Tensor) -> None:
        call("tensor_copy_predicated", dst=to.core(), src=sources[0].core() if sources else number(src), predicate=where.core(), **options)

    _now(dst, (predicate, *values), mask, emit)


def memset(shape: Any, value: Any, dtype: Any, *, mask: Any = None, engine: Any = unknown_engine, **_: Any) -> Tensor:
    """A tile of one value."""
    return operation(lambda dst: call("memset", dst.core(), number(value), **_chosen(engine=engine)), tuple(int(size) for size in shape),
                     dtype_of(dtype), mask=mask)


def iota(expr: Any, dtype: Any, *, mask: Any = None, **_: Any) -> Tensor:
    """The values of an index tile."""
    if not isinstance(expr, Affine):
        raise NkiValidationError(f"iota: expected an index tile such as nl.arange(128)[:, None], found {expr!r}", core.caller())

    def emit(dst: Tensor) -> None:
        ranges, rest = rectangle(mask, dst.shape)
        if ranges is None:
            return
        if rest is not None:
            raise NkiValidationError("iota: expected a mask that cuts a rectangle, found another.", core.caller())
        start = expr.start + sum(low * step for (low, _), step in zip(ranges, expr.steps))
        _ops.affine_iota(dst.part(ranges), Affine(tuple(high - low for low, high in ranges), expr.steps, start))

    return operation(emit, expr.shape, dtype_of(dtype), regions=(SBUF,), any_dtype=False)


def dropout(data: Any, prob: Any, *, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """data with elements set to zero at random."""
    tile = tensor(data, "dropout: data")
    side = (_column(prob, tile.ndim, "prob"),)

    def emit(dst: Tensor, source: Tensor, *views: Tensor) -> None:
        call("dropout", dst.core(), source.core(), _cores(side, views)[0])

    return operation(emit, tile.shape, _kind(dtype, tile.dtype), (tile, *_views(*side)), mask=mask)


# ---- selection


def affine_select(pred: Any, on_true_tile: Any, on_false_value: Any, *, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """on_true_tile where the condition of index tiles holds, else a number."""
    tile = tensor(on_true_tile, "affine_select: on_true_tile")
    kind = _kind(dtype, tile.dtype)
    ranges, rest = rectangle(pred, tile.shape)
    value = number(on_false_value)
    if ranges is None:
        return operation(lambda dst: call("memset", dst.core(), value), tile.shape, kind, mask=mask)
    conditions = [*(_inside(axis, bounds, tile.shape) for axis, bounds in enumerate(ranges)), rest.conditions if rest is not None else ()]
    wanted = [condition for some in conditions for condition in some]
    if rest is not None and rest.array is not None:
        return _select_by_tile(rest, tile, value, kind, mask)
    if not wanted:
        return tensor_copy(tile, dtype=kind, mask=mask)

    def emit(dst: Tensor) -> None:
        source = _ops.to_sbuf(tile)
        for condition in wanted:
            steps = condition.widened(tile.ndim)
            pattern = [[step, size] for step, size in zip(steps[1:], tile.shape[1:])]
            call("affine_select", dst=dst.core(), pattern=pattern, offset=condition.start, channel_multiplier=steps[0], on_true_tile=source.core(),
                 on_false_value=value, cmp_op=_greater_equal())
            source = dst

    if mask is None or mask is True:
        return operation(emit, tile.shape, kind, regions=(SBUF,))
    selected = operation(emit, tile.shape, kind, regions=(SBUF,))
    return tensor_copy(selected, mask=mask) if mask is not False else operation(lambda dst: None, tile.shape, kind)


def _greater_equal() -> Any:
    from . import language

    return language.greater_equal


def _inside(axis: int, bounds: tuple[int, int], shape: tuple[int, ...]) -> list[Affine]:
    """The conditions of a rectangle along one dimension."""
    low, high = bounds
    sizes = tuple(size if n == axis else 1 for n, size in enumerate(shape))
    step = tuple(1 if n == axis else 0 for n in range(len(shape)))
    result = []
    if low > 0:
        result.append(Affine(sizes, step, -low))
    if high < shape[axis]:
        result.append(Affine(sizes, tuple(-s for s in step), high - 1))
    return result


def _select_by_tile(rest: Any, tile: Tensor, value: Any, kind: Any, mask: Any) -> Tensor:
    """By a predicate tile, for conditions that are no conjunction of affine ones."""
    predicate = _ops.mask_tile(rest, tile.shape)

    def emit(dst: Tensor, source: Tensor, where: Tensor) -> None:
        call("memset", dst.core(), value)
        call("tensor_copy_predicated", dst=dst.core(), src=source.core(), predicate=where.core())

    return operation(emit, tile.shape, kind, (tile, predicate), mask=mask)


def range_select(*, on_true_tile: Any, comp_op0: Any, comp_op1: Any, bound0: Any, bound1: Any, reduce_cmd: Any = None, reduce_res: Any = None,
                 reduce_op: Any = None, range_start: Any = 0, on_false_value: Any = _LOWEST, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """on_true_tile where the element's number lies between two bounds, else a number."""
    tile = tensor(on_true_tile, "range_select: on_true_tile")
    side = (_column(bound0, tile.ndim, "bound0"), _column(bound1, tile.ndim, "bound1"),
            _column(reduce_res, tile.ndim, "reduce_res") if reduce_res is not None else None)
    options = _chosen(reduce_cmd=reduce_cmd, reduce_op=reduce_op)

    def emit(dst: Tensor, source: Tensor, *views: Tensor) -> None:
        low, high, result = _cores(side, views)
        if result is not None:
            options["reduce_res"] = result
        call("range_select", dst=dst.core(), on_true_tile=source.core(), comp_op0=comp_op0, comp_op1=comp_op1, bound0=low, bound1=high,
             range_start=number(range_start), on_false_value=number(on_false_value), **options)

    return operation(emit, tile.shape, _kind(dtype, tile.dtype), (tile, *_views(*side)), mask=mask)


def select_reduce(*, dst: Any, predicate: Any, on_true: Any, on_false: Any, reduce_res: Any = None, reduce_cmd: Any = None, reduce_op: Any = None,
                  reverse_pred: bool = False, mask: Any = None, **_: Any) -> None:
    """dst = on_true where the predicate is not zero, else on_false; each row reduced in reduce_res."""
    rank = tensor(dst, "select_reduce: dst").ndim
    side = (on_true if isinstance(on_true, Tensor) else number(on_true), _column(on_false, rank, "on_false"),
            _column(reduce_res, rank, "reduce_res") if reduce_res is not None else None)
    options = _chosen(reduce_cmd=reduce_cmd, reduce_op=reduce_op)
    if reverse_pred:
        options["reverse_pred"] = True

    def emit(to: Tensor, where: Tensor, *views: Tensor) -> None:
        first, second, result = _cores(side, views)
        if result is not None:
            options["reduce_res"] = result
        call("select_reduce", dst=to.core(), predicate=where.core(), on_true=first, on_false=second, **options)

    _now(dst, (predicate, *_views(*side)), mask, emit)


# ---- reductions


def tensor_reduce(op: Any, data: Any, axis: Any, *, mask: Any = None, dtype: Any = None, negate: bool = False, keepdims: bool = False, **_: Any) -> Tensor:
    """A reduction along free dimensions."""
    tile = tensor(data, "tensor_reduce: data")
    axes = sorted({(int(a) + tile.ndim) if int(a) < 0 else int(a) for a in (axis if isinstance(axis, (list, tuple)) else [axis])})
    kept = [n for n in range(tile.ndim) if n not in axes]
    if not axes or axes[0] < 1 or axes[-1] >= tile.ndim:
        raise NkiValidationError(f"tensor_reduce: expected free dimensions 1 to {tile.ndim - 1} as axis, found {axis}", core.caller())
    shape = tuple(1 if n in axes else tile.shape[n] for n in range(tile.ndim)) if keepdims else tuple(tile.shape[n] for n in kept)
    shape = shape if len(shape) > 1 else (shape[0], 1)

    def emit(dst: Tensor) -> None:
        ranges, rest = rectangle(mask, tile.shape)
        if ranges is None:
            return
        if rest is not None:
            raise NkiValidationError("tensor_reduce: expected a mask that cuts a rectangle, found another. Select with "
                                     "nisa.affine_select first.", core.caller())
        source = tile if mask is None or mask is True else tile.part(ranges)
        cut = [ranges[n] for n in kept]
        to = _ops.fit(dst, tuple(tile.shape[n] for n in kept)) or dst
        if mask is not None and mask is not True:
            to = to.part(cut)
        call("tensor_reduce", to.core(), op, source.permuted(kept + axes).core(), axis=list(range(len(kept), tile.ndim)), negate=negate)

    return operation(emit, shape, _kind(dtype, tile.dtype))


def tensor_partition_reduce(op: Any, data: Any, *, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """A reduction along the partitions."""
    tile = tensor(data, "tensor_partition_reduce: data")

    def emit(dst: Tensor) -> None:
        ranges, rest = rectangle(mask, tile.shape)
        if ranges is None:
            return
        if rest is not None:
            raise NkiValidationError("tensor_partition_reduce: expected a mask that cuts a rectangle, found another.", core.caller())
        whole = mask is None or mask is True
        call("tensor_partition_reduce", dst=(dst if whole else dst.part([(0, 1), *ranges[1:]])).core(), op=op,
             data=(tile if whole else tile.part(ranges)).core())

    return operation(emit, (1, *tile.shape[1:]), _kind(dtype, tile.dtype), regions=(SBUF,))


def bn_stats(data: Any, *, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """Count, mean and variance times count of the even and the odd elements of each row."""
    tile = tensor(data, "bn_stats: data")
    return operation(_reduced("bn_stats", tile, mask), (tile.shape[0], 6), _kind(dtype, _FLOAT32))


def bn_aggr(data: Any, *, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """Mean and variance from several results of bn_stats."""
    tile = tensor(data, "bn_aggr: data")
    return operation(_reduced("bn_aggr", tile, mask), (tile.shape[0], 2), _kind(dtype, _FLOAT32))


def max8(*, src: Any, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """The eight largest values of each row, in descending order."""
    tile = tensor(src, "max8: src")
    return operation(_reduced("max8", tile, mask), (tile.shape[0], 8), _kind(dtype, tile.dtype))


def _reduced(name: str, tile: Tensor, mask: Any) -> Any:
    """An instruction whose mask cuts its input: the same partitions are left in the output."""

    def emit(dst: Tensor) -> None:
        source, to = _cut_rows(name, tile, dst, mask)
        if source is not None:
            call(name, to.core(), source.core())

    return emit


def _cut_rows(name: str, tile: Tensor, dst: Tensor, mask: Any) -> tuple[Tensor | None, Tensor]:
    if mask is None or mask is True:
        return tile, dst
    ranges, rest = rectangle(mask, tile.shape)
    if ranges is None:
        return None, dst
    if rest is not None:
        raise NkiValidationError(f"{name}: expected a mask that cuts a rectangle, found another. Select with nisa.affine_select first.", core.caller())
    return tile.part(ranges), dst.part([ranges[0], *((0, size) for size in dst.shape[1:])])


def nc_find_index8(*, data: Any, vals: Any, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """The place of each of eight values in its row."""
    tile, wanted = tensor(data, "nc_find_index8: data"), tensor(vals, "nc_find_index8: vals")

    def emit(dst: Tensor) -> None:
        source, to = _cut_rows("nc_find_index8", tile, dst, mask)
        if source is not None:
            rows, _ = _cut_rows("nc_find_index8", tile, wanted, mask)
            del rows
            call("nc_find_index8", dst=to.core(), data=source.core(), vals=wanted.part([(0, to.shape[0]), *((0, n) for n in wanted.shape[1:])]).core())

    return operation(emit, (tile.shape[0], 8), _kind(dtype, DTYPES["uint32"]))


def nc_match_replace8(*, data: Any, vals: Any, imm: Any, dst_idx: Any = None, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """data with the first occurrence of each of eight values replaced by imm."""
    tile, wanted = tensor(data, "nc_match_replace8: data"), tensor(vals, "nc_match_replace8: vals")
    places = tensor(dst_idx, "nc_match_replace8: dst_idx") if dst_idx is not None else None

    def emit(dst: Tensor) -> None:
        ranges = rectangle(mask, tile.shape)[0]
        if ranges is None:
            return
        rows = ranges[0]
        cut = lambda t: t.part([rows, *((0, size) for size in t.shape[1:])])  # noqa: E731
        source, to = (tile, dst) if mask is None or mask is True else (tile.part(ranges), dst.part(ranges))
        options = {} if places is None else {"dst_idx": cut(places).core()}
        call("nc_match_replace8", dst=to.core(), data=source.core(), vals=cut(wanted).core(), imm=number(imm), **options)

    return operation(emit, tile.shape, _kind(dtype, tile.dtype))


# ---- moving data


def _now(dst: Any, values: tuple[Any, ...], mask: Any, emit: Any) -> None:
    """An instruction whose destination the kernel gives."""
    to = tensor(dst, "dst")
    views = tuple(tensor(value, "an operand") for value in values)
    flush()
    fitted = tuple(_ops.fit(view, to.shape) or view for view in views)
    _ops.masked(emit, to, fitted, mask)


def dma_copy(*, dst: Any, src: Any, mask: Any = None, dst_rmw_op: Any = None, oob_mode: Any = None, dge_mode: Any = None, **_: Any) -> None:
    """dst = src by the DMA engines; with dst_rmw_op=np.add dst += src."""
    options = _chosen(oob_mode=oob_mode, dge_mode=dge_mode)

    def emit(to: Tensor, source: Tensor) -> None:
        if dst_rmw_op is not None:
            _add_to(to, source, options)
            return
        source = _ops.to_sbuf(source)
        if to.region is PSUM:
            _ops.copy(to, source)
            return
        _ops.transfer(to, source, **options)

    _now(dst, (src,), mask, emit)


def _add_to(to: Tensor, source: Tensor, options: dict[str, Any]) -> None:
    """dst += src in HBM: read, add, write."""
    from . import language

    before = new_tile(source.shape, to.dtype)
    _ops.transfer(before, to, **options)
    call("tensor_tensor", before.core(), before.core(), _ops.to_sbuf(source).core(), language.add)
    _ops.transfer(to, before, **options)


def dma_transpose(src: Any, *, axes: Any = None, mask: Any = None, dtype: Any = None, dge_mode: Any = None, **_: Any) -> Tensor:
    """The dimensions in reverse order, by the DMA engines."""
    tensor_in = tensor(src, "dma_transpose: src")
    order = list(axes) if axes is not None else list(reversed(range(tensor_in.ndim)))
    shape = tuple(tensor_in.shape[n] for n in order)
    options = _chosen(dge_mode=dge_mode)
    if axes is not None and tensor_in.ndim > 2:
        options["axes"] = tuple(order)

    def emit(dst: Tensor) -> None:
        if mask is not None and mask is not True:
            ranges, rest = rectangle(mask, tensor_in.shape)
            if ranges is None:
                return
            if rest is not None:
                raise NkiValidationError("dma_transpose: expected a mask that cuts a rectangle, found another.", core.caller())
            call("dma_transpose", dst=dst.part([ranges[n] for n in order]).core(), src=tensor_in.part(ranges).core(), **options)
            return
        call("dma_transpose", dst=dst.core(), src=tensor_in.core(), **options)

    turned = operation(emit, shape, tensor_in.dtype, regions=(SBUF,), any_dtype=False)
    return turned if dtype is None or tensor_in.dtype == dtype_of(dtype) else tensor_copy(turned, dtype=dtype)


def nc_stream_shuffle(src: Any, dst: Any, shuffle_mask: Any, *, mask: Any = None, **_: Any) -> None:
    """Partition i of each group of 32 in dst = partition shuffle_mask[i] of that group in src."""
    to, source = tensor(dst, "nc_stream_shuffle: dst"), tensor(src, "nc_stream_shuffle: src")
    flush()
    call("nc_stream_shuffle", dst=to.core(), src=source.core(), shuffle_mask=list(shuffle_mask))


def local_gather(src_buffer: Any, index: Any, num_elem_per_idx: int = 1, num_valid_indices: int | None = None, *, mask: Any = None, **_: Any) -> Tensor:
    """Elements of each group of 16 partitions by their places."""
    source, places = tensor(src_buffer, "local_gather: src_buffer"), tensor(index, "local_gather: index")
    count = math.prod(places.shape[1:])
    shape = (source.shape[0], count, 16, num_elem_per_idx) if num_elem_per_idx > 1 else (source.shape[0], count, 16)
    options = {} if num_valid_indices is None else {"num_valid_indices": num_valid_indices}

    def emit(dst: Tensor) -> None:
        call("local_gather", dst=dst.core(), src_buffer=source.core(), index=places.core(), num_elem_per_idx=num_elem_per_idx, **options)

    return operation(emit, shape, source.dtype)


def sequence_bounds(*, segment_ids: Any, mask: Any = None, dtype: Any = None, **_: Any) -> Tensor:
    """For each element, the first and one past the last place of its segment."""
    tile = tensor(segment_ids, "sequence_bounds: segment_ids")

    def emit(dst: Tensor) -> None:
        call("sequence_bounds", dst=dst.core(), segment_ids=tile.core())

    return operation(emit, (tile.shape[0], 2, tile.shape[-1]), _kind(dtype, tile.dtype))


def tensor_scalar_cumulative(*, src: Any, dst: Any, op0: Any, op1: Any, imm0: Any, imm1: Any = None, reduce_cmd: Any = None, mask: Any = None, **_: Any) -> None:
    """dst[i] = op1(op0(src[i], imm0), dst[i - 1])."""
    rank = tensor(dst, "tensor_scalar_cumulative: dst").ndim
    side = (_column(imm0, rank, "imm0"), _column(imm1, rank, "imm1") if imm1 is not None else None)
    options = _chosen(reduce_cmd=reduce_cmd)

    def emit(to: Tensor, source: Tensor, *views: Tensor) -> None:
        first, second = _cores(side, views)
        call("tensor_scalar_cumulative", dst=to.core(), src=source.core(), op0=op0, op1=op1, imm0=first, imm1=second, **options)

    _now(dst, (src, *_views(*side)), mask, emit)


__all__ = [
    "MemoryRegion", "activation", "activation_reduce", "affine_select", "bn_aggr", "bn_stats", "dge_mode", "dma_copy", "dma_engine",
    "dma_transpose", "dropout", "engine", "get_nc_version", "gpsimd_engine", "iota", "local_gather", "matmul_perf_mode", "max8", "memset",
    "nc_find_index8", "nc_match_replace8", "nc_matmul", "nc_stream_shuffle", "nc_transpose", "nc_version", "oob_mode", "range_select",
    "reciprocal", "reduce_cmd", "scalar_engine", "scalar_tensor_tensor", "select_reduce", "sequence_bounds", "tensor_copy",
    "tensor_copy_dynamic_dst", "tensor_copy_dynamic_src", "tensor_copy_predicated", "tensor_engine", "tensor_partition_reduce",
    "tensor_reduce", "tensor_scalar", "tensor_scalar_cumulative", "tensor_scalar_reduce", "tensor_tensor", "tensor_tensor_scan",
    "unknown_engine", "vector_engine",
]  # fmt: skip
