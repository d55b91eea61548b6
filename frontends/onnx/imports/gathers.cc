// SPDX-License-Identifier: Apache-2.0
// Gather and Scatter in their forms, Compress.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Status import_gather(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId indices, c.input(1));
  THORONG_TRY(int64_t axis, c.integer("axis", 0));
  THORONG_TRY(size_t dimension, resolve_axis(axis, c.rank(x)));
  return c.set_output(
      0, c.add("take", {x, indices}, make_attributes({{"axis", static_cast<int64_t>(dimension)}})));
}

Status import_gather_elements(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId indices, c.input(1));
  THORONG_TRY(int64_t axis, c.integer("axis", 0));
  THORONG_TRY(size_t dimension, resolve_axis(axis, c.rank(x)));
  auto attributes = make_attributes({{"axis", static_cast<int64_t>(dimension)}});
  return c.set_output(0, c.add("take_along_axis", {x, indices}, attributes));
}

Status import_gather_nd(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId indices, c.input(1));
  THORONG_TRY(int64_t batch, c.integer("batch_dims", 0));
  return c.set_output(0,
                      c.add("gather_nd", {x, indices}, make_attributes({{"batch_dims", batch}})));
}

Status import_scatter_nd(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId indices, c.input(1));
  THORONG_TRY(ValueId updates, c.input(2));
  THORONG_TRY(std::string reduction, c.text("reduction", "none"));
  return c.set_output(
      0, c.add("scatter_nd", {x, indices, updates}, make_attributes({{"reduction", reduction}})));
}

// As scatter_nd with whole index tuples: the element's own index, but `indices` along the axis.
Status import_scatter_elements(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId indices, c.input(1));
  THORONG_TRY(ValueId updates, c.input(2));
  THORONG_TRY(int64_t axis, c.integer("axis", 0));
  THORONG_TRY(std::string reduction, c.text("reduction", "none"));
  THORONG_TRY(size_t dimension, resolve_axis(axis, c.rank(x)));
  THORONG_TRY(indices, c.convert(indices, Format::kInt64));
  Shape shape = c.shape(indices);
  if (shape.size() != c.rank(x)) return invalid_argument("data and indices must have equal ranks.");
  Shape column = shape;
  column.push_back(1);
  std::vector<ValueId> columns;
  for (size_t i = 0; i < shape.size(); ++i) {
    ValueId part = indices;
    if (i != dimension) {
      THORONG_TRY(part, c.iota(Format::kInt64, shape, i));
    }
    THORONG_TRY(part, c.reshape(part, column));
    columns.push_back(part);
  }
  THORONG_TRY(ValueId tuples, c.concatenate(columns, shape.size()));
  return c.set_output(
      0, c.add("scatter_nd", {x, tuples, updates}, make_attributes({{"reduction", reduction}})));
}

Status import_compress(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Integers condition, c.constant_integers(1, "condition"));
  size_t dimension = 0;
  if (c.has_attribute("axis")) {
    THORONG_TRY(int64_t axis, c.integer("axis", 0));
    THORONG_TRY(dimension, resolve_axis(axis, c.rank(x)));
  } else {
    THORONG_TRY(x, c.reshape(x, {ops::element_count(c.shape(x))}));
  }
  Integers kept;
  for (size_t i = 0; i < condition.size(); ++i) {
    if (condition[i] != 0) kept.push_back(static_cast<int64_t>(i));
  }
  return c.set_output(0, c.take_axis(x, dimension, kept));
}

}  // namespace

std::vector<ImportRule> import_rules_gathers() {
  return {{"", "Gather", 1, kAnyVersion, import_gather},
          {"", "GatherElements", 11, kAnyVersion, import_gather_elements},
          {"", "GatherND", 11, kAnyVersion, import_gather_nd},
          {"", "ScatterND", 11, kAnyVersion, import_scatter_nd},
          {"", "ScatterElements", 11, kAnyVersion, import_scatter_elements},
          {"", "Scatter", 9, kAnyVersion, import_scatter_elements},
          {"", "Compress", 9, kAnyVersion, import_compress}};
}

}  // namespace thorong::onnx
