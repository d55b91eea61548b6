// SPDX-License-Identifier: Apache-2.0
// arg_reduce: the index (int64) of the largest or smallest element along a dimension, which
// disappears. The first of equal elements, or the last with select_last = 1; a NaN counts as the
// extreme.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_TRY(const size_t axis, resolve_axis(node.attributes.integer("dimension"), x.shape.size(),
                                              "dimension"));  // C1
  THORONG_TRY(const Combine function, parse_combine(node.attributes.text("function", "maximum")));
  if (function != Combine::kMaximum && function != Combine::kMinimum) {  // C2
    return invalid_argument("the function must be maximum or minimum");
  }
  if (x.shape[axis] == 0) {  // C3
    return invalid_argument(
        fmt::format("dimension {} of {} is empty and has no extreme element", axis, to_string(x)));
  }
  TensorType out{Format::kInt64, x.shape};
  out.shape.erase(out.shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return one_result(std::move(out));
}

template <typename T>
bool is_nan(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::isnan(value);
  } else {
    return false;
  }
}

template <typename T>
int64_t find_extreme(const T* x, int64_t n, int64_t stride, bool maximum, bool last) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; ++i) {
    const T a = x[i * stride], b = x[best * stride];
    const bool equal = a == b || (is_nan(a) && is_nan(b));
    const bool better = !is_nan(b) && (is_nan(a) || (maximum ? a > b : a < b));
    if (better || (equal && last)) best = i;
  }
  return best;
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("dimension"), x.shape.size(), "dimension"));
  THORONG_TRY(const Combine function, parse_combine(node.attributes.text("function", "maximum")));
  const bool maximum = function == Combine::kMaximum;
  const bool last = node.attributes.integer("select_last") != 0;
  const AxisView view = view_axis(x.shape, axis);
  return with_number_type(x.format, [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> values = load<T>(inputs[0]);
    std::vector<int64_t> results;
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        results.push_back(find_extreme(values.data() + o * view.axis * view.inner + i, view.axis,
                                       view.inner, maximum, last));
      }
    }
    store(result_type(graph, node), results, outputs[0]);
    return ok_status();
  });
}

Work work(const Graph& graph, const Node& node) {
  return {0, static_cast<double>(operand_type(graph, node, 0).elements())};
}

}  // namespace

std::vector<OperatorSpec> operator_specs_arg_reduce() {
  OperatorSpec spec;
  spec.name = "arg_reduce";
  spec.summary = "The index of the largest or smallest element along one dimension.";
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = work;
  return {spec};
}

}  // namespace thorong::ops
