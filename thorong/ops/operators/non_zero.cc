// SPDX-License-Identifier: Apache-2.0
// non_zero: the indices of the elements that are not zero, int64 [rank, count]. The attribute
// `count` states how many there are; without it x must be a constant (C1), since the shape of the
// result depends on its values.
#include <fmt/format.h>

#include <algorithm>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  int64_t count = node.attributes.integer("count", -1);
  if (!node.attributes.has("count")) {
    const Tensor& constant = graph.value(node.inputs[0]).constant;
    if (!constant) {  // C1
      return unsupported(
          "the operand of non_zero must be a constant, or `count` be given: the shape of the "
          "result "
          "depends on its values");
    }
    count = 0;
    for (const double value : load<double>(constant)) count += value != 0 ? 1 : 0;
  }
  if (count < 0 || count > x.elements()) {  // C2
    return out_of_range(fmt::format("count must lie in [0, {}], found {}", x.elements(), count));
  }
  return one_result({Format::kInt64, {static_cast<int64_t>(x.shape.size()), count}});
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& out = result_type(graph, node);
  const auto rank = static_cast<size_t>(out.shape[0]), count = static_cast<size_t>(out.shape[1]);
  const std::vector<double> x = load<double>(inputs[0]);
  const auto found = x.size() - static_cast<size_t>(std::count(x.begin(), x.end(), 0.0));
  if (found != count) {
    return invalid_argument(fmt::format(
        "the program is made for {} elements that are not zero, found {}", count, found));
  }
  std::vector<int64_t> results(rank * count), index(rank, 0);
  size_t column = 0;
  for (const double value : x) {
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
