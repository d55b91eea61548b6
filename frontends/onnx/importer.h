// SPDX-License-Identifier: Apache-2.0
// From an ONNX file to a graph with static shapes: symbolic dimensions are bound here, model-local
// functions are inlined, and every node goes through the import rule of its operator (imports/).
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "thorong/base/file.h"
#include "thorong/base/result.h"
#include "thorong/ops/graph.h"
#include "thorong/ops/structure.h"

namespace thorong::onnx {

struct ImportOptions {
  // Sizes of symbolic dimensions by name. A dimension without a name is called INPUT.AXIS, as in
  // "pixels.0".
  std::map<std::string, int64_t> dims;
  // Types of inputs that were given; they bind symbolic dimensions.
  std::map<std::string, ops::TensorType> input_types;
  // Values of inputs that were given, for what must be known while the model is imported; and those
  // that are no tensors.
  std::map<std::string, ops::Tensor> input_values;
  ops::Structures input_structures;
  // Runs a part of the model: inputs parallel to the graph's. Absent: by the reference.
  std::function<Result<std::vector<ops::Tensor>>(const ops::Graph&,
                                                 const std::vector<ops::Tensor>&)>
      compute;
  // Of random numbers that the model draws.
  uint64_t seed = 0;
  // Inputs will be random: nothing else can bind a dimension, and the error says so.
  bool random_inputs_need_dims = false;

  // Only shapes are wanted: external data files need not be there.
  bool weights_may_be_missing = false;

  // Bounds for hostile models; the defaults are far above what real models need.
  int64_t fold_limit = int64_t{1} << 20;  // elements of a folded constant
  int64_t max_generated_elements = int64_t{1}
                                   << 26;  // elements of a constant that the importer makes up
  int64_t max_known_elements = int64_t{1} << 30;  // of a value computed to know another
  size_t max_nodes = 2'000'000;  // ONNX nodes imported, functions inlined and loops unrolled
  size_t max_object_bytes = size_t{1} << 30;  // of all sequences and strings together
};

struct Model {
  ops::Graph graph;
  std::shared_future<std::string> sha256;  // of the model file, without external data files
  std::string format = "onnx";
  std::shared_ptr<const MappedFile> file;  // null when imported from bytes
  std::vector<std::pair<std::string, ops::TensorType>> inputs;
  ops::Structures output_structures;
  // Inputs whose values decided sizes, branches or trip counts: the graph is right for these alone.
  std::map<std::string, ops::Tensor> known_inputs;
  std::string producer;  // "pytorch 2.4.0"
  int64_t opset = 0;     // of the default domain
  std::vector<std::shared_ptr<const MappedFile>>
      external_files;  // the data files that weights lie in
};

Result<Model> import_file(const std::string& path, const ImportOptions& options = {});

// `owner` keeps `bytes` alive as long as the graph's constants live. `folder` is where external
// data lies; empty: there is none.
Result<Model> import_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                           const std::string& folder, const ImportOptions& options = {});

}  // namespace thorong::onnx
