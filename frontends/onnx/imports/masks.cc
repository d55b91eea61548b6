// SPDX-License-Identifier: Apache-2.0
// Trilu and OneHot: values chosen by comparing indices.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

// Keeps row + k <= column (upper) or row + k >= column (lower).
Status import_trilu(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t upper, c.integer("upper", 1));
  int64_t k = 0;
  if (c.has_input(1)) {
    THORONG_TRY(k, c.constant_integer(1, "k"));
  }
  Shape shape = c.shape(x);
  if (shape.size() < 2)
    return invalid_argument("the input must have rank 2 or more, found " + ops::to_string(shape) +
                            ".");
  Shape matrix(shape.end() - 2, shape.end());
  THORONG_TRY(ValueId row, c.iota(Format::kInt64, matrix, 0));
  THORONG_TRY(ValueId column, c.iota(Format::kInt64, matrix, 1));
  THORONG_TRY(ValueId offset, c.constant(Shape{}, Integers{k}));
  THORONG_TRY(offset, c.broadcast_in(offset, matrix, {}));
  THORONG_TRY(ValueId shifted, c.add("add", {row, offset}));
  THORONG_TRY(ValueId keep, c.compare(upper != 0 ? "LE" : "GE", shifted, column));
  THORONG_TRY(keep, c.broadcast_to(keep, shape));
  THORONG_TRY(ValueId zero, c.full_like(x, 0));
  return c.set_output(0, c.add("select", {keep, x, zero}));
}

// Indices count from the end where negative; outside of [-depth, depth) all values are off.
Status import_one_hot(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId indices, c.input(0));
  THORONG_TRY(int64_t depth, c.constant_integer(1, "depth"));
  THORONG_TRY(ValueId values, c.input(2));
  THORONG_TRY(int64_t axis, c.integer("axis", -1));
  if (depth < 0 || c.shape(values) != Shape{2})
    return invalid_argument("depth must not be negative, and values be [off, on].");
  THORONG_TRY(indices, c.convert(indices, Format::kInt64));
  Shape shape = c.shape(indices);
  THORONG_TRY(size_t dimension, resolve_axis(axis, shape.size() + 1));
  Integers dimensions = counting(shape.size() + 1);
  dimensions.erase(dimensions.begin() + static_cast<std::ptrdiff_t>(dimension));
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(dimension), depth);
  THORONG_TRY(ValueId zero, c.full_like(indices, 0));
  THORONG_TRY(ValueId is_negative, c.compare("LT", indices, zero));
  THORONG_TRY(ValueId raised, c.add_scalar("add", indices, static_cast<double>(depth)));
  THORONG_TRY(indices, c.add("select", {is_negative, raised, indices}));
  THORONG_TRY(indices, c.broadcast_in(indices, shape, dimensions));
  THORONG_TRY(ValueId number, c.iota(Format::kInt64, shape, dimension));
  THORONG_TRY(ValueId is_on, c.compare("EQ", indices, number));
  std::vector<ValueId> choices{is_on};
  for (int64_t i : {1, 0}) {
    THORONG_TRY(ValueId choice, c.slice_axis(values, 0, i, i + 1));
    THORONG_TRY(choice, c.reshape(choice, {}));
    THORONG_TRY(choice, c.broadcast_in(choice, shape, {}));
    choices.push_back(choice);
  }
  return c.set_output(0, c.add("select", choices));
}

}  // namespace

std::vector<ImportRule> import_rules_masks() {
  return {{"", "Trilu", 14, kAnyVersion, import_trilu},
          {"", "OneHot", 9, kAnyVersion, import_one_hot}};
}

}  // namespace thorong::onnx
