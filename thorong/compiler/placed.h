// SPDX-License-Identifier: Apache-2.0
// Where a value's elements are: in SBUF with one dimension on the partitions and the others strided
// along the rows, or in HBM with a stride for every dimension. Transposes, slices, broadcasts and
// most reshapes are only other strides (try_view).
#pragma once

#include <optional>
#include <vector>

#include "thorong/isa/isa.h"
#include "thorong/ops/graph.h"

namespace thorong::compiler {

using numerics::Format;
using ops::Shape;

struct Placed {
  bool sbuf = false;
  Format format = Format::kFloat32;
  isa::BufferId buffer = -1;
  Shape shape;
  std::vector<int64_t> step;  // elements, per dimension; 0 repeats. SBUF: pdim's entry is unused
  int64_t offset = 0;         // elements
  int pdim = -1;  // SBUF: the dimension on partitions; -1: everything in one row of partition 0
  int64_t partition_offset =
      0;                  // SBUF: first index of pdim within the buffer's partitions (slices)
  int64_t tile_step = 0;  // SBUF: elements between blocks of partitions
  // SBUF: dimensions other than pdim that select partitions too, by so many partitions an index
  // (attention heads side by side: the outer part of a dimension that a reshape split). Empty:
  // none. A box may take one index of each.
  std::vector<int64_t> partition_step;
};

struct Range {
  int64_t begin = 0, size = 1;
};
using Box = std::vector<Range>;  // one range a dimension

Box whole(const Shape& shape);

// Free elements of one chunk of a copy: long enough for efficient DMA, short enough to
// double-buffer.
inline constexpr int64_t kCopyChunk = 2048;

// The longest dimension but `except`; -1 if there is none.
int largest_dim(const Shape& shape, int except);

// The sizes of a box.
Shape sizes(const Box& box);

// A dense SBUF tile with `pdim` on the partitions (-1: none) and the other dimensions row-major
// along the row.
Placed dense_tile(isa::BufferId buffer, Format format, const Shape& shape, int pdim);
// Elements of its row.
int64_t row_elements(const Shape& shape, int pdim);

// The dense row-major Placed of an HBM buffer.
Placed dense_hbm(isa::BufferId buffer, Format format, const Shape& shape);

// reshape, transpose, slice, reverse-free views, broadcast_in_dim of `in`; nullopt if the elements
// would have to move. `block`: partitions of a block.
std::optional<Placed> try_view(const ops::Node& node, const Placed& in, const Shape& out_shape,
                               int64_t block);

// The access pattern of a box; the range of `pdim` selects partitions (SBUF: must stay within one
// block of `block` partitions). nullopt if more than four free dimensions remain after merging.
std::optional<isa::AccessPattern> pattern(const Placed& placed, const Box& box, int pdim,
                                          int64_t block);

// Boxes that cover `shape`, in row-major order: pdim in blocks of `block`, at most `max_elements`
// free elements each, at most four free dimensions longer than one. `aligned`: a dimension that is
// cut at multiples of `block` only (it becomes the partitions of a transposed result).
std::vector<Box> chunk_boxes(const Shape& shape, int pdim, int64_t block, int64_t max_elements,
                             int aligned = -1);

// Elements of a box without pdim's.
int64_t free_elements(const Box& box, int pdim);

}  // namespace thorong::compiler
