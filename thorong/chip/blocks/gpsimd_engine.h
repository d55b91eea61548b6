// SPDX-License-Identifier: Apache-2.0
// The GpSimd Engine: general processors with SIMD units, for everything that no other engine does.
// A chip may lack it; such operators then run on the host.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

inline std::vector<Peak> gpsimd_engine_peaks(const Block& block) {
  return {{"elements", "element/s", parameter(block, "lanes") * parameter(block, "clock_hz")}};
}

inline std::vector<Finding> gpsimd_engine_rules(const Chip&, const Block& block) {
  const double lanes = parameter(block, "lanes");
  const double processors = parameter(block, "processors");
  if (lanes >= processors) return {};
  return {{"processors", "has " + format_number(processors) + " processors for " +
                             format_number(lanes) + " lanes; every processor needs a lane: raise " +
                             block.name + ".lanes or lower " + block.name + ".processors"}};
}

inline std::vector<ParameterSpec> gpsimd_engine_parameters() {
  return {
      real("clock_hz", "hz", 1000, 1e11, "Clock of the processors."),
      count("processors", "", 1, 4096, "Number of processors."),
      count("lanes", "", 1, 4096, "Elements that all processors handle in a cycle."),
      real("start_cycles", "cycles", 0, 1e6, "Cycles before the first element of an instruction."),
      node_energy("pj_per_op", 1e6, "Energy of one operation on one element, at 7 nm."),
  };
}

inline BlockSpec block_spec_gpsimd_engine() {
  return {
      .type = "gpsimd_engine",
      .role = "gpsimd",
      .meaning = "General processors for all other work.",
      .required = false,
      .parameters = gpsimd_engine_parameters(),
      .ports =
          {
              {.name = "sbuf",
               .direction = Direction::kUses,
               .kind = "sbuf_port",
               .width = "lanes",
               .fit = Fit::kAtMost,
               .meaning = "Reads and writes SBUF."},
              {.name = "psum",
               .direction = Direction::kUses,
               .kind = "psum_port",
               .meaning = "Reads and writes PSUM."},
          },
      .peaks = gpsimd_engine_peaks,
      .rules = gpsimd_engine_rules,
  };
}

}  // namespace thorong::chip
