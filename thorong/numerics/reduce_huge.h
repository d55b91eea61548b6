// SPDX-License-Identifier: Apache-2.0
// Argument reduction of sin, cos and tan for fp32 arguments of 2^40 and beyond; see
// trigonometric-inl.h.
#pragma once

#include <cstdint>

namespace thorong::numerics::internal {

constexpr double kHuge = 1099511627776.0;  // 2^40

// x: an fp32 value with |x| >= kHuge, or infinity. Returns r with x = r + quadrant * pi/2 (mod 2
// pi), |r| <= pi/4; NaN for infinity.
double reduce_huge(double x, uint64_t* quadrant);

}  // namespace thorong::numerics::internal
