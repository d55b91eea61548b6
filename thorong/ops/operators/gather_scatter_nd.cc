// SPDX-License-Identifier: Apache-2.0
// gather_nd and scatter_nd: the last dimension of the indices holds tuples that name slices of x,
// as in ONNX.
#include <fmt/format.h>

#include <cstring>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

// C1: integer indices of rank >= 1. C2: 0 <= batch_dims below both ranks, with equal batch
// dimensions. C3: a tuple has at most as many entries as x has dimensions after the batch.
Result<size_t> check_tuples(const TensorType& x, const TensorType& indices, int64_t batch_dims) {
  if (!numerics::is_integer(indices.format) || indices.shape.empty()) {
    return invalid_argument(fmt::format("the indices must be integers of rank 1 or more, found {}",
                                        to_string(indices)));
  }
  if (batch_dims < 0 || batch_dims >= static_cast<int64_t>(indices.shape.size()) ||
      batch_dims > static_cast<int64_t>(x.shape.size())) {
    return invalid_argument(
        fmt::format("batch_dims must be smaller than the ranks of {} and {}, found {}",
                    to_string(x), to_string(indices), batch_dims));
  }
  const auto batch = static_cast<size_t>(batch_dims);
  for (size_t i = 0; i < batch; ++i) {
    if (x.shape[i] == indices.shape[i]) continue;
    return invalid_argument(fmt::format("the first {} dimensions of {} and {} must be equal", batch,
                                        to_string(x), to_string(indices)));
  }
  const int64_t tuple = indices.shape.back();
  if (tuple > static_cast<int64_t>(x.shape.size() - batch)) {
    return invalid_argument(
        fmt::format("index tuples of {} entries are longer than the {} dimensions of {}", tuple,
                    x.shape.size() - batch, to_string(x)));
  }
  return static_cast<size_t>(tuple);
}

// indices.shape[:-1] + x.shape[batch + tuple:].
Shape slices_shape(const TensorType& x, const TensorType& indices, size_t batch, size_t tuple) {
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.insert(shape.end(), x.shape.begin() + static_cast<std::ptrdiff_t>(batch + tuple),
               x.shape.end());
  return shape;
}

// For each tuple, the number of the slice of x that it names.
Result<std::vector<int64_t>> slice_numbers(const Tensor& x, const Tensor& indices, size_t batch,
                                           size_t tuple) {
  const std::vector<int64_t> entries = load<int64_t>(indices);
  int64_t batches = 1;
  for (size_t i = 0; i < batch; ++i) batches *= x.type.shape[i];
  int64_t tuples = 1;
  for (size_t i = 0; i + 1 < indices.type.shape.size(); ++i) tuples *= indices.type.shape[i];
  std::vector<int64_t> numbers;
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t number = t / (tuples / batches);
    for (size_t k = 0; k < tuple; ++k) {
      const int64_t position = t * static_cast<int64_t>(tuple) + static_cast<int64_t>(k);
      const int64_t size = x.type.shape[batch + k];
      THORONG_TRY(const int64_t index,
                  resolve_index(entries[static_cast<size_t>(position)], size, position));
      number = number * size + index;
    }
    numbers.push_back(number);
  }
  return numbers;
}

int64_t slice_elements(const TensorType& x, size_t first) {
  int64_t elements = 1;
  for (size_t i = first; i < x.shape.size(); ++i) elements *= x.shape[i];
  return elements;
}

Result<Types> infer_gather(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const TensorType& indices = operand_type(graph, node, 1);
  const int64_t batch = node.attributes.integer("batch_dims");
  THORONG_TRY(const size_t tuple, check_tuples(x, indices, batch));
  return one_result({x.format, slices_shape(x, indices, static_cast<size_t>(batch), tuple)});
}

Status gather(const Graph&, const Node& node, Inputs inputs, OutputData outputs) {
  const auto batch = static_cast<size_t>(node.attributes.integer("batch_dims"));
  const auto tuple = static_cast<size_t>(inputs[1].type.shape.back());
  THORONG_TRY(const std::vector<int64_t> numbers,
              slice_numbers(inputs[0], inputs[1], batch, tuple));
  const int64_t bytes = slice_elements(inputs[0].type, batch + tuple) *
                        static_cast<int64_t>(numerics::byte_size(inputs[0].type.format));
  std::byte* out = outputs[0];
  for (const int64_t number : numbers) {
    std::memcpy(out, inputs[0].data + number * bytes, static_cast<size_t>(bytes));
    out += bytes;
  }
  return ok_status();
}

Result<Types> infer_scatter(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const TensorType& indices = operand_type(graph, node, 1);
  const TensorType& updates = operand_type(graph, node, 2);
  THORONG_TRY(const size_t tuple, check_tuples(x, indices, 0));
  const TensorType expected{x.format, slices_shape(x, indices, 0, tuple)};
  if (!(updates == expected)) {  // C4
    return invalid_argument(
        fmt::format("the updates must be {}, found {}", to_string(expected), to_string(updates)));
  }
  THORONG_RETURN_IF_ERROR(parse_combine(node.attributes.text("reduction", "none")).status());  // C5
  return one_result(x);
}

Status scatter(const Graph&, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  const auto tuple = static_cast<size_t>(inputs[1].type.shape.back());
  THORONG_TRY(const Combine function, parse_combine(node.attributes.text("reduction", "none")));
  THORONG_TRY(const std::vector<int64_t> numbers, slice_numbers(inputs[0], inputs[1], 0, tuple));
  const auto slice = static_cast<size_t>(slice_elements(x, tuple));
  if (function == Combine::kReplace) {
    const size_t bytes = slice * numerics::byte_size(x.format);
    std::memcpy(outputs[0], inputs[0].data, inputs[0].bytes());
    for (size_t i = 0; i < numbers.size(); ++i) {
      std::memcpy(outputs[0] + static_cast<size_t>(numbers[i]) * bytes, inputs[2].data + i * bytes,
                  bytes);
    }
    return ok_status();
  }
  return with_number_type(x.format, [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> values = load<T>(inputs[0]);
    const std::vector<T> updates = load<T>(inputs[2]);
    for (size_t i = 0; i < numbers.size(); ++i) {
      for (size_t j = 0; j < slice; ++j) {
        T& value = values[static_cast<size_t>(numbers[i]) * slice + j];
        value = combine(function, value, updates[i * slice + j]);
      }
    }
    store(x, values, outputs[0]);
    return ok_status();
  });
}

}  // namespace

std::vector<OperatorSpec> operator_specs_gather_scatter_nd() {
  OperatorSpec gather_spec;
  gather_spec.name = "gather_nd";
  gather_spec.summary = "The slices of x that index tuples name.";
  gather_spec.min_inputs = gather_spec.max_inputs = 2;
  gather_spec.infer = infer_gather;
  gather_spec.reference = gather;
  OperatorSpec scatter_spec;
  scatter_spec.name = "scatter_nd";
  scatter_spec.summary =
      "x with the slices that index tuples name replaced by, or combined with, updates.";
  scatter_spec.min_inputs = scatter_spec.max_inputs = 3;
  scatter_spec.infer = infer_scatter;
  scatter_spec.reference = scatter;
  return {gather_spec, scatter_spec};
}

}  // namespace thorong::ops
