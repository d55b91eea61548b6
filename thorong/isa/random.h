// SPDX-License-Identifier: Apache-2.0
// Random numbers of the engines. Vector before NeuronCore-v4 has a generator that no document
// describes: here it is counter based (Philox 2x32, ten rounds). GpSimd and Vector of NeuronCore-v4
// have XORWOW, six words a stream.
#pragma once

#include <cstdint>

namespace thorong::isa {

inline uint32_t counted_bits(uint64_t key, uint64_t counter) {
  auto left = static_cast<uint32_t>(counter), right = static_cast<uint32_t>(counter >> 32);
  auto round_key = static_cast<uint32_t>(key ^ (key >> 32));
  for (int round = 0; round < 10; ++round) {
    uint64_t product = uint64_t{0xD256D193U} * left;
    left = static_cast<uint32_t>(product >> 32) ^ round_key ^ right;
    right = static_cast<uint32_t>(product);
    round_key += 0x9E3779B9U;
  }
  return left;
}

// Marsaglia's XORWOW: state x, y, z, w, v and the counter d. A state of zeros, which nobody seeded,
// starts from `lane`.
inline uint32_t xorwow(uint32_t* state, uint32_t lane) {
  bool unseeded = true;
  for (int i = 0; i < 6; ++i) unseeded = unseeded && state[i] == 0;
  for (uint32_t i = 0; unseeded && i < 6; ++i)
    state[i] = counted_bits(0x5EED, uint64_t{lane} * 6 + i);
  uint32_t t = state[0] ^ (state[0] >> 2);
  for (int i = 0; i < 4; ++i) state[i] = state[i + 1];
  state[4] = (state[4] ^ (state[4] << 4)) ^ (t ^ (t << 1));
  state[5] += 362437;
  return state[5] + state[4];
}

// [0, 1) from the upper 24 bits.
inline float unit_float(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1.0p-24F; }

}  // namespace thorong::isa
