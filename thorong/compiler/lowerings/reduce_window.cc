// SPDX-License-Identifier: Apache-2.0
// reduce_window (pooling) on the Vector engine: tensor_reduce whose pattern visits [output
// rows][output columns][kernel rows] [kernel columns]. Where windows reach into the padding,
// outputs that lose the same part of theirs share an instruction; where that would be many short
// ones, the input is copied into a tile that was filled with the function's identity.
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
  pool.function = numerics::parse_binary_function(node.attributes.text("function"))
                      .value_or(numerics::BinaryFunction::kAdd);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  pool.identity = pool.function == numerics::BinaryFunction::kMaximum   ? -kInfinity
                  : pool.function == numerics::BinaryFunction::kMinimum ? kInfinity
                                                                        : 0.0f;
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
    if (pool.window[d] == 1 && pool.stride[d] == 1 && pool.low[d] == 0)
      dims.push_back(static_cast<int>(d));
  }
  std::stable_sort(dims.begin(), dims.end(), [&](int a, int b) {
    return pool.x[static_cast<size_t>(a)] > pool.x[static_cast<size_t>(b)];
  });
  return dims;
}

bool accepts(const Graph& graph, const Node& node) {
  Format format = graph.type(node.inputs[0]).format;
  if (!numerics::is_engine_float(format) || combines_nothing(graph, node)) return false;
  Pool pool = pool_of(graph, node);
  int windowed = 0;
  for (size_t d = 0; d < pool.x.size(); ++d)
    windowed += pool.window[d] > 1 || pool.stride[d] > 1 || pool.low[d] > 0;
  if (windowed > 2 || free_dims(pool).empty()) return false;
  int64_t row = pool.x.back() + 2 * pool.window.back();
  int64_t rows =
      pool.x.size() >= 2 ? pool.window[pool.x.size() - 2] * pool.dilation[pool.x.size() - 2] : 1;
  return row * rows <= 16384;
}

// A box of the input, with the identity where there is none; coordinates are the output window's:
// index o * stride + t * dilation.
Result<Placed> padded_tile(Codegen& codegen, const Pool& pool, const Placed& x, const Box& box,
                           int pdim, StreamScope& scope) {
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
      if (static_cast<int>(d) == pdim)
        view.partition_offset += inside[d].begin;
      else
        view.offset += inside[d].begin * x.step[d];
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
  if (x.sbuf && in && out)
    codegen.builder().copy(*out, *in);
  else
    THORONG_RETURN_IF_ERROR(codegen.copy_box(tile, local, x, inside));
  return tile;
}

// Consecutive outputs of one dimension whose windows have the same taps within the input.
struct Segment {
  Range out, taps;
};

std::vector<Segment> segments_of(const Pool& pool, size_t d, const Range& range) {
  std::vector<Segment> segments;
  for (int64_t o = range.begin; o < range.begin + range.size; ++o) {
    Range taps{0, 0};
    for (int64_t t = 0; t < pool.window[d]; ++t) {
      int64_t at = o * pool.stride[d] + t * pool.dilation[d] - pool.low[d];
      if (at < 0 || at >= pool.x[d]) continue;
      if (taps.size == 0) taps.begin = t;
      ++taps.size;
    }
    bool same = !segments.empty() && segments.back().taps.begin == taps.begin &&
                segments.back().taps.size == taps.size;
    if (same)
      ++segments.back().out.size;
    else
      segments.push_back({{o, 1}, taps});
  }
  return segments;
}

class Pooling {
 public:
  Pooling(Codegen& codegen, const Group& group, const Node& node)
      : codegen_(codegen),
        group_(group),
        pool_(pool_of(codegen.graph(), node)),
        out_(codegen.graph().type(group.result).shape) {}

  Status run(const Node& node) {
    std::vector<int> dims = free_dims(pool_);
    int resident = codegen_.resident_pdim(node.inputs[0]);
    bool stays = std::find(dims.begin(), dims.end(), resident) != dims.end();
    pdim_ = stays ? resident : codegen_.preferred_pdim(group_.result, dims);
    THORONG_TRY(x_,
                codegen_.acquire(node.inputs[0], pdim_, codegen_.storage_format(node.inputs[0])));
    THORONG_RETURN_IF_ERROR(codegen_.begin_output(group_, pdim_));
    Shape take = box_sizes(), counts;
    for (size_t d = 0; d < out_.size(); ++d) counts.push_back((out_[d] + take[d] - 1) / take[d]);
    std::vector<int64_t> index(out_.size(), 0);
    do {
      Box box;
      for (size_t d = 0; d < out_.size(); ++d)
        box.push_back({index[d] * take[d], std::min(take[d], out_[d] - index[d] * take[d])});
      THORONG_RETURN_IF_ERROR(one_box(box));
    } while (ops::next_index(index, counts));
    return ok_status();
  }

 private:
  // Outputs of one box: as many whole rows as the input tile allows, one index of the outer
  // dimensions.
  Shape box_sizes() const {
    size_t rank = out_.size();
    Shape take(rank, 1);
    take[rank - 1] = out_[rank - 1];
    if (rank >= 2 && static_cast<int>(rank) - 2 != pdim_) {
      size_t h = rank - 2;
      int64_t row = pool_.x[rank - 1] + 2 * pool_.window[rank - 1];
      int64_t rows =
          (kTileElements / row - (pool_.window[h] - 1) * pool_.dilation[h]) / pool_.stride[h];
      take[h] = std::clamp<int64_t>(rows, 1, out_[h]);
    }
    auto p = static_cast<size_t>(pdim_);
    take[p] = std::min(codegen_.block(), out_[p]);
    return take;
  }

  Status one_box(const Box& box) {
    StreamScope scope(codegen_.builder());
    int64_t elements = free_elements(box, pdim_);
    auto target = codegen_.direct_target(group_, box);
    AccessPattern out;
    Placed result;  // of the box's shape: where parts of the result are cut from
    if (target) {
      out = *target, result = codegen_.output_placed();
    } else {
      result = dense_tile(scope.allocate(Format::kFloat32, elements), Format::kFloat32, sizes(box),
                          pdim_);
      if (result.buffer < 0) return resource_exhausted("no SBUF left for a pooling result");
      out =
          codegen_.builder().dense(result.buffer, box[static_cast<size_t>(pdim_)].size, {elements});
      for (size_t d = 0; d < box.size(); ++d) {
        if (static_cast<int>(d) == pdim_)
          result.partition_offset = -box[d].begin;
        else
          result.offset -= box[d].begin * result.step[d];
      }
    }
    std::vector<std::vector<Segment>> segments;
    Shape counts;
    int64_t pieces = 1, padded = 1;
    for (size_t d = 0; d < box.size(); ++d) {
      if (pool_.window[d] == 1 && pool_.low[d] == 0)
        segments.push_back({{box[d], {0, 1}}});
      else
        segments.push_back(segments_of(pool_, d, box[d]));
      counts.push_back(static_cast<int64_t>(segments.back().size()));
      pieces *= counts.back();
      if (static_cast<int>(d) != pdim_)
        padded *=
            (box[d].size - 1) * pool_.stride[d] + (pool_.window[d] - 1) * pool_.dilation[d] + 1;
    }
    double fixed = codegen_.core().vector_fixed_cycles + codegen_.core().vector_min_issue_cycles;
    if (static_cast<double>(pieces - 1) * fixed > static_cast<double>(padded)) {
      THORONG_RETURN_IF_ERROR(padded_box(box, out, scope));
    } else {
      THORONG_TRY(Placed x, codegen_.bring(x_, inputs_of(box), pdim_, x_.format, scope));
      std::vector<int64_t> index(box.size(), 0);
      do {
        std::vector<Segment> piece;
        for (size_t d = 0; d < box.size(); ++d)
          piece.push_back(segments[d][static_cast<size_t>(index[d])]);
        THORONG_RETURN_IF_ERROR(reduce_piece(x, result, piece));
      } while (ops::next_index(index, counts));
    }
    return target ? ok_status() : codegen_.finish_box(group_, box, out);
  }

  // The inputs that a box reads; at least one, where it reads padding only.
  Box inputs_of(const Box& box) const {
    Box inside;
    for (size_t d = 0; d < box.size(); ++d) {
      int64_t first = box[d].begin * pool_.stride[d] - pool_.low[d];
      int64_t span =
          (box[d].size - 1) * pool_.stride[d] + (pool_.window[d] - 1) * pool_.dilation[d] + 1;
      int64_t begin = std::clamp<int64_t>(first, 0, pool_.x[d] - 1),
              end = std::min(pool_.x[d], first + span);
      inside.push_back({begin, std::max<int64_t>(1, end - begin)});
    }
    return inside;
  }

  Status reduce_piece(const Placed& x, const Placed& result, const std::vector<Segment>& piece) {
    Box out_box, window_box;
    Placed windows = x;
    bool empty = false;
    for (size_t d = 0; d < piece.size(); ++d) {
      const Segment& s = piece[d];
      out_box.push_back(s.out);
      empty = empty || s.taps.size == 0;
      window_box.push_back({s.out.begin, s.out.size});
      windows.shape[d] = s.out.begin + s.out.size;
      if (static_cast<int>(d) == pdim_) continue;
      windows.offset += (s.taps.begin * pool_.dilation[d] - pool_.low[d]) * x.step[d];
      windows.step[d] = x.step[d] * pool_.stride[d];
    }
    THORONG_TRY(AccessPattern out, codegen_.view(result, out_box, pdim_));
    if (empty) {
      codegen_.builder().emit(Opcode::memset, Queue::kVector, {out},
                              {.immediate0 = pool_.identity});
      return ok_status();
    }
    return reduce(windows, window_box, piece, x, out);
  }

  // [outputs...][taps...]: the taps of `piece` behind the outputs that `windows` describes.
  Status reduce(Placed windows, Box box, const std::vector<Segment>& piece, const Placed& x,
                const AccessPattern& out) {
    for (size_t d = 0; d < piece.size(); ++d) {
      if (pool_.window[d] == 1) continue;
      windows.shape.push_back(piece[d].taps.size),
          windows.step.push_back(x.step[d] * pool_.dilation[d]);
      box.push_back({0, piece[d].taps.size});
    }
    THORONG_TRY(AccessPattern in, codegen_.view(windows, box, pdim_));
    codegen_.builder().emit(Opcode::tensor_reduce, Queue::kVector, {out, in},
                            {.function0 = static_cast<uint8_t>(pool_.function)});
    return ok_status();
  }

  Status padded_box(const Box& box, const AccessPattern& out, StreamScope& scope) {
    THORONG_TRY(Placed tile, padded_tile(codegen_, pool_, x_, box, pdim_, scope));
    Placed windows = tile;
    std::vector<Segment> piece;
    Box window_box;
    for (size_t d = 0; d < box.size(); ++d) {
      windows.shape[d] = box[d].size, windows.step[d] = tile.step[d] * pool_.stride[d];
      piece.push_back({box[d], {0, pool_.window[d]}});
      window_box.push_back({0, box[d].size});
    }
    return reduce(windows, window_box, piece, tile, out);
  }

  Codegen& codegen_;
  const Group& group_;
  Pool pool_;
  Shape out_;
  Placed x_;
  int pdim_ = -1;
};

Status lower(Codegen& codegen, const Group& group, const Node& node) {
  return Pooling(codegen, group, node).run(node);
}

}  // namespace

Lowering lowering_reduce_window() {
  return {.op = "reduce_window", .lower = lower, .accepts = accepts};
}

}  // namespace thorong::compiler
