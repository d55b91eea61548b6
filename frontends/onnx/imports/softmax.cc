// SPDX-License-Identifier: Apache-2.0
// Softmax, LogSoftmax and Hardmax. Before version 13 the input counts as a matrix: dimensions
// before the axis are rows, the others columns, and each row is normalised.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Result<ValueId> hardmax(ImportContext& c, ValueId x, int64_t axis) {
  Shape shape = c.shape(x);
  auto attributes = make_attributes(
      {{"dimension", axis}, {"function", std::string("maximum")}, {"select_last", int64_t{0}}});
  THORONG_TRY(ValueId best, c.add("arg_reduce", {x}, attributes));
  Integers dimensions = counting(shape.size());
  dimensions.erase(dimensions.begin() + axis);
  THORONG_TRY(best, c.broadcast_in(best, shape, dimensions));
  THORONG_TRY(ValueId index, c.iota(Format::kInt64, shape, static_cast<size_t>(axis)));
  THORONG_TRY(ValueId is_best, c.compare("EQ", index, best));
  return c.convert(is_best, c.format(x));
}

Result<ValueId> along_axis(ImportContext& c, const std::string& op, ValueId x, int64_t axis) {
  if (op == "Hardmax") return hardmax(c, x, axis);
  return c.add(op == "Softmax" ? "softmax" : "log_softmax", {x}, make_attributes({{"axis", axis}}));
}

Status import_softmax(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, c.input(0));
  Shape shape = c.shape(x);
  bool flattens = c.version() < 13;
  THORONG_TRY(int64_t given, c.integer("axis", flattens ? 1 : -1));
  if (flattens && given == static_cast<int64_t>(shape.size())) {  // one column a row
    return c.set_output(0, c.full_like(x, node.op_type == "LogSoftmax" ? 0 : 1));
  }
  THORONG_TRY(size_t axis, resolve_axis(given, shape.size()));
  if (!flattens || product(shape, axis + 1, shape.size()) == 1) {
    return c.set_output(0, along_axis(c, node.op_type, x, static_cast<int64_t>(axis)));
  }
  THORONG_TRY(ValueId matrix,
              c.reshape(x, {product(shape, 0, axis), product(shape, axis, shape.size())}));
  THORONG_TRY(ValueId y, along_axis(c, node.op_type, matrix, 1));
  return c.set_output(0, c.reshape(y, shape));
}

}  // namespace

std::vector<ImportRule> import_rules_softmax() {
  return {{"", "Softmax", 1, kAnyVersion, import_softmax},
          {"", "LogSoftmax", 1, kAnyVersion, import_softmax},
          {"", "Hardmax", 1, kAnyVersion, import_softmax}};
}

}  // namespace thorong::onnx
