// SPDX-License-Identifier: Apache-2.0
// Which SIMD targets Highway compiles for this folder. Include before any Highway header.
//
// The functions of this folder give the same bits on every host, and they rest on a fused
// multiply-add. So x86 targets without FMA (SSSE3, SSE4) are left out: such a host runs EMU128,
// Highway's portable target, where simd-inl.h takes std::fma lane by lane. AVX3_DL would only
// repeat AVX3. Scalable vectors (SVE) cannot be members of an array, which the matrix product
// needs; aarch64 runs NEON, which has FMA.
#pragma once

#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif
