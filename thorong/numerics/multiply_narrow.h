// SPDX-License-Identifier: Apache-2.0
// The matrix product of functions.h with a moving operand in bfloat16: widened where its columns
// are brought together, so that no fp32 image of it takes up cache.
#pragma once

#include <cstddef>
#include <cstdint>

namespace thorong::numerics {

inline constexpr size_t kMostNarrowRows = 256;  // K

// As multiply_tile; `moving` holds the bits of bfloat16, its stride counts elements.
void multiply_tile_narrow(const float* stationary, size_t stationary_stride, const uint16_t* moving,
                          size_t moving_stride, float* psum, size_t psum_stride, size_t M, size_t N,
                          size_t K, bool accumulate);

}  // namespace thorong::numerics
