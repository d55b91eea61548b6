// SPDX-License-Identifier: Apache-2.0
#include "thorong/sim/energy.h"

namespace thorong::sim {
namespace {

double mac_pj(const isa::CoreParameters& core, isa::Format format) {
  switch (format) {
    case isa::Format::kFloat32:
      return core.pj_mac_float32;
    case isa::Format::kTfloat32:
      return core.pj_mac_tfloat32;
    case isa::Format::kBfloat16:
      return core.pj_mac_bfloat16;
    case isa::Format::kFloat16:
      return core.pj_mac_float16;
    default:
      return numerics::is_float(format) ? core.pj_mac_float8 : core.pj_mac_int8;
  }
}

}  // namespace

EnergyParts instruction_energy(const isa::CoreParameters& core, const isa::Cost& cost,
                               int32_t waits) {
  const isa::Events& e = cost.events;
  EnergyParts pj{};
  auto at = [&](EnergyPart part) -> double& { return pj[static_cast<size_t>(part)]; };
  at(EnergyPart::kTensor) = e.macs * mac_pj(core, e.mac_format);
  at(EnergyPart::kVector) =
      e.vector_ops * core.vector_pj_op + e.vector_copies * core.vector_pj_copy;
  at(EnergyPart::kScalar) =
      e.scalar_ops * core.scalar_pj_op + e.scalar_copies * core.scalar_pj_copy;
  at(EnergyPart::kGpsimd) = e.gpsimd_ops * core.gpsimd_pj_op;
  at(EnergyPart::kSbuf) = e.sbuf_bytes * core.sbuf_pj_byte;
  at(EnergyPart::kPsum) =
      e.psum_bytes * core.psum_pj_byte + e.psum_accumulate_bytes * core.psum_pj_byte_accumulate;
  at(EnergyPart::kHbm) = e.hbm_bytes * core.hbm_pj_byte;
  at(EnergyPart::kDma) =
      e.dma_bytes * core.dma_pj_byte + e.dma_descriptors * core.dma_pj_descriptor;
  for (double& value : pj) value *= 1e-12;
  at(EnergyPart::kInstructions) = control_energy(core, waits);
  return pj;
}

double control_energy(const isa::CoreParameters& core, int32_t waits) {
  return (core.instruction_pj + waits * core.semaphore_pj) * 1e-12;
}

}  // namespace thorong::sim
