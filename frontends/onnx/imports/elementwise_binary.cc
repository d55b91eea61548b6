// SPDX-License-Identifier: Apache-2.0
// Operators on two or more operands that broadcast by NumPy's rule.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

struct BinaryEntry {
  const char* op_type;
  const char* op;  // or the direction of a comparison
};

constexpr BinaryEntry kArithmetic[] = {
    {"Add", "add"}, {"Sub", "subtract"}, {"Mul", "multiply"}, {"Div", "divide"}};
// On booleans; with the prefix Bitwise on integers.
constexpr BinaryEntry kBits[] = {{"And", "and"}, {"Or", "or"}, {"Xor", "xor"}};
constexpr BinaryEntry kComparisons[] = {
    {"Less", "LT"}, {"LessOrEqual", "LE"}, {"Greater", "GT"}, {"GreaterOrEqual", "GE"}};
constexpr BinaryEntry kVariadic[] = {
    {"Sum", "add"}, {"Mean", "add"}, {"Max", "maximum"}, {"Min", "minimum"}};

// All operands at their common shape.
Result<std::vector<ValueId>> broadcast_operands(ImportContext& c) {
  THORONG_TRY(ValueId first, c.input(0));
  Shape common = c.shape(first);
  for (size_t i = 1; i < c.input_count(); ++i) {
    THORONG_TRY(ValueId x, c.input(i));
    THORONG_TRY(common, broadcast_shapes(common, c.shape(x)));
  }
  std::vector<ValueId> operands;
  for (size_t i = 0; i < c.input_count(); ++i) {
    THORONG_TRY(ValueId x, c.input(i));
    THORONG_TRY(ValueId wide, c.broadcast_to(x, common));
    operands.push_back(wide);
  }
  return operands;
}

Result<std::vector<ValueId>> broadcast_pair(ImportContext& c) {
  if (c.input_count() != 2) {
    return invalid_argument("expected 2 operands, found " + std::to_string(c.input_count()) + ".");
  }
  return broadcast_operands(c);
}

Status import_variadic(ImportContext& c, const NodeProto& node, const char* op) {
  THORONG_TRY(auto operands, broadcast_operands(c));
  ValueId result = operands[0];
  for (size_t i = 1; i < operands.size(); ++i) {
    THORONG_TRY(result, c.add(op, {result, operands[i]}));
  }
  if (node.op_type == "Mean" && operands.size() > 1) {
    THORONG_TRY(result, c.add_scalar("divide", result, static_cast<double>(operands.size())));
  }
  return c.set_output(0, result);
}

Status import_bits(ImportContext& c, const NodeProto& node, const char* op) {
  THORONG_TRY(auto operands, broadcast_pair(c));
  Format format = c.format(operands[0]);
  bool bitwise = node.op_type.starts_with("Bitwise");
  if (bitwise ? !numerics::is_integer(format) : format != Format::kBool) {
    return invalid_argument(node.op_type + (bitwise ? " wants integers" : " wants booleans") +
                            ", found " + std::string(numerics::name(format)) + ".");
  }
  return c.set_output(0, c.add(op, operands));
}

Status import_bit_shift(ImportContext& c, const NodeProto&) {
  THORONG_TRY(auto operands, broadcast_pair(c));
  THORONG_TRY(std::string direction, c.text("direction", ""));
  if (direction == "LEFT") return c.set_output(0, c.add("shift_left", operands));
  if (direction != "RIGHT")
    return invalid_argument("direction must be LEFT or RIGHT, found \"" + direction + "\".");
  bool is_signed = numerics::info(c.format(operands[0])).kind == 'S';
  return c.set_output(
      0, c.add(is_signed ? "shift_right_arithmetic" : "shift_right_logical", operands));
}

// The result has the base's format. An integer base with a float exponent is computed in the
// exponent's format.
Status import_pow(ImportContext& c, const NodeProto&) {
  THORONG_TRY(auto operands, broadcast_pair(c));
  Format base = c.format(operands[0]), exponent = c.format(operands[1]);
  Format work = numerics::is_integer(base) && numerics::is_float(exponent) ? exponent : base;
  THORONG_TRY(ValueId x, c.convert(operands[0], work));
  THORONG_TRY(ValueId y, c.convert(operands[1], work));
  THORONG_TRY(ValueId power, c.add("power", {x, y}));
  return c.set_output(0, c.convert(power, base));
}

Status import_mod(ImportContext& c, const NodeProto&) {
  THORONG_TRY(auto operands, broadcast_pair(c));
  THORONG_TRY(int64_t fmod, c.integer("fmod", 0));
  return c.set_output(0, c.add(fmod != 0 ? "remainder" : "modulo", operands));
}

Status import_where(ImportContext& c, const NodeProto&) {
  if (c.input_count() != 3) {
    return invalid_argument("expected 3 operands, found " + std::to_string(c.input_count()) + ".");
  }
  THORONG_TRY(auto operands, broadcast_operands(c));
  return c.set_output(0, c.add("select", operands));
}

Status import_prelu(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId slope, c.input(1));
  Shape shape = c.shape(x);
  bool per_channel = c.rank(slope) == 1 && shape.size() > 1 && c.shape(slope)[0] == shape[1] &&
                     shape[1] != shape.back();
  if (per_channel) {  // what some exporters write: one slope a channel
    THORONG_TRY(slope, c.broadcast_in(slope, shape, {1}));
  } else {
    THORONG_TRY(slope, c.broadcast_to(slope, shape));
  }
  return c.set_output(0, c.add("prelu", {x, slope}));
}

}  // namespace

std::vector<ImportRule> import_rules_elementwise_binary() {
  std::vector<ImportRule> rules;
  for (const BinaryEntry& entry : kArithmetic) {
    const char* op = entry.op;
    auto import = [op](ImportContext& c, const NodeProto&) -> Status {
      THORONG_TRY(auto operands, broadcast_pair(c));
      return c.set_output(0, c.add(op, operands));
    };
    rules.push_back({"", entry.op_type, 7, kAnyVersion, import});
  }
  for (const BinaryEntry& entry : kBits) {
    const char* op = entry.op;
    auto import = [op](ImportContext& c, const NodeProto& node) {
      return import_bits(c, node, op);
    };
    rules.push_back({"", entry.op_type, 7, kAnyVersion, import});
    rules.push_back({"", std::string("Bitwise") + entry.op_type, 18, kAnyVersion, import});
  }
  for (const BinaryEntry& entry : kComparisons) {
    const char* direction = entry.op;
    auto import = [direction](ImportContext& c, const NodeProto&) -> Status {
      THORONG_TRY(auto operands, broadcast_pair(c));
      return c.set_output(0, c.compare(direction, operands[0], operands[1]));
    };
    rules.push_back({"", entry.op_type, 7, kAnyVersion, import});
  }
  for (const BinaryEntry& entry : kVariadic) {
    const char* op = entry.op;
    auto import = [op](ImportContext& c, const NodeProto& node) {
      return import_variadic(c, node, op);
    };
    rules.push_back({"", entry.op_type, 6, kAnyVersion, import});
  }
  rules.push_back({"", "Pow", 7, kAnyVersion, import_pow});
  rules.push_back({"", "Mod", 10, kAnyVersion, import_mod});
  rules.push_back({"", "BitShift", 11, kAnyVersion, import_bit_shift});
  rules.push_back({"", "Where", 9, kAnyVersion, import_where});
  rules.push_back({"", "PRelu", 7, kAnyVersion, import_prelu});
  return rules;
}

}  // namespace thorong::onnx
