// SPDX-License-Identifier: Apache-2.0
// select: y[i] = predicate[i] ? on_true[i] : on_false[i].
#include <fmt/format.h>

#include <cstring>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& predicate = operand_type(graph, node, 0);
  const TensorType& on_true = operand_type(graph, node, 1);
  const TensorType& on_false = operand_type(graph, node, 2);
  if (!(on_true == on_false)) {  // C1
    return invalid_argument(
        fmt::format("on_true and on_false must have equal formats and shapes, found {} and {}",
                    to_string(on_true), to_string(on_false)));
  }
  if (!(predicate == TensorType{Format::kBool, on_true.shape})) {  // C2
    return invalid_argument(fmt::format("the predicate must be bool {}, found {}",
                                        to_string(on_true.shape), to_string(predicate)));
  }
  return one_result(on_true);
}

Status reference(const Graph&, const Node&, Inputs inputs, OutputData outputs) {
  const size_t bytes = numerics::byte_size(inputs[1].type.format);
  const auto elements = static_cast<size_t>(inputs[1].type.elements());
  for (size_t i = 0; i < elements; ++i) {
    const Tensor& source = inputs[0].data[i] != std::byte{0} ? inputs[1] : inputs[2];
    std::memcpy(outputs[0] + i * bytes, source.data + i * bytes, bytes);
  }
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_select() {
  OperatorSpec spec;
  spec.name = "select";
  spec.summary = "Takes each element from on_true or on_false as the predicate says.";
  spec.category = Category::kElementwise;
  spec.min_inputs = spec.max_inputs = 3;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
