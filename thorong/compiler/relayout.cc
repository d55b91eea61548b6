// SPDX-License-Identifier: Apache-2.0
// Another dimension onto the partitions: transpositions on the tensor engine, block by block into
// PSUM, and copies back.
//
// The box [128 of the old dimension q, 128 of the new dimension p] of one index of the others is
// one transposition. Neighbours share a PSUM bank and one copy: along the innermost other
// dimension, or else along the blocks of p.
#include <algorithm>

#include "thorong/compiler/codegen.h"
#include "thorong/ops/tensor_iteration.h"

namespace thorong::compiler {
namespace {

class Relayout {
 public:
  Relayout(Codegen& codegen, const Placed& from, const Placed& to, int pdim)
      : codegen_(codegen),
        from_(from),
        to_(to),
        p_(pdim),
        q_(from.sbuf ? from.pdim : largest_dim(from.shape, pdim)),
        // What comes from HBM is cast on the way: a 16-bit transposition takes one pass, a 32-bit
        // one several.
        format_(from.sbuf ? from.format : to.format) {}

  Status run() {
    int64_t chunk = from_.sbuf ? INT64_MAX / 4 : std::max<int64_t>(kCopyChunk, codegen_.block());
    for (const Box& outer : chunk_boxes(from_.shape, q_, codegen_.block(), chunk, p_)) {
      StreamScope scope(codegen_.builder());
      THORONG_TRY(Placed local, codegen_.bring(from_, outer, q_, format_, scope));
      THORONG_RETURN_IF_ERROR(blocks(outer, local));
    }
    return ok_status();
  }

 private:
  size_t p() const { return static_cast<size_t>(p_); }

  // The dimension along which neighbouring transpositions share a bank; -1: none.
  int shared_dimension(const Box& outer) const {
    for (int d = static_cast<int>(outer.size()) - 1; d >= 0; --d) {
      if (d != q_ && d != p_ && outer[static_cast<size_t>(d)].size > 1) return d;
    }
    return p_ >= 0 && to_.sbuf && outer[p()].size >= 2 * codegen_.block() ? p_ : -1;
  }

  Status blocks(const Box& outer, const Placed& local) {
    int shared = shared_dimension(outer);
    int64_t width = q_ < 0 ? 1 : outer[static_cast<size_t>(q_)].size;
    int64_t per_bank = std::max<int64_t>(1, codegen_.builder().psum_elements() / width);
    Shape counts;  // of boxes along each dimension
    for (size_t d = 0; d < outer.size(); ++d) {
      int64_t step = static_cast<int>(d) == q_   ? outer[d].size
                     : static_cast<int>(d) == p_ ? codegen_.block()
                                                 : 1;
      if (static_cast<int>(d) == shared) step *= per_bank;
      counts.push_back((outer[d].size + step - 1) / step);
    }
    std::vector<int64_t> index(outer.size(), 0);
    do {
      Box box;
      for (size_t d = 0; d < outer.size(); ++d) {
        int64_t step = static_cast<int>(d) == q_   ? outer[d].size
                       : static_cast<int>(d) == p_ ? codegen_.block()
                                                   : 1;
        if (static_cast<int>(d) == shared) step *= per_bank;
        box.push_back(
            {outer[d].begin + index[d] * step, std::min(step, outer[d].size - index[d] * step)});
      }
      THORONG_RETURN_IF_ERROR(bank(box, shared, local));
    } while (ops::next_index(index, counts));
    return ok_status();
  }

  // One bank's worth: transpositions of the parts of `box` along `shared`, and one copy out. Only
  // whole blocks of p share a bank.
  Status bank(const Box& box, int shared, const Placed& local) {
    if (shared != p_ || shared < 0) return transpose_and_copy(box, shared, local);
    int64_t rest = box[p()].size % codegen_.block();
    Box full = box, last = box;
    full[p()].size -= rest;
    last[p()] = {box[p()].begin + full[p()].size, rest};
    if (full[p()].size > 0)
      THORONG_RETURN_IF_ERROR(
          transpose_and_copy(full, full[p()].size > codegen_.block() ? p_ : -1, local));
    return rest > 0 ? transpose_and_copy(last, -1, local) : ok_status();
  }

  Status transpose_and_copy(const Box& box, int shared, const Placed& local) {
    TileBuilder& builder = codegen_.builder();
    int64_t width = q_ < 0 ? 1 : box[static_cast<size_t>(q_)].size;
    int64_t step = shared == p_ ? codegen_.block() : 1;
    int64_t parts = shared < 0 ? 1 : box[static_cast<size_t>(shared)].size / step;
    int64_t rows = p_ < 0 ? 1 : std::min(box[p()].size, codegen_.block());
    AccessPattern bank = builder.psum(rows, parts * width, format_);
    for (int64_t i = 0; i < parts; ++i) {
      Box part = box;
      if (shared >= 0)
        part[static_cast<size_t>(shared)] = {box[static_cast<size_t>(shared)].begin + i * step,
                                             step};
      THORONG_TRY(AccessPattern in, codegen_.view(local, part, q_));
      AccessPattern out = bank;
      out.offset += i * width;
      out.size[0] = static_cast<int32_t>(width);
      builder.emit(Opcode::nc_transpose, Queue::kTensor, {out, in});
    }
    return shared == p_ && shared >= 0 ? copy_blocks(box, bank, parts, width)
                                       : copy_out(box, shared, bank, width);
  }

  // The bank holds [blocks of p][q]; the copy visits in that order.
  Status copy_blocks(const Box& box, AccessPattern bank, int64_t parts, int64_t width) {
    Box first = box;
    first[p()].size = codegen_.block();
    THORONG_TRY(AccessPattern target, codegen_.view(to_, first, p_));
    if (width == 1) target.rank = 0;
    for (int d = target.rank; d > 0; --d) {
      auto at = static_cast<size_t>(d);
      target.size[at] = target.size[at - 1], target.step[at] = target.step[at - 1];
    }
    ++target.rank;
    target.size[0] = static_cast<int32_t>(parts), target.step[0] = to_.tile_step;
    codegen_.builder().copy(target, bank);
    return ok_status();
  }

  // The bank holds [shared][q].
  Status copy_out(const Box& box, int shared, const AccessPattern& bank, int64_t width) {
    Placed tile;
    tile.sbuf = true, tile.buffer = bank.buffer, tile.format = format_, tile.pdim = p_,
    tile.shape = sizes(box);
    tile.step.assign(box.size(), 0);
    if (q_ >= 0) tile.step[static_cast<size_t>(q_)] = 1;
    if (shared >= 0) tile.step[static_cast<size_t>(shared)] = width;
    THORONG_TRY(AccessPattern from_bank, codegen_.view(tile, whole(tile.shape), p_));
    if (to_.sbuf) {
      THORONG_TRY(AccessPattern target, codegen_.view(to_, box, p_));
      codegen_.builder().copy(target, from_bank);
      return ok_status();
    }
    StreamScope scope(codegen_.builder());
    tile.buffer = scope.allocate(to_.format, free_elements(box, p_)), tile.format = to_.format;
    if (tile.buffer < 0) return resource_exhausted("no SBUF left for a transposed block");
    THORONG_TRY(AccessPattern stage, codegen_.view(tile, whole(tile.shape), p_));
    codegen_.builder().copy(stage, from_bank);
    return codegen_.copy_box(to_, box, tile, whole(tile.shape));
  }

  Codegen& codegen_;
  const Placed& from_;
  const Placed& to_;
  int p_, q_;  // the new and the old dimension on the partitions
  Format format_;
};

}  // namespace

Result<Placed> Codegen::relayout(const Placed& from, int pdim, Format format,
                                 const std::string& name) {
  Placed to = allocate(from.shape, pdim, format, name);
  THORONG_RETURN_IF_ERROR(Relayout(*this, from, to, pdim).run());
  return to;
}

}  // namespace thorong::compiler
