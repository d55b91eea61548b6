// SPDX-License-Identifier: Apache-2.0
// Operators without a mapping (D6): their reference meaning on whole HBM tensors, on gpsimd, or on
// the host of a chip that has none. Named in every report by path.
#include <cstring>

#include "thorong/compiler/codegen.h"

namespace thorong::compiler {
namespace {

// Keeps a copy of the node and its types, so that the program does not need the graph.
class ReferenceCall final : public isa::Call {
 public:
  ReferenceCall(const Graph& graph, const Node& node) {
    for (ValueId v : node.inputs) {
      operand_.push_back(v < 0 ? ops::kNoValue
                               : small_.add_input(graph.value(v).name, graph.type(v)));
      if (v >= 0 && graph.is_constant(v))
        small_.value(operand_.back()).constant = graph.value(v).constant;
    }
    node_ = node;
    node_.inputs = operand_;
    for (ValueId& v : node_.outputs) {
      if (v < 0) continue;
      ops::TensorType type = graph.type(v);
      v = small_.add_input(graph.value(v).name, type);
    }
    name = node.op->name;
  }

  bool execute(const std::vector<const std::byte*>& in, const std::vector<std::byte*>& out,
               std::string* error) const override {
    std::vector<ops::Tensor> tensors;
    size_t next = 0;
    for (ValueId v : node_.inputs) {
      if (v < 0) {
        tensors.emplace_back();
        continue;
      }
      if (small_.is_constant(v)) {
        tensors.push_back(small_.value(v).constant);
        continue;
      }
      // Host cells to the declared format (floats narrower than fp32 are kept as fp32).
      const ops::TensorType& type = small_.type(v);
      std::byte* data = nullptr;
      ops::Tensor tensor = ops::Tensor::allocate(type, &data);
      numerics::convert(isa::host_cell(type.format), in[next++], type.format, data,
                        static_cast<size_t>(type.elements()));
      tensors.push_back(tensor);
    }
    auto results = ops::evaluate_node(small_, node_, tensors);
    if (!results.ok()) {
      *error = results.status().to_string();
      return false;
    }
    size_t slot = 0;
    for (size_t i = 0; i < node_.outputs.size(); ++i) {
      if (node_.outputs[i] < 0) continue;
      const ops::TensorType& type = small_.type(node_.outputs[i]);
      const ops::Tensor& result = (*results)[i];
      numerics::convert(type.format, result.data, isa::host_cell(type.format), out[slot++],
                        static_cast<size_t>(type.elements()));
    }
    return true;
  }

 private:
  Graph small_;
  Node node_;
  std::vector<ValueId> operand_;
};

}  // namespace

Status Codegen::run_reference(const Group& group) {
  const Node& node = graph_.nodes[static_cast<size_t>(group.anchor)];
  auto call = std::make_shared<ReferenceCall>(graph_, node);
  for (ValueId v : node.inputs) {
    if (v < 0) continue;
    call->elements += static_cast<double>(graph_.type(v).elements());
    if (graph_.is_constant(v)) continue;
    THORONG_TRY(Placed placed, to_hbm(v));
    call->inputs.push_back(placed.buffer);
  }
  for (ValueId v : node.outputs) {
    if (v < 0) continue;
    const ops::TensorType& type = graph_.type(v);
    auto out = output_buffers_.find(v);
    BufferId buffer = out != output_buffers_.end()
                          ? out->second
                          : builder_.add_hbm(graph_.value(v).name, isa::BufferRole::kScratch,
                                             type.format, type.elements());
    placed_[v] = dense_hbm(buffer, type.format, type.shape);
    call->outputs.push_back(buffer);
    call->elements += static_cast<double>(type.elements());
  }
  if (node.op->work) {
    ops::Work work = node.op->work(graph_, node);
    call->operations = 2 * work.multiply_adds + work.other_ops;
  }
  builder_.program().calls.push_back(call);
  Queue queue = core().has_gpsimd ? Queue::kGpsimd : Queue::kHost;
  builder_.emit(Opcode::custom_op, queue, {},
                {.extra = static_cast<int32_t>(builder_.program().calls.size()) - 1});
  return ok_status();
}

}  // namespace thorong::compiler
