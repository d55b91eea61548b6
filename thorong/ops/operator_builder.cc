// SPDX-License-Identifier: Apache-2.0
// The builder with which decompositions write their nodes (operator_support.h).
#include "thorong/ops/operator_support.h"

namespace thorong::ops {

Attributes make_attributes(std::initializer_list<std::pair<const char*, Attribute>> entries) {
  Attributes attributes;
  for (const auto& [key, value] : entries) attributes.set(key, value);
  return attributes;
}

std::vector<int64_t> to_int64s(const std::vector<size_t>& values) {
  std::vector<int64_t> result;
  for (const size_t value : values) result.push_back(static_cast<int64_t>(value));
  return result;
}

ValueId Builder::add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes) {
  if (!ok()) return kNoValue;
  Result<ValueId> result = graph_.add1(op, std::move(inputs), std::move(attributes), name_);
  if (!result.ok()) {
    status_ = result.status();
    return kNoValue;
  }
  return *result;
}

ValueId Builder::constant(const TensorType& type, const std::vector<double>& values) {
  return graph_.add_constant(name_, Tensor::from_doubles(type, values));
}

ValueId Builder::fill(double value, ValueId like) {
  if (!ok()) return kNoValue;
  const TensorType wanted = type(like);
  const ValueId scalar = constant({wanted.format, {}}, {value});
  return wanted.shape.empty() ? scalar : broadcast(scalar, wanted.shape, {});
}

ValueId Builder::add_scalar(std::string_view op, ValueId x, double value) {
  if (!ok()) return kNoValue;
  return add(op, {x, fill(value, x)});
}

ValueId Builder::broadcast(ValueId x, const Shape& shape, const std::vector<int64_t>& dimensions) {
  return add("broadcast_in_dim", {x},
             make_attributes({{"shape", shape}, {"broadcast_dimensions", dimensions}}));
}

ValueId Builder::reduce_and_broadcast(ValueId x, const char* function,
                                      const std::vector<int64_t>& dimensions) {
  if (!ok()) return kNoValue;
  const Shape shape = type(x).shape;
  std::vector<bool> reduced(shape.size(), false);
  for (const int64_t d : dimensions) reduced[static_cast<size_t>(d)] = true;
  std::vector<int64_t> kept;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!reduced[i]) kept.push_back(static_cast<int64_t>(i));
  }
  const ValueId small =
      add("reduce", {x},
          make_attributes({{"dimensions", dimensions}, {"function", std::string(function)}}));
  return broadcast(small, shape, kept);
}

ValueId Builder::widen(ValueId x) {
  if (!ok()) return kNoValue;
  const Format format = type(x).format;
  const bool narrow = numerics::is_float(format) && numerics::byte_size(format) < 4;
  return narrow ? convert(x, Format::kFloat32) : x;
}

ValueId Builder::convert(ValueId x, Format format) {
  if (!ok() || type(x).format == format) return x;
  return add("convert", {x}, make_attributes({{"format", std::string(numerics::name(format))}}));
}

Result<std::vector<ValueId>> Builder::finish(ValueId result) {
  if (!ok()) return status_;
  return std::vector<ValueId>{result};
}

}  // namespace thorong::ops
