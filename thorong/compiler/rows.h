// SPDX-License-Identifier: Apache-2.0
// Shared by softmax and the normalisations: operators on rows, one row = the last dimension of one
// index of the others.
#pragma once

#include "thorong/compiler/lowering.h"

namespace thorong::compiler {

inline constexpr int64_t kLongestRow = 4096;  // elements of a row that a lowering keeps in one tile
inline constexpr int64_t kRowsChunk = 2048;   // elements of a tile with several rows
inline constexpr int64_t kMostRows =
    128;  // rows of a tile: short ones need a few numbers of SBUF each

// The operator's axis is the last dimension (rank >= 1), floats of at most 32 bits, rows not too
// long.
bool accepts_rows(const Graph& graph, const Node& node);

// Calls body(box, x, rows, scope, target) for every tile: x is the operand over the box, `target`
// where the results of all rows go before the group's elementwise part (the output itself when
// there is none); then finishes the box.
struct RowTile {
  Box box;
  AccessPattern x;  // [partitions, rows * length]; may be strided
  AccessPattern target;
  int64_t rows, length, partitions;
  // Row i of a pattern over the box.
  AccessPattern row(const AccessPattern& tile, int64_t i) const;
};
Status for_row_tiles(Codegen& codegen, const Group& group, const Node& node,
                     const std::function<Status(const RowTile&, StreamScope&)>& body);

// An operand of the last dimension's length, on every partition: [partitions, length].
Result<AccessPattern> shared_row(Codegen& codegen, ValueId value, const RowTile& tile,
                                 StreamScope& scope);

}  // namespace thorong::compiler
