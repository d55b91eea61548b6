// SPDX-License-Identifier: Apache-2.0
// convert: the same values in another format. Floats round to nearest even; float to integer
// truncates toward zero and saturates, NaN gives 0; integer to integer keeps the low bits; bool is
// x != 0.
// C1: `format` is a format's name.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const std::string name = node.attributes.text("format");
  const std::optional<Format> format = numerics::parse_format(name);
  if (!format) return invalid_argument(fmt::format("there is no number format '{}'", name));  // C1
  return one_result({*format, operand_type(graph, node, 0).shape});
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const Format from = inputs[0].type.format, to = result_type(graph, node).format;
  const auto elements = static_cast<size_t>(inputs[0].type.elements());
  if (to == Format::kBool) {
    const std::vector<double> values = load<double>(inputs[0]);
    for (size_t i = 0; i < elements; ++i) outputs[0][i] = std::byte{values[i] != 0};
  } else if (numerics::is_float(from)) {
    for (size_t i = 0; i < elements; ++i) {
      const double value = numerics::load_as_double(from, inputs[0].data, i);
      numerics::store_from_double(to, outputs[0], i,
                                  numerics::is_float(to) || value == value ? value : 0.0);
    }
  } else if (!numerics::is_float(to)) {
    store(result_type(graph, node), load<int64_t>(inputs[0]), outputs[0]);
  } else {
    numerics::convert(from, inputs[0].data, to, outputs[0], elements);
  }
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_convert() {
  OperatorSpec spec;
  spec.name = "convert";
  spec.summary = "The same values in another number format.";
  spec.category = Category::kElementwise;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
