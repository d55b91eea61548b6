// SPDX-License-Identifier: Apache-2.0
// iota: each element is its index along `dimension`.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph&, const Node& node) {
  const std::string name = node.attributes.text("format", "int64");
  const std::optional<Format> format = numerics::parse_format(name);
  if (!format) return invalid_argument(fmt::format("there is no number format '{}'", name));  // C1
  TensorType out{*format, node.attributes.integers("shape")};
  THORONG_RETURN_IF_ERROR(
      resolve_axis(node.attributes.integer("dimension"), out.shape.size(), "dimension")
          .status());  // C2
  return one_result(std::move(out));
}

Status reference(const Graph& graph, const Node& node, Inputs, OutputData outputs) {
  const TensorType& out = result_type(graph, node);
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("dimension"), out.shape.size(), "dimension"));
  const AxisView view = view_axis(out.shape, axis);
  std::vector<int64_t> values;
  values.reserve(static_cast<size_t>(out.elements()));
  for (int64_t o = 0; o < view.outer; ++o) {
    for (int64_t a = 0; a < view.axis; ++a)
      values.insert(values.end(), static_cast<size_t>(view.inner), a);
  }
  store(out, values, outputs[0]);
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_iota() {
  OperatorSpec spec;
  spec.name = "iota";
  spec.summary = "Each element is its index along one dimension.";
  spec.category = Category::kOther;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
