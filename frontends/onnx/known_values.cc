// SPDX-License-Identifier: Apache-2.0
#include "frontends/onnx/known_values.h"

#include <algorithm>

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
  std::set<ValueId> values;
  std::set<int32_t> nodes;
  std::vector<ValueId> pending(ids.begin(), ids.end());
  while (!pending.empty()) {
    const ValueId id = pending.back();
    pending.pop_back();
    if (id == kNoValue || !values.insert(id).second) continue;
    const int32_t producer = graph_.value(id).producer;
    if (graph_.is_constant(id) || computed_.contains(id) || producer < 0) continue;
    if (!nodes.insert(producer).second) continue;
    const ops::Node& node = graph_.nodes[static_cast<size_t>(producer)];
    pending.insert(pending.end(), node.inputs.begin(), node.inputs.end());
  }
  ops::Graph part;
  part.name = graph_.name;
  std::unordered_map<ValueId, ValueId> place{{kNoValue, kNoValue}};
  std::vector<ops::Tensor> inputs;
  for (const ValueId id : values) {
    const ops::Value& value = graph_.value(id);
    if (value.constant) {
      place[id] = part.add_constant(value.name, value.constant);
    } else if (auto known = computed_.find(id); known != computed_.end()) {
      place[id] = part.add_constant(value.name, known->second);
    } else if (value.producer < 0) {
      THORONG_TRY(ops::Tensor tensor, given(id));
      tensor.type.format = value.type.format;  // bf16 and fp8 may arrive as raw words
      place[id] = part.add_input(value.name, value.type);
      inputs.push_back(std::move(tensor));
    }
  }
  for (const int32_t index : nodes) {  // ascending: the graph's order
    ops::Node node = graph_.nodes[static_cast<size_t>(index)];
    for (ValueId& id : node.inputs) id = place.at(id);
    for (ValueId& id : node.outputs) {
      if (id == kNoValue) continue;
      const ops::Value& value = graph_.value(id);
      auto made = static_cast<ValueId>(part.values.size());
      part.values.push_back(
          {value.name, value.type, static_cast<int32_t>(part.nodes.size()), ops::Tensor{}});
      place[id] = made;
      id = made;
    }
    part.nodes.push_back(std::move(node));
  }
  for (const ValueId id : ids) {
    part.outputs.push_back(place.at(id));
    part.output_names.push_back(graph_.value(id).name);
  }
  auto results = !options_.compute || is_exact(part) ? ops::evaluate(part, inputs)
                                                     : options_.compute(part, inputs);
  if (!results.ok()) return results.status();
  for (size_t i = 0; i < ids.size(); ++i) computed_[ids[i]] = (*results)[i];
  return ok_status();
}

}  // namespace thorong::onnx
