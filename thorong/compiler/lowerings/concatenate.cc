// SPDX-License-Identifier: Apache-2.0
// concatenate: each operand is moved by DMA to its place in the result, unless its maker has
// written it there.
#include "thorong/compiler/lowering.h"

namespace thorong::compiler {
namespace {

Status lower(Codegen& codegen, const Group& group, const Node& node) {
  const Graph& graph = codegen.graph();
  const Shape& shape = graph.type(group.result).shape;
  auto dimension = static_cast<size_t>(node.attributes.integer("dimension"));
  // The layout that most operands have already.
  std::vector<int64_t> votes(shape.size(), 0);
  for (ValueId v : node.inputs) {
    int pdim = codegen.resident_pdim(v);
    if (pdim >= 0) votes[static_cast<size_t>(pdim)] += graph.type(v).elements();
  }
  std::vector<int> choices;
  for (size_t d = 0; d < shape.size(); ++d) choices.push_back(static_cast<int>(d));
  std::stable_sort(choices.begin(), choices.end(), [&](int a, int b) {
    auto x = static_cast<size_t>(a), y = static_cast<size_t>(b);
    if (votes[x] != votes[y]) return votes[x] > votes[y];
    return std::min(shape[x], codegen.block()) > std::min(shape[y], codegen.block());
  });
  int pdim = votes[static_cast<size_t>(choices[0])] > 0
                 ? choices[0]
                 : codegen.preferred_pdim(group.result, choices);
  auto joined = codegen.joined(group.result);
  if (joined) {
    codegen.set_placed(group.result, *joined);
    pdim = joined->pdim;
  } else {
    THORONG_RETURN_IF_ERROR(codegen.begin_output(group, pdim));
  }
  const Placed out = joined ? *joined : codegen.output_placed();
  int64_t at = 0;
  for (ValueId v : node.inputs) {
    const Shape& part = graph.type(v).shape;
    if (graph.type(v).elements() == 0) continue;
    if (codegen.in_place(v)) {
      at += part[dimension];
      continue;
    }
    THORONG_TRY(Placed in, out.sbuf ? codegen.acquire(v, pdim, out.format) : codegen.place(v));
    int cut = out.sbuf ? pdim : in.sbuf ? in.pdim : -1;
    for (const Box& box : chunk_boxes(part, cut, codegen.block(), 1 << 16)) {
      Box to = box;
      to[dimension].begin += at;
      THORONG_RETURN_IF_ERROR(codegen.copy_box(out, to, in, box));
    }
    at += part[dimension];
  }
  return ok_status();
}

}  // namespace

Lowering lowering_concatenate() { return {.op = "concatenate", .lower = lower, .fuses = false}; }

}  // namespace thorong::compiler
