// SPDX-License-Identifier: Apache-2.0
// softmax over the last dimension: Vector finds the row's maximum, Scalar computes exp(x - max) and its sum in one pass, then
// one multiplication by 1 / sum.
#include "thorong/compiler/rows.h"

namespace thorong::compiler {
namespace {

using numerics::BinaryFunction;
using numerics::UnaryFunction;

Status tile_softmax(Codegen& codegen, const RowTile& tile, StreamScope& scope) {
  TileBuilder& b = codegen.builder();
  BufferId maxima = scope.allocate(Format::kFloat32, tile.rows), sums = scope.allocate(Format::kFloat32, tile.rows);
  if (maxima < 0 || sums < 0) return resource_exhausted("no SBUF left for softmax");
  AccessPattern max = b.dense(maxima, tile.partitions, {tile.rows}), sum = b.dense(sums, tile.partitions, {tile.rows});
  b.emit(Opcode::tensor_reduce, Queue::kVector, {max, tile.x},
         {.function0 = static_cast<uint8_t>(BinaryFunction::kMaximum), .flags = isa::kNegate});
  auto column = [](AccessPattern ap, int64_t i) {
    ap.offset += i, ap.size[0] = 1;
    return ap;
  };
  // exp stays in fp32 until it has been divided.
  BufferId exponentials = scope.allocate(Format::kFloat32, tile.rows * tile.length);
  if (exponentials < 0) return resource_exhausted("no SBUF left for softmax");
  AccessPattern exp = b.dense(exponentials, tile.partitions, {tile.rows, tile.length});
  for (int64_t i = 0; i < tile.rows; ++i) {
    b.emit(Opcode::activation, Queue::kScalar, {tile.row(exp, i), tile.row(tile.x, i), column(max, i), {}, column(sum, i)},
           {.function0 = static_cast<uint8_t>(UnaryFunction::kExp), .immediate0 = 1.0f});
  }
  b.emit(Opcode::activation, Queue::kScalar, {sum, sum},
         {.function0 = static_cast<uint8_t>(UnaryFunction::kReciprocal), .immediate0 = 1.0f});
  for (int64_t i = 0; i < tile.rows; ++i) {
    Scalars on_vector{.function0 = static_cast<uint8_t>(BinaryFunction::kMultiply)};
    Scalars on_scalar{.function0 = static_cast<uint8_t>(UnaryFunction::kCopy), .immediate0 = 1.0f};
    AccessPattern out = tile.row(tile.target, i), in = tile.row(exp, i), scale = column(sum, i);
    Queue queue = b.cheaper_engine(Opcode::tensor_scalar, on_vector, Opcode::activation, on_scalar, {out, in, scale}, {out, in});
    if (queue == Queue::kVector) b.emit(Opcode::tensor_scalar, queue, {out, in, scale}, on_vector);
    else b.emit(Opcode::activation, queue, {out, in, {}, scale}, on_scalar);
  }
  return ok_status();
}

Status lower(Codegen& codegen, const Group& group, const Node& node) {
  return for_row_tiles(codegen, group, node,
                       [&](const RowTile& tile, StreamScope& scope) { return tile_softmax(codegen, tile, scope); });
}

}  // namespace

Lowering lowering_softmax() { return {.op = "softmax", .lower = lower, .accepts = accepts_rows}; }

}  // namespace thorong::compiler
