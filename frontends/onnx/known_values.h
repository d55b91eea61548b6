// SPDX-License-Identifier: Apache-2.0
// Values that a rule must know while the model is imported (a shape, a trip count, a condition),
// although nodes compute them from the model's inputs: they are computed from the inputs' values,
// and the graph becomes one for these values. Graphs have static shapes; this is how sizes that
// depend on data get their true ones.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "frontends/onnx/importer.h"

namespace thorong::onnx {

class KnownValues {
 public:
  KnownValues(const ops::Graph& graph, const ImportOptions& options)
      : graph_(graph), options_(options) {}

  // The values' tensors: of constants their own, of others computed once and kept. `reader` is who
  // needs them, as the notes will name it. Error: an input that they depend on was not given.
  Result<std::vector<ops::Tensor>> find(std::span<const ops::ValueId> ids,
                                        const std::string& reader);

  // The given inputs that decided something.
  const std::map<std::string, ops::Tensor>& inputs() const { return inputs_; }
  // Who needed values that are no constants, in the order of the model.
  const std::vector<std::string>& readers() const { return readers_; }

 private:
  Status compute(std::span<const ops::ValueId> ids);
  Result<ops::Tensor> given(ops::ValueId id);

  const ops::Graph& graph_;
  const ImportOptions& options_;
  std::unordered_map<ops::ValueId, ops::Tensor> computed_;
  std::map<std::string, ops::Tensor> inputs_;
  std::vector<std::string> readers_;
  std::set<std::string> seen_readers_;
};

}  // namespace thorong::onnx
