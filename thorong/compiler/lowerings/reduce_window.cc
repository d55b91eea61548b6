// SPDX-License-Identifier: Apache-2.0
// reduce_window (pooling) on the Vector engine: one tensor_reduce whose pattern visits [output rows][output columns][kernel
// rows][kernel columns]. Padding is a copy into a tile that was filled with the function's identity.
#include <limits>

#include "thorong/compiler/lowering.h"

namespace thorong::compiler {
namespace {

constexpr int64_t kTileElements = 6144;  // of the padded input tile

struct Pool {
  numerics::BinaryFunction function;
  float identity;
  Shape x;
  std::vector<int64_t> window, stride, dilation, low;
};

Pool pool_of(const Graph& graph, const Node& node) {
  Pool pool;
  pool.x = graph.type(node.inputs[0]).shape;
  std::vector<int64_t> ones(pool.x.size(), 1), zeros(pool.x.size(), 0);
  pool.function = numerics::parse_binary_function(node.attributes.text("function")).value_or(numerics::BinaryFunction::kAdd);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  pool.identity = pool.function == numerics::BinaryFunction::kMaximum ? -kInfinity
                  : pool.function == numerics::BinaryFunction::kMinimum ? kInfinity : 0.0f;
  pool.window = node.attributes.integers("window_dimensions");
  pool.stride = node.attributes.integers("window_strides", ones);
  pool.dilation = node.attributes.integers("window_dilations", ones);
  pool.low = node.attributes.integers("padding_low", zeros);
  return pool;
}

// The dimension on the partitions: not windowed, as large as possible.
std::vector<int> free_dims(const Pool& pool) {
  std::vector<int> dims;
  for (size_t d = 0; d < pool.x.size(); ++d) {
    if (pool.window[d] == 1 && pool.stride[d] == 1 && pool.low[d] == 0) dims.push_back(static_cast<int>(d));
  }
  std::stable_sort(dims.begin(), dims.end(),
                   [&](int a, int b) { return pool.x[static_cast<size_t>(a)] > pool.x[static_cast<size_t>(b)]; });
  return dims;
}

bool accepts(const Graph& graph, const Node& node) {
  Format format = graph.type(node.inputs[0]).format;
  if (!numerics::is_float(format) || format == Format::kFloat64) return false;
  Pool pool = pool_of(graph, node);
  int windowed = 0;
  for (size_t d = 0; d < pool.x.size(); ++d) windowed += pool.window[d] > 1 || pool.stride[d] > 1 || pool.low[d] > 0;
  if (windowed > 2 || free_dims(pool).empty()) return false;
  int64_t row = pool.x.back() + 2 * pool.window.back();
  int64_t rows = pool.x.size() >= 2 ? pool.window[pool.x.size() - 2] * pool.dilation[pool.x.size() - 2] : 1;
  return row * rows <= 16384;
}

// A box of the input, with the identity where there is none; coordinates are the output window's: index o * stride + t * dilation.
Result<Placed> padded_tile(Codegen& codegen, const Pool& pool, const Placed& x, const Box& box, int pdim, StreamScope& scope) {
  Placed tile;
  tile.sbuf = true, tile.format = x.format, tile.pdim = pdim, tile.step.assign(box.size(), 0);
  Box inside, local;
  bool whole_inside = true;
  int64_t row = 1;
  for (size_t d = box.size(); d-- > 0;) {
    int64_t first = box[d].begin * pool.stride[d] - pool.low[d];
    int64_t span = (box[d].size - 1) * pool.stride[d] + (pool.window[d] - 1) * pool.dilation[d] + 1;
    int64_t begin = std::max<int64_t>(0, first), end = std::min(pool.x[d], first + span);
    inside.insert(inside.begin(), Range{begin, std::max<int64_t>(0, end - begin)});
    local.insert(local.begin(), Range{begin - first, std::max<int64_t>(0, end - begin)});
    whole_inside = whole_inside && end - begin == span;
    tile.shape.insert(tile.shape.begin(), span);
    if (static_cast<int>(d) != pdim) tile.step[d] = row, row *= span;
  }
  if (whole_inside && x.sbuf) {
    Placed view = x;
    for (size_t d = 0; d < box.size(); ++d) {
      if (static_cast<int>(d) == pdim) view.partition_offset += inside[d].begin;
      else view.offset += inside[d].begin * x.step[d];
    }
    return view;
  }
  tile.buffer = scope.allocate(x.format, row);
  if (tile.buffer < 0) return resource_exhausted("no SBUF left for a pooling window");
  if (!whole_inside) {
    THORONG_TRY(AccessPattern all, codegen.view(tile, whole(tile.shape), pdim));
    codegen.builder().emit(Opcode::memset, Queue::kVector, {all}, {.immediate0 = pool.identity});
  }
  auto in = pattern(x, inside, pdim, codegen.block());
  auto out = pattern(tile, local, pdim, codegen.block());
  if (x.sbuf && in && out) codegen.builder().copy(*out, *in);
  else THORONG_RETURN_IF_ERROR(codegen.copy_box(tile, local, x, inside));
  return tile;
}

Status lower(Codegen& codegen, const Group& group, const Node& node) {
  Pool pool = pool_of(codegen.graph(), node);
  std::vector<int> dims = free_dims(pool);
  int resident = codegen.resident_pdim(node.inputs[0]);
  int pdim = std::find(dims.begin(), dims.end(), resident) != dims.end() ? resident : codegen.preferred_pdim(group.result, dims);
  Format format = codegen.storage_format(node.inputs[0]);
  THORONG_TRY(Placed x, codegen.acquire(node.inputs[0], pdim, format));
  THORONG_RETURN_IF_ERROR(codegen.begin_output(group, pdim));
  const Shape& out = codegen.graph().type(group.result).shape;
  // Outputs of one box: as many whole rows as the padded input tile allows, one index of the outer dimensions.
  size_t rank = out.size();
  Shape take(rank, 1);
  take[rank - 1] = out[rank - 1];
  if (rank >= 2 && static_cast<int>(rank) - 2 != pdim) {
    size_t h = rank - 2;
    int64_t row = pool.x[rank - 1] + 2 * pool.window[rank - 1];
    int64_t rows = (kTileElements / row - (pool.window[h] - 1) * pool.dilation[h]) / pool.stride[h];
    take[h] = std::clamp<int64_t>(rows, 1, out[h]);
  }
  take[static_cast<size_t>(pdim)] = std::min(codegen.block(), out[static_cast<size_t>(pdim)]);
  Shape counts;
  for (size_t d = 0; d < rank; ++d) counts.push_back((out[d] + take[d] - 1) / take[d]);
  std::vector<int64_t> index(rank, 0);
  do {
    Box box;
    for (size_t d = 0; d < rank; ++d) box.push_back({index[d] * take[d], std::min(take[d], out[d] - index[d] * take[d])});
    StreamScope scope(codegen.builder());
    THORONG_TRY(Placed tile, padded_tile(codegen, pool, x, box, pdim, scope));
    // [outputs...][kernel...] of the two innermost dimensions.
    Placed windows = tile;
    windows.shape.clear(), windows.step.clear();
    Box window_box;
    for (size_t d = 0; d < rank; ++d) {
      windows.shape.push_back(box[d].size), windows.step.push_back(tile.step[d] * pool.stride[d]);
      window_box.push_back({0, box[d].size});
    }
    for (size_t d = 0; d < rank; ++d) {
      if (pool.window[d] == 1) continue;
      windows.shape.push_back(pool.window[d]), windows.step.push_back(tile.step[d] * pool.dilation[d]);
      window_box.push_back({0, pool.window[d]});
    }
    THORONG_TRY(AccessPattern in, codegen.view(windows, window_box, pdim));
    int64_t elements = free_elements(box, pdim);
    auto target = codegen.direct_target(group, box);
    AccessPattern out_pattern;
    if (target) out_pattern = *target;
    else {
      BufferId buffer = scope.allocate(Format::kFloat32, elements);
      if (buffer < 0) return resource_exhausted("no SBUF left for a pooling result");
      out_pattern = codegen.builder().dense(buffer, box[static_cast<size_t>(pdim)].size, {elements});
    }
    codegen.builder().emit(Opcode::tensor_reduce, Queue::kVector, {out_pattern, in},
                           {.function0 = static_cast<uint8_t>(pool.function)});
    if (!target) THORONG_RETURN_IF_ERROR(codegen.finish_box(group, box, out_pattern));
  } while (ops::next_index(index, counts));
  return ok_status();
}

}  // namespace

Lowering lowering_reduce_window() { return {.op = "reduce_window", .lower = lower, .accepts = accepts}; }

}  // namespace thorong::compiler
