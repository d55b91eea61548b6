// SPDX-License-Identifier: Apache-2.0
// Groups without an anchor: elementwise operators over boxes of their common shape.
#include "thorong/compiler/lowering.h"

namespace thorong::compiler {
namespace {

// Long enough that fixed cycles do not matter, short enough for the temporaries of a long chain.
constexpr int64_t kChunk = 2048, kChunkLongChain = 512;

// Dimensions in the order in which they suit the partitions: where operands already have them, then
// large ones.
std::vector<int> choices(Codegen& codegen, const Group& group) {
  const Graph& graph = codegen.graph();
  const Shape& shape = graph.type(group.result).shape;
  std::vector<int> order;
  for (int n : group.elementwise) {
    for (ValueId v : graph.nodes[static_cast<size_t>(n)].inputs) {
      int producer = graph.value(v).producer;
      bool inside = std::find(group.elementwise.begin(), group.elementwise.end(), producer) !=
                    group.elementwise.end();
      if (inside || graph.type(v).shape != shape || graph.is_constant(v)) continue;
      auto it = codegen.resident_pdim(v);
      if (it >= 0) order.push_back(it);
    }
  }
  std::vector<int> dims;
  for (size_t d = 0; d < shape.size(); ++d) dims.push_back(static_cast<int>(d));
  // The innermost dimension last: as partitions it would be gathered element by element from HBM.
  auto rank = [&](int d) {
    int64_t size = std::min<int64_t>(shape[static_cast<size_t>(d)], codegen.block());
    return d + 1 == static_cast<int>(shape.size()) ? size / 8 : size;
  };
  std::stable_sort(dims.begin(), dims.end(), [&](int a, int b) { return rank(a) > rank(b); });
  order.insert(order.end(), dims.begin(), dims.end());
  if (order.empty()) order.push_back(-1);
  return order;
}

Status lower(Codegen& codegen, const Group& group, const Node&) {
  const Shape& shape = codegen.graph().type(group.result).shape;
  std::vector<int> order = choices(codegen, group);
  // Operands that are in SBUF decide; otherwise whoever reads the result.
  bool resident = order.size() > shape.size();
  int pdim = resident ? order[0] : codegen.preferred_pdim(group.result, order);
  THORONG_RETURN_IF_ERROR(codegen.begin_output(group, pdim));
  int64_t chunk = group.elementwise.size() > 4 ? kChunkLongChain : kChunk;
  for (const Box& box : chunk_boxes(shape, pdim, codegen.block(), chunk)) {
    THORONG_RETURN_IF_ERROR(codegen.finish_box(group, box, std::nullopt));
  }
  return ok_status();
}

}  // namespace

Lowering lowering_elementwise() { return {.op = "elementwise", .lower = lower}; }

}  // namespace thorong::compiler
