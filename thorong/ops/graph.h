// SPDX-License-Identifier: Apache-2.0
// The graph: values, nodes and regions over the StableHLO operator set (D5). Frontends build it,
// passes change it, the compiler reads it. A node has an operator (ops/operator.h), inputs,
// outputs, attributes and, for control flow and reductions by function, regions. Nodes stand in
// topological order. Values are defined once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "thorong/base/result.h"
#include "thorong/numerics/format.h"

namespace thorong::ops {

using numerics::Format;

using Shape = std::vector<int64_t>;

// Product of the dimensions; nullopt-like -1 if it overflows int64 or a dimension is negative.
int64_t element_count(const Shape& shape);
std::string to_string(const Shape& shape);  // "[2, 3]"

struct TensorType {
  Format format = Format::kFloat32;
  Shape shape;
  int64_t elements() const { return element_count(shape); }
  size_t bytes() const { return static_cast<size_t>(elements()) * numerics::byte_size(format); }
  bool operator==(const TensorType&) const = default;
};

// Dense row-major data with shared ownership: a view on a memory-mapped file, or memory of its own.
struct Tensor {
  TensorType type;
  std::shared_ptr<const void> owner;  // keeps `data` alive
  const std::byte* data = nullptr;    // may be unaligned in a mapped file
  bool absent = false;  // its values are not there (a model timed without its weights): zeros

  explicit operator bool() const { return data != nullptr; }
  size_t bytes() const { return type.bytes(); }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
  // New zero-filled memory (64-byte aligned); *writable receives the address to fill. Throws
  // OutOfMemory.
  static Tensor allocate(TensorType type, std::byte** writable);
  // Zeros in place of values that are not there, without memory. Throws OutOfMemory.
  static Tensor absent_values(TensorType type);
  // From values, converted to the type's format.
  static Tensor from_doubles(TensorType type, const std::vector<double>& values);
  static Tensor from_int64s(const std::vector<int64_t>& values);  // int64 [n]
  std::vector<int64_t> to_int64s() const;                         // any integer or float format
  std::vector<double> to_doubles() const;
};

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an absent optional operand

struct Graph;

using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>, Tensor>;

class Attributes {
 public:
  void set(const std::string& key, Attribute value) { map_[key] = std::move(value); }
  bool has(const std::string& key) const { return map_.contains(key); }
  int64_t integer(const std::string& key, int64_t fallback = 0) const;
  double number(const std::string& key, double fallback = 0) const;  // accepts integers
  std::string text(const std::string& key, const std::string& fallback = {}) const;
  std::vector<int64_t> integers(const std::string& key,
                                const std::vector<int64_t>& fallback = {}) const;
  const std::map<std::string, Attribute>& all() const { return map_; }

 private:
  std::map<std::string, Attribute> map_;
};

struct OperatorSpec;

struct Node {
  const OperatorSpec* op = nullptr;
  std::string
      name;  // the source program's name for it; operators made from one source node share it
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Attributes attributes;
  std::vector<std::shared_ptr<Graph>> regions;
  int32_t copy_of = -1;  // what a pass made of one node to be executed in parts has the same number
                         // here; -1: no part
};

struct Value {
  std::string name;
  TensorType type;
  int32_t producer = -1;  // index into Graph::nodes; -1 for inputs and constants
  Tensor constant;        // set for constants
};

struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<std::string> output_names;  // as the program declares them, parallel to outputs
  std::vector<std::string> notes;         // frontends' remarks for the result's not_modelled
  size_t initializer_bytes = 0;           // bytes of the program's weights

  const Value& value(ValueId id) const { return values[static_cast<size_t>(id)]; }
  Value& value(ValueId id) { return values[static_cast<size_t>(id)]; }
  const TensorType& type(ValueId id) const { return value(id).type; }
  bool is_constant(ValueId id) const { return static_cast<bool>(value(id).constant); }

  ValueId add_input(std::string name, TensorType type);
  ValueId add_constant(std::string name, Tensor tensor);
  // Adds a node whose output types come from the operator's infer rule. When every operand is a
  // constant and the result has at most `fold_limit` elements, the operator's reference runs now
  // and the outputs are constants without a node.
  Result<std::vector<ValueId>> add(std::string_view op, std::vector<ValueId> inputs,
                                   Attributes attributes = {}, std::string node_name = {},
                                   std::vector<std::string> output_names = {});
  // The usual case of one output.
  Result<ValueId> add1(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {},
                       std::string node_name = {}, std::string output_name = {});
  int64_t fold_limit = 1 << 20;
};

// Checks the graph's own rules: ids in range, topological order, types as the infer rules give
// them.
Status verify(const Graph& graph);

// Drops nodes whose results nobody uses.
void remove_dead_nodes(Graph& graph);

// Readable text, one node a line.
std::string to_text(const Graph& graph);

}  // namespace thorong::ops
