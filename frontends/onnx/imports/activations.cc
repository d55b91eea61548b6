// SPDX-License-Identifier: Apache-2.0
// Activations with parameters, Gelu's variants, Clip and Shrink.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

struct Entry {
  const char* op_type;
  const char* op;
  double alpha, beta, gamma;  // ONNX's defaults; NaN: the operator has none
};

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr Entry kActivations[] = {
    {"LeakyRelu", "leaky_relu", 0.01, kNone, kNone},
    {"Elu", "elu", 1, kNone, kNone},
    {"Selu", "selu", 1.67326319217681884765625, kNone, 1.05070102214813232421875},
    {"Celu", "celu", 1, kNone, kNone},
    {"HardSigmoid", "hard_sigmoid", 0.2, 0.5, kNone},
    {"ThresholdedRelu", "thresholded_relu", 1, kNone, kNone},
};

Status import_parameters(ImportContext& c, const Entry& entry) {
  THORONG_TRY(ValueId x, c.input(0));
  ops::Attributes attributes;
  const std::pair<const char*, double> parameters[] = {
      {"alpha", entry.alpha}, {"beta", entry.beta}, {"gamma", entry.gamma}};
  for (const auto& [name, fallback] : parameters) {
    if (fallback != fallback) continue;
    THORONG_TRY(double value, c.number(name, fallback));
    attributes.set(name, value);
  }
  return c.set_output(0, c.add(entry.op, {x}, attributes));
}

Status import_hard_swish(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  return c.set_output(
      0, c.add("hard_swish", {x}, make_attributes({{"alpha", 1.0 / 6}, {"beta", 0.5}})));
}

Status import_gelu(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(std::string approximate, c.text("approximate", "none"));
  if (approximate != "none" && approximate != "tanh") {
    return invalid_argument("approximate must be \"none\" or \"tanh\", found \"" + approximate +
                            "\".");
  }
  return c.set_output(0, c.add(approximate == "tanh" ? "gelu_tanh" : "gelu", {x}));
}

// com.microsoft FastGelu and BiasGelu: Gelu of x + bias.
Status import_bias_gelu(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, c.input(0));
  if (c.has_input(1)) {
    THORONG_TRY(ValueId bias, c.broadcast_to(c.optional_input(1), c.shape(x)));
    THORONG_TRY(x, c.add("add", {x, bias}));
  }
  return c.set_output(0, c.add(node.op_type == "FastGelu" ? "gelu_tanh" : "gelu", {x}));
}

// x sigmoid(alpha x)
Result<ValueId> swish(ImportContext& c, ValueId x, double alpha) {
  if (alpha == 1) return c.add("silu", {x});
  THORONG_TRY(ValueId scaled, c.add_scalar("multiply", x, alpha));
  THORONG_TRY(ValueId gate, c.add("logistic", {scaled}));
  return c.add("multiply", {x, gate});
}

Status import_quick_gelu(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(double alpha, c.number("alpha", node.op_type == "Swish" ? 1.0 : 1.702));
  return c.set_output(0, swish(c, x, alpha));
}

// Swish(A) B
Status import_swiglu(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId a, c.input(0));
  THORONG_TRY(ValueId b, c.input(1));
  THORONG_TRY(double alpha, c.number("alpha", 1));
  THORONG_TRY(ValueId gate, swish(c, a, alpha));
  return c.set_output(0, c.add("multiply", {gate, b}));
}

Result<ValueId> bound_scalar(ImportContext& c, size_t i, const char* name, Format format) {
  if (c.version() < 11) {
    if (!c.has_attribute(name)) return kNoValue;
    THORONG_TRY(double value, c.number(name, 0));
    return c.scalar(format, value);
  }
  if (!c.has_input(i)) return kNoValue;
  return c.reshape(c.optional_input(i), {});
}

// As NumPy's: where min > max, the result is max.
Status import_clip(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId low, bound_scalar(c, 1, "min", c.format(x)));
  THORONG_TRY(ValueId high, bound_scalar(c, 2, "max", c.format(x)));
  if (low != kNoValue && high != kNoValue) return c.set_output(0, c.add("clamp", {low, x, high}));
  if (low == kNoValue && high == kNoValue) return c.set_output(0, x);
  THORONG_TRY(ValueId bound, c.broadcast_to(low != kNoValue ? low : high, c.shape(x)));
  return c.set_output(0, c.add(low != kNoValue ? "maximum" : "minimum", {x, bound}));
}

// x + bias below -lambd, x - bias above lambd, else 0.
Status import_shrink(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(double bias, c.number("bias", 0));
  THORONG_TRY(double lambda, c.number("lambd", 0.5));
  THORONG_TRY(ValueId low, c.full_like(x, -lambda));
  THORONG_TRY(ValueId high, c.full_like(x, lambda));
  THORONG_TRY(ValueId zero, c.full_like(x, 0));
  THORONG_TRY(ValueId raised, c.add_scalar("add", x, bias));
  THORONG_TRY(ValueId lowered, c.add_scalar("subtract", x, bias));
  THORONG_TRY(ValueId is_low, c.compare("LT", x, low));
  THORONG_TRY(ValueId is_high, c.compare("GT", x, high));
  THORONG_TRY(ValueId inner, c.add("select", {is_high, lowered, zero}));
  return c.set_output(0, c.add("select", {is_low, raised, inner}));
}

}  // namespace

std::vector<ImportRule> import_rules_activations() {
  std::vector<ImportRule> rules;
  for (const Entry& entry : kActivations) {
    auto import = [&entry](ImportContext& c, const NodeProto&) {
      return import_parameters(c, entry);
    };
    rules.push_back({"", entry.op_type, 1, kAnyVersion, import});
  }
  rules.push_back({"", "HardSwish", 14, kAnyVersion, import_hard_swish});
  rules.push_back({"", "Gelu", 20, kAnyVersion, import_gelu});
  rules.push_back({kMicrosoft, "Gelu", 1, kAnyVersion, import_gelu});
  rules.push_back({kMicrosoft, "FastGelu", 1, kAnyVersion, import_bias_gelu});
  rules.push_back({kMicrosoft, "BiasGelu", 1, kAnyVersion, import_bias_gelu});
  rules.push_back({kMicrosoft, "QuickGelu", 1, kAnyVersion, import_quick_gelu});
  rules.push_back({"", "Swish", 24, kAnyVersion, import_quick_gelu});
  rules.push_back({"", "SwiGLU", 28, kAnyVersion, import_swiglu});
  rules.push_back({"", "Clip", 6, kAnyVersion, import_clip});
  rules.push_back({"", "Shrink", 9, kAnyVersion, import_shrink});
  return rules;
}

}  // namespace thorong::onnx
