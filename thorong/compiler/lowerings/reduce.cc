// SPDX-License-Identifier: Apache-2.0
// reduce on the Vector engine: a kept dimension lies on the partitions, the reduced ones are
// innermost in the pattern. Long reductions are done in parts that are combined by tensor_tensor,
// in increasing order.
#include "thorong/compiler/lowering.h"

namespace thorong::compiler {
namespace {

constexpr int64_t kPart = 4096;  // elements of one instruction's row

std::vector<int64_t> reduced_dims(const Node& node) {
  return node.attributes.integers("dimensions");
}

std::vector<int> kept_dims(const Graph& graph, const Node& node) {
  auto reduced = reduced_dims(node);
  std::vector<int> kept;
  auto rank = static_cast<int64_t>(graph.type(node.inputs[0]).shape.size());
  for (int64_t d = 0; d < rank; ++d) {
    if (std::find(reduced.begin(), reduced.end(), d) == reduced.end())
      kept.push_back(static_cast<int>(d));
  }
  return kept;
}

bool accepts(const Graph& graph, const Node& node) {
  Format format = graph.type(node.inputs[0]).format;
  std::string function = node.attributes.text("function");
  bool known =
      function == "add" || function == "maximum" || function == "minimum" || function == "multiply";
  return known && numerics::is_engine_float(format) && !reduced_dims(node).empty() &&
         !combines_nothing(graph, node);
}

// One box of results: all parts of its reduction.
Status reduce_box(Codegen& codegen, const Group& group, const Node& node, const Placed& x, int pdim,
                  int out_pdim, const Box& box) {
  auto function =
      static_cast<uint8_t>(*numerics::parse_binary_function(node.attributes.text("function")));
  std::vector<int> kept = kept_dims(codegen.graph(), node);
  auto reduced = reduced_dims(node);
  Shape inner;
  for (int64_t d : reduced) inner.push_back(x.shape[static_cast<size_t>(d)]);
  int64_t results = free_elements(box, out_pdim);
  StreamScope scope(codegen.builder());
  int64_t partitions = pdim < 0 || out_pdim < 0 ? 1 : box[static_cast<size_t>(out_pdim)].size;
  BufferId buffer = scope.allocate(Format::kFloat32, results),
           more = scope.allocate(Format::kFloat32, results);
  if (buffer < 0 || more < 0) return resource_exhausted("no SBUF left for a reduction");
  AccessPattern sum = codegen.builder().dense(buffer, partitions, {results});
  AccessPattern part = codegen.builder().dense(more, partitions, {results});
  bool first = true;
  for (const Box& piece :
       chunk_boxes(inner, -1, codegen.block(), std::max<int64_t>(1, kPart / results))) {
    Box in_box(x.shape.size());
    for (size_t i = 0; i < kept.size(); ++i) in_box[static_cast<size_t>(kept[i])] = box[i];
    for (size_t i = 0; i < reduced.size(); ++i) in_box[static_cast<size_t>(reduced[i])] = piece[i];
    StreamScope inner_scope(codegen.builder());
    THORONG_TRY(Placed tile, codegen.bring(x, in_box, pdim, x.format, inner_scope));
    // Kept dimensions outside, reduced ones inside.
    Placed ordered = tile;
    Box ordered_box;
    ordered.shape.clear(), ordered.step.clear(), ordered.pdim = -1;
    auto take = [&](size_t d) {
      if (static_cast<int>(d) == pdim) ordered.pdim = static_cast<int>(ordered.shape.size());
      ordered.shape.push_back(tile.shape[d]), ordered.step.push_back(tile.step[d]),
          ordered_box.push_back(in_box[d]);
    };
    for (int d : kept) take(static_cast<size_t>(d));
    for (int64_t d : reduced) take(static_cast<size_t>(d));
    THORONG_TRY(AccessPattern in, codegen.view(ordered, ordered_box, ordered.pdim));
    codegen.builder().emit(Opcode::tensor_reduce, Queue::kVector, {first ? sum : part, in},
                           {.function0 = function});
    if (!first)
      codegen.builder().emit(Opcode::tensor_tensor, Queue::kVector, {sum, sum, part},
                             {.function0 = function});
    first = false;
  }
  return codegen.finish_box(group, box, sum);
}

Status lower(Codegen& codegen, const Group& group, const Node& node) {
  const Graph& graph = codegen.graph();
  std::vector<int> kept = kept_dims(graph, node);
  const Shape& out = graph.type(group.result).shape;
  const Shape& in = graph.type(node.inputs[0]).shape;
  // Choices in dimensions of the result: what is resident already, then the largest.
  std::vector<int> choices;
  for (size_t i = 0; i < kept.size(); ++i) choices.push_back(static_cast<int>(i));
  int resident = codegen.resident_pdim(node.inputs[0]);
  std::stable_sort(choices.begin(), choices.end(), [&](int a, int b) {
    auto weight = [&](int i) {
      if (kept[static_cast<size_t>(i)] == resident) return INT64_MAX;
      bool innermost = kept[static_cast<size_t>(i)] + 1 == static_cast<int>(in.size());
      return std::min(out[static_cast<size_t>(i)], codegen.block()) / (innermost ? 4 : 1);
    };
    return weight(a) > weight(b);
  });
  int out_pdim = choices.empty() ? -1 : choices[0];
  int pdim = out_pdim < 0 ? -1 : kept[static_cast<size_t>(out_pdim)];
  THORONG_TRY(Placed x,
              codegen.acquire(node.inputs[0], pdim, codegen.storage_format(node.inputs[0])));
  THORONG_RETURN_IF_ERROR(codegen.begin_output(group, out_pdim));
  int64_t reduced = 1;
  for (int64_t d : reduced_dims(node)) reduced *= in[static_cast<size_t>(d)];
  int64_t chunk = std::clamp<int64_t>(kPart / std::max<int64_t>(1, reduced), 1, 512);
  for (const Box& box : chunk_boxes(out, out_pdim, codegen.block(), chunk)) {
    THORONG_RETURN_IF_ERROR(reduce_box(codegen, group, node, x, pdim, out_pdim, box));
  }
  return ok_status();
}

}  // namespace

Lowering lowering_reduce() { return {.op = "reduce", .lower = lower, .accepts = accepts}; }

}  // namespace thorong::compiler
