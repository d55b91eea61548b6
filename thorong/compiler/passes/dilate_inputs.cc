// SPDX-License-Identifier: Apache-2.0
// dilate_inputs: a convolution whose input is dilated (a transposed convolution) reads an input
// with zeros put between, unless the lowering takes it as it is (the usual case: constant weights,
// stride 1, not depthwise).
//
//   before:  y = convolution(x, w) {lhs_dilation = [2, 2]}
//   after:   z = pad(x, 0) {interior = [0, 0, 1, 1]}   y = convolution(z, w)
#include <algorithm>

#include "thorong/compiler/passes/passes.h"
#include "thorong/compiler/window.h"
#include "thorong/ops/operator.h"

namespace thorong::compiler {

Status dilate_inputs(ops::Graph& graph) {
  std::vector<ops::Node> old = std::move(graph.nodes);
  graph.nodes.clear();
  for (ops::Node& node : old) {
    auto dilation = node.attributes.integers("lhs_dilation");
    bool dilated = node.op->name == "convolution" &&
                   std::any_of(dilation.begin(), dilation.end(), [](int64_t d) { return d > 1; }) &&
                   !takes_spread_input(graph, node);
    if (dilated) {
      size_t rank = dilation.size() + 2;
      std::vector<int64_t> zeros(rank, 0), interior(rank, 0);
      for (size_t i = 0; i < dilation.size(); ++i) interior[i + 2] = dilation[i] - 1;
      ops::Attributes attributes;
      attributes.set("low", zeros);
      attributes.set("high", zeros);
      attributes.set("interior", interior);
      ops::ValueId zero = graph.add_constant(
          "zero", ops::Tensor::from_doubles({graph.type(node.inputs[0]).format, {}}, {0.0}));
      THORONG_TRY(node.inputs[0], graph.add1("pad", {node.inputs[0], zero}, attributes, node.name));
      node.attributes.set("lhs_dilation", std::vector<int64_t>(dilation.size(), 1));
    }
    for (ops::ValueId v : node.outputs) {
      if (v >= 0) graph.value(v).producer = static_cast<int32_t>(graph.nodes.size());
    }
    graph.nodes.push_back(std::move(node));
  }
  return ok_status();
}

}  // namespace thorong::compiler
