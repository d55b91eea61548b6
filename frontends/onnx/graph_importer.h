// SPDX-License-Identifier: Apache-2.0
// Walks an ONNX graph: names to values, nodes through their rules, functions inlined, subgraphs of
// taken branches.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "frontends/onnx/import_context.h"
#include "frontends/onnx/importer.h"
#include "frontends/onnx/onnx_reader.h"

namespace thorong::onnx {

class GraphImporter {
 public:
  GraphImporter(const ModelProto& model, const ImportOptions& options);
  // The graph, structures of outputs and known inputs of the model.
  Result<Model> run();

 private:
  // Names of one graph or function body. A subgraph sees its parent's names; a function's body does
  // not.
  struct Scope {
    std::unordered_map<std::string, ValueId> values;
    std::unordered_map<std::string, const TensorProto*> initializers;
    const std::map<std::string, AttributeProto>* attributes =
        nullptr;  // of the function call, in a function's body
    const std::map<std::string, int64_t>* opsets = nullptr;
    Scope* parent = nullptr;
    std::string prefix;
    int depth = 0;
  };

  Status check_opsets() const;
  Status check_operators(const std::vector<const NodeProto*>& nodes) const;
  Status declare_inputs(Scope& scope);
  Status declare_initializers(const GraphProto& graph, Scope& scope) const;
  Status finish_outputs(Scope& scope, ops::Structures& structures);
  Status finish_output(const ValueInfo& declared, ValueId id, ops::Structures& structures);
  void note_known_values();
  Status import_nodes(const std::vector<const NodeProto*>& nodes, Scope& scope);
  Status import_node(const NodeProto& node, Scope& scope);
  Status import_by_rule(const NodeProto& node, Scope& scope, const std::vector<ValueId>& inputs);
  Result<std::vector<ValueId>> import_call(const NodeProto& node, const FunctionProto& function,
                                           const Scope& scope, const std::vector<ValueId>& inputs);
  Result<std::vector<ValueId>> import_subgraph(const GraphProto& graph, Scope& parent,
                                               const std::vector<ValueId>& inputs);
  Status define_outputs(const NodeProto& node, Scope& scope, const std::vector<ValueId>& results,
                        size_t first_value);
  Result<ValueId> lookup(const std::string& name, Scope& scope);
  bool is_known(const std::string& name, const Scope& scope) const;
  int64_t version_of(const std::string& domain, const Scope& scope) const;
  const FunctionProto* find_function(const NodeProto& node) const;

  const ModelProto& model_;
  const ImportOptions& options_;
  ImportState state_;
  ops::Graph& graph_;
  std::map<std::string, const FunctionProto*> functions_;
  size_t node_count_ = 0;
  size_t absent_tensors_ = 0;
};

}  // namespace thorong::onnx
