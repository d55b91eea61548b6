// SPDX-License-Identifier: Apache-2.0
// The Scalar Engine: out = function(in x scale + bias), one element a lane and cycle, with function
// tables that are loaded on demand.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

inline std::vector<Peak> scalar_engine_peaks(const Block& block) {
  return {{"elements", "element/s", parameter(block, "lanes") * parameter(block, "clock_hz")}};
}

inline std::vector<ParameterSpec> scalar_engine_parameters() {
  return {
      real("clock_hz", "hz", 1000, 1e11, "Clock of the engine."),
      count("lanes", "", 1, 4096, "Partitions that are processed side by side."),
      real("min_issue_cycles", "cycles", 0, 1e6, "Least cycles from one instruction to the next."),
      real("fixed_cycles", "cycles", 0, 1e6, "Cycles of every instruction on top of its elements."),
      real("access_cycles", "cycles", 0, 1e6, "Fixed cycles of an access to SBUF or PSUM."),
      real("reduce_cycles", "cycles", 0, 1e6, "Cycles that a reduction beside the function adds."),
      real("table_load_s", "s", 0, 1, "Time to load the table of another function."),
      real("cycles_per_element_copy_16bit", "cycles", 0.001, 1000,
           "Cycles per element and lane of a 16-bit copy or operation with scalars."),
      node_energy("pj_per_op", 1e6, "Energy of one operation on one element, at 7 nm."),
      node_energy("pj_per_copy", 1e6, "Energy of moving one element, at 7 nm."),
  };
}

inline BlockSpec block_spec_scalar_engine() {
  return {
      .type = "scalar_engine",
      .role = "scalar",
      .meaning = "Activation functions of one argument, a lane for every partition.",
      .parameters = scalar_engine_parameters(),
      .ports =
          {
              {.name = "sbuf",
               .direction = Direction::kUses,
               .kind = "sbuf_port",
               .width = "lanes",
               .fit = Fit::kEqual,
               .meaning = "Reads and writes SBUF, a lane for every partition."},
              {.name = "psum",
               .direction = Direction::kUses,
               .kind = "psum_port",
               .width = "lanes",
               .fit = Fit::kAtMost,
               .meaning = "Reads and writes PSUM, at most a lane for every partition."},
          },
      .peaks = scalar_engine_peaks,
  };
}

}  // namespace thorong::chip
