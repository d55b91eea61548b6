// SPDX-License-Identifier: Apache-2.0
// random_uniform: element i is the upper bits of numerics::mix(key + i), as a number in [0, 1) with
// all the bits of the format. By a counter, so that it depends on the key and the element only.
// C1: `format` is float32 or float64.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph&, const Node& node) {
  const std::string name = node.attributes.text("format", "float32");
  const std::optional<Format> format = numerics::parse_format(name);
  if (format != Format::kFloat32 && format != Format::kFloat64) {  // C1
    return invalid_argument(fmt::format("the format must be float32 or float64, found '{}'", name));
  }
  return one_result({*format, node.attributes.integers("shape")});
}

Status reference(const Graph& graph, const Node& node, Inputs, OutputData outputs) {
  const TensorType& out = result_type(graph, node);
  const int bits = out.format == Format::kFloat64 ? 53 : 24;
  const uint64_t key = numerics::mix(static_cast<uint64_t>(node.attributes.integer("key")));
  std::vector<double> values(static_cast<size_t>(out.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = std::ldexp(static_cast<double>(numerics::mix(key + i) >> (64 - bits)), -bits);
  }
  store(out, values, outputs[0]);
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_random_uniform() {
  OperatorSpec spec;
  spec.name = "random_uniform";
  spec.summary = "Random numbers in [0, 1), the same for the same key.";
  spec.folds = false;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
