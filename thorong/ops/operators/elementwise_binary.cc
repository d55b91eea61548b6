// SPDX-License-Identifier: Apache-2.0
// y[i] = f(a[i], b[i]) for the binary engine functions, and compare. C1: equal formats and shapes.
// C2: atan2 needs floats. C3: compare's direction is EQ, NE, LT, LE, GT or GE. Integers wrap
// around; division truncates toward zero and gives 0 for a zero divisor, as NumPy. and, or and xor
// are bitwise on integers.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

using numerics::BinaryFunction;

template <typename T>
T integer_power(T base, T exponent) {
  if (exponent < T{0}) {  // 1 / base^|exponent| toward zero
    if (base == T{1}) return T{1};
    const bool minus_one = base == static_cast<T>(-1);
    return minus_one ? ((exponent & T{1}) != 0 ? base : T{1}) : T{0};
  }
  uint64_t result = 1, square = static_cast<uint64_t>(base);
  for (auto rest = static_cast<uint64_t>(exponent); rest != 0; rest >>= 1) {
    if ((rest & 1) != 0) result *= square;
    square *= square;
  }
  return static_cast<T>(result);
}

template <typename T>
T integer_divide(BinaryFunction function, T a, T b) {
  if (b == T{0}) return T{0};
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) {  // the quotient of the smallest value wraps
    return function == BinaryFunction::kDivide ? static_cast<T>(0 - static_cast<uint64_t>(a))
                                               : T{0};
  }
  if (function == BinaryFunction::kDivide) return a / b;
  const T remainder = a % b;
  const bool adjust =
      function == BinaryFunction::kModulo && remainder != T{0} && (remainder < T{0}) != (b < T{0});
  return adjust ? remainder + b : remainder;
}

template <typename T>
T apply_integer(BinaryFunction function, T a, T b) {
  const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  switch (function) {
    case BinaryFunction::kAdd:
      return static_cast<T>(x + y);
    case BinaryFunction::kSubtract:
      return static_cast<T>(x - y);
    case BinaryFunction::kMultiply:
      return static_cast<T>(x * y);
    case BinaryFunction::kMaximum:
      return a > b ? a : b;
    case BinaryFunction::kMinimum:
      return a < b ? a : b;
    case BinaryFunction::kDivide:
    case BinaryFunction::kRemainder:
    case BinaryFunction::kModulo:
      return integer_divide(function, a, b);
    case BinaryFunction::kPower:
      return integer_power(a, b);
    case BinaryFunction::kEq:
      return T{a == b};
    case BinaryFunction::kNe:
      return T{a != b};
    case BinaryFunction::kLt:
      return T{a < b};
    case BinaryFunction::kLe:
      return T{a <= b};
    case BinaryFunction::kGt:
      return T{a > b};
    case BinaryFunction::kGe:
      return T{a >= b};
    case BinaryFunction::kLogicalAnd:
      return a & b;
    case BinaryFunction::kLogicalOr:
      return a | b;
    case BinaryFunction::kLogicalXor:
      return a ^ b;
    case BinaryFunction::kAtan2:
      break;
  }
  return T{0};
}

Status run(BinaryFunction function, const TensorType& out_type, Inputs inputs, std::byte* out) {
  return with_number_type(inputs[0].type.format, [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> a = load<T>(inputs[0]);
    const std::vector<T> b = load<T>(inputs[1]);
    for (size_t i = 0; i < a.size(); ++i) {
      if constexpr (std::is_floating_point_v<T>) {
        a[i] = apply_scalar(function, a[i], b[i]);
      } else {
        a[i] = apply_integer(function, a[i], b[i]);
      }
    }
    store(out_type, a, out);
    return ok_status();
  });
}

OperatorSpec make_binary(BinaryFunction function) {
  OperatorSpec spec;
  spec.name = std::string(numerics::name(function));
  spec.summary = fmt::format("Applies {} to each pair of elements.", spec.name);
  spec.category = Category::kElementwise;
  spec.min_inputs = spec.max_inputs = 2;
  spec.engine_function = function;
  spec.infer = [function](const Graph& graph, const Node& node) -> Result<Types> {
    THORONG_RETURN_IF_ERROR(require_same_types(graph, node));  // C1
    if (function == BinaryFunction::kAtan2)
      THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));  // C2
    return one_result(operand_type(graph, node, 0));
  };
  spec.reference = [function](const Graph& graph, const Node& node, Inputs inputs,
                              OutputData outputs) {
    return run(function, result_type(graph, node), inputs, outputs[0]);
  };
  return spec;
}

Result<BinaryFunction> parse_direction(const Node& node) {
  const std::string direction = node.attributes.text("direction");
  if (direction == "EQ") return BinaryFunction::kEq;
  if (direction == "NE") return BinaryFunction::kNe;
  if (direction == "LT") return BinaryFunction::kLt;
  if (direction == "LE") return BinaryFunction::kLe;
  if (direction == "GT") return BinaryFunction::kGt;
  if (direction == "GE") return BinaryFunction::kGe;
  return invalid_argument(
      fmt::format("direction must be EQ, NE, LT, LE, GT or GE, found '{}'", direction));  // C3
}

OperatorSpec make_compare() {
  OperatorSpec spec;
  spec.name = "compare";
  spec.summary = "Whether each pair of elements stands in the relation `direction`.";
  spec.category = Category::kElementwise;
  spec.min_inputs = spec.max_inputs = 2;
  spec.infer = [](const Graph& graph, const Node& node) -> Result<Types> {
    THORONG_RETURN_IF_ERROR(require_same_types(graph, node));
    THORONG_RETURN_IF_ERROR(parse_direction(node).status());
    return one_result({Format::kBool, operand_type(graph, node, 0).shape});
  };
  spec.reference = [](const Graph& graph, const Node& node, Inputs inputs,
                      OutputData outputs) -> Status {
    THORONG_TRY(const BinaryFunction function, parse_direction(node));
    return run(function, result_type(graph, node), inputs, outputs[0]);
  };
  return spec;
}

}  // namespace

std::vector<OperatorSpec> operator_specs_elementwise_binary() {
  std::vector<OperatorSpec> specs{make_compare()};
  for (const BinaryFunction function :
       {BinaryFunction::kAdd, BinaryFunction::kSubtract, BinaryFunction::kMultiply,
        BinaryFunction::kDivide, BinaryFunction::kMaximum, BinaryFunction::kMinimum,
        BinaryFunction::kPower, BinaryFunction::kRemainder, BinaryFunction::kModulo,
        BinaryFunction::kAtan2, BinaryFunction::kLogicalAnd, BinaryFunction::kLogicalOr,
        BinaryFunction::kLogicalXor}) {
    specs.push_back(make_binary(function));
  }
  return specs;
}

}  // namespace thorong::ops
