// SPDX-License-Identifier: Apache-2.0
// Scopes, function calls and subgraphs around the import rules.
#include "frontends/onnx/graph_importer.h"

#include <algorithm>
#include <set>

#include "frontends/onnx/input_types.h"
#include "frontends/onnx/node_order.h"

namespace thorong::onnx {
namespace {

constexpr int64_t kOldestOpset = 1;
constexpr int64_t kNewestOpset = 28;  // known when this was written; later ones may change meanings
constexpr int kMaxCallDepth = 64;

std::string function_key(const std::string& domain, const std::string& name,
                         const std::string& overload) {
  return domain + "\n" + name + "\n" + overload;
}

std::string place_of(const NodeProto& node) {
  return "node '" + node.display_name() + "' (" + node.op_type + ")";
}

}  // namespace

GraphImporter::GraphImporter(const ModelProto& model, const ImportOptions& options)
    : model_(model), options_(options), state_(options), graph_(state_.graph) {
  for (const FunctionProto& function : model.functions) {
    functions_[function_key(function.domain, function.name, function.overload)] = &function;
  }
  graph_.name = model.graph.name;
  graph_.fold_limit = options.fold_limit;
}

Result<Model> GraphImporter::run() {
  THORONG_RETURN_IF_ERROR(check_opsets());
  Scope scope;
  scope.opsets = &model_.opsets;
  if (model_.graph.sparse_initializers > 0) {
    return unsupported("sparse initializers are not done; save the model with dense weights.");
  }
  if (model_.graph.outputs.empty()) return invalid_argument("the graph declares no outputs.");
  THORONG_RETURN_IF_ERROR(declare_initializers(model_.graph, scope));
  std::set<std::string> inputs;
  for (const ValueInfo& input : model_.graph.inputs) inputs.insert(input.name);
  std::vector<std::string> outputs;
  for (const ValueInfo& output : model_.graph.outputs) outputs.push_back(output.name);
  auto known = [&](const std::string& name) {
    return inputs.contains(name) || is_known(name, scope);
  };
  THORONG_TRY(auto nodes, order_nodes(model_.graph.nodes, outputs, known));
  THORONG_RETURN_IF_ERROR(check_operators(nodes));
  THORONG_RETURN_IF_ERROR(declare_inputs(scope));
  THORONG_RETURN_IF_ERROR(import_nodes(nodes, scope));
  Model model;
  THORONG_RETURN_IF_ERROR(finish_outputs(scope, model.output_structures));
  note_known_values();
  ops::remove_dead_nodes(graph_);
  model.graph = std::move(graph_);
  model.known_inputs = state_.known.inputs();
  return model;
}

// What the graph takes for granted, for the result's not_modelled.
void GraphImporter::note_known_values() {
  if (absent_tensors_ > 0) {
    graph_.notes.push_back(
        std::to_string(absent_tensors_) +
        " tensors lie in external data files that are missing: what the compiler "
        "chooses by values (exact scales, zeros) may differ with them");
  }
  const std::vector<std::string>& readers = state_.known.readers();
  if (readers.empty()) return;
  constexpr size_t kNamed = 8;
  std::string names;
  for (size_t i = 0; i < std::min(readers.size(), kNamed); ++i)
    names += (i == 0 ? "" : ", ") + readers[i];
  if (readers.size() > kNamed) names += " and " + std::to_string(readers.size() - kNamed) + " more";
  graph_.notes.push_back(
      "sizes, branches or trip counts depend on the inputs' values: the program is the one for "
      "this "
      "run's values, and its time assumes that they are known before it starts. It concerns: " +
      names);
}

Status GraphImporter::check_opsets() const {
  auto found = model_.opsets.find("");
  if (found == model_.opsets.end())
    return ok_status();  // nodes of the default domain are then refused
  if (found->second >= kOldestOpset && found->second <= kNewestOpset) return ok_status();
  return unsupported("the model uses opset " + std::to_string(found->second) + "; opsets from " +
                     std::to_string(kOldestOpset) + " to " + std::to_string(kNewestOpset) +
                     " are done. Convert it with onnx.version_converter.");
}

const FunctionProto* GraphImporter::find_function(const NodeProto& node) const {
  auto found = functions_.find(function_key(node.domain, node.op_type, node.overload));
  return found == functions_.end() ? nullptr : found->second;
}

// Every operator that has no rule, in one message. Branches of If are checked when they are taken.
Status GraphImporter::check_operators(const std::vector<const NodeProto*>& nodes) const {
  std::map<std::string, std::vector<std::string>> missing;  // operator -> nodes
  std::set<const FunctionProto*> visited;
  std::vector<std::pair<const NodeProto*, const FunctionProto*>> pending;
  for (const NodeProto* node : nodes) pending.emplace_back(node, nullptr);
  for (size_t i = 0; i < pending.size(); ++i) {
    const NodeProto& node = *pending[i].first;
    if (const FunctionProto* function = find_function(node)) {
      if (!visited.insert(function).second) continue;
      for (const NodeProto& inner : function->nodes) pending.emplace_back(&inner, function);
      continue;
    }
    Scope scope;
    scope.opsets = pending[i].second != nullptr ? &pending[i].second->opsets : &model_.opsets;
    int64_t version = version_of(node.domain, scope);
    if (find_rule(node.domain, node.op_type, version) != nullptr) continue;
    std::string domain = node.domain.empty() ? "ai.onnx" : node.domain;
    std::string op =
        node.op_type + " (domain " + domain + ", version " + std::to_string(version) + ")";
    missing[op].push_back(node.display_name());
  }
  if (missing.empty()) return ok_status();
  std::string text;
  for (const auto& [op, names] : missing) {
    text += (text.empty() ? "" : "; ") + op + " at node '" + names[0] + "'";
    if (names.size() > 1) text += " and " + std::to_string(names.size() - 1) + " more";
  }
  return unsupported(
      "the model uses operators that are not done: " + text +
      ". Rewrite these nodes with other operators, or add a rule in frontends/onnx/imports/.");
}

Status GraphImporter::declare_inputs(Scope& scope) {
  std::vector<const ValueInfo*> inputs;
  for (const ValueInfo& input : model_.graph.inputs) {
    if (!scope.initializers.contains(input.name)) inputs.push_back(&input);
  }
  THORONG_TRY(const std::vector<InputParts> parts, split_inputs(inputs, options_));
  std::vector<const ValueInfo*> tensors;
  for (const InputParts& part : parts) {
    for (const ValueInfo& tensor : part.tensors) tensors.push_back(&tensor);
  }
  THORONG_TRY(auto types, bind_input_types(tensors, options_));
  size_t next = 0;
  for (const InputParts& part : parts) {
    std::vector<ValueId> ids;
    for (const ValueInfo& tensor : part.tensors)
      ids.push_back(graph_.add_input(tensor.name, types[next++]));
    scope.values[part.name] =
        !part.structure ? ids.at(0)
                        : state_.objects.add({part.structure->kind, ids, part.structure->text});
  }
  return ok_status();
}

Status GraphImporter::declare_initializers(const GraphProto& graph, Scope& scope) const {
  for (const TensorProto& initializer : graph.initializers) {
    if (scope.initializers.emplace(initializer.name, &initializer).second) continue;
    return invalid_argument("two initializers have the name '" + initializer.name + "'.");
  }
  return ok_status();
}

Status GraphImporter::finish_outputs(Scope& scope, ops::Structures& structures) {
  for (const ValueInfo& output : model_.graph.outputs) {
    std::string place = "output \"" + output.name + "\"";
    if (output.name.empty() || !is_known(output.name, scope)) {
      return invalid_argument("no node, input or initializer defines it.", place);
    }
    auto id = lookup(output.name, scope);
    if (!id.ok()) return id.status().at(place);
    if (Status status = finish_output(output, *id, structures); !status.ok())
      return status.at(place);
  }
  return ok_status();
}

Status GraphImporter::finish_output(const ValueInfo& output, ValueId id,
                                    ops::Structures& structures) {
  if (is_object(id)) {
    const Object& object = state_.objects.get(id);
    structures[output.name] = {object.kind, static_cast<int64_t>(object.items.size()), object.text};
    for (size_t i = 0; i < object.items.size(); ++i) {
      ValueInfo item;
      item.name = ops::item_name(output.name, static_cast<int64_t>(i));
      THORONG_RETURN_IF_ERROR(finish_output(item, object.items[i], structures));
    }
    return ok_status();
  }
  const ops::TensorType& type = graph_.type(id);
  if (output.is_tensor && output.element_type != 0) {
    THORONG_TRY(const ops::Format declared, format_of_data_type(output.element_type));
    if (declared != type.format) {
      return invalid_argument("the model declares " + std::string(numerics::name(declared)) +
                              ", but its nodes compute " +
                              std::string(numerics::name(type.format)) + ".");
    }
  }
  graph_.outputs.push_back(id);
  graph_.output_names.push_back(output.name);
  return ok_status();
}

bool GraphImporter::is_known(const std::string& name, const Scope& scope) const {
  for (const Scope* at = &scope; at != nullptr; at = at->parent) {
    if (at->values.contains(name) || at->initializers.contains(name)) return true;
  }
  return false;
}

Result<ValueId> GraphImporter::lookup(const std::string& name, Scope& scope) {
  for (Scope* at = &scope; at != nullptr; at = at->parent) {
    if (auto value = at->values.find(name); value != at->values.end()) return value->second;
    auto initializer = at->initializers.find(name);
    if (initializer == at->initializers.end()) continue;
    const auto& data = initializer->second->data;
    if (initializer->second->data_type == kStringDataType) {
      THORONG_TRY(ops::Text text, text_of(*initializer->second));
      return at->values[name] = state_.objects.add_text(std::move(text));
    }
    if (!data.ok()) return data.status().at("initializer '" + name + "'");
    graph_.initializer_bytes += data->bytes();
    absent_tensors_ += data->absent ? 1 : 0;
    ValueId id = graph_.add_constant(name, *data);
    at->values[name] = id;
    return id;
  }
  return invalid_argument("value '" + name + "' is used before anything defines it.");
}

int64_t GraphImporter::version_of(const std::string& domain, const Scope& scope) const {
  if (auto own = scope.opsets->find(domain); own != scope.opsets->end()) return own->second;
  if (auto model = model_.opsets.find(domain); model != model_.opsets.end()) return model->second;
  return domain.empty() ? 0 : 1;
}

Status GraphImporter::import_nodes(const std::vector<const NodeProto*>& nodes, Scope& scope) {
  for (const NodeProto* node : nodes) {
    if (++node_count_ > options_.max_nodes) {
      return resource_exhausted("the model has more than " + std::to_string(options_.max_nodes) +
                                " nodes once its functions are inlined.");
    }
    if (Status status = import_node(*node, scope); !status.ok()) return status.at(place_of(*node));
  }
  return ok_status();
}

Status GraphImporter::import_node(const NodeProto& original, Scope& scope) {
  NodeProto resolved;
  const NodeProto* node = &original;
  bool refers = false;
  for (const AttributeProto& attribute : original.attributes)
    refers = refers || !attribute.reference.empty();
  if (refers) {
    resolved = original;
    resolved.attributes.clear();
    for (const AttributeProto& attribute : original.attributes) {
      if (attribute.reference.empty()) {
        resolved.attributes.push_back(attribute);
        continue;
      }
      if (scope.attributes == nullptr) {
        return invalid_argument("attribute \"" + attribute.name +
                                "\" refers to a function's attribute outside of one.");
      }
      auto given = scope.attributes->find(attribute.reference);
      if (given == scope.attributes->end()) continue;  // absent optional attribute
      resolved.attributes.push_back(given->second);
      resolved.attributes.back().name = attribute.name;
    }
    node = &resolved;
  }
  std::vector<ValueId> inputs;
  for (const std::string& name : node->inputs) {
    ValueId id = kNoValue;
    if (!name.empty()) {
      THORONG_TRY(id, lookup(name, scope));
    }
    inputs.push_back(id);
  }
  if (const FunctionProto* function = find_function(*node)) {
    size_t first_value = graph_.values.size();
    THORONG_TRY(auto results, import_call(*node, *function, scope, inputs));
    return define_outputs(*node, scope, results, first_value);
  }
  return import_by_rule(*node, scope, inputs);
}

Status GraphImporter::import_by_rule(const NodeProto& node, Scope& scope,
                                     const std::vector<ValueId>& inputs) {
  int64_t version = version_of(node.domain, scope);
  const ImportRule* rule = find_rule(node.domain, node.op_type, version);
  if (rule == nullptr) {
    return unsupported("operator " + node.op_type + " of domain " +
                       (node.domain.empty() ? "ai.onnx" : node.domain) +
                       " is not done in version " + std::to_string(version) +
                       ". Rewrite the node with other operators.");
  }
  size_t first_value = graph_.values.size();
  ImportContext context(state_, node, version, scope.prefix + node.display_name(), inputs,
                        [&](const GraphProto& graph, const std::vector<ValueId>& values) {
                          return import_subgraph(graph, scope, values);
                        });
  THORONG_RETURN_IF_ERROR(rule->import(context, node));
  return define_outputs(node, scope, context.results(), first_value);
}

Status GraphImporter::define_outputs(const NodeProto& node, Scope& scope,
                                     const std::vector<ValueId>& results, size_t first_value) {
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const std::string& name = node.outputs[i];
    if (name.empty()) continue;
    if (i >= results.size() || results[i] == kNoValue) {
      return unsupported("output " + std::to_string(i) + " ('" + name +
                         "') is not done; remove its uses from the model.");
    }
    scope.values[name] = results[i];
    if (is_object(results[i])) continue;
    if (static_cast<size_t>(results[i]) >= first_value)
      graph_.value(results[i]).name = scope.prefix + name;
  }
  return ok_status();
}

Result<std::vector<ValueId>> GraphImporter::import_call(const NodeProto& node,
                                                        const FunctionProto& function,
                                                        const Scope& scope,
                                                        const std::vector<ValueId>& inputs) {
  if (scope.depth >= kMaxCallDepth) {
    return invalid_argument("function " + function.name + " is called more than " +
                            std::to_string(kMaxCallDepth) +
                            " levels deep; functions must not call themselves.");
  }
  if (inputs.size() > function.inputs.size()) {
    return invalid_argument("function " + function.name + " takes " +
                            std::to_string(function.inputs.size()) + " operands, found " +
                            std::to_string(inputs.size()) + ".");
  }
  std::map<std::string, AttributeProto> attributes;
  for (const AttributeProto& attribute : function.default_attributes)
    attributes[attribute.name] = attribute;
  for (const AttributeProto& attribute : node.attributes) attributes[attribute.name] = attribute;
  Scope inner;
  inner.attributes = &attributes;
  inner.opsets = &function.opsets;
  inner.prefix = scope.prefix + node.display_name() + "/";
  inner.depth = scope.depth + 1;
  for (size_t i = 0; i < function.inputs.size(); ++i) {
    inner.values[function.inputs[i]] = i < inputs.size() ? inputs[i] : kNoValue;
  }
  auto known = [&](const std::string& name) { return is_known(name, inner); };
  THORONG_TRY(auto nodes, order_nodes(function.nodes, function.outputs, known));
  THORONG_RETURN_IF_ERROR(import_nodes(nodes, inner));
  std::vector<ValueId> results;
  for (size_t i = 0; i < function.outputs.size(); ++i) {
    ValueId id = kNoValue;
    if (i < node.outputs.size() && !node.outputs[i].empty()) {
      THORONG_TRY(id, lookup(function.outputs[i], inner));
    }
    results.push_back(id);
  }
  return results;
}

Result<std::vector<ValueId>> GraphImporter::import_subgraph(const GraphProto& graph, Scope& parent,
                                                            const std::vector<ValueId>& inputs) {
  if (graph.sparse_initializers > 0) return unsupported("sparse initializers are not done.");
  Scope inner;
  inner.attributes = parent.attributes;
  inner.opsets = parent.opsets;
  inner.parent = &parent;
  inner.prefix = parent.prefix;
  inner.depth = parent.depth + 1;
  if (inner.depth > kMaxCallDepth) {
    return invalid_argument("functions and subgraphs are nested more than " +
                            std::to_string(kMaxCallDepth) + " levels deep.");
  }
  THORONG_RETURN_IF_ERROR(declare_initializers(graph, inner));
  if (inputs.size() > graph.inputs.size()) {
    return invalid_argument("the subgraph '" + graph.name + "' takes " +
                            std::to_string(graph.inputs.size()) + " inputs, but is given " +
                            std::to_string(inputs.size()) + ".");
  }
  for (size_t i = 0; i < inputs.size(); ++i) inner.values[graph.inputs[i].name] = inputs[i];
  std::vector<std::string> outputs;
  for (const ValueInfo& output : graph.outputs) outputs.push_back(output.name);
  auto known = [&](const std::string& name) { return is_known(name, inner); };
  THORONG_TRY(auto nodes, order_nodes(graph.nodes, outputs, known));
  THORONG_RETURN_IF_ERROR(import_nodes(nodes, inner));
  std::vector<ValueId> results;
  for (const std::string& name : outputs) {
    THORONG_TRY(ValueId id, lookup(name, inner));
    results.push_back(id);
  }
  return results;
}

}  // namespace thorong::onnx
