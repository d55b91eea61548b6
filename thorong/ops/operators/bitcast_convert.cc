// SPDX-License-Identifier: Apache-2.0
// bitcast_convert: the same bits read as another format of as many bits (StableHLO's operator,
// which also changes the shape where the widths differ, is not needed by a frontend yet). C1:
// `format` is a format's name. C2: it has as many bits as x's; bool counts as 8.
#include <fmt/format.h>

#include <cstring>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const std::string name = node.attributes.text("format");
  const std::optional<Format> format = numerics::parse_format(name);
  if (!format) return invalid_argument(fmt::format("there is no number format '{}'", name));  // C1
  const TensorType& type = operand_type(graph, node, 0);
  if (numerics::info(*format).bits != numerics::info(type.format).bits) {  // C2
    return invalid_argument(
        fmt::format("{} has {} bits and {} has {}; bits can only be read as a format of equal size",
                    numerics::name(type.format), numerics::info(type.format).bits, name,
                    numerics::info(*format).bits));
  }
  return one_result({*format, type.shape});
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& type = result_type(graph, node);
  if (type.format == Format::kBool) {  // any bit is true
    for (size_t i = 0; i < type.bytes(); ++i)
      outputs[0][i] = std::byte{inputs[0].data[i] != std::byte{0}};
  } else if (type.bytes() != 0) {
    std::memcpy(outputs[0], inputs[0].data, type.bytes());
  }
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_bitcast_convert() {
  OperatorSpec spec;
  spec.name = "bitcast_convert";
  spec.summary = "The same bits read as another number format.";
  spec.category = Category::kElementwise;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
