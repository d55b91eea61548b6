// SPDX-License-Identifier: Apache-2.0
#include "frontends/onnx/positions.h"

namespace thorong::onnx {

namespace {

// x's features `first`, first + 2, ... or the half that starts there.
Result<ValueId> rotary_partners(ImportContext& c, ValueId x, const Rotation& r, int64_t number) {
  Shape limit = c.shape(x);
  Integers start(limit.size(), 0), strides(limit.size(), 1);
  if (r.interleaved) {
    start.back() = number;
    strides.back() = 2;
    limit.back() = r.size - 1 + number;
  } else {
    start.back() = number * (r.size / 2);
    limit.back() = start.back() + r.size / 2;
  }
  return c.slice(x, start, limit, strides);
}

// a x + b y
Result<ValueId> turned_part(ImportContext& c, ValueId a, ValueId x, ValueId b, ValueId y,
                            const char* op) {
  THORONG_TRY(ValueId first, c.add("multiply", {a, x}));
  THORONG_TRY(ValueId second, c.add("multiply", {b, y}));
  return c.add(op, {first, second});
}

// place + 0, 1, ... at `shape` = [batch, ..., positions]; modulo the capacity where circular.
Result<ValueId> cache_positions(ImportContext& c, const CacheWrite& w, const Shape& shape) {
  THORONG_TRY(ValueId place, c.broadcast_in(w.places, shape, {0}));
  THORONG_TRY(ValueId index, c.iota(Format::kInt64, shape, shape.size() - 1));
  THORONG_TRY(index, c.add("add", {place, index}));
  if (!w.circular) return index;
  return c.add_scalar("modulo", index, static_cast<double>(c.shape(w.cache)[w.axis]));
}

// One new position: chosen wherever the position's number is the place.
Result<ValueId> write_one(ImportContext& c, const CacheWrite& w) {
  Shape shape = c.shape(w.cache);
  THORONG_TRY(ValueId at, cache_positions(c, w, {shape[0], 1}));
  THORONG_TRY(at, c.reshape(at, {shape[0]}));
  // Numbers that fp32 holds are compared on the engines.
  Format format = c.shape(w.cache)[w.axis] <= kMostPositions ? Format::kFloat32 : Format::kInt64;
  THORONG_TRY(at, c.convert(at, format));
  THORONG_TRY(at, c.broadcast_in(at, {shape[0], c.shape(w.cache)[w.axis]}, {0}));
  THORONG_TRY(ValueId number, c.iota(format, {shape[0], c.shape(w.cache)[w.axis]}, 1));
  THORONG_TRY(ValueId is_here, c.compare("EQ", number, at));
  THORONG_TRY(is_here, c.broadcast_in(is_here, shape, {0, static_cast<int64_t>(w.axis)}));
  THORONG_TRY(ValueId update, c.broadcast_to(w.update, shape));
  return c.add("select", {is_here, update, w.cache});
}

// Rows addressed by the indices of all dimensions up to the axis.
Result<ValueId> write_many(ImportContext& c, const CacheWrite& w) {
  Shape update = c.shape(w.update);
  Shape prefix(update.begin(), update.begin() + static_cast<std::ptrdiff_t>(w.axis) + 1);
  Shape column = prefix;
  column.push_back(1);
  std::vector<ValueId> columns;
  for (size_t d = 0; d <= w.axis; ++d) {
    Result<ValueId> index =
        d < w.axis ? c.iota(Format::kInt64, prefix, d) : cache_positions(c, w, prefix);
    THORONG_TRY(ValueId values, index);
    THORONG_TRY(values, c.reshape(values, column));
    columns.push_back(values);
  }
  THORONG_TRY(ValueId indices, c.concatenate(columns, prefix.size()));
  return c.add("scatter_nd", {w.cache, indices, w.update},
               make_attributes({{"reduction", std::string("none")}}));
}

}  // namespace

Result<ValueId> rotated(ImportContext& c, ValueId x, const Rotation& r) {
  Shape shape = c.shape(x);
  THORONG_TRY(ValueId one, rotary_partners(c, x, r, 0));
  THORONG_TRY(ValueId two, rotary_partners(c, x, r, 1));
  THORONG_TRY(ValueId cosine, c.broadcast_to(r.cosine, c.shape(one)));
  THORONG_TRY(ValueId sine, c.broadcast_to(r.sine, c.shape(one)));
  THORONG_TRY(ValueId real, turned_part(c, cosine, one, sine, two, "subtract"));
  THORONG_TRY(ValueId imaginary, turned_part(c, sine, one, cosine, two, "add"));
  size_t last = shape.size() - 1;
  ValueId turned = kNoValue;
  if (r.interleaved) {
    Shape pair = c.shape(real);
    pair.push_back(1);
    THORONG_TRY(real, c.reshape(real, pair));
    THORONG_TRY(imaginary, c.reshape(imaginary, pair));
    THORONG_TRY(turned, c.concatenate({real, imaginary}, last + 1));
    Shape flat = shape;
    flat[last] = r.size;
    THORONG_TRY(turned, c.reshape(turned, flat));
  } else {
    THORONG_TRY(turned, c.concatenate({real, imaginary}, last));
  }
  if (r.size == shape[last]) return turned;
  THORONG_TRY(ValueId rest, c.slice_axis(x, last, r.size, shape[last]));
  return c.concatenate({turned, rest}, last);
}

Result<ValueId> write_cache(ImportContext& c, const CacheWrite& w) {
  int64_t length = c.shape(w.update)[w.axis], capacity = c.shape(w.cache)[w.axis];
  if (length == 0) return w.cache;
  if (w.places != kNoValue) return length == 1 ? write_one(c, w) : write_many(c, w);
  if (w.place < 0 || w.place + length > capacity) {
    return invalid_argument("positions " + std::to_string(w.place) + " to " +
                            std::to_string(w.place + length) + " do not fit a cache of " +
                            std::to_string(capacity) + ".");
  }
  std::vector<ValueId> parts;
  if (w.place > 0) {
    THORONG_TRY(ValueId before, c.slice_axis(w.cache, w.axis, 0, w.place));
    parts.push_back(before);
  }
  parts.push_back(w.update);
  if (w.place + length < capacity) {
    THORONG_TRY(ValueId after, c.slice_axis(w.cache, w.axis, w.place + length, capacity));
    parts.push_back(after);
  }
  return c.concatenate(parts, w.axis);
}

}  // namespace thorong::onnx
