// SPDX-License-Identifier: Apache-2.0
// LayerNormalization, RMSNormalization, and ONNX Runtime's Simplified and Skip forms.
#include <algorithm>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

struct Statistics {
  ValueId mean = kNoValue, inverse_deviation = kNoValue;  // reduced dimensions kept as 1
};

// Computed apart from layer_norm, for models that read these outputs.
Result<Statistics> statistics(ImportContext& c, ValueId x, size_t axis, double epsilon,
                              bool centre) {
  Shape shape = c.shape(x);
  Integers axes;
  for (size_t i = axis; i < shape.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  auto count = static_cast<double>(product(shape, axis, shape.size()));
  Statistics result;
  THORONG_TRY(ValueId sum, c.reduce("add", x, axes, true));
  THORONG_TRY(result.mean, c.add_scalar("divide", sum, count));
  ValueId centred = x;
  if (centre) {
    THORONG_TRY(ValueId mean, c.broadcast_to(result.mean, shape));
    THORONG_TRY(centred, c.add("subtract", {x, mean}));
  }
  THORONG_TRY(ValueId square, c.add("square", {centred}));
  THORONG_TRY(ValueId total, c.reduce("add", square, axes, true));
  THORONG_TRY(ValueId variance, c.add_scalar("divide", total, count));
  THORONG_TRY(variance, c.add_scalar("add", variance, epsilon));
  THORONG_TRY(result.inverse_deviation, c.add("rsqrt", {variance}));
  return result;
}

// A scale or bias at the shape of the normalised dimensions; kNoValue when it varies over others
// too.
Result<ValueId> parameter(ImportContext& c, ValueId value, const Shape& normalised) {
  if (value == kNoValue) return value;
  Shape shape = c.shape(value);
  while (shape.size() > normalised.size() && shape.front() == 1) shape.erase(shape.begin());
  if (shape.size() > normalised.size()) return kNoValue;
  THORONG_TRY(value, c.reshape(value, shape));
  return c.broadcast_to(value, normalised);
}

struct Operands {
  ValueId x = kNoValue, scale = kNoValue, bias = kNoValue;
};

Result<ValueId> normalise(ImportContext& c, const Operands& o, size_t axis, double epsilon,
                          bool centre) {
  Shape shape = c.shape(o.x);
  Shape normalised(shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end());
  auto attributes = make_attributes({{"axis", static_cast<int64_t>(axis)}, {"epsilon", epsilon}});
  Format format = c.format(o.x);
  ValueId given_scale = o.scale, given_bias = o.bias;
  if (given_scale != kNoValue) {
    THORONG_TRY(given_scale, c.convert(given_scale, format));
  }
  if (given_bias != kNoValue) {
    THORONG_TRY(given_bias, c.convert(given_bias, format));
  }
  THORONG_TRY(ValueId scale, parameter(c, given_scale, normalised));
  THORONG_TRY(ValueId bias, parameter(c, given_bias, normalised));
  bool late_scale = scale == kNoValue && given_scale != kNoValue;
  bool late_bias = given_bias != kNoValue && (late_scale || bias == kNoValue || !centre);
  if (late_bias) bias = kNoValue;
  std::vector<ValueId> operands{o.x, scale};
  if (centre) operands.push_back(bias);
  if (!centre && scale == kNoValue) {
    THORONG_TRY(operands[1], c.full(format, normalised, 1));
  }
  THORONG_TRY(ValueId y, c.add(centre ? "layer_norm" : "rms_norm", operands, attributes));
  if (late_scale) {
    THORONG_TRY(ValueId wide, c.broadcast_to(given_scale, shape));
    THORONG_TRY(y, c.add("multiply", {y, wide}));
  }
  if (late_bias) {
    THORONG_TRY(ValueId wide, c.broadcast_to(given_bias, shape));
    THORONG_TRY(y, c.add("add", {y, wide}));
  }
  return y;
}

// LayerNormalization(x, scale, bias?) -> y, mean, inverse deviation; the others have no bias and no
// mean.
Status import_layer_norm(ImportContext& c, const NodeProto& node) {
  bool centre = node.op_type == "LayerNormalization";
  Operands operands;
  THORONG_TRY(operands.x, c.input(0));
  THORONG_TRY(operands.scale, c.input(1));
  operands.bias = c.optional_input(2);
  THORONG_TRY(int64_t axis, c.integer("axis", -1));
  THORONG_TRY(size_t first, resolve_axis(axis, c.rank(operands.x)));
  THORONG_TRY(double epsilon, c.number("epsilon", 1e-5));
  THORONG_RETURN_IF_ERROR(c.set_output(0, normalise(c, operands, first, epsilon, centre)));
  if (!c.output_used(1) && !c.output_used(2)) return ok_status();
  THORONG_TRY(Statistics values, statistics(c, operands.x, first, epsilon, centre));
  THORONG_RETURN_IF_ERROR(c.set_output(1, centre ? values.mean : values.inverse_deviation));
  return c.set_output(2, values.inverse_deviation);
}

// Skip forms: x + skip + bias is normalised, and is output 3.
Status import_skip_norm(ImportContext& c, const NodeProto& node) {
  bool centre = node.op_type == "SkipLayerNormalization";
  Operands operands;
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId skip, c.input(1));
  THORONG_TRY(operands.scale, c.input(2));
  if (centre) operands.bias = c.optional_input(3);
  Shape shape = c.shape(x);
  THORONG_TRY(ValueId sum, c.add_broadcast(x, skip));
  THORONG_TRY(sum, c.add_broadcast(sum, c.optional_input(centre ? 4 : 3)));
  operands.x = sum;
  THORONG_TRY(size_t axis, resolve_axis(-1, shape.size()));
  THORONG_TRY(double epsilon, c.number("epsilon", 1e-12));
  THORONG_RETURN_IF_ERROR(c.set_output(0, normalise(c, operands, axis, epsilon, centre)));
  THORONG_RETURN_IF_ERROR(c.set_output(3, sum));
  if (!c.output_used(1) && !c.output_used(2)) return ok_status();
  THORONG_TRY(Statistics values, statistics(c, sum, axis, epsilon, centre));
  THORONG_RETURN_IF_ERROR(c.set_output(1, values.mean));
  return c.set_output(2, values.inverse_deviation);
}

}  // namespace

std::vector<ImportRule> import_rules_layer_norms() {
  return {{"", "LayerNormalization", 1, kAnyVersion, import_layer_norm},
          {kMicrosoft, "LayerNormalization", 1, kAnyVersion, import_layer_norm},
          {"", "SimplifiedLayerNormalization", 1, kAnyVersion, import_layer_norm},
          {kMicrosoft, "SimplifiedLayerNormalization", 1, kAnyVersion, import_layer_norm},
          {"", "RMSNormalization", 23, kAnyVersion, import_layer_norm},
          {kMicrosoft, "SkipLayerNormalization", 1, kAnyVersion, import_skip_norm},
          {kMicrosoft, "SkipSimplifiedLayerNormalization", 1, kAnyVersion, import_skip_norm}};
}

}  // namespace thorong::onnx
