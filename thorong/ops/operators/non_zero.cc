// SPDX-License-Identifier: Apache-2.0
// non_zero: the indices of the elements that are not zero, int64 [rank, count]. C1: x is a
// constant, since the shape of the result depends on its values.
#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const Tensor& x = graph.value(node.inputs[0]).constant;
  if (!x) {  // C1
    return unsupported(
        "the operand of non_zero must be a constant: the shape of the result depends on its "
        "values");
  }
  int64_t count = 0;
  for (const double value : load<double>(x)) count += value != 0 ? 1 : 0;
  return one_result({Format::kInt64, {static_cast<int64_t>(x.type.shape.size()), count}});
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& out = result_type(graph, node);
  const auto rank = static_cast<size_t>(out.shape[0]), count = static_cast<size_t>(out.shape[1]);
  std::vector<int64_t> results(rank * count), index(rank, 0);
  size_t column = 0;
  for (const double value : load<double>(inputs[0])) {
    if (value != 0) {
      for (size_t i = 0; i < rank; ++i) results[i * count + column] = index[i];
      ++column;
    }
    next_index(index, inputs[0].type.shape);
  }
  store(out, results, outputs[0]);
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_non_zero() {
  OperatorSpec spec;
  spec.name = "non_zero";
  spec.summary = "The indices of the elements that are not zero.";
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
