// SPDX-License-Identifier: Apache-2.0
// concatenate: the operands one after the other along `dimension`.
#include <fmt/format.h>

#include <cstring>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  TensorType out = operand_type(graph, node, 0);
  THORONG_TRY(const size_t axis, resolve_axis(node.attributes.integer("dimension"),
                                              out.shape.size(), "dimension"));  // C1
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (!has_operand(node, i))
      return invalid_argument(fmt::format("operand {} is absent", i));  // C2
    TensorType next = operand_type(graph, node, i);
    const int64_t size = next.shape.size() == out.shape.size() ? next.shape[axis] : -1;
    if (size >= 0) next.shape[axis] = out.shape[axis];
    if (!(next == out)) {  // C3
      return invalid_argument(fmt::format(
          "operands may differ in dimension {} only, found {} and {} (operand {})", axis,
          to_string(operand_type(graph, node, 0)), to_string(operand_type(graph, node, i)), i));
    }
    if (__builtin_add_overflow(out.shape[axis], size, &out.shape[axis])) {
      return out_of_range(fmt::format("dimension {} of the result is larger than 2^63", axis));
    }
  }
  return one_result(std::move(out));
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& out = result_type(graph, node);
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("dimension"), out.shape.size(), "dimension"));
  const AxisView view = view_axis(out.shape, axis);
  const int64_t inner = view.inner * static_cast<int64_t>(numerics::byte_size(out.format));
  int64_t offset = 0;
  for (const Tensor& input : inputs) {
    const int64_t row = input.type.shape[axis] * inner;
    for (int64_t o = 0; o < view.outer; ++o) {
      std::memcpy(outputs[0] + o * view.axis * inner + offset, input.data + o * row,
                  static_cast<size_t>(row));
    }
    offset += row;
  }
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_concatenate() {
  OperatorSpec spec;
  spec.name = "concatenate";
  spec.summary = "Joins the operands along one dimension.";
  spec.category = Category::kDataMovement;
  spec.min_inputs = 1;
  spec.max_inputs = -1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
