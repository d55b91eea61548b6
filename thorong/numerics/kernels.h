// SPDX-License-Identifier: Apache-2.0
// The entry points between functions.cc, which sorts out arguments, and the vectorised files behind
// it. Each picks the host's SIMD target by itself. Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thorong/numerics/functions.h"
#include "thorong/numerics/rows.h"

namespace thorong::numerics::internal {

// multiply_tile.cc: the most rows of operands with offsets.
inline constexpr size_t kStridedDepth = 256;

// Before a unary function: in * scale + bias in two roundings; columns.
struct Affine {
  Rows scale, bias;
};

// True for the functions of elementwise.cc; the others are those of transcendental.cc.
bool is_simple(UnaryFunction function);
bool is_simple(BinaryFunction function);

// elementwise.cc; `affine` may be null
void simple_unary(UnaryFunction function, const Rows& in, const Affine* affine, const RowsOut& out,
                  size_t rows, size_t n);
void simple_binary(BinaryFunction function, const Rows& a, const Rows& b, const RowsOut& out,
                   size_t rows, size_t n);
// in0 * scalar + in1 in two roundings; `scalar` is a column.
void multiply_then_add(const Rows& in0, const Rows& scalar, const Rows& in1, const RowsOut& out,
                       size_t rows, size_t n);

// transcendental.cc
void hard_unary(UnaryFunction function, const Rows& in, const Affine* affine, const RowsOut& out,
                size_t rows, size_t n);
void hard_binary(BinaryFunction function, const Rows& a, const Rows& b, const RowsOut& out,
                 size_t rows, size_t n);

}  // namespace thorong::numerics::internal
