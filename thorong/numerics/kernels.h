// SPDX-License-Identifier: Apache-2.0
// The entry points between functions.cc, which sorts out arguments, and the vectorised files behind
// it. Each picks the host's SIMD target by itself. Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thorong/numerics/functions.h"

namespace thorong::numerics::internal {

// multiply_tile.cc: the most rows of operands with offsets.
inline constexpr size_t kStridedDepth = 256;

// Where the operands of a binary function come from: two arrays; array and scalar; scalar and
// array.
enum class Operands : uint8_t { kArrays, kArrayScalar, kScalarArray };

// True for the functions of elementwise.cc; the others are those of transcendental.cc.
bool is_simple(UnaryFunction function);
bool is_simple(BinaryFunction function);

// elementwise.cc
void simple_unary(UnaryFunction function, const float* in, float* out, size_t n);
void simple_binary(BinaryFunction function, Operands operands, const float* a, const float* b,
                   float scalar, float* out, size_t n);
// out[i] = in[i] * scale + bias in two roundings, then relu or nothing.
void affine(const float* in, float scale, float bias, bool relu, float* out, size_t n);
// out[i] = in0[i] * scalar + in1[i] in two roundings.
void multiply_then_add(const float* in0, float scalar, const float* in1, float* out, size_t n);

// transcendental.cc
void hard_unary(UnaryFunction function, const float* in, float* out, size_t n);
void hard_binary(BinaryFunction function, Operands operands, const float* a, const float* b,
                 float scalar, float* out, size_t n);

}  // namespace thorong::numerics::internal
