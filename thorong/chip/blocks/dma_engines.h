// SPDX-License-Identifier: Apache-2.0
// The DMA engines of a core: they move data between the chip memory and SBUF beside the compute
// engines. A transfer costs latency, then per engine the larger of a fixed time and its bytes.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

inline std::vector<Peak> dma_engines_peaks(const Block& block) {
  return {{"transfer", "bytes/s",
           parameter(block, "engines") * parameter(block, "bytes_per_second_per_engine")}};
}

inline std::vector<ParameterSpec> dma_engines_parameters() {
  return {
      count("engines", "", 1, 4096, "Engines of a core."),
      real("bytes_per_second_per_engine", "bytes/s", 1000, 1e15,
           "Rate that an engine reaches on large transfers."),
      real("fixed_s", "s", 0, 1,
           "Least time of a transfer on an engine, hidden when several are queued."),
      real("latency_s", "s", 0, 1, "Time from the trigger to the first byte."),
      real("completion_s", "s", 0, 1, "Time from the last byte until the waiting engine sees it."),
      count("min_element_bytes", "bytes", 1, 65536,
            "A contiguous run of fewer bytes costs as much as this many."),
      count("descriptor_bytes_efficient", "bytes", 1, 1048576,
            "Length of contiguous runs that a compiler should aim at."),
      optional(real("transpose_fraction_hbm", "", 0.001, 1,
                    "Part of the rate that a transpose from chip memory reaches.")),
      optional(real("transpose_fraction_sbuf", "", 0.001, 1,
                    "Part of the rate that a transpose within SBUF reaches.")),
      optional(real("compute_fraction", "", 0.001, 1,
                    "Part of the rate that arithmetic in the engines reaches.")),
      optional(real("descriptor_s", "s", 0, 1,
                    "Time in which a descriptor generator makes the descriptors of a transfer.")),
      optional(count("descriptor_generators", "", 1, 64,
                     "Hardware blocks of a core that make descriptors while a program runs.")),
      optional(real("collective_start_s", "s", 0, 1,
                    "Time in which a communication core starts a collective.")),
      optional(
          real("collective_hop_s", "s", 0, 1, "Time of a collective's step without its data.")),
      optional(real("collective_fraction", "", 0.001, 1,
                    "Part of the rate that a collective's transfers reach.")),
      node_energy("pj_per_byte", 1e6,
                  "Energy of moving a byte, without the memories at both ends, at 7 nm."),
      node_energy("pj_per_descriptor", 1e9, "Energy of making or fetching a descriptor, at 7 nm."),
  };
}

inline BlockSpec block_spec_dma_engines() {
  return {
      .type = "dma_engines",
      .role = "dma",
      .meaning = "Move data between chip memory and SBUF.",
      .parameters = dma_engines_parameters(),
      .ports =
          {
              {.name = "sbuf",
               .direction = Direction::kUses,
               .kind = "dma_port",
               .meaning = "The on-chip end."},
              {.name = "memory",
               .direction = Direction::kUses,
               .kind = "memory_port",
               .meaning = "The end in chip memory."},
          },
      .peaks = dma_engines_peaks,
  };
}

}  // namespace thorong::chip
