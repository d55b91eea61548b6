// SPDX-License-Identifier: Apache-2.0
// What the operator files share: rules about shapes, tensors as arrays of numbers, and a builder
// for decompositions. Private to thorong/ops.
#pragma once

#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "thorong/ops/operator.h"
#include "thorong/ops/tensor_iteration.h"

namespace thorong::ops {

using Types = std::vector<TensorType>;
using OutputData = std::span<std::byte* const>;
using Inputs = std::span<const Tensor>;

// ---- Operands ----

inline bool has_operand(const Node& node, size_t i) {
  return i < node.inputs.size() && node.inputs[i] != kNoValue;
}
inline const TensorType& operand_type(const Graph& graph, const Node& node, size_t i) {
  return graph.type(node.inputs[i]);
}
inline const TensorType& result_type(const Graph& graph, const Node& node, size_t i = 0) {
  return graph.type(node.outputs[i]);
}

// ---- Rules ----

// "float32 [2, 3]".
std::string to_string(const TensorType& type);
// An axis in [-rank, rank) as an index; `what` names the attribute in the error.
Result<size_t> resolve_axis(int64_t axis, size_t rank, std::string_view what);
// Several different axes, in ascending order.
Result<std::vector<size_t>> resolve_axes(const std::vector<int64_t>& axes, size_t rank,
                                         std::string_view what);
// The list attribute of that name with one entry per dimension; absent: all `fallback`. Entries lie
// in [minimum, 2^31].
Result<std::vector<int64_t>> dimension_list(const Node& node, const std::string& key, size_t rank,
                                            int64_t fallback, int64_t minimum);
// That elements and bytes can be counted.
Status check_size(const TensorType& type);
// The usual end of an infer rule: one output whose size is checked.
Result<Types> one_result(TensorType type);
// That all operands have the first one's format and shape.
Status require_same_types(const Graph& graph, const Node& node);
// That the operand is of a floating-point format.
Status require_float(const Graph& graph, const Node& node, size_t i);
// That the operand, if present, has that shape and the format of operand 0.
Status require_parameter(const Graph& graph, const Node& node, size_t i, const Shape& shape,
                         std::string_view what);

// One dimension of a sliding window.
struct WindowDimension {
  int64_t input = 0, window = 0, stride = 1, low = 0, high = 0, lhs_dilation = 1, rhs_dilation = 1;
};
// How many positions the window takes; an error where a size leaves 2^53 or the padding empties the
// input.
Result<int64_t> window_positions(const WindowDimension& dimension, size_t number);

// ---- Tensors as arrays ----

template <typename T>
std::vector<T> load(const Tensor& tensor);  // T: double, int64_t, uint64_t
template <>
std::vector<double> load<double>(const Tensor& tensor);
template <>
std::vector<int64_t> load<int64_t>(const Tensor& tensor);
template <>
std::vector<uint64_t> load<uint64_t>(const Tensor& tensor);

// Rounds once to a float format; integers wrap around (double: truncate and saturate); bool is x !=
// 0.
void store(const TensorType& type, const std::vector<double>& values, std::byte* out);
void store(const TensorType& type, const std::vector<int64_t>& values, std::byte* out);
void store(const TensorType& type, const std::vector<uint64_t>& values, std::byte* out);

// Calls body(T{}) with the type in which a format is computed: double, int64_t or uint64_t.
template <typename Body>
auto with_number_type(Format format, const Body& body) {
  if (numerics::is_float(format)) return body(double{});
  if (format == Format::kUint64) return body(uint64_t{});
  return body(int64_t{});
}

// Copies an element for each index of `shape`; strides in elements.
void copy_strided(const Shape& shape, size_t element_bytes, const std::byte* source,
                  const std::vector<int64_t>& source_strides, std::byte* destination,
                  const std::vector<int64_t>& destination_strides);

// The dimensions before, at and after an axis: element (o, a, i) lies at (o * axis + a) * inner +
// i.
struct AxisView {
  int64_t outer = 1, axis = 1, inner = 1;
};
AxisView view_axis(const Shape& shape, size_t axis);

// An index that may count from the end, resolved; an error names where it stands.
Result<int64_t> resolve_index(int64_t index, int64_t size, int64_t position);

// ---- Reductions ----

enum class Combine : uint8_t { kReplace, kAdd, kMultiply, kMaximum, kMinimum };

// add, multiply, maximum, minimum, and the short names of scatter: none, mul, max, min.
Result<Combine> parse_combine(std::string_view name);

template <typename T>
T combine(Combine function, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    switch (function) {
      case Combine::kReplace:
        return b;
      case Combine::kAdd:
        return a + b;
      case Combine::kMultiply:
        return a * b;
      case Combine::kMaximum:
        return std::isnan(a) || a > b ? a : b;
      case Combine::kMinimum:
        return std::isnan(a) || a < b ? a : b;
    }
  } else {
    const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
    switch (function) {
      case Combine::kReplace:
        return b;
      case Combine::kAdd:
        return static_cast<T>(x + y);
      case Combine::kMultiply:
        return static_cast<T>(x * y);
      case Combine::kMaximum:
        return a > b ? a : b;
      case Combine::kMinimum:
        return a < b ? a : b;
    }
  }
  return b;
}

// The smallest and largest value of a format that is not a float, as bits of 64.
uint64_t integer_limit(Format format, bool largest);

// What combine starts from: 0, 1, the smallest value, the largest value.
template <typename T>
T combine_identity(Combine function, Format format) {
  if (function == Combine::kAdd || function == Combine::kReplace) return T{0};
  if (function == Combine::kMultiply) return T{1};
  const bool largest = function == Combine::kMinimum;
  if constexpr (std::is_floating_point_v<T>) {
    const T infinity = std::numeric_limits<T>::infinity();
    return largest ? infinity : -infinity;
  } else {
    return static_cast<T>(integer_limit(format, largest));
  }
}

// ---- Matrix product ----

// c[m][n] += sum over k ascending of a[m][k] * b[k][n]; all dense row-major. For uint64_t modulo
// 2^64.
void multiply_matrices(const double* a, const double* b, double* c, int64_t m, int64_t n,
                       int64_t k);
void multiply_matrices(const uint64_t* a, const uint64_t* b, uint64_t* c, int64_t m, int64_t n,
                       int64_t k);

// ---- Scalars of the engine functions ----

double apply_scalar(numerics::UnaryFunction function, double x);
double apply_scalar(numerics::BinaryFunction function, double a, double b);

// ---- Decomposition ----

Attributes make_attributes(std::initializer_list<std::pair<const char*, Attribute>> entries);
std::vector<int64_t> to_int64s(const std::vector<size_t>& values);

// Adds nodes to a graph, keeping the first error; after one, every call gives kNoValue.
class Builder {
 public:
  Builder(Graph& graph, const Node& node) : graph_(graph), name_(node.name) {}

  ValueId add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {});
  ValueId constant(const TensorType& type, const std::vector<double>& values);
  // A rank-0 constant of like's format, broadcast to like's shape.
  ValueId fill(double value, ValueId like);
  // op(x, constant).
  ValueId add_scalar(std::string_view op, ValueId x, double value);
  ValueId broadcast(ValueId x, const Shape& shape, const std::vector<int64_t>& dimensions);
  // Reduces over the dimensions and broadcasts back to x's shape.
  ValueId reduce_and_broadcast(ValueId x, const char* function,
                               const std::vector<int64_t>& dimensions);
  // x in float32 when its format is a narrower float, so that intermediates are not rounded to it.
  ValueId widen(ValueId x);
  ValueId convert(ValueId x, Format format);
  const TensorType& type(ValueId x) const { return graph_.type(x); }
  bool ok() const { return status_.ok(); }
  Result<std::vector<ValueId>> finish(ValueId result);

 private:
  Graph& graph_;
  std::string name_;
  Status status_;
};

}  // namespace thorong::ops
