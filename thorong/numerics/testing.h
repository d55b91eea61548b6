// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of this folder: running a body under every SIMD target of the host, bit
// comparison, inputs that cover all of fp32.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "thorong/numerics/functions.h"

namespace thorong::numerics::testing {

// Names of the targets that this host can run.
inline std::vector<std::string> runnable_targets() {
  std::vector<std::string> runnable;
  for (const char* target : {"AVX3", "AVX2", "NEON", "EMU128", "SCALAR"}) {
    if (force_simd_target(target)) runnable.emplace_back(target);
  }
  force_simd_target("");
  return runnable;
}

// Runs body(name) with each target forced.
template <typename Body>
void for_each_target(const Body& body) {
  const std::vector<std::string> targets = runnable_targets();
  EXPECT_GE(targets.size(), 1U);
  for (const std::string& target : targets) {
    ASSERT_TRUE(force_simd_target(target));
    SCOPED_TRACE(target);
    body(target);
  }
  force_simd_target("");
}

// Expects equal bits; reports the first difference only.
inline void expect_same_bits(const std::vector<float>& expected, const std::vector<float>& actual,
                             const std::string& what) {
  ASSERT_EQ(expected.size(), actual.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(expected[i]), std::bit_cast<uint32_t>(actual[i]))
        << what << " at " << i << ": " << expected[i] << " and " << actual[i];
  }
}

inline std::vector<float> special_values() {
  std::vector<float> values;
  for (const uint32_t bits :
       {0x00000000U, 0x00000001U, 0x007FFFFFU, 0x00800000U, 0x00800001U, 0x33800000U,
        0x3EFFFFFFU, 0x3F000000U, 0x3F000001U, 0x3F7FFFFFU, 0x3F800000U, 0x3F800001U,
        0x3FC00000U, 0x40000000U, 0x40200000U, 0x40400000U, 0x42AE0000U, 0x4AFFFFFFU,
        0x4B000000U, 0x4B7FFFFFU, 0x4B800000U, 0x4F000000U, 0x53800000U, 0x5F000000U,
        0x5F7FFFFFU, 0x7F7FFFFFU, 0x7F800000U, 0x7FC00000U, 0x7FC12345U}) {
    values.push_back(std::bit_cast<float>(bits));
    values.push_back(std::bit_cast<float>(bits | 0x80000000U));
  }
  return values;
}

// Special values, then `count` bit patterns spread over all 2^32, then `count` uniform values of
// [-24, 24].
inline std::vector<float> covering_values(size_t count) {
  std::vector<float> values = special_values();
  const auto stride = static_cast<uint32_t>((uint64_t{1} << 32) / count) | 1U;
  uint32_t bits = 12345;
  for (size_t i = 0; i < count; ++i, bits += stride) values.push_back(std::bit_cast<float>(bits));
  std::mt19937 random(42);
  std::uniform_real_distribution<float> uniform(-24.0F, 24.0F);
  for (size_t i = 0; i < count; ++i) values.push_back(uniform(random));
  return values;
}

inline std::vector<float> random_values(size_t count, uint32_t seed) {
  std::vector<float> values(count);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (float& value : values) value = normal(random);
  return values;
}

}  // namespace thorong::numerics::testing
