// SPDX-License-Identifier: Apache-2.0
// SBUF: the software-managed on-chip memory that all engines work from, in partitions that are read
// side by side.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

inline std::vector<Peak> scratchpad_peaks(const Block& block) {
  return {{"capacity", "bytes",
           parameter(block, "partitions") * parameter(block, "bytes_per_partition")}};
}

inline std::vector<ParameterSpec> scratchpad_parameters() {
  return {
      count("partitions", "", 1, 4096, "Partitions that are accessed side by side."),
      count("bytes_per_partition", "bytes", 1024, 1e9, "Capacity of a partition."),
      node_energy("pj_per_byte", 1e6, "Energy of reading or writing a byte, at 7 nm."),
  };
}

inline BlockSpec block_spec_scratchpad() {
  return {
      .type = "scratchpad",
      .role = "sbuf",
      .meaning = "On-chip memory that engines work from.",
      .parameters = scratchpad_parameters(),
      .ports =
          {
              {.name = "engines",
               .direction = Direction::kOffers,
               .kind = "sbuf_port",
               .width = "partitions",
               .meaning = "The engines."},
              {.name = "dma",
               .direction = Direction::kOffers,
               .kind = "dma_port",
               .meaning = "The DMA engines."},
          },
      .peaks = scratchpad_peaks,
  };
}

}  // namespace thorong::chip
