// SPDX-License-Identifier: Apache-2.0
// reduce_window: combines the elements of each position of a sliding window; padding does not take
// part.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<std::vector<WindowDimension>> window_of(const Node& node, const TensorType& x) {
  const size_t rank = x.shape.size();
  THORONG_TRY(const auto window, dimension_list(node, "window_dimensions", rank, 1, 1));  // C1
  THORONG_TRY(const auto strides, dimension_list(node, "window_strides", rank, 1, 1));
  THORONG_TRY(const auto dilations, dimension_list(node, "window_dilations", rank, 1, 1));
  THORONG_TRY(const auto low, dimension_list(node, "padding_low", rank, 0, 0));
  THORONG_TRY(const auto high, dimension_list(node, "padding_high", rank, 0, 0));
  std::vector<WindowDimension> dimensions;
  for (size_t i = 0; i < rank; ++i) {
    dimensions.push_back({x.shape[i], window[i], strides[i], low[i], high[i], 1, dilations[i]});
  }
  return dimensions;
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_TRY(const std::vector<WindowDimension> window, window_of(node, x));
  THORONG_TRY(const Combine function,
              parse_combine(node.attributes.text("function", "add")));  // C2
  if (function == Combine::kReplace || function == Combine::kMultiply) {
    return invalid_argument("reduce_window combines by add, maximum or minimum only");
  }
  TensorType out{x.format, {}};
  for (size_t i = 0; i < window.size(); ++i) {
    THORONG_TRY(const int64_t positions, window_positions(window[i], i));  // C3
    out.shape.push_back(positions);
  }
  return one_result(std::move(out));
}

// The part of a window that lies on elements: first element and count, in steps of the dilation.
struct Part {
  int64_t first = 0, count = 0;
};

Part clip(const WindowDimension& d, int64_t position) {
  const int64_t start = position * d.stride - d.low;
  const int64_t skipped = start >= 0 ? 0 : (-start + d.rhs_dilation - 1) / d.rhs_dilation;
  const int64_t first = start + skipped * d.rhs_dilation;
  if (first >= d.input || skipped >= d.window) return {};
  const int64_t fitting = (d.input - 1 - first) / d.rhs_dilation + 1;
  return {first, std::min(d.window - skipped, fitting)};
}

template <typename T>
T combine_window(const std::vector<WindowDimension>& window, const std::vector<int64_t>& strides,
                 const T* x, Combine function, T result, const std::vector<int64_t>& position) {
  Shape counts;
  std::vector<int64_t> steps;
  int64_t origin = 0;
  for (size_t i = 0; i < window.size(); ++i) {
    const Part part = clip(window[i], position[i]);
    if (part.count <= 0) return result;
    origin += part.first * strides[i];
    if (part.count == 1) continue;
    counts.push_back(part.count);
    steps.push_back(strides[i] * window[i].rhs_dilation);
  }
  std::vector<int64_t> index(counts.size(), 0);
  do {
    int64_t at = origin;
    for (size_t i = 0; i < index.size(); ++i) at += index[i] * steps[i];
    result = combine(function, result, x[at]);
  } while (next_index(index, counts));
  return result;
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  const TensorType& out = result_type(graph, node);
  THORONG_TRY(const std::vector<WindowDimension> window, window_of(node, x));
  THORONG_TRY(const Combine function, parse_combine(node.attributes.text("function", "add")));
  const std::vector<int64_t> strides = row_major_strides(x.shape);
  return with_number_type(x.format, [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> values = load<T>(inputs[0]);
    std::vector<T> results(static_cast<size_t>(out.elements()));
    const T identity = combine_identity<T>(function, x.format);
    std::vector<int64_t> position(out.shape.size(), 0);
    for (T& result : results) {
      result = combine_window(window, strides, values.data(), function, identity, position);
      next_index(position, out.shape);
    }
    store(out, results, outputs[0]);
    return ok_status();
  });
}

Work work(const Graph& graph, const Node& node) {
  double window = 1;
  for (const int64_t d : node.attributes.integers("window_dimensions"))
    window *= static_cast<double>(d);
  return {0, static_cast<double>(result_type(graph, node).elements()) * window};
}

}  // namespace

std::vector<OperatorSpec> operator_specs_reduce_window() {
  OperatorSpec spec;
  spec.name = "reduce_window";
  spec.summary = "Adds or takes the extreme of the elements under a sliding window.";
  spec.category = Category::kWindow;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = work;
  return {spec};
}

}  // namespace thorong::ops
