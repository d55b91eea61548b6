// SPDX-License-Identifier: Apache-2.0
// TensorScatter: new positions written into a cache, each sample at its own place.
#include "frontends/onnx/attention.h"

namespace thorong::onnx {
namespace {

struct CacheWrite {
  ValueId cache = kNoValue, update = kNoValue;
  ValueId places = kNoValue;  // int64 [batch]; absent: 0
  size_t axis = 0;
  int64_t length = 0, capacity = 0;
  bool circular = false;
};

Result<CacheWrite> read_cache_write(ImportContext& c) {
  CacheWrite w;
  THORONG_TRY(w.cache, c.input(0));
  THORONG_TRY(w.update, c.input(1));
  THORONG_TRY(int64_t axis, c.integer("axis", -2));
  THORONG_TRY(w.axis, resolve_axis(axis, c.rank(w.cache)));
  if (w.axis == 0) return invalid_argument("axis must not be the batch dimension 0.");
  THORONG_TRY(std::string mode, c.text("mode", "linear"));
  if (mode != "linear" && mode != "circular") {
    return invalid_argument("mode must be \"linear\" or \"circular\", found \"" + mode + "\".");
  }
  w.circular = mode == "circular";
  Shape cache = c.shape(w.cache), update = c.shape(w.update);
  w.capacity = cache[w.axis];
  bool fits = cache.size() == update.size() && update[w.axis] <= w.capacity;
  for (size_t i = 0; fits && i < cache.size(); ++i) fits = i == w.axis || cache[i] == update[i];
  if (!fits) {
    return invalid_argument("the update " + ops::to_string(update) + " does not fit the cache " +
                            ops::to_string(cache) + " along axis " + std::to_string(w.axis) + ".");
  }
  w.length = update[w.axis];
  if (!c.has_input(2)) return w;
  THORONG_TRY(w.places, c.convert(c.optional_input(2), Format::kInt64));
  if (c.shape(w.places) != Shape{cache[0]}) {
    return invalid_argument("write_indices must hold one number for each of the " +
                            std::to_string(cache[0]) + " samples, found " +
                            ops::to_string(c.shape(w.places)) + ".");
  }
  return w;
}

// place + 0, 1, ... at `shape` = [batch, ..., positions]; modulo the capacity where circular.
Result<ValueId> write_positions(ImportContext& c, const CacheWrite& w, const Shape& shape) {
  THORONG_TRY(ValueId place, c.broadcast_in(w.places, shape, {0}));
  THORONG_TRY(ValueId index, count_along(c, shape, shape.size() - 1, Format::kInt64));
  THORONG_TRY(index, c.add("add", {place, index}));
  if (!w.circular) return index;
  return c.add_scalar("modulo", index, static_cast<double>(w.capacity));
}

// One new position: chosen wherever the position's number is the place.
Result<ValueId> write_one(ImportContext& c, const CacheWrite& w) {
  Shape shape = c.shape(w.cache);
  THORONG_TRY(ValueId at, write_positions(c, w, {shape[0], 1}));
  THORONG_TRY(at, c.reshape(at, {shape[0]}));
  THORONG_TRY(at, c.convert(at, Format::kInt32));
  THORONG_TRY(at, c.broadcast_in(at, {shape[0], w.capacity}, {0}));
  THORONG_TRY(ValueId number, count_along(c, {shape[0], w.capacity}, 1, Format::kInt32));
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
        d < w.axis ? count_along(c, prefix, d, Format::kInt64) : write_positions(c, w, prefix);
    THORONG_TRY(ValueId values, index);
    THORONG_TRY(values, c.reshape(values, column));
    columns.push_back(values);
  }
  THORONG_TRY(ValueId indices, c.concatenate(columns, prefix.size()));
  return c.add("scatter_nd", {w.cache, indices, w.update},
               make_attributes({{"reduction", std::string("none")}}));
}

Status import_tensor_scatter(ImportContext& c, const NodeProto&) {
  THORONG_TRY(CacheWrite w, read_cache_write(c));
  if (w.length == 0) return c.set_output(0, w.cache);
  if (w.length == w.capacity && w.places == kNoValue) return c.set_output(0, w.update);
  if (w.places == kNoValue) {
    THORONG_TRY(ValueId rest, c.slice_axis(w.cache, w.axis, w.length, w.capacity));
    return c.set_output(0, c.concatenate({w.update, rest}, w.axis));
  }
  return c.set_output(0, w.length == 1 ? write_one(c, w) : write_many(c, w));
}

}  // namespace

std::vector<ImportRule> import_rules_tensor_scatter() {
  return {{"", "TensorScatter", 24, kAnyVersion, import_tensor_scatter}};
}

}  // namespace thorong::onnx
