// SPDX-License-Identifier: Apache-2.0
// TensorScatter: new positions written into a cache, each sample at its own place.
#include "frontends/onnx/positions.h"

namespace thorong::onnx {
namespace {

Status check_cache_update(const Shape& cache, const Shape& update, size_t axis) {
  bool fits = cache.size() == update.size() && update[axis] <= cache[axis];
  for (size_t i = 0; fits && i < cache.size(); ++i) fits = i == axis || cache[i] == update[i];
  if (fits) return ok_status();
  return invalid_argument("the update " + ops::to_string(update) + " does not fit the cache " +
                          ops::to_string(cache) + " along axis " + std::to_string(axis) + ".");
}

Status import_tensor_scatter(ImportContext& c, const NodeProto&) {
  CacheWrite write;
  THORONG_TRY(write.cache, c.input(0));
  THORONG_TRY(write.update, c.input(1));
  THORONG_TRY(int64_t axis, c.integer("axis", -2));
  THORONG_TRY(write.axis, resolve_axis(axis, c.rank(write.cache)));
  if (write.axis == 0) return invalid_argument("axis must not be the batch dimension 0.");
  THORONG_TRY(std::string mode, c.text("mode", "linear"));
  if (mode != "linear" && mode != "circular") {
    return invalid_argument("mode must be \"linear\" or \"circular\", found \"" + mode + "\".");
  }
  write.circular = mode == "circular";
  Shape cache = c.shape(write.cache);
  THORONG_RETURN_IF_ERROR(check_cache_update(cache, c.shape(write.update), write.axis));
  if (c.has_input(2)) {
    THORONG_TRY(ValueId places, c.input(2));
    THORONG_TRY(write.places, c.convert(places, Format::kInt64));
    if (c.shape(places) != Shape{cache[0]}) {
      return invalid_argument("write_indices must hold one number for each of the " +
                              std::to_string(cache[0]) + " samples, found " +
                              ops::to_string(c.shape(places)) + ".");
    }
  }
  return c.set_output(0, write_cache(c, write));
}

}  // namespace

std::vector<ImportRule> import_rules_tensor_scatter() {
  return {{"", "TensorScatter", 24, kAnyVersion, import_tensor_scatter}};
}

}  // namespace thorong::onnx
