// SPDX-License-Identifier: Apache-2.0
#include "thorong/compiler/placed.h"

#include <algorithm>

#include "thorong/ops/operator.h"
#include "thorong/ops/tensor_iteration.h"

namespace thorong::compiler {
namespace {

int64_t product(const Shape& shape, size_t begin, size_t end) {
  int64_t n = 1;
  for (size_t i = begin; i < end; ++i) n *= shape[i];
  return n;
}

// Strides of `out` that visit old dimensions (sizes, steps) in row-major order; nullopt if a new
// dimension would need two.
std::optional<std::vector<int64_t>> reshape_steps(const Shape& old,
                                                  const std::vector<int64_t>& old_step,
                                                  const Shape& out) {
  // Merge old dimensions into runs of one step, innermost last.
  std::vector<std::pair<int64_t, int64_t>> runs;  // size, step
  for (size_t i = 0; i < old.size(); ++i) {
    if (old[i] == 1) continue;
    if (!runs.empty() && runs.back().second == old_step[i] * old[i]) {
      runs.back() = {runs.back().first * old[i], old_step[i]};
    } else {
      runs.emplace_back(old[i], old_step[i]);
    }
  }
  std::vector<int64_t> step(out.size(), 0);
  size_t run = runs.size();
  int64_t used = 1;  // of the present run, from the inside
  for (size_t i = out.size(); i-- > 0;) {
    if (out[i] == 1) continue;
    if (run == 0) return std::nullopt;
    auto [size, run_step] = runs[run - 1];
    if (size % (used * out[i]) != 0) return std::nullopt;
    step[i] = run_step * used;
    used *= out[i];
    if (used == size) {
      --run;
      used = 1;
    }
  }
  return step;
}

// A reshape that splits the partition dimension in two: the inner part stays on the partitions, the
// outer one selects groups of them. The inner size divides a block so that no group crosses a
// block, and is a multiple of 32, where engines may start.
std::optional<Placed> split_partitions(const Placed& in, const Shape& out, int64_t block) {
  constexpr int64_t kQuadrant = 32;
  auto p = static_cast<size_t>(in.pdim);
  int64_t before = product(in.shape, 0, p);
  for (size_t j = 0; j + 1 < out.size(); ++j) {
    bool here = product(out, 0, j) == before && out[j] * out[j + 1] == in.shape[p] && out[j] > 1;
    if (!here || out[j + 1] % kQuadrant != 0 || block % out[j + 1] != 0 ||
        in.partition_offset % out[j + 1] != 0)
      continue;
    auto at = static_cast<std::ptrdiff_t>(j);
    auto prefix = reshape_steps(Shape(in.shape.begin(), in.shape.begin() + in.pdim),
                                std::vector<int64_t>(in.step.begin(), in.step.begin() + in.pdim),
                                Shape(out.begin(), out.begin() + at));
    auto suffix = reshape_steps(Shape(in.shape.begin() + in.pdim + 1, in.shape.end()),
                                std::vector<int64_t>(in.step.begin() + in.pdim + 1, in.step.end()),
                                Shape(out.begin() + at + 2, out.end()));
    if (!prefix || !suffix) continue;
    Placed view = in;
    view.shape = out;
    view.step = *prefix;
    view.step.insert(view.step.end(), 2, 0);
    view.step.insert(view.step.end(), suffix->begin(), suffix->end());
    view.pdim = static_cast<int>(j) + 1;
    view.partition_step.assign(out.size(), 0);
    view.partition_step[j] = out[j + 1];
    return view;
  }
  return std::nullopt;
}

std::optional<Placed> view_reshape(const Placed& in, const Shape& out, int64_t block) {
  if (!in.partition_step.empty()) return std::nullopt;
  Placed view = in;
  view.shape = out;
  if (product(out, 0, out.size()) == 0) return std::nullopt;
  if (!in.sbuf || in.pdim < 0) {
    auto step = reshape_steps(in.shape, in.step, out);
    if (!step) return std::nullopt;
    view.step = *step;
    return view;
  }
  // The partition dimension must survive alone: same product before it, same size.
  auto p = static_cast<size_t>(in.pdim);
  int64_t before = product(in.shape, 0, p);
  for (size_t j = 0; j < out.size(); ++j) {
    if (product(out, 0, j) != before || out[j] != in.shape[p]) continue;
    Shape old_prefix(in.shape.begin(), in.shape.begin() + in.pdim),
        old_suffix(in.shape.begin() + in.pdim + 1, in.shape.end());
    std::vector<int64_t> prefix_step(in.step.begin(), in.step.begin() + in.pdim),
        suffix_step(in.step.begin() + in.pdim + 1, in.step.end());
    auto at = static_cast<std::ptrdiff_t>(j);
    auto prefix = reshape_steps(old_prefix, prefix_step, Shape(out.begin(), out.begin() + at));
    auto suffix = reshape_steps(old_suffix, suffix_step, Shape(out.begin() + at + 1, out.end()));
    if (!prefix || !suffix) continue;
    view.step = *prefix;
    view.step.push_back(0);
    view.step.insert(view.step.end(), suffix->begin(), suffix->end());
    view.pdim = static_cast<int>(j);
    return view;
  }
  return split_partitions(in, out, block);
}

std::optional<Placed> view_transpose(const ops::Node& node, const Placed& in, const Shape& out) {
  auto permutation = node.attributes.integers("permutation");
  Placed view = in;
  view.shape = out;
  for (size_t i = 0; i < permutation.size(); ++i) {
    view.step[i] = in.step[static_cast<size_t>(permutation[i])];
    if (in.sbuf && permutation[i] == in.pdim) view.pdim = static_cast<int>(i);
    if (!in.partition_step.empty())
      view.partition_step[i] = in.partition_step[static_cast<size_t>(permutation[i])];
  }
  return view;
}

std::optional<Placed> view_slice(const ops::Node& node, const Placed& in, const Shape& out) {
  auto start = node.attributes.integers("start_indices");
  auto stride = node.attributes.integers("strides", std::vector<int64_t>(out.size(), 1));
  Placed view = in;
  view.shape = out;
  for (size_t i = 0; i < out.size(); ++i) {
    if (in.sbuf && static_cast<int>(i) == in.pdim) {
      if (stride[i] != 1) return std::nullopt;
      view.partition_offset += start[i];
    } else {
      view.offset += start[i] * in.step[i];
      view.step[i] = in.step[i] * stride[i];
      if (!in.partition_step.empty()) {
        view.partition_offset += start[i] * in.partition_step[i];
        view.partition_step[i] = in.partition_step[i] * stride[i];
      }
    }
  }
  return view;
}

std::optional<Placed> view_broadcast(const ops::Node& node, const Placed& in, const Shape& out) {
  if (!in.partition_step.empty()) return std::nullopt;
  auto dims = node.attributes.integers("broadcast_dimensions");
  Placed view = in;
  view.shape = out;
  view.step.assign(out.size(), 0);
  view.pdim = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    auto d = static_cast<size_t>(dims[i]);
    bool repeats = in.shape[i] == 1 && out[d] != 1;
    if (in.sbuf && static_cast<int>(i) == in.pdim) {
      // A single partition that is repeated over many: the data are in one row.
      if (!repeats) view.pdim = static_cast<int>(d);
    } else if (!repeats) {
      view.step[d] = in.step[i];
    }
  }
  if (in.sbuf && view.pdim < 0 && in.partition_offset != 0) return std::nullopt;
  return view;
}

}  // namespace

Box whole(const Shape& shape) {
  Box box;
  for (int64_t d : shape) box.push_back({0, d});
  return box;
}

Shape sizes(const Box& box) {
  Shape shape;
  for (const Range& range : box) shape.push_back(range.size);
  return shape;
}

int64_t row_elements(const Shape& shape, int pdim) {
  int64_t row = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (static_cast<int>(d) != pdim) row *= std::max<int64_t>(1, shape[d]);
  }
  return row;
}

Placed dense_tile(isa::BufferId buffer, Format format, const Shape& shape, int pdim) {
  Placed tile;
  tile.sbuf = true, tile.buffer = buffer, tile.format = format, tile.shape = shape,
  tile.pdim = pdim;
  tile.step.assign(shape.size(), 0);
  int64_t row = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    if (static_cast<int>(d) == pdim) continue;
    tile.step[d] = row;
    row *= std::max<int64_t>(1, shape[d]);
  }
  return tile;
}

Placed dense_hbm(isa::BufferId buffer, Format format, const Shape& shape) {
  Placed placed;
  placed.buffer = buffer;
  placed.format = format;
  placed.shape = shape;
  placed.step = ops::row_major_strides(shape);
  return placed;
}

std::optional<Placed> try_view(const ops::Node& node, const Placed& in, const Shape& out,
                               int64_t block) {
  const std::string& op = node.op->name;
  if (op == "reshape") return view_reshape(in, out, block);
  if (op == "transpose") return view_transpose(node, in, out);
  if (op == "slice") return view_slice(node, in, out);
  if (op == "broadcast_in_dim") return view_broadcast(node, in, out);
  return std::nullopt;
}

std::optional<isa::AccessPattern> pattern(const Placed& placed, const Box& box, int pdim,
                                          int64_t block) {
  isa::AccessPattern ap;
  ap.buffer = placed.buffer;
  ap.format = placed.format;
  ap.offset = placed.offset;
  int64_t selected = placed.partition_offset;  // the first partition of index 0 of pdim
  for (size_t i = 0; i < placed.partition_step.size(); ++i) {
    if (placed.partition_step[i] == 0) continue;
    if (box[i].size != 1) return std::nullopt;
    selected += box[i].begin * placed.partition_step[i];
  }
  if (pdim >= 0) {
    const Range& range = box[static_cast<size_t>(pdim)];
    ap.partitions = static_cast<int32_t>(range.size);
    if (placed.sbuf) {
      int64_t first = selected + range.begin;
      ap.start_partition = static_cast<int32_t>(first % block);
      ap.offset += first / block * placed.tile_step;
      if (ap.start_partition + range.size > block) return std::nullopt;
    } else {
      ap.partition_step = placed.step[static_cast<size_t>(pdim)];
      ap.offset += range.begin * ap.partition_step;
    }
  } else if (placed.sbuf && selected != 0) {
    ap.start_partition = static_cast<int32_t>(selected % block);
    ap.offset += selected / block * placed.tile_step;
  }
  size_t rank = 0;
  for (size_t i = 0; i < box.size(); ++i) {
    if (static_cast<int>(i) == pdim) continue;
    ap.offset += box[i].begin * placed.step[i];
    if (box[i].size == 1) continue;
    const bool merges = rank > 0 && ap.step[rank - 1] == placed.step[i] * box[i].size;
    if (!merges && rank == isa::kMaxFreeRank) return std::nullopt;
    if (!merges) ++rank;
    ap.size[rank - 1] *= static_cast<int32_t>(box[i].size);
    ap.step[rank - 1] = placed.step[i];
  }
  if (rank == 0) ap.step[rank++] = 1;
  ap.rank = static_cast<uint8_t>(rank);
  return ap;
}

int largest_dim(const Shape& shape, int except) {
  int best = -1;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (static_cast<int>(d) == except) continue;
    if (best < 0 || shape[d] > shape[static_cast<size_t>(best)]) best = static_cast<int>(d);
  }
  return best;
}

int64_t free_elements(const Box& box, int pdim) {
  int64_t n = 1;
  for (size_t i = 0; i < box.size(); ++i) {
    if (static_cast<int>(i) != pdim) n *= box[i].size;
  }
  return n;
}

std::vector<Box> chunk_boxes(const Shape& shape, int pdim, int64_t block, int64_t max_elements,
                             int aligned) {
  // How much of each dimension one box takes: inner dimensions whole while they fit.
  std::vector<int64_t> take(shape.size(), 1);
  int64_t room = max_elements;
  int wide = 0;
  bool open = true;
  for (size_t i = shape.size(); i-- > 0;) {
    if (static_cast<int>(i) == pdim) {
      take[i] = std::min(shape[i], block);
      continue;
    }
    if (!open || wide >= isa::kMaxFreeRank) continue;
    take[i] = std::min(shape[i], std::max<int64_t>(1, room));
    if (take[i] < shape[i]) {
      // Equal parts rather than a short last one.
      int64_t parts = (shape[i] + take[i] - 1) / take[i];
      take[i] = (shape[i] + parts - 1) / parts;
      if (static_cast<int>(i) == aligned)
        take[i] = std::min(shape[i], (take[i] + block - 1) / block * block);
      open = false;
    }
    room /= std::max<int64_t>(1, take[i]);
    if (take[i] > 1) ++wide;
  }
  std::vector<Box> boxes;
  for (int64_t d : shape) {
    if (d == 0) return boxes;
  }
  Shape counts;
  for (size_t i = 0; i < shape.size(); ++i) counts.push_back((shape[i] + take[i] - 1) / take[i]);
  std::vector<int64_t> index(shape.size(), 0);
  do {
    Box box;
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t begin = index[i] * take[i];
      box.push_back({begin, std::min(take[i], shape[i] - begin)});
    }
    boxes.push_back(std::move(box));
  } while (ops::next_index(index, counts));
  return boxes;
}

}  // namespace thorong::compiler
