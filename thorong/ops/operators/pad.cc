// SPDX-License-Identifier: Apache-2.0
// pad: `low` elements of the value before, `high` after and `interior` between the elements of each
// dimension; negative low and high remove elements.
#include <fmt/format.h>

#include <cstring>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

constexpr int64_t kLowest = -(int64_t{1} << 31);

struct Padding {
  std::vector<int64_t> low, high, interior;
};

Result<Padding> padding_of(const Node& node, size_t rank) {
  Padding padding;
  THORONG_TRY(padding.low, dimension_list(node, "low", rank, 0, kLowest));
  THORONG_TRY(padding.high, dimension_list(node, "high", rank, 0, kLowest));
  THORONG_TRY(padding.interior, dimension_list(node, "interior", rank, 0, 0));
  return padding;
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const TensorType& value = operand_type(graph, node, 1);
  if (!(value == TensorType{x.format, {}})) {  // C1
    return invalid_argument(fmt::format("the value must be a {} scalar, found {}",
                                        numerics::name(x.format), to_string(value)));
  }
  THORONG_TRY(const Padding padding, padding_of(node, x.shape.size()));  // C2
  TensorType out{x.format, {}};
  for (size_t i = 0; i < x.shape.size(); ++i) {
    WindowDimension d;
    d.input = x.shape[i];
    d.window = 1;
    d.low = padding.low[i];
    d.high = padding.high[i];
    d.lhs_dilation = padding.interior[i] + 1;
    THORONG_TRY(const int64_t size, window_positions(d, i));  // C3
    out.shape.push_back(size);
  }
  return one_result(std::move(out));
}

// The elements of one dimension that stay: first, count; and where the first one goes.
struct Kept {
  int64_t first = 0, count = 0, position = 0;
};

Kept kept_elements(int64_t size, int64_t out_size, int64_t low, int64_t step) {
  Kept kept;
  kept.first = low >= 0 ? 0 : (-low + step - 1) / step;
  kept.position = low + kept.first * step;
  const int64_t fitting = kept.position < out_size ? (out_size - 1 - kept.position) / step + 1 : 0;
  kept.count = std::min(size - kept.first, fitting);
  return kept;
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  const TensorType& out = result_type(graph, node);
  const size_t bytes = numerics::byte_size(x.format);
  const auto elements = static_cast<size_t>(out.elements());
  for (size_t i = 0; i < elements; ++i) std::memcpy(outputs[0] + i * bytes, inputs[1].data, bytes);
  if (x.elements() == 0 || elements == 0) return ok_status();

  THORONG_TRY(const Padding padding, padding_of(node, x.shape.size()));
  const std::vector<int64_t> x_strides = row_major_strides(x.shape);
  std::vector<int64_t> out_strides = row_major_strides(out.shape);
  Shape region;
  int64_t from = 0, to = 0;
  for (size_t i = 0; i < x.shape.size(); ++i) {
    const int64_t step = padding.interior[i] + 1;
    const Kept kept = kept_elements(x.shape[i], out.shape[i], padding.low[i], step);
    if (kept.count <= 0) return ok_status();
    region.push_back(kept.count);
    from += kept.first * x_strides[i];
    to += kept.position * out_strides[i];
    out_strides[i] = kept.count == 1 ? 0 : out_strides[i] * step;
  }
  const auto step = static_cast<int64_t>(bytes);
  copy_strided(region, bytes, inputs[0].data + from * step, x_strides, outputs[0] + to * step,
               out_strides);
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_pad() {
  OperatorSpec spec;
  spec.name = "pad";
  spec.summary = "Puts a value around and between the elements; negative amounts remove elements.";
  spec.category = Category::kDataMovement;
  spec.min_inputs = spec.max_inputs = 2;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
