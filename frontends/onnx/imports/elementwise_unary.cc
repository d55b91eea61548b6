// SPDX-License-Identifier: Apache-2.0
// Operators that are one graph operator applied to each element, and functions made from a few of
// them.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

struct UnaryEntry {
  const char* op_type;
  const char* op;
};

constexpr UnaryEntry kEntries[] = {
    {"Abs", "abs"},          {"Atan", "atan"},
    {"BitwiseNot", "not"},   {"Ceil", "ceil"},
    {"Cos", "cosine"},       {"Erf", "erf"},
    {"Exp", "exponential"},  {"Floor", "floor"},
    {"IsNaN", "is_nan"},     {"Log", "log"},
    {"Mish", "mish"},        {"Neg", "negate"},
    {"Not", "not"},          {"Reciprocal", "reciprocal"},
    {"Relu", "relu"},        {"Round", "round_nearest_even"},
    {"Sigmoid", "logistic"}, {"Sign", "sign"},
    {"Sin", "sine"},         {"Softplus", "softplus"},
    {"Sqrt", "sqrt"},        {"Tan", "tan"},
    {"Tanh", "tanh"},
};

Status import_is_inf(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t negative, c.integer("detect_negative", 1));
  THORONG_TRY(int64_t positive, c.integer("detect_positive", 1));
  if (negative != 0 && positive != 0) return c.set_output(0, c.add("is_inf", {x}));
  if (negative == 0 && positive == 0) return c.set_output(0, c.full(Format::kBool, c.shape(x), 0));
  double infinity = std::numeric_limits<double>::infinity();
  THORONG_TRY(ValueId wanted, c.full_like(x, positive != 0 ? infinity : -infinity));
  return c.set_output(0, c.compare("EQ", x, wanted));
}

Status import_softsign(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId size, c.add("abs", {x}));
  THORONG_TRY(ValueId divisor, c.add_scalar("add", size, 1));
  return c.set_output(0, c.add("divide", {x, divisor}));
}

// sqrt((1 - x)(1 + x))
Result<ValueId> cosine_of_asin(ImportContext& c, ValueId x) {
  THORONG_TRY(ValueId one, c.full_like(x, 1));
  THORONG_TRY(ValueId below, c.add("subtract", {one, x}));
  THORONG_TRY(ValueId above, c.add("add", {one, x}));
  THORONG_TRY(ValueId both, c.add("multiply", {below, above}));
  return c.add("sqrt", {both});
}

Status import_asin(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId root, cosine_of_asin(c, x));
  bool is_asin = node.op_type == "Asin";
  return c.set_output(0, c.add("atan2", is_asin ? std::vector{x, root} : std::vector{root, x}));
}

// With e = exp(x) - 1: sinh = (e + e / (e + 1)) / 2, which keeps small x exact.
Status import_sinh(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId e, c.add("exponential_minus_one", {x}));
  THORONG_TRY(ValueId shifted, c.add_scalar("add", e, 1));
  THORONG_TRY(ValueId quotient, c.add("divide", {e, shifted}));
  THORONG_TRY(ValueId sum, c.add("add", {e, quotient}));
  return c.set_output(0, c.add_scalar("multiply", sum, 0.5));
}

Status import_cosh(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId negative, c.add("negate", {x}));
  THORONG_TRY(ValueId rising, c.add("exponential", {x}));
  THORONG_TRY(ValueId falling, c.add("exponential", {negative}));
  THORONG_TRY(ValueId sum, c.add("add", {rising, falling}));
  return c.set_output(0, c.add_scalar("multiply", sum, 0.5));
}

// sign(x) log(1 + |x| + x^2 / (1 + sqrt(x^2 + 1)))
Status import_asinh(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId size, c.add("abs", {x}));
  THORONG_TRY(ValueId square, c.add("square", {x}));
  THORONG_TRY(ValueId one_more, c.add_scalar("add", square, 1));
  THORONG_TRY(ValueId root, c.add("sqrt", {one_more}));
  THORONG_TRY(ValueId divisor, c.add_scalar("add", root, 1));
  THORONG_TRY(ValueId quotient, c.add("divide", {square, divisor}));
  THORONG_TRY(ValueId sum, c.add("add", {size, quotient}));
  THORONG_TRY(ValueId logarithm, c.add("log_plus_one", {sum}));
  THORONG_TRY(ValueId sign, c.add("sign", {x}));
  return c.set_output(0, c.add("multiply", {sign, logarithm}));
}

// log(x + sqrt(x^2 - 1))
Status import_acosh(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId square, c.add("square", {x}));
  THORONG_TRY(ValueId one_less, c.add_scalar("subtract", square, 1));
  THORONG_TRY(ValueId root, c.add("sqrt", {one_less}));
  THORONG_TRY(ValueId sum, c.add("add", {x, root}));
  return c.set_output(0, c.add("log", {sum}));
}

// (log(1 + x) - log(1 - x)) / 2
Status import_atanh(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId negative, c.add("negate", {x}));
  THORONG_TRY(ValueId above, c.add("log_plus_one", {x}));
  THORONG_TRY(ValueId below, c.add("log_plus_one", {negative}));
  THORONG_TRY(ValueId difference, c.add("subtract", {above, below}));
  return c.set_output(0, c.add_scalar("multiply", difference, 0.5));
}

}  // namespace

std::vector<ImportRule> import_rules_elementwise_unary() {
  std::vector<ImportRule> rules;
  for (const UnaryEntry& entry : kEntries) {
    const char* op = entry.op;
    auto import = [op](ImportContext& c, const NodeProto&) -> Status {
      THORONG_TRY(ValueId x, c.input(0));
      return c.set_output(0, c.add(op, {x}));
    };
    rules.push_back({"", entry.op_type, 1, kAnyVersion, import});
  }
  rules.push_back({"", "IsInf", 10, kAnyVersion, import_is_inf});
  rules.push_back({"", "Softsign", 1, kAnyVersion, import_softsign});
  rules.push_back({"", "Asin", 7, kAnyVersion, import_asin});
  rules.push_back({"", "Acos", 7, kAnyVersion, import_asin});
  rules.push_back({"", "Sinh", 9, kAnyVersion, import_sinh});
  rules.push_back({"", "Cosh", 9, kAnyVersion, import_cosh});
  rules.push_back({"", "Asinh", 9, kAnyVersion, import_asinh});
  rules.push_back({"", "Acosh", 9, kAnyVersion, import_acosh});
  rules.push_back({"", "Atanh", 9, kAnyVersion, import_atanh});
  return rules;
}

}  // namespace thorong::onnx
