// SPDX-License-Identifier: Apache-2.0
// The instruction streams of a core: fetching, semaphores between engines, starting and stopping a
// program.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

inline std::vector<ParameterSpec> sequencer_parameters() {
  return {
      node_energy("instruction_pj", 1e9,
                  "Energy of fetching and decoding an instruction, at 7 nm."),
      node_energy("semaphore_pj", 1e9, "Energy of a semaphore update, at 7 nm."),
      real("semaphore_s", "s", 0, 1, "Time from the end of one instruction to a waiting engine."),
      real("register_s", "s", 0, 1,
           "Time of an instruction of the sequencer itself: a register move, the step of a loop."),
      real("register_onchip_s", "s", 0, 1,
           "Time to read or write one element of SBUF or PSUM from a register."),
      real("register_hbm_s", "s", 0, 1,
           "Time to read or write one element of HBM from a register."),
      real("start_s", "s", 0, 1, "Time before the first instruction of a program."),
      real("stop_s", "s", 0, 1, "Time after the last instruction of a program."),
      optional(real("pair_s", "s", 0, 1,
                    "What a program on a pair of cores (LNC=2) takes to start and stop beyond one "
                    "on a single core.")),
      real(
          "vendor_overlap", "", 0, 1,
          "Share of the engines' busy times that the vendor's schedule overlaps; 0 = they add up."),
      real("microcode_bytes", "bytes", 0, 1e12, "Chip memory that the microcode of a core takes."),
  };
}

inline BlockSpec block_spec_sequencer() {
  return {
      .type = "sequencer",
      .role = "control",
      .meaning = "Instruction fetch, semaphores, start and stop of a core.",
      .parameters = sequencer_parameters(),
      .ports =
          {
              {.name = "memory",
               .direction = Direction::kUses,
               .kind = "memory_port",
               .meaning = "Instruction fetch."},
          },
  };
}

}  // namespace thorong::chip
