// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's QLinear operators: each computes with the real numbers that its quantized operands
// stand for, and quantizes the result.
#include <algorithm>

#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

// A scale or zero point in fp32 at `shape`; one number, or a list along the last dimension.
Result<ValueId> qlinear_parameter(ImportContext& c, size_t i, const Shape& shape) {
  THORONG_TRY(ValueId value, c.input(i));
  THORONG_TRY(value, c.convert(value, Format::kFloat32));
  if (ops::element_count(c.shape(value)) == 1) {
    THORONG_TRY(value, c.reshape(value, {}));
  }
  return c.broadcast_to(value, shape);
}

// (x - zero point) scale of operands i, i + 1 and i + 2.
Result<ValueId> qlinear_operand(ImportContext& c, size_t i) {
  THORONG_TRY(ValueId x, c.input(i));
  Shape shape = c.shape(x);
  Format format = c.format(x);
  if (!numerics::is_integer(format) || numerics::info(format).bits > 16) {
    return invalid_argument("operand " + std::to_string(i) +
                            " must hold integers of at most 16 bits.");
  }
  THORONG_TRY(x, c.convert(x, Format::kFloat32));
  if (c.has_input(i + 2)) {
    THORONG_TRY(ValueId zero, qlinear_parameter(c, i + 2, shape));
    THORONG_TRY(x, c.add("subtract", {x, zero}));
  }
  THORONG_TRY(ValueId scale, qlinear_parameter(c, i + 1, shape));
  return c.add("multiply", {x, scale});
}

// saturate(round(y / scale) + zero point) with operands i and i + 1, in `format`.
Status set_qlinear(ImportContext& c, ValueId y, size_t i, Format format) {
  Shape shape = c.shape(y);
  THORONG_TRY(ValueId scale, qlinear_parameter(c, i, shape));
  THORONG_TRY(y, c.add("divide", {y, scale}));
  THORONG_TRY(y, c.add("round_nearest_even", {y}));
  if (c.has_input(i + 1)) {
    THORONG_TRY(ValueId zero, qlinear_parameter(c, i + 1, shape));
    THORONG_TRY(y, c.add("add", {y, zero}));
  }
  const numerics::FormatInfo& info = numerics::info(format);
  bool is_signed = info.kind == 'S';
  auto range = static_cast<double>(int64_t{1} << info.bits);
  THORONG_TRY(ValueId low, c.scalar(Format::kFloat32, is_signed ? -range / 2 : 0));
  THORONG_TRY(ValueId high, c.scalar(Format::kFloat32, (is_signed ? range / 2 : range) - 1));
  THORONG_TRY(y, c.add("clamp", {low, y, high}));
  return c.set_output(0, c.convert(y, format));
}

Result<Format> qlinear_format(ImportContext& c, size_t i) {
  THORONG_TRY(ValueId x, c.input(i));
  return c.format(x);
}

Status import_qlinear_binary(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId a, qlinear_operand(c, 0));
  THORONG_TRY(ValueId b, qlinear_operand(c, 3));
  THORONG_TRY(Format format, qlinear_format(c, 0));
  THORONG_TRY(const auto both, c.broadcast_together(a, b));
  THORONG_TRY(ValueId y,
              c.add(node.op_type == "QLinearAdd" ? "add" : "multiply", {both.first, both.second}));
  return set_qlinear(c, y, 6, format);
}

Status import_qlinear_unary(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, qlinear_operand(c, 0));
  THORONG_TRY(Format format, qlinear_format(c, 0));
  if (node.op_type == "QLinearSigmoid") {
    THORONG_TRY(ValueId y, c.add("logistic", {x}));
    return set_qlinear(c, y, 3, format);
  }
  THORONG_TRY(double alpha, c.number("alpha", 0.01));
  THORONG_TRY(ValueId y, c.add("leaky_relu", {x}, make_attributes({{"alpha", alpha}})));
  return set_qlinear(c, y, 3, format);
}

// Before opset 13 all dimensions from the axis on are normalised together.
Status import_qlinear_softmax(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, qlinear_operand(c, 0));
  THORONG_TRY(Format format, qlinear_format(c, 0));
  THORONG_TRY(int64_t given, c.integer("axis", -1));
  THORONG_TRY(int64_t opset, c.integer("opset", 13));
  Shape shape = c.shape(x);
  THORONG_TRY(size_t axis, resolve_axis(given, shape.size()));
  if (opset < 13) {
    THORONG_TRY(x, c.reshape(x, {product(shape, 0, axis), product(shape, axis, shape.size())}));
    axis = 1;
  }
  THORONG_TRY(ValueId y,
              c.add("softmax", {x}, make_attributes({{"axis", static_cast<int64_t>(axis)}})));
  THORONG_TRY(y, c.reshape(y, shape));
  return set_qlinear(c, y, 3, format);
}

// Operands: result scale, result zero point, then a triple for each part.
Status import_qlinear_concat(ImportContext& c, const NodeProto&) {
  if (c.input_count() < 5 || (c.input_count() - 2) % 3 != 0) {
    return invalid_argument(
        "QLinearConcat has a scale and a zero point, then three operands for "
        "each part; found " +
        std::to_string(c.input_count()) + " operands.");
  }
  std::vector<ValueId> parts;
  for (size_t i = 2; i < c.input_count(); i += 3) {
    THORONG_TRY(ValueId part, qlinear_operand(c, i));
    parts.push_back(part);
  }
  THORONG_TRY(int64_t axis, c.integer("axis", 0));
  THORONG_TRY(size_t dimension, resolve_axis(axis, c.rank(parts[0])));
  THORONG_TRY(Format format, qlinear_format(c, 1));
  THORONG_TRY(ValueId y, c.concatenate(parts, dimension));
  return set_qlinear(c, y, 0, format);
}

// Operands: condition, a triple each for both choices, result scale, result zero point.
Status import_qlinear_where(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId condition, c.input(0));
  THORONG_TRY(ValueId x, qlinear_operand(c, 1));
  THORONG_TRY(ValueId y, qlinear_operand(c, 4));
  THORONG_TRY(Format format, qlinear_format(c, 1));
  THORONG_TRY(Shape shape, broadcast_shapes(c.shape(x), c.shape(y)));
  THORONG_TRY(shape, broadcast_shapes(shape, c.shape(condition)));
  THORONG_TRY(condition, c.broadcast_to(condition, shape));
  THORONG_TRY(x, c.broadcast_to(x, shape));
  THORONG_TRY(y, c.broadcast_to(y, shape));
  THORONG_TRY(ValueId chosen, c.add("select", {condition, x, y}));
  return set_qlinear(c, chosen, 7, format);
}

Status import_qlinear_pool(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, qlinear_operand(c, 0));
  THORONG_TRY(Format format, qlinear_format(c, 0));
  THORONG_TRY(int64_t is_last, c.integer("channels_last", 0));
  if (c.rank(x) < 3) return invalid_argument("the input must be [N, C, spatial...].");
  if (is_last != 0) {
    THORONG_TRY(x, channels_first(c, x));
  }
  Shape shape = c.shape(x);
  ValueId y = kNoValue;
  if (node.op_type == "QLinearAveragePool") {
    THORONG_TRY(y, average_pool(c, x));
  } else {
    Integers axes = counting(shape.size());
    axes.erase(axes.begin(), axes.begin() + 2);
    auto count = static_cast<double>(product(shape, 2, shape.size()));
    THORONG_TRY(y, c.reduce("add", x, axes, true));
    THORONG_TRY(y, c.add_scalar("multiply", y, 1 / count));
  }
  if (is_last != 0) {
    THORONG_TRY(y, channels_last(c, y));
  }
  return set_qlinear(c, y, 3, format);
}

}  // namespace

std::vector<ImportRule> import_rules_qlinear() {
  return {{kMicrosoft, "QLinearAdd", 1, kAnyVersion, import_qlinear_binary},
          {kMicrosoft, "QLinearMul", 1, kAnyVersion, import_qlinear_binary},
          {kMicrosoft, "QLinearSigmoid", 1, kAnyVersion, import_qlinear_unary},
          {kMicrosoft, "QLinearLeakyRelu", 1, kAnyVersion, import_qlinear_unary},
          {kMicrosoft, "QLinearSoftmax", 1, kAnyVersion, import_qlinear_softmax},
          {kMicrosoft, "QLinearConcat", 1, kAnyVersion, import_qlinear_concat},
          {kMicrosoft, "QLinearWhere", 1, kAnyVersion, import_qlinear_where},
          {kMicrosoft, "QLinearAveragePool", 1, kAnyVersion, import_qlinear_pool},
          {kMicrosoft, "QLinearGlobalAveragePool", 1, kAnyVersion, import_qlinear_pool}};
}

}  // namespace thorong::onnx
