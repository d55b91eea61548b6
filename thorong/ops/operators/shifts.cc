// SPDX-License-Identifier: Apache-2.0
// shift_left, shift_right_logical and shift_right_arithmetic, as StableHLO has them: x and the
// counts have one integer format. A count that is negative, or not below the format's bits, moves
// every bit out: 0 is left, or, arithmetically, copies of the sign.
// C1: equal formats and shapes. C2: integers.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

enum class Shift : uint8_t { kLeft, kRightLogical, kRightArithmetic };

Result<Types> infer(const Graph& graph, const Node& node) {
  THORONG_RETURN_IF_ERROR(require_same_types(graph, node));  // C1
  const TensorType& type = operand_type(graph, node, 0);
  if (!numerics::is_integer(type.format)) {  // C2
    return invalid_argument(
        fmt::format("a shift wants integers, found {}; convert the operands", to_string(type)));
  }
  return one_result(type);
}

// `x` is sign-extended (unsigned formats: zero-extended); the result's high bits are dropped.
uint64_t shifted(Shift shift, uint64_t x, uint64_t count, int bits) {
  const bool all = count >= static_cast<uint64_t>(bits);  // a negative count is a huge one here
  switch (shift) {
    case Shift::kLeft:
      return all ? 0 : x << count;
    case Shift::kRightLogical:
      return all ? 0 : (x & (~uint64_t{0} >> (64 - bits))) >> count;
    case Shift::kRightArithmetic:
      break;
  }
  const uint64_t last = all ? static_cast<uint64_t>(bits) - 1 : count;
  const uint64_t sign = x >> (bits - 1) & 1;
  const uint64_t copies =
      sign == 0 || last == 0 ? 0 : ~uint64_t{0} << (bits - static_cast<int>(last));
  return (x & (~uint64_t{0} >> (64 - bits))) >> last | copies;
}

OperatorSpec make_spec(const char* name, const char* summary, Shift shift) {
  OperatorSpec spec;
  spec.name = name;
  spec.summary = summary;
  spec.category = Category::kElementwise;
  spec.min_inputs = spec.max_inputs = 2;
  spec.infer = infer;
  spec.reference = [shift](const Graph& graph, const Node& node, Inputs inputs,
                           OutputData outputs) {
    const TensorType& type = result_type(graph, node);
    std::vector<uint64_t> x = load<uint64_t>(inputs[0]);
    const std::vector<uint64_t> counts = load<uint64_t>(inputs[1]);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = shifted(shift, x[i], counts[i], numerics::info(type.format).bits);
    store(type, x, outputs[0]);
    return ok_status();
  };
  return spec;
}

}  // namespace

std::vector<OperatorSpec> operator_specs_shifts() {
  return {make_spec("shift_left", "x with its bits moved up, zeros below.", Shift::kLeft),
          make_spec("shift_right_logical", "x with its bits moved down, zeros above.",
                    Shift::kRightLogical),
          make_spec("shift_right_arithmetic", "x with its bits moved down, its sign above.",
                    Shift::kRightArithmetic)};
}

}  // namespace thorong::ops
