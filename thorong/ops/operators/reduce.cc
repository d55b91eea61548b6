// SPDX-License-Identifier: Apache-2.0
// reduce: combines the elements along `dimensions`, which disappear. An empty range gives 0, 1 or
// the format's smallest or largest value.
#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<std::vector<bool>> reduced_dimensions(const Node& node, size_t rank) {
  THORONG_TRY(const auto axes,
              resolve_axes(node.attributes.integers("dimensions"), rank, "dimensions"));
  std::vector<bool> reduced(rank, false);
  for (const size_t axis : axes) reduced[axis] = true;
  return reduced;
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_TRY(const std::vector<bool> reduced, reduced_dimensions(node, x.shape.size()));  // C1
  THORONG_TRY(const Combine function,
              parse_combine(node.attributes.text("function", "add")));  // C2
  if (function == Combine::kReplace)
    return invalid_argument("'none' is not a reduction; use add or another");
  TensorType out{x.format, {}};
  for (size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i]) out.shape.push_back(x.shape[i]);
  }
  return one_result(std::move(out));
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  const TensorType& out = result_type(graph, node);
  THORONG_TRY(const std::vector<bool> reduced, reduced_dimensions(node, x.shape.size()));
  THORONG_TRY(const Combine function, parse_combine(node.attributes.text("function", "add")));
  const std::vector<int64_t> out_strides = row_major_strides(out.shape);
  std::vector<int64_t> strides;  // of the output, over the dimensions of x
  size_t kept = 0;
  for (const bool gone : reduced) strides.push_back(gone ? 0 : out_strides[kept++]);
  return with_number_type(x.format, [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> results(static_cast<size_t>(out.elements()),
                           combine_identity<T>(function, x.format));
    const std::vector<T> values = load<T>(inputs[0]);
    std::vector<int64_t> index(x.shape.size(), 0);
    for (const T value : values) {
      int64_t at = 0;
      for (size_t i = 0; i < index.size(); ++i) at += index[i] * strides[i];
      T& result = results[static_cast<size_t>(at)];
      result = combine(function, result, value);
      next_index(index, x.shape);
    }
    store(out, results, outputs[0]);
    return ok_status();
  });
}

Work work(const Graph& graph, const Node& node) {
  return {0, static_cast<double>(operand_type(graph, node, 0).elements())};
}

}  // namespace

std::vector<OperatorSpec> operator_specs_reduce() {
  OperatorSpec spec;
  spec.name = "reduce";
  spec.summary = "Adds, multiplies or takes the extreme of the elements along some dimensions.";
  spec.category = Category::kReduction;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = work;
  return {spec};
}

}  // namespace thorong::ops
