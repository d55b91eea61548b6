// SPDX-License-Identifier: Apache-2.0
#include "frontends/onnx/known_values.h"

#include "thorong/ops/extract.h"
#include "thorong/ops/operator.h"

namespace thorong::onnx {
namespace {

using ops::kNoValue;
using ops::ValueId;

// Integers are exact wherever they are computed, so the plain meaning gives what the machine does.
bool is_exact(const ops::Graph& part) {
  for (const ops::Node& node : part.nodes) {
    for (const ValueId id : node.inputs) {
      if (id != kNoValue && numerics::is_float(part.type(id).format)) return false;
    }
    for (const ValueId id : node.outputs) {
      if (numerics::is_float(part.type(id).format)) return false;
    }
  }
  return true;
}

}  // namespace

Result<std::vector<ops::Tensor>> KnownValues::find(std::span<const ValueId> ids,
                                                   const std::string& reader) {
  std::vector<ValueId> unknown;
  bool depends = false;
  for (const ValueId id : ids) {
    if (graph_.is_constant(id) && graph_.value(id).constant.absent) {
      return failed_precondition(
          "it lies in an external data file that is missing. Put it beside "
          "the model.");
    }
    if (graph_.is_constant(id)) continue;
    depends = true;
    if (!computed_.contains(id)) unknown.push_back(id);
  }
  if (depends && seen_readers_.insert(reader).second) readers_.push_back(reader);
  if (!unknown.empty()) THORONG_RETURN_IF_ERROR(compute(unknown));
  std::vector<ops::Tensor> tensors;
  for (const ValueId id : ids)
    tensors.push_back(graph_.is_constant(id) ? graph_.value(id).constant : computed_.at(id));
  return tensors;
}

Result<ops::Tensor> KnownValues::given(ValueId id) {
  const std::string& name = graph_.value(id).name;
  auto found = options_.input_values.find(name);
  if (found == options_.input_values.end()) {
    return failed_precondition("it depends on the values of input \"" + name +
                               "\", which were not given. Give that input, or simplify the model "
                               "so that sizes and conditions are constants.");
  }
  inputs_[name] = found->second;
  return found->second;
}

// Evaluates the part of the graph that the values need, from constants, given inputs and what was
// computed before.
Status KnownValues::compute(std::span<const ValueId> ids) {
  ops::Part part =
      ops::extract_part(graph_, ids, [&](ValueId id) { return computed_.contains(id); });
  std::vector<ops::Tensor> inputs;
  for (const ValueId id : part.inputs) {
    auto known = computed_.find(id);
    if (known != computed_.end()) {
      inputs.push_back(known->second);
      continue;
    }
    THORONG_TRY(ops::Tensor tensor, given(id));
    tensor.type.format = graph_.type(id).format;  // bf16 and fp8 may arrive as raw words
    inputs.push_back(std::move(tensor));
  }
  auto results = !options_.compute || is_exact(part.graph) ? ops::evaluate(part.graph, inputs)
                                                           : options_.compute(part.graph, inputs);
  if (!results.ok()) return results.status();
  for (size_t i = 0; i < ids.size(); ++i) computed_[ids[i]] = (*results)[i];
  return ok_status();
}

}  // namespace thorong::onnx
