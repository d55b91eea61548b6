// SPDX-License-Identifier: Apache-2.0
// PSUM: the memory in which the Tensor Engine accumulates float32 results, in banks; a product
// fills one bank.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

inline std::vector<Peak> accumulator_memory_peaks(const Block& block) {
  return {{"capacity", "bytes",
           parameter(block, "partitions") * parameter(block, "banks") *
               parameter(block, "bank_bytes_per_partition")}};
}

inline std::vector<Finding> accumulator_memory_rules(const Chip& chip, const Block& block) {
  const double partitions = parameter(block, "partitions");
  const double sbuf = chip.at("sbuf.partitions");
  if (partitions == sbuf) return {};
  return {{"partitions", "has " + format_number(partitions) + " partitions, but SBUF has " +
                             format_number(sbuf) +
                             "; tiles move between them partition by partition: make " +
                             block.name + ".partitions and sbuf.partitions equal"}};
}

inline std::vector<ParameterSpec> accumulator_memory_parameters() {
  return {
      count("partitions", "", 1, 4096, "Partitions that are accessed side by side."),
      count("banks", "", 1, 1024, "Banks, each of which takes one product at a time."),
      count("bank_bytes_per_partition", "bytes", 4, 1e8, "Capacity of a bank in one partition."),
      node_energy("pj_per_byte", 1e6, "Energy of reading or writing a byte, at 7 nm."),
      node_energy("pj_per_byte_accumulate", 1e6, "Energy of adding to a byte in place, at 7 nm."),
  };
}

inline BlockSpec block_spec_accumulator_memory() {
  return {
      .type = "accumulator_memory",
      .role = "psum",
      .meaning = "Memory in which matrix products accumulate.",
      .parameters = accumulator_memory_parameters(),
      .ports =
          {
              {.name = "engines",
               .direction = Direction::kOffers,
               .kind = "psum_port",
               .width = "partitions",
               .meaning = "The engines."},
          },
      .peaks = accumulator_memory_peaks,
      .rules = accumulator_memory_rules,
  };
}

}  // namespace thorong::chip
