// SPDX-License-Identifier: Apache-2.0
// The energy layer: counted events of each instruction times the chip's table. Components are those
// of the result's energy_by; static energy and the host link are added by the runtime.
#pragma once

#include <array>

#include "thorong/sim/timing.h"

namespace thorong::sim {

enum class EnergyPart : uint8_t {
  kTensor,
  kVector,
  kScalar,
  kGpsimd,
  kSbuf,
  kPsum,
  kHbm,
  kDma,
  kInstructions
};
inline constexpr size_t kEnergyParts = 9;
using EnergyParts = std::array<double, kEnergyParts>;  // joules

// Energy of one instruction; waits: its semaphore waits.
EnergyParts instruction_energy(const isa::CoreParameters& core, const isa::Cost& cost,
                               int32_t waits);
// The part EnergyPart::kInstructions of it.
double control_energy(const isa::CoreParameters& core, int32_t waits);

}  // namespace thorong::sim
