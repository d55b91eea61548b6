// SPDX-License-Identifier: Apache-2.0
// Emits the elementwise part of a group over one box: each node becomes the engine instruction that
// fits its operands, and neighbours that one instruction can do together are folded (bias and scale
// into activation, two scalars into tensor_scalar).
#pragma once

#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "thorong/compiler/codegen.h"

namespace thorong::compiler {

class ElementwiseEmitter {
 public:
  ElementwiseEmitter(Codegen& codegen, const Group& group, const Box& box, int pdim,
                     StreamScope& scope)
      : codegen_(codegen), group_(group), box_(box), pdim_(pdim), scope_(scope) {}

  // Writes the group's result over the box to `target`. `anchor`: the anchor's result.
  Status run(const std::optional<AccessPattern>& anchor, const AccessPattern& target);

 private:
  // An operand over the box: one number, one number a partition, or a full pattern.
  struct Value {
    std::optional<float> immediate;
    bool per_partition = false;  // pattern has one element a partition
    AccessPattern pattern;
    bool full() const { return !immediate && !per_partition; }
  };

  Result<Value> value(ValueId id);    // made outside the group, or already here
  Result<Value> operand(ValueId id);  // as value(), emitting the node of the group that makes it
  Result<AccessPattern> expanded(const Value& value);  // as a full pattern (steps of 0)
  Result<AccessPattern> temporary(ValueId id);
  Status emit_node(int node_index, const AccessPattern& out);
  Status emit_unary(const Node& node, numerics::UnaryFunction function, const AccessPattern& out);
  Status emit_binary(const Node& node, numerics::BinaryFunction function, const AccessPattern& out);
  Result<bool> emit_scalar_tensor_tensor(const Node& node, numerics::BinaryFunction function,
                                         const AccessPattern& out);
  Status emit_select(const Node& node, const AccessPattern& out);
  Status emit_clamp(const Node& node, const AccessPattern& out);
  Status emit_scalar_op(const Value& tensor, const Value& scalar, numerics::BinaryFunction function,
                        bool reversed, const AccessPattern& out);
  // The node of this group that makes `id`, if only the node `reader` reads it and it may be folded
  // into it.
  const Node* foldable(ValueId id) const;
  // x op scalar: which operand is the tensor; nullopt if neither or both are scalars.
  std::optional<int> tensor_operand(const Node& node);
  int uses_in_group(ValueId id) const;
  bool may_replace_anchor(ValueId id) const;

  Codegen& codegen_;
  const Group& group_;
  const Box& box_;
  int pdim_;
  StreamScope& scope_;
  std::optional<AccessPattern> anchor_;
  std::map<ValueId, Value> done_;
};

}  // namespace thorong::compiler
