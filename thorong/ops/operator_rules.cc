// SPDX-License-Identifier: Apache-2.0
// Shape rules shared by the operators (operator_support.h).
#include <fmt/format.h>

#include <algorithm>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {
constexpr int64_t kMaxAttribute = int64_t{1} << 31;
constexpr double kMaxSize = 9007199254740992.0;  // 2^53: exact in a double
}  // namespace

std::string to_string(const TensorType& type) {
  return fmt::format("{} {}", numerics::name(type.format), to_string(type.shape));
}

Result<size_t> resolve_axis(int64_t axis, size_t rank, std::string_view what) {
  const auto signed_rank = static_cast<int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    return invalid_argument(
        fmt::format("{} must lie in [{}, {}) for an operand of rank {}, found {}", what,
                    -signed_rank, signed_rank, rank, axis));
  }
  return static_cast<size_t>(axis < 0 ? axis + signed_rank : axis);
}

Result<std::vector<size_t>> resolve_axes(const std::vector<int64_t>& axes, size_t rank,
                                         std::string_view what) {
  std::vector<size_t> resolved;
  for (const int64_t axis : axes) {
    THORONG_TRY(const size_t index, resolve_axis(axis, rank, what));
    resolved.push_back(index);
  }
  std::sort(resolved.begin(), resolved.end());
  if (std::adjacent_find(resolved.begin(), resolved.end()) != resolved.end()) {
    return invalid_argument(
        fmt::format("{} must be different dimensions, found {}", what, to_string(axes)));
  }
  return resolved;
}

Result<std::vector<int64_t>> dimension_list(const Node& node, const std::string& key, size_t rank,
                                            int64_t fallback, int64_t minimum) {
  std::vector<int64_t> list = node.attributes.integers(key, std::vector<int64_t>(rank, fallback));
  if (list.size() != rank) {
    return invalid_argument(fmt::format("{} needs one entry for each of {} dimensions, found {}",
                                        key, rank, to_string(list)));
  }
  for (const int64_t entry : list) {
    if (entry < minimum || entry > kMaxAttribute) {
      return invalid_argument(fmt::format("entries of {} must lie in [{}, {}], found {}", key,
                                          minimum, kMaxAttribute, to_string(list)));
    }
  }
  return list;
}

Status check_size(const TensorType& type) {
  const int64_t elements = element_count(type.shape);
  const auto bytes = static_cast<int64_t>(std::max<size_t>(numerics::byte_size(type.format), 1));
  if (elements >= 0 && elements <= std::numeric_limits<int64_t>::max() / bytes) return ok_status();
  return out_of_range(
      fmt::format("the result would be {}, which has a negative dimension or more than 2^63 bytes; "
                  "check the shapes",
                  to_string(type)));
}

Result<Types> one_result(TensorType type) {
  THORONG_RETURN_IF_ERROR(check_size(type));
  return Types{std::move(type)};
}

Status require_same_types(const Graph& graph, const Node& node) {
  const TensorType& first = operand_type(graph, node, 0);
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (!has_operand(node, i) || operand_type(graph, node, i) == first) continue;
    const TensorType& other = operand_type(graph, node, i);
    return invalid_argument(fmt::format(
        "operands must have equal formats and shapes, found {} and {} (operand {}); insert {}",
        to_string(first), to_string(other), i,
        other.shape == first.shape ? "convert" : "broadcast_in_dim"));
  }
  return ok_status();
}

Status require_float(const Graph& graph, const Node& node, size_t i) {
  const TensorType& type = operand_type(graph, node, i);
  if (numerics::is_float(type.format)) return ok_status();
  return invalid_argument(
      fmt::format("operand {} must be of a floating-point format, found {}; convert it first", i,
                  to_string(type)));
}

Status require_parameter(const Graph& graph, const Node& node, size_t i, const Shape& shape,
                         std::string_view what) {
  if (!has_operand(node, i)) return ok_status();
  const TensorType expected{operand_type(graph, node, 0).format, shape};
  const TensorType& found = operand_type(graph, node, i);
  if (found == expected) return ok_status();
  return invalid_argument(
      fmt::format("{} must be {}, found {}", what, to_string(expected), to_string(found)));
}

Result<int64_t> window_positions(const WindowDimension& d, size_t number) {
  const double dilated =
      static_cast<double>(std::max<int64_t>(d.input - 1, 0)) * static_cast<double>(d.lhs_dilation);
  const double span = static_cast<double>(d.window - 1) * static_cast<double>(d.rhs_dilation);
  if (dilated > kMaxSize || span > kMaxSize || static_cast<double>(d.input) > kMaxSize) {
    return out_of_range(fmt::format("dimension {} with its dilations is larger than 2^53", number));
  }
  const int64_t body = d.input == 0 ? 0 : (d.input - 1) * d.lhs_dilation + 1;
  const int64_t padded = body + d.low + d.high;
  if (padded < 0) {
    return invalid_argument(
        fmt::format("padding {} and {} removes more than the {} elements of dimension {}", d.low,
                    d.high, body, number));
  }
  const int64_t extent = (d.window - 1) * d.rhs_dilation + 1;
  return padded < extent ? int64_t{0} : (padded - extent) / d.stride + 1;
}

Result<Combine> parse_combine(std::string_view name) {
  if (name == "none") return Combine::kReplace;
  if (name == "add") return Combine::kAdd;
  if (name == "multiply" || name == "mul") return Combine::kMultiply;
  if (name == "maximum" || name == "max") return Combine::kMaximum;
  if (name == "minimum" || name == "min") return Combine::kMinimum;
  return invalid_argument(
      fmt::format("there is no reduction '{}'; use add, multiply, maximum or minimum", name));
}

Result<int64_t> resolve_index(int64_t index, int64_t size, int64_t position) {
  if (index >= -size && index < size) return index < 0 ? index + size : index;
  return out_of_range(
      fmt::format("index {} at position {} lies outside [{}, {})", index, position, -size, size));
}

AxisView view_axis(const Shape& shape, size_t axis) {
  AxisView view;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t& part = i < axis ? view.outer : i == axis ? view.axis : view.inner;
    part *= shape[i];
  }
  return view;
}

}  // namespace thorong::ops
