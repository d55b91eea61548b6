// SPDX-License-Identifier: Apache-2.0
// softmax over the last dimension: Vector finds the row's maximum, Scalar computes exp(x - max) and
// its sum in one pass, then one multiplication by 1 / sum. Many short rows side by side take more
// passes, each over all of them.
#include "thorong/compiler/rows.h"

namespace thorong::compiler {
namespace {

using numerics::BinaryFunction;
using numerics::UnaryFunction;

// max, exponentials and sum of a tile; the maximum is negated.
struct Parts {
  AccessPattern max, exp, sum;
};

AccessPattern column(AccessPattern ap, int64_t i) {
  ap.offset += i, ap.size[0] = 1;
  return ap;
}

// A number of each row for every element of the row.
AccessPattern along_rows(const AccessPattern& numbers, const RowTile& tile) {
  AccessPattern ap = numbers;
  ap.rank = 2;
  ap.size = {static_cast<int32_t>(tile.rows), static_cast<int32_t>(tile.length), 1, 1};
  ap.step = {1, 0, 0, 0};
  return ap;
}

// Seconds of a tile with instructions for each row and with instructions for all rows.
bool rows_are_short(TileBuilder& b, const RowTile& tile, const Parts& parts) {
  AccessPattern max = along_rows(parts.max, tile);
  double each = b.estimate_s(Opcode::activation, Queue::kScalar,
                             {tile.row(parts.exp, 0),
                              tile.row(tile.x, 0),
                              column(parts.max, 0),
                              {},
                              column(parts.sum, 0)}) +
                b.estimate_s(Opcode::tensor_scalar, Queue::kVector,
                             {tile.row(tile.target, 0), tile.row(parts.exp, 0)});
  double all = b.estimate_s(Opcode::tensor_tensor, Queue::kVector, {parts.exp, tile.x, max}) +
               b.estimate_s(Opcode::activation, Queue::kScalar, {parts.exp, parts.exp}) +
               b.estimate_s(Opcode::tensor_reduce, Queue::kVector, {parts.sum, parts.exp}) +
               b.estimate_s(Opcode::tensor_tensor, Queue::kVector, {tile.target, parts.exp, max});
  return all < each * static_cast<double>(tile.rows);
}

void reciprocal_of_sum(TileBuilder& b, const Parts& parts) {
  b.emit(Opcode::activation, Queue::kScalar, {parts.sum, parts.sum},
         {.function0 = static_cast<uint8_t>(UnaryFunction::kReciprocal), .immediate0 = 1.0f});
}

void all_rows(TileBuilder& b, const RowTile& tile, const Parts& parts) {
  Scalars add{.function0 = static_cast<uint8_t>(BinaryFunction::kAdd)};
  b.emit(Opcode::tensor_tensor, Queue::kVector, {parts.exp, tile.x, along_rows(parts.max, tile)},
         add);
  b.emit(Opcode::activation, Queue::kScalar, {parts.exp, parts.exp},
         {.function0 = static_cast<uint8_t>(UnaryFunction::kExp), .immediate0 = 1.0f});
  b.emit(Opcode::tensor_reduce, Queue::kVector, {parts.sum, parts.exp}, add);
  reciprocal_of_sum(b, parts);
  b.emit(Opcode::tensor_tensor, Queue::kVector,
         {tile.target, parts.exp, along_rows(parts.sum, tile)},
         {.function0 = static_cast<uint8_t>(BinaryFunction::kMultiply)});
}

void row_by_row(TileBuilder& b, const RowTile& tile, const Parts& parts) {
  for (int64_t i = 0; i < tile.rows; ++i) {
    b.emit(Opcode::activation, Queue::kScalar,
           {tile.row(parts.exp, i),
            tile.row(tile.x, i),
            column(parts.max, i),
            {},
            column(parts.sum, i)},
           {.function0 = static_cast<uint8_t>(UnaryFunction::kExp), .immediate0 = 1.0f});
  }
  reciprocal_of_sum(b, parts);
  for (int64_t i = 0; i < tile.rows; ++i) {
    Scalars on_vector{.function0 = static_cast<uint8_t>(BinaryFunction::kMultiply)};
    Scalars on_scalar{.function0 = static_cast<uint8_t>(UnaryFunction::kCopy), .immediate0 = 1.0f};
    AccessPattern out = tile.row(tile.target, i), in = tile.row(parts.exp, i),
                  scale = column(parts.sum, i);
    Queue queue = b.cheaper_engine(Opcode::tensor_scalar, on_vector, Opcode::activation, on_scalar,
                                   {out, in, scale}, {out, in});
    if (queue == Queue::kVector)
      b.emit(Opcode::tensor_scalar, queue, {out, in, scale}, on_vector);
    else
      b.emit(Opcode::activation, queue, {out, in, {}, scale}, on_scalar);
  }
}

Status tile_softmax(Codegen& codegen, const RowTile& tile, StreamScope& scope) {
  TileBuilder& b = codegen.builder();
  BufferId maxima = scope.allocate(Format::kFloat32, tile.rows),
           sums = scope.allocate(Format::kFloat32, tile.rows);
  // exp stays in fp32 until it has been divided.
  BufferId exponentials = scope.allocate(Format::kFloat32, tile.rows * tile.length);
  if (maxima < 0 || sums < 0 || exponentials < 0)
    return resource_exhausted("no SBUF left for softmax");
  Parts parts{b.dense(maxima, tile.partitions, {tile.rows}),
              b.dense(exponentials, tile.partitions, {tile.rows, tile.length}),
              b.dense(sums, tile.partitions, {tile.rows})};
  b.emit(Opcode::tensor_reduce, Queue::kVector, {parts.max, tile.x},
         {.function0 = static_cast<uint8_t>(BinaryFunction::kMaximum), .flags = isa::kNegate});
  if (rows_are_short(b, tile, parts))
    all_rows(b, tile, parts);
  else
    row_by_row(b, tile, parts);
  return ok_status();
}

Status lower(Codegen& codegen, const Group& group, const Node& node) {
  return for_row_tiles(codegen, group, node, [&](const RowTile& tile, StreamScope& scope) {
    return tile_softmax(codegen, tile, scope);
  });
}

}  // namespace

Lowering lowering_softmax() { return {.op = "softmax", .lower = lower, .accepts = accepts_rows}; }

}  // namespace thorong::compiler
