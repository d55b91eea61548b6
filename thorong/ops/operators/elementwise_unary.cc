// SPDX-License-Identifier: Apache-2.0
// One operator for each unary engine function: y[i] = f(x[i]). C1: the operand is a float, or an
// integer where the function has an integer meaning. is_finite, is_nan and is_inf give bool; all
// others keep the format. `not` is bitwise on integers.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

using numerics::UnaryFunction;

bool gives_bool(UnaryFunction function) {
  return function == UnaryFunction::kIsFinite || function == UnaryFunction::kIsNan ||
         function == UnaryFunction::kIsInf;
}

bool accepts_integers(UnaryFunction function) {
  switch (function) {
    case UnaryFunction::kNegate:
    case UnaryFunction::kAbs:
    case UnaryFunction::kSign:
    case UnaryFunction::kSquare:
    case UnaryFunction::kRelu:
    case UnaryFunction::kLogicalNot:
      return true;
    default:
      return false;
  }
}

template <typename T>
T apply_integer(UnaryFunction function, T x) {
  const auto bits = static_cast<uint64_t>(x);
  switch (function) {
    case UnaryFunction::kNegate:
      return static_cast<T>(0 - bits);
    case UnaryFunction::kAbs:
      return x < T{0} ? static_cast<T>(0 - bits) : x;
    case UnaryFunction::kSign:
      return static_cast<T>((x > T{0}) - (x < T{0}));
    case UnaryFunction::kSquare:
      return static_cast<T>(bits * bits);
    case UnaryFunction::kRelu:
      return x < T{0} ? T{0} : x;
    default:
      return static_cast<T>(~bits);
  }
}

Status run(UnaryFunction function, const TensorType& out_type, const Tensor& x, std::byte* out) {
  if (function == UnaryFunction::kLogicalNot && x.type.format == Format::kBool) {
    for (size_t i = 0; i < x.bytes(); ++i) out[i] = std::byte{x.data[i] == std::byte{0}};
    return ok_status();
  }
  return with_number_type(x.type.format, [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> values = load<T>(x);
    for (T& value : values) {
      if constexpr (std::is_floating_point_v<T>) {
        value = apply_scalar(function, value);
      } else {
        value = apply_integer(function, value);
      }
    }
    store(out_type, values, out);
    return ok_status();
  });
}

OperatorSpec make_spec(UnaryFunction function) {
  OperatorSpec spec;
  spec.name =
      function == UnaryFunction::kLogicalNot ? "not" : std::string(numerics::name(function));
  spec.summary = fmt::format("Applies {} to each element.", spec.name);
  spec.category = Category::kElementwise;
  spec.min_inputs = spec.max_inputs = 1;
  spec.engine_function = function;
  spec.infer = [function](const Graph& graph, const Node& node) -> Result<Types> {
    TensorType type = operand_type(graph, node, 0);
    if (!accepts_integers(function)) THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));  // C1
    if (gives_bool(function)) type.format = Format::kBool;
    return one_result(std::move(type));
  };
  spec.reference = [function](const Graph& graph, const Node& node, Inputs inputs,
                              OutputData outputs) {
    return run(function, result_type(graph, node), inputs[0], outputs[0]);
  };
  return spec;
}

}  // namespace

std::vector<OperatorSpec> operator_specs_elementwise_unary() {
  std::vector<OperatorSpec> specs;
#define THORONG_X(enumerator, name)                      \
  if (UnaryFunction::enumerator != UnaryFunction::kCopy) \
    specs.push_back(make_spec(UnaryFunction::enumerator));
  THORONG_UNARY_FUNCTIONS(THORONG_X)
#undef THORONG_X
  return specs;
}

}  // namespace thorong::ops
