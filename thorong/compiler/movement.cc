// SPDX-License-Identifier: Apache-2.0
// Getting operands where instructions want them: views, loads, transposes on the tensor engine,
// broadcasts over partitions, constants arranged at compile time, stores.
#include <algorithm>
#include <cstring>

#include "thorong/compiler/codegen.h"
#include "thorong/ops/tensor_iteration.h"

namespace thorong::compiler {
namespace {

// Below this many elements an element-wise DMA is cheaper than bringing the tensor elsewhere first.
constexpr int64_t kSmallGather = 2048;

}  // namespace

Result<Placed> Codegen::place(ValueId value) {
  if (auto it = placed_.find(value); it != placed_.end()) return it->second;
  int producer = graph_.value(value).producer;
  if (producer < 0) {
    THORONG_CHECK(graph_.is_constant(value), "a value was read before it was made");
    THORONG_TRY(Placed placed, materialize_constant(value, -2, graph_.type(value).format));
    placed_[value] = placed;
    return placed;
  }
  const Node& node = graph_.nodes[static_cast<size_t>(producer)];
  THORONG_CHECK(is_view(node), "a value was read before it was made: " + graph_.value(value).name +
                                   " of " + node.op->name + " " + node.name);
  THORONG_TRY(Placed in, place(node.inputs[0]));
  const Shape& shape = graph_.type(value).shape;
  auto view = try_view(node, in, shape, block());
  if (!view && in.sbuf) {
    // Another dimension on the partitions may make it a view.
    for (int d = 0; d < static_cast<int>(in.shape.size()) && !view; ++d) {
      if (d == in.pdim || in.shape[static_cast<size_t>(d)] < 16) continue;
      Placed probe = in;
      probe.pdim = d;
      probe.partition_offset = 0;
      if (!try_view(node, probe, shape, block())) continue;
      THORONG_TRY(Placed moved, acquire(node.inputs[0], d, in.format));
      view = try_view(node, moved, shape, block());
    }
  }
  if (!view) {
    Placed dense = store_dense(in, in.format, graph_.value(value).name);
    THORONG_RETURN_IF_ERROR(copy_to_hbm(in, dense));
    variants_[{node.inputs[0], {-3 - static_cast<int>(value), in.format}}] =
        dense;  // freed with its base
    view = ops::element_count(shape) == 0 ? dense_hbm(dense.buffer, in.format, shape)
                                          : try_view(node, dense, shape, block());
    THORONG_CHECK(view.has_value(), "a dense tensor in HBM can be viewed in any shape");
  }
  placed_[value] = *view;
  return *view;
}

Placed Codegen::store_dense(const Placed& from, Format format, const std::string& name) {
  BufferId buffer =
      builder_.add_hbm(name, isa::BufferRole::kScratch, format, ops::element_count(from.shape));
  return dense_hbm(buffer, format, from.shape);
}

Result<Placed> Codegen::to_hbm(ValueId value) {
  THORONG_TRY(Placed placed, place(value));
  Format declared = graph_.type(value).format;
  bool dense = !placed.sbuf && placed.offset == 0 && placed.format == declared &&
               (placed.step == ops::row_major_strides(placed.shape) ||
                ops::element_count(placed.shape) == 1);
  if (dense &&
      builder_.program().buffers[static_cast<size_t>(placed.buffer)].row_bytes ==
          ops::element_count(placed.shape) * static_cast<int64_t>(numerics::byte_size(declared))) {
    return placed;
  }
  auto key = std::make_pair(value, std::make_pair(-2, declared));
  if (auto it = variants_.find(key); it != variants_.end()) return it->second;
  Placed dense_copy = store_dense(placed, declared, graph_.value(value).name);
  THORONG_RETURN_IF_ERROR(copy_to_hbm(placed, dense_copy));
  variants_[key] = dense_copy;
  return dense_copy;
}

Result<Placed> Codegen::to_hbm_as(ValueId value, Format format) {
  if (graph_.is_constant(value)) return materialize_constant(value, -2, format);
  THORONG_TRY(Placed dense, to_hbm(value));
  if (dense.format == format) return dense;
  auto key = std::make_pair(value, std::make_pair(-2, format));
  if (auto it = variants_.find(key); it != variants_.end()) return it->second;
  Placed other = store_dense(dense, format, graph_.value(value).name);
  THORONG_RETURN_IF_ERROR(copy_to_hbm(dense, other));
  variants_[key] = other;
  return other;
}

Status Codegen::copy_to_hbm(const Placed& from, const Placed& to) {
  int pdim =
      from.sbuf ? from.pdim : largest_dim(from.shape, static_cast<int>(from.shape.size()) - 1);
  // A sliced partition dimension may start within a block: boxes must not straddle.
  bool straddles =
      from.sbuf && (from.partition_offset % block() != 0 || !from.partition_step.empty());
  if (straddles) {
    Placed aligned = allocate(from.shape, pdim, from.format, "aligned");
    THORONG_RETURN_IF_ERROR(copy_box(aligned, whole(from.shape), from, whole(from.shape)));
    THORONG_RETURN_IF_ERROR(copy_to_hbm(aligned, to));
    builder_.release(aligned.buffer);
    return ok_status();
  }
  for (const Box& box : chunk_boxes(from.shape, pdim, block(), kCopyChunk)) {
    THORONG_RETURN_IF_ERROR(copy_box(to, box, from, box));
  }
  return ok_status();
}

// DMA between two boxes of the same shape, split where a pattern would need too many dimensions or
// cross partition blocks.
Status Codegen::copy_box(const Placed& to, const Box& to_box, const Placed& from,
                         const Box& from_box) {
  int pdim = to.sbuf     ? to.pdim
             : from.sbuf ? from.pdim
                         : largest_dim(from.shape, static_cast<int>(from.shape.size()) - 1);
  if (to.sbuf && from.sbuf && to.pdim != from.pdim)
    return internal_error("copy between different partition dimensions");
  auto at = static_cast<size_t>(std::max(pdim, 0));
  int64_t done = 0, total = pdim < 0 ? 1 : to_box[at].size;
  while (done < total) {
    Box a = to_box, b = from_box;
    int64_t piece = total - done;
    if (pdim >= 0) {
      auto room = [&](const Placed& p, const Box& box) {
        if (!p.sbuf) return block();
        return block() - (p.partition_offset + box[at].begin + done) % block();
      };
      piece = std::min({piece, room(to, to_box), room(from, from_box)});
      a[at] = {to_box[at].begin + done, piece};
      b[at] = {from_box[at].begin + done, piece};
    }
    auto out = pattern(to, a, pdim, block());
    auto in = pattern(from, b, pdim, block());
    if (out && in) {
      Queue queue = to.sbuf ? (from.sbuf ? Queue::kDmaMove : Queue::kDmaLoad) : Queue::kDmaStore;
      builder_.emit(Opcode::dma_copy, queue, {*out, *in});
    } else {
      // Peel the outermost dimension that is longer than one.
      size_t d = 0;
      while (d < a.size() && (static_cast<int>(d) == pdim || a[d].size == 1)) ++d;
      if (d == a.size()) return unsupported("a copy of one row is not one access pattern");
      for (int64_t i = 0; i < a[d].size; ++i) {
        Box inner_a = a, inner_b = b;
        inner_a[d] = {a[d].begin + i, 1};
        inner_b[d] = {b[d].begin + i, 1};
        THORONG_RETURN_IF_ERROR(copy_box(to, inner_a, from, inner_b));
      }
    }
    done += piece;
  }
  return ok_status();
}

Result<Placed> Codegen::acquire(ValueId value, int pdim, Format format, bool split) {
  auto key = std::make_pair(value, std::make_pair(pdim, format));
  if (split && graph_.value(value).producer >= 0) {
    THORONG_TRY(Placed as_is, place(value));
    if (as_is.sbuf && as_is.pdim == pdim && as_is.format == format && !as_is.partition_step.empty())
      return as_is;
  }
  if (auto it = variants_.find(key); it != variants_.end()) return it->second;
  if (auto it = constants_.find(key); it != constants_.end()) return it->second;
  auto p = static_cast<size_t>(std::max(pdim, 0));
  if (std::optional<Placed> view = constant_view(value)) {  // arranged once, as it is wanted here
    bool repeated = pdim >= 0 && view->shape[p] > 1 && view->step[p] == 0;
    if (!repeated) {
      THORONG_TRY(Placed arranged, materialize_constant(value, pdim, format));
      THORONG_TRY(arranged, keep_constant(value, arranged, pdim));
      return constants_[key] = arranged;
    }
  }
  THORONG_TRY(Placed placed, place(value));
  const Shape& shape = placed.shape;
  // A dimension that selects partitions has no step in the row, and does not repeat.
  auto selects = [&](size_t d) {
    return !placed.partition_step.empty() && placed.partition_step[d] != 0;
  };
  bool repeats = pdim >= 0 && shape[p] > 1 && !(placed.sbuf && placed.pdim == pdim) &&
                 placed.step[p] == 0 && !selects(p);
  std::string name = graph_.value(value).name;
  if (repeats) {
    THORONG_TRY(Placed rows, broadcast_rows(placed, pdim, format));
    if (rows.sbuf && graph_.is_constant(base_of(value))) constant_rows_.insert(key);
    return variants_[key] = rows;
  }
  if (!placed.sbuf && graph_.is_constant(base_of(value))) return constants_[key] = placed;
  if (!placed.sbuf) {
    // Loading with the innermost dimension on the partitions moves single elements: bring it in the
    // other way, then transpose.
    bool gathers = pdim >= 0 && shape[p] > 1 && placed.step[p] == 1 &&
                   ops::element_count(shape) > kSmallGather && ops::element_count(shape) > shape[p];
    if (!gathers) return placed;
    THORONG_TRY(Placed moved, relayout(placed, pdim, format, name));
    return variants_[key] = moved;
  }
  if (placed.pdim == pdim || (pdim >= 0 && placed.pdim < 0 && shape[p] == 1)) {
    if (placed.pdim < 0) placed.pdim = pdim;
    if (placed.partition_step.empty() &&
        placed.partition_offset % block() == 0) {  // a slice of whole blocks
      placed.offset += placed.partition_offset / block() * placed.tile_step;
      placed.partition_offset = 0;
    }
    if (placed.partition_offset != 0 || !placed.partition_step.empty()) {
      Placed aligned = allocate(shape, pdim, placed.format, name);
      THORONG_RETURN_IF_ERROR(copy_box(aligned, whole(shape), placed, whole(shape)));
      placed = aligned;
      if (placed.format == format) return variants_[key] = placed;
    }
    if (placed.format == format) return placed;
    THORONG_TRY(Placed converted, convert_placed(placed, format, name));
    release_original(value);
    return variants_[key] = converted;
  }
  // A broadcast somewhere else: transposing repeated data is a waste, go through HBM where every
  // view is free.
  bool has_repeat = false;
  for (size_t d = 0; d < shape.size(); ++d) {
    has_repeat = has_repeat || (static_cast<int>(d) != placed.pdim && shape[d] > 1 &&
                                placed.step[d] == 0 && !selects(d));
  }
  if (has_repeat || placed.partition_offset % block() != 0 || (pdim >= 0 && selects(p))) {
    THORONG_TRY(Placed dense, to_hbm(value));
    if (pdim < 0 || dense.step[p] != 1 || ops::element_count(shape) <= kSmallGather) return dense;
    THORONG_TRY(Placed from_hbm, relayout(dense, pdim, format, name));
    return variants_[key] = from_hbm;
  }
  THORONG_TRY(Placed moved, relayout(placed, pdim, format, name));
  release_original(value);
  return variants_[key] = moved;
}

Result<Placed> Codegen::convert_placed(const Placed& from, Format format, const std::string& name) {
  Placed to = allocate(from.shape, from.pdim, format, name);
  for (const Box& box : chunk_boxes(from.shape, from.pdim, block(), kCopyChunk)) {
    auto in = pattern(from, box, from.pdim, block());
    auto out = pattern(to, box, from.pdim, block());
    if (to.sbuf && in && out)
      builder_.copy(*out, *in);
    else
      THORONG_RETURN_IF_ERROR(copy_box(to, box, from, box));
  }
  return to;
}

// The same row on every partition: one DMA that reads it once a partition.
Result<Placed> Codegen::broadcast_rows(const Placed& from, int pdim, Format format) {
  Placed source = from;
  if (source.sbuf && source.pdim >= 0 && source.shape[static_cast<size_t>(source.pdim)] > 1) {
    // Spread over partitions already: a row exists only in HBM.
    Placed dense = store_dense(source, source.format, "row");
    Shape distinct = source.shape;
    Placed narrow = source;
    for (size_t d = 0; d < distinct.size(); ++d) {
      if (static_cast<int>(d) != source.pdim && source.step[d] == 0)
        narrow.shape[d] = 1, dense.step[d] = 0;
    }
    int64_t row = 1;
    for (size_t d = distinct.size(); d-- > 0;) {
      if (narrow.shape[d] == 1) continue;
      dense.step[d] = row;
      row *= narrow.shape[d];
    }
    Placed narrow_dense = dense;
    narrow_dense.shape = narrow.shape;
    THORONG_RETURN_IF_ERROR(copy_to_hbm(narrow, narrow_dense));
    source = dense;
  }
  Placed to = source;
  to.sbuf = true, to.format = format, to.pdim = pdim, to.offset = 0, to.tile_step = 0,
  to.partition_offset = 0;
  Box box = whole(source.shape);
  int64_t row = 1;
  for (size_t d = source.shape.size(); d-- > 0;) {
    bool repeats = source.step[d] == 0 || static_cast<int>(d) == pdim;
    if (repeats)
      box[d] = {0, 1}, to.step[d] = 0;
    else
      to.step[d] = row, row *= source.shape[d];
  }
  // Rows of constants live for one group and go where streams go: at a place that was freed just
  // now the load would wait for the last operators, and every load behind it too.
  bool constant_row =
      !from.sbuf && builder_.program().buffers[static_cast<size_t>(from.buffer)].role ==
                        isa::BufferRole::kConstant;
  if (constant_row)
    to.buffer = builder_.allocate_stream(format, row);
  else
    to.buffer = builder_.allocate_resident(format, row);
  if (to.buffer < 0) {
    Placed hbm = source;  // no room: fetched again for every box
    if (!source.sbuf) return hbm;
    return resource_exhausted("no SBUF left for a row that every partition needs");
  }
  Placed rows_out = to, rows_in = source;
  rows_out.pdim = -1, rows_in.pdim = -1;
  auto out = pattern(rows_out, box, -1, block());
  auto in = pattern(rows_in, box, -1, block());
  if (!out || !in) return internal_error("a broadcast row needs too many dimensions");
  out->partitions = in->partitions = static_cast<int32_t>(block());
  in->partition_step = source.sbuf ? isa::kRepeatRow : 0;
  builder_.emit(Opcode::dma_copy, source.sbuf ? Queue::kDmaMove : Queue::kDmaLoad, {*out, *in});
  return to;
}

void Codegen::load(const Placed& from, Format format, const AccessPattern& out,
                   const AccessPattern& in) {
  isa::BufferRole role = builder_.program().buffers[static_cast<size_t>(from.buffer)].role;
  bool stays = role == isa::BufferRole::kConstant || role == isa::BufferRole::kInput;
  bool dense_rows = in.contiguous_run() == in.free_elements();
  bool same = stays && format == from.format && dense_rows;
  builder_.emit(Opcode::dma_copy, Queue::kDmaLoad, {out, in},
                {.flags = same ? isa::kBindView : uint16_t{0}});
}

Result<AccessPattern> Codegen::fetch(const Placed& placed, const Box& box, int pdim, Format format,
                                     StreamScope& scope) {
  if (placed.sbuf) {
    auto ap = pattern(placed, box, pdim, block());
    if (!ap) return unsupported("a box of a resident tensor is not one access pattern");
    return *ap;
  }
  // Only distinct elements are loaded; repeated dimensions get a step of 0.
  Placed local;
  local.sbuf = true, local.format = format, local.shape = placed.shape, local.pdim = pdim;
  local.step.assign(box.size(), 0);
  Box distinct = box;
  int64_t row = 1;
  std::string key;
  for (size_t d = box.size(); d-- > 0;) {
    bool repeats = placed.step[d] == 0 && placed.shape[d] > 1;
    if (static_cast<int>(d) == pdim) {
      key += "p" + std::to_string(repeats ? 0 : box[d].begin) + ":" + std::to_string(box[d].size);
      continue;
    }
    if (repeats)
      distinct[d] = {0, 1};
    else
      local.step[d] = row, row *= box[d].size;
    key += "," + std::to_string(distinct[d].begin) + ":" + std::to_string(distinct[d].size);
  }
  Box local_box = box;
  for (size_t d = 0; d < box.size(); ++d) local_box[d].begin = 0;
  local.shape.clear();
  for (const Range& range : box) local.shape.push_back(range.size);
  // Small operands that are the same for many boxes (per-partition scalars, shared rows) are kept
  // for the group.
  bool small = row * static_cast<int64_t>(numerics::byte_size(format)) <= 4096 &&
               free_elements(box, pdim) > row;
  key += "@" + std::to_string(placed.buffer) + "+" + std::to_string(placed.offset) +
         std::string(numerics::name(format));
  for (int64_t step : placed.step)
    key += "*" + std::to_string(step);  // the same box of another view
  if (small) {
    for (const auto& [cached_key, cached] : row_cache_) {
      if (cached_key != key) continue;
      local.buffer = cached.first;
      auto again = pattern(local, local_box, pdim, block());
      if (again) return *again;
    }
  }
  constexpr size_t kMaxCached = 24;
  bool keep = small && row_cache_.size() < kMaxCached;
  local.buffer = keep ? builder_.allocate_stream(format, row) : scope.allocate(format, row);
  if (local.buffer < 0) return resource_exhausted("no SBUF left to load an operand");
  Placed target = local;
  Box target_box = local_box;
  for (size_t d = 0; d < box.size(); ++d) {
    if (static_cast<int>(d) != pdim) target_box[d] = {0, distinct[d].size};
  }
  auto out = pattern(target, target_box, pdim, block());
  auto in = pattern(placed, distinct, pdim, block());
  if (out && in) {
    load(placed, format, *out, *in);
  } else {
    THORONG_RETURN_IF_ERROR(copy_box(target, target_box, placed, distinct));
  }
  auto ap = pattern(local, local_box, pdim, block());
  if (!ap) return unsupported("a loaded box is not one access pattern");
  if (keep) row_cache_.push_back({key, {local.buffer, *ap}});
  return *ap;
}

Result<Placed> Codegen::bring(const Placed& placed, const Box& box, int pdim, Format format,
                              StreamScope& scope) {
  if (placed.sbuf) return placed;
  Placed local;
  local.sbuf = true, local.format = format, local.shape = placed.shape, local.pdim = pdim;
  local.step.assign(box.size(), 0);
  int64_t row = 1;
  Box distinct = box;
  for (size_t d = box.size(); d-- > 0;) {
    if (static_cast<int>(d) == pdim) continue;
    bool repeats = placed.step[d] == 0 && placed.shape[d] > 1;
    if (repeats)
      distinct[d] = {box[d].begin, 1};
    else
      local.step[d] = row, row *= box[d].size;
  }
  local.buffer = scope.allocate(format, row);
  if (local.buffer < 0)
    return resource_exhausted("no SBUF left to load an operand of " + std::to_string(row) +
                              " elements a partition");
  for (size_t d = 0; d < box.size(); ++d) {
    if (static_cast<int>(d) == pdim)
      local.partition_offset = -box[d].begin;
    else
      local.offset -= box[d].begin * local.step[d];
  }
  auto out = pattern(local, distinct, pdim, block());
  auto in = pattern(placed, distinct, pdim, block());
  if (!out || !in) {
    THORONG_RETURN_IF_ERROR(copy_box(local, distinct, placed, distinct));
    return local;
  }
  load(placed, format, *out, *in);
  return local;
}

Result<AccessPattern> Codegen::view(const Placed& placed, const Box& box, int pdim) {
  auto ap = pattern(placed, box, pdim, block());
  if (!ap) return unsupported("a box of a tile is not one access pattern");
  return *ap;
}

Status Codegen::fill(const Placed& placed, float value) {
  int pdim = placed.sbuf ? placed.pdim
                         : largest_dim(placed.shape, static_cast<int>(placed.shape.size()) - 1);
  for (const Box& box :
       chunk_boxes(placed.shape, pdim, block(), placed.sbuf ? INT32_MAX : kCopyChunk)) {
    auto out = pattern(placed, box, pdim, block());
    if (placed.sbuf && out) {
      builder_.emit(Opcode::memset, Queue::kVector, {*out}, {.immediate0 = value});
      continue;
    }
    if (placed.sbuf) return unsupported("a box to fill is not one access pattern");
    StreamScope scope(builder_);
    Placed staged = dense_tile(scope.allocate(placed.format, free_elements(box, pdim)),
                               placed.format, sizes(box), pdim);
    if (staged.buffer < 0) return resource_exhausted("no SBUF left to fill a tensor");
    THORONG_TRY(AccessPattern tile, view(staged, whole(staged.shape), pdim));
    builder_.emit(Opcode::memset, Queue::kVector, {tile}, {.immediate0 = value});
    THORONG_RETURN_IF_ERROR(copy_box(placed, box, staged, whole(staged.shape)));
  }
  return ok_status();
}

}  // namespace thorong::compiler
