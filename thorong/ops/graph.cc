// SPDX-License-Identifier: Apache-2.0
// Shapes, tensors, attributes and the building of graphs, with constant folding by the operators'
// references.
#include "thorong/ops/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "thorong/base/file.h"
#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

constexpr size_t kAlignment = 64;
// A constant float that is broadcast to more elements than this stays small: the node is kept, so
// that the compiler still sees the scalar or row, and memory does not hold its copies.
constexpr int64_t kBroadcastFoldLimit = 64;

Status check_operands(const Graph& graph, const OperatorSpec& op,
                      const std::vector<ValueId>& inputs) {
  const auto count = static_cast<int>(inputs.size());
  if (count < op.min_inputs || (op.max_inputs >= 0 && count > op.max_inputs)) {
    const std::string limit = op.max_inputs < 0 ? fmt::format("at least {}", op.min_inputs)
                              : op.max_inputs == op.min_inputs
                                  ? fmt::format("{}", op.min_inputs)
                                  : fmt::format("{} to {}", op.min_inputs, op.max_inputs);
    return invalid_argument(fmt::format("{} takes {} operands, found {}", op.name, limit, count));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == kNoValue && static_cast<int>(i) >= op.min_inputs) continue;
    if (inputs[i] < 0 || static_cast<size_t>(inputs[i]) >= graph.values.size()) {
      return invalid_argument(fmt::format("operand {} of {} is required and absent", i, op.name));
    }
  }
  return ok_status();
}

bool folds(const Graph& graph, const Node& node, const Types& types) {
  if (!node.op->folds) return false;
  int64_t elements = 0, operand_elements = 0;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) continue;
    if (!graph.is_constant(id)) return false;
    operand_elements = std::max(operand_elements, graph.type(id).elements());
  }
  for (const TensorType& type : types) elements = std::max(elements, type.elements());
  if (node.op->name == "broadcast_in_dim" && numerics::is_float(types[0].format) &&
      elements > operand_elements && elements > kBroadcastFoldLimit) {
    return false;
  }
  return elements <= graph.fold_limit && node.op->reference != nullptr;
}

// Replaces the node that would define the new values by their constants.
Status fold(Graph& graph, const Node& node) {
  std::vector<Tensor> inputs, results;
  bool absent = false;
  for (const ValueId id : node.inputs) {
    inputs.push_back(id == kNoValue ? Tensor{} : graph.value(id).constant);
    absent = absent || inputs.back().absent;
  }
  if (absent) {
    for (const ValueId id : node.outputs) results.push_back(Tensor::absent_values(graph.type(id)));
  } else {
    THORONG_TRY(results, evaluate_node(graph, node, inputs));
  }
  for (size_t i = 0; i < results.size(); ++i) {
    Value& value = graph.value(node.outputs[i]);
    value.constant = std::move(results[i]);
    value.producer = -1;
  }
  return ok_status();
}

}  // namespace

int64_t element_count(const Shape& shape) {
  int64_t product = 1;  // of the dimensions that are not zero: strides must be countable as well
  bool empty = false;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return -1;
    if (dimension == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, dimension, &product)) {
      return -1;
    }
  }
  return empty ? 0 : product;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Tensor Tensor::allocate(TensorType type, std::byte** writable) {
  THORONG_CHECK(check_size(type).ok(), "allocate: the size of the tensor cannot be counted");
  const size_t bytes = type.bytes();
  const size_t rounded = std::max((bytes + kAlignment - 1) / kAlignment, size_t{1}) * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (memory == nullptr) throw OutOfMemory(rounded, "a tensor " + to_string(type));
  std::memset(memory, 0, rounded);
  Tensor tensor;
  tensor.type = std::move(type);
  tensor.owner = std::shared_ptr<const void>(memory, [memory](const void*) { std::free(memory); });
  tensor.data = static_cast<const std::byte*>(memory);
  if (writable != nullptr) *writable = static_cast<std::byte*>(memory);
  return tensor;
}

Tensor Tensor::absent_values(TensorType type) {
  Tensor tensor;
  tensor.owner = zero_pages(type.bytes());
  if (!tensor.owner) throw OutOfMemory(type.bytes(), "a tensor " + to_string(type));
  tensor.data = static_cast<const std::byte*>(tensor.owner.get());
  tensor.type = std::move(type);
  tensor.absent = true;
  return tensor;
}

Tensor Tensor::from_doubles(TensorType type, const std::vector<double>& values) {
  THORONG_CHECK(type.elements() == static_cast<int64_t>(values.size()),
                fmt::format("from_doubles: {} values for {}", values.size(), to_string(type)));
  std::byte* writable = nullptr;
  Tensor tensor = allocate(std::move(type), &writable);
  store(tensor.type, values, writable);
  return tensor;
}

Tensor Tensor::from_int64s(const std::vector<int64_t>& values) {
  std::byte* writable = nullptr;
  Tensor tensor = allocate({Format::kInt64, {static_cast<int64_t>(values.size())}}, &writable);
  store(tensor.type, values, writable);
  return tensor;
}

std::vector<int64_t> Tensor::to_int64s() const { return load<int64_t>(*this); }

std::vector<double> Tensor::to_doubles() const { return load<double>(*this); }

int64_t Attributes::integer(const std::string& key, int64_t fallback) const {
  const auto found = map_.find(key);
  if (found == map_.end()) return fallback;
  const int64_t* value = std::get_if<int64_t>(&found->second);
  return value != nullptr ? *value : fallback;
}

double Attributes::number(const std::string& key, double fallback) const {
  const auto found = map_.find(key);
  if (found == map_.end()) return fallback;
  if (const double* value = std::get_if<double>(&found->second)) return *value;
  const int64_t* value = std::get_if<int64_t>(&found->second);
  return value != nullptr ? static_cast<double>(*value) : fallback;
}

std::string Attributes::text(const std::string& key, const std::string& fallback) const {
  const auto found = map_.find(key);
  if (found == map_.end()) return fallback;
  const std::string* value = std::get_if<std::string>(&found->second);
  return value != nullptr ? *value : fallback;
}

std::vector<int64_t> Attributes::integers(const std::string& key,
                                          const std::vector<int64_t>& fallback) const {
  const auto found = map_.find(key);
  if (found == map_.end()) return fallback;
  const auto* value = std::get_if<std::vector<int64_t>>(&found->second);
  return value != nullptr ? *value : fallback;
}

ValueId Graph::add_input(std::string input_name, TensorType type) {
  const auto id = static_cast<ValueId>(values.size());
  values.push_back({std::move(input_name), std::move(type), -1, {}});
  inputs.push_back(id);
  return id;
}

ValueId Graph::add_constant(std::string constant_name, Tensor tensor) {
  THORONG_CHECK(static_cast<bool>(tensor), "add_constant: a constant without data");
  const auto id = static_cast<ValueId>(values.size());
  TensorType type = tensor.type;
  values.push_back({std::move(constant_name), std::move(type), -1, std::move(tensor)});
  return id;
}

Result<std::vector<ValueId>> Graph::add(std::string_view op_name, std::vector<ValueId> operands,
                                        Attributes attributes, std::string node_name,
                                        std::vector<std::string> result_names) {
  const std::string place = fmt::format("node '{}' ({})", node_name, op_name);
  const OperatorSpec* op = find_operator(op_name);
  if (op == nullptr) return not_found(fmt::format("there is no operator '{}'", op_name), place);
  if (Status status = check_operands(*this, *op, operands); !status.ok()) return status.at(place);

  Node node;
  node.op = op;
  node.name = std::move(node_name);
  node.inputs = std::move(operands);
  node.attributes = std::move(attributes);
  Result<Types> types = op->infer(*this, node);
  if (!types.ok()) return types.status().at(place);

  const size_t first_value = values.size();
  for (size_t i = 0; i < types->size(); ++i) {
    node.outputs.push_back(static_cast<ValueId>(values.size()));
    values.push_back({i < result_names.size() ? result_names[i] : node.name,
                      (*types)[i],
                      static_cast<int32_t>(nodes.size()),
                      {}});
  }
  std::vector<ValueId> results = node.outputs;
  if (folds(*this, node, *types)) {
    if (Status status = fold(*this, node); !status.ok()) {
      values.resize(first_value);
      return status.at(place);
    }
  } else {
    nodes.push_back(std::move(node));
  }
  return results;
}

Result<ValueId> Graph::add1(std::string_view op, std::vector<ValueId> operands,
                            Attributes attributes, std::string node_name, std::string result_name) {
  std::vector<std::string> names;
  if (!result_name.empty()) names.push_back(std::move(result_name));
  THORONG_TRY(
      const std::vector<ValueId> results,
      add(op, std::move(operands), std::move(attributes), std::move(node_name), std::move(names)));
  THORONG_CHECK(results.size() == 1, "add1: the operator has several results");
  return results[0];
}

}  // namespace thorong::ops
