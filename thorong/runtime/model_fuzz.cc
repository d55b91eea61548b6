// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes, with values for their inputs, end in an error or in a model that
// verifies, compiles for a chip and, where it is tiny, runs. Run with -rss_limit_mb=2048; the node
// cases of the onnx package are good seeds.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "frontends/onnx/importer.h"
#include "frontends/onnx/onnx_reader.h"
#include "thorong/base/check.h"
#include "thorong/ops/graph.h"
#include "thorong/runtime/session.h"

namespace thorong::runtime {
namespace {

// So that one input takes milliseconds.
constexpr int64_t kMostElements = int64_t{1} << 12;  // of a given input
constexpr int64_t kMostCompiled = int64_t{1} << 17;  // of all values of a graph
constexpr int64_t kMostRun = int64_t{1} << 13;
constexpr size_t kMostNodes = 200;

// Small numbers of both signs, as sizes, indices and conditions are; always the same ones.
ops::Tensor some_values(const ops::TensorType& type, uint64_t seed) {
  std::vector<double> values;
  for (int64_t i = 0; i < type.elements(); ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    values.push_back(static_cast<double>(seed >> 60) - 4);
  }
  return ops::Tensor::from_doubles(type, values);
}

// Values for every other input that is a small tensor; dimensions without a size get 2.
void give_inputs(const onnx::ModelProto& model, onnx::ImportOptions& options) {
  uint64_t seed = 1;
  for (const onnx::ValueInfo& input : model.graph.inputs) {
    const Result<ops::Format> format = onnx::format_of_data_type(input.element_type);
    if (++seed % 4 == 0 || !input.is_tensor || !format.ok()) continue;
    ops::TensorType type{*format, {}};
    for (const onnx::Dimension& dimension : input.shape)
      type.shape.push_back(dimension.size.value_or(2));
    if (type.elements() < 0 || type.elements() > kMostElements) continue;
    options.input_types[input.name] = type;
    options.input_values[input.name] = some_values(type, seed);
  }
}

int64_t all_elements(const ops::Graph& graph) {
  int64_t sum = 0;
  for (const ops::Value& value : graph.values) {
    const int64_t own = value.type.elements();
    if (own > kMostCompiled - sum) return kMostCompiled + 1;
    sum += own;
  }
  return sum;
}

void compile_and_run(const ops::Graph& graph) {
  const int64_t elements = all_elements(graph);
  if (elements > kMostCompiled || graph.nodes.size() > kMostNodes) return;
  Options options;
  options.threads = 1;
  options.timing_only = elements > kMostRun;
  const auto program = compile_graph(options, graph);
  if (!program.ok() || options.timing_only) return;
  auto executable = Executable::load(*program);
  if (!executable.ok()) return;
  std::vector<ops::Tensor> inputs;
  for (const ops::ValueId id : graph.inputs) inputs.push_back(some_values(graph.type(id), 7));
  (void)(*executable)->compute(inputs);
}

}  // namespace
}  // namespace thorong::runtime

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thorong;
  auto owner = std::make_shared<const std::string>(reinterpret_cast<const char*>(data), size);
  std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(owner->data()),
                                   owner->size());
  onnx::ImportOptions options;
  options.fold_limit = 1 << 12;
  options.max_generated_elements = 1 << 14;
  options.max_known_elements = 1 << 14;
  options.max_nodes = 500;
  options.max_object_bytes = size_t{1} << 24;
  const auto proto = onnx::read_model(bytes, owner, "", false);
  if (!proto.ok()) return 0;
  runtime::give_inputs(*proto, options);
  const auto model = onnx::import_bytes(bytes, owner, "", options);
  if (!model.ok()) return 0;
  const Status status = ops::verify(model->graph);
  THORONG_CHECK(status.ok(), status.to_string());
  runtime::compile_and_run(model->graph);
  return 0;
}
