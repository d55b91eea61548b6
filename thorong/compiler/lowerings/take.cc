// SPDX-License-Identifier: Apache-2.0
// take: rows of a table by indices known at run time (an embedding) are an indirect DMA, one row a
// partition. Indices known at compile time (resizing, permutations) become strided copies: runs of
// constant step, also interleaved ones (0 0 1 1 2 2).
#include "thorong/compiler/lowering.h"

namespace thorong::compiler {
namespace {

// out[first + i * out_step] = in[begin + i * in_step], i < count.
struct Run {
  int64_t first, out_step, begin, in_step, count;
};

// The indices as runs, with `phases` interleaved sequences.
std::vector<Run> runs_with(const std::vector<int64_t>& index, int64_t phases) {
  std::vector<Run> runs;
  auto n = static_cast<int64_t>(index.size());
  for (int64_t phase = 0; phase < phases; ++phase) {
    int64_t i = phase;
    while (i < n) {
      Run run{i, phases, index[static_cast<size_t>(i)], 0, 1};
      int64_t next = i + phases;
      if (next < n) run.in_step = index[static_cast<size_t>(next)] - run.begin;
      if (run.in_step < 0) run.in_step = 0;
      while (next < n && index[static_cast<size_t>(next)] == run.begin + run.count * run.in_step)
        ++run.count, next += phases;
      runs.push_back(run);
      i = next;
    }
  }
  return runs;
}

std::vector<Run> runs_of(const std::vector<int64_t>& index) {
  std::vector<Run> best = runs_with(index, 1);
  for (int64_t phases : {2, 3, 4, 8}) {
    std::vector<Run> other = runs_with(index, phases);
    if (other.size() < best.size()) best = std::move(other);
  }
  return best;
}

bool known_indices(const Graph& graph, const Node& node) {
  return graph.is_constant(node.inputs[1]) && graph.type(node.inputs[1]).shape.size() <= 1;
}

bool accepts(const Graph& graph, const Node& node) {
  const ops::TensorType& data = graph.type(node.inputs[0]);
  if (!numerics::is_engine_float(data.format) || data.elements() == 0) return false;
  if (known_indices(graph, node)) return data.shape.size() >= 2;
  int64_t row = data.shape.empty() ? 0 : data.elements() / std::max<int64_t>(1, data.shape[0]);
  return node.attributes.integer("axis") == 0 && !graph.type(node.inputs[1]).shape.empty() &&
         row <= 8192 && data.shape.size() >= 2;
}

Status strided_copies(Codegen& codegen, const Group& group, const Node& node) {
  const Graph& graph = codegen.graph();
  const Shape& in_shape = graph.type(node.inputs[0]).shape;
  auto axis = static_cast<size_t>(node.attributes.integer("axis"));
  std::vector<int64_t> index = graph.value(node.inputs[1]).constant.to_int64s();
  for (int64_t& i : index) {
    if (i < 0) i += in_shape[axis];
    if (i < 0 || i >= in_shape[axis])
      return invalid_argument("an index is outside the dimension it selects from");
  }
  bool drops_axis = graph.type(node.inputs[1]).shape.empty();
  std::vector<int> choices;
  for (size_t d = 0; d < in_shape.size(); ++d) {
    if (d != axis) choices.push_back(static_cast<int>(d > axis && drops_axis ? d - 1 : d));
  }
  int pdim = codegen.preferred_pdim(group.result, choices);
  int in_pdim = drops_axis && pdim >= static_cast<int>(axis) ? pdim + 1 : pdim;
  int resident = codegen.resident_pdim(node.inputs[0]);
  if (resident >= 0 && resident != static_cast<int>(axis)) {
    in_pdim = resident;
    pdim = drops_axis && resident > static_cast<int>(axis) ? resident - 1 : resident;
  }
  THORONG_TRY(Placed in,
              codegen.acquire(node.inputs[0], in_pdim, codegen.storage_format(group.result)));
  THORONG_RETURN_IF_ERROR(codegen.begin_output(group, pdim));
  Placed out = codegen.output_placed();
  if (drops_axis) {
    auto at = static_cast<std::ptrdiff_t>(axis);
    out.shape.insert(out.shape.begin() + at, 1);
    out.step.insert(out.step.begin() + at, 0);
    if (out.sbuf) out.pdim = in_pdim;
  }
  for (const Run& run : runs_of(index)) {
    Placed to = out, from = in;
    to.offset += run.first * out.step[axis], to.step[axis] = run.out_step * out.step[axis];
    from.offset += run.begin * in.step[axis], from.step[axis] = run.in_step * in.step[axis];
    Box box = whole(in_shape);
    box[axis] = {0, run.count};
    THORONG_RETURN_IF_ERROR(codegen.copy_box(to, box, from, box));
  }
  return ok_status();
}

Status gather_rows(Codegen& codegen, const Group& group, const Node& node) {
  const Graph& graph = codegen.graph();
  const Shape& out = graph.type(group.result).shape;
  size_t index_rank = graph.type(node.inputs[1]).shape.size();
  std::vector<int> choices;
  for (size_t d = 0; d < index_rank; ++d) choices.push_back(static_cast<int>(d));
  std::stable_sort(choices.begin(), choices.end(), [&](int a, int b) {
    return out[static_cast<size_t>(a)] > out[static_cast<size_t>(b)];
  });
  int pdim = choices[0];
  THORONG_TRY(Placed table,
              codegen.to_hbm_as(node.inputs[0], codegen.storage_format(group.result)));
  THORONG_TRY(Placed index, codegen.to_hbm(node.inputs[1]));
  THORONG_RETURN_IF_ERROR(codegen.begin_output(group, pdim));
  const Shape& data = graph.type(node.inputs[0]).shape;
  int64_t row = 1;
  for (size_t d = 1; d < data.size(); ++d) row *= data[d];
  Shape positions(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(index_rank));
  for (const Box& at : chunk_boxes(positions, pdim, codegen.block(), 1)) {
    StreamScope scope(codegen.builder());
    BufferId buffer = scope.allocate(codegen.storage_format(group.result), row);
    if (buffer < 0) return resource_exhausted("no SBUF left for the rows of a table");
    int64_t partitions = at[static_cast<size_t>(pdim)].size;
    AccessPattern target = codegen.builder().dense(buffer, partitions, {row});
    AccessPattern from;
    from.buffer = table.buffer, from.format = table.format, from.partition_step = row;
    from.partitions = 1, from.rank = 1, from.size[0] = static_cast<int32_t>(row), from.step[0] = 1,
    from.offset = table.offset;
    THORONG_TRY(AccessPattern which, codegen.view(index, at, pdim));
    codegen.builder().emit(Opcode::dma_gather, Queue::kDmaLoad, {target, from, which},
                           {.extra = static_cast<int32_t>(data[0])});
    Box box = at;
    for (size_t d = index_rank; d < out.size(); ++d) box.push_back({0, out[d]});
    THORONG_RETURN_IF_ERROR(codegen.finish_box(group, box, target));
  }
  return ok_status();
}

Status lower(Codegen& codegen, const Group& group, const Node& node) {
  if (!known_indices(codegen.graph(), node)) return gather_rows(codegen, group, node);
  THORONG_RETURN_IF_ERROR(strided_copies(codegen, group, node));
  return ok_status();
}

}  // namespace

Lowering lowering_take() {
  return {.op = "take", .lower = lower, .accepts = accepts, .fuses = false};
}

}  // namespace thorong::compiler
