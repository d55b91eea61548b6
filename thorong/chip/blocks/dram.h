// SPDX-License-Identifier: Apache-2.0
// The memory of the chip, shared by all cores: HBM or DDR. Its energy is of the memory and its
// interface and does not scale with the node of the chip.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

inline std::vector<Peak> dram_peaks(const Block& block) {
  return {{"capacity", "bytes", parameter(block, "bytes")},
          {"transfer", "bytes/s", parameter(block, "bytes_per_second")}};
}

inline std::vector<Finding> dram_rules(const Chip& chip, const Block& block) {
  std::vector<Finding> findings;
  const double all = parameter(block, "bytes_per_second");
  const double core = parameter(block, "bytes_per_second_per_core");
  if (core > all) {
    findings.push_back(
        {"bytes_per_second_per_core",
         "one core may use " + format_number(core) + " bytes/s, but the memory gives " +
             format_number(all) + " to all of them; lower " + block.name +
             ".bytes_per_second_per_core or raise " + block.name + ".bytes_per_second"});
  }
  const double microcode = chip.at("control.microcode_bytes") * chip.at("package.cores");
  if (microcode >= parameter(block, "bytes")) {
    findings.push_back({"bytes", "holds " + format_number(parameter(block, "bytes")) +
                                     " bytes, but the microcode of all cores takes " +
                                     format_number(microcode) + "; raise " + block.name +
                                     ".bytes or lower control.microcode_bytes"});
  }
  return findings;
}

inline std::vector<ParameterSpec> dram_parameters() {
  return {
      word("technology", {}, "Kind of memory, a word for reports."),
      count("bytes", "bytes", 1048576, 1e16, "Capacity for the whole chip."),
      real("bytes_per_second", "bytes/s", 1000, 1e17, "Rate for the whole chip."),
      real("bytes_per_second_per_core", "bytes/s", 1000, 1e17,
           "Most that one core gets when the others are idle."),
      optional(real("bytes_per_second_per_pair", "bytes/s", 1000, 1e17,
                    "Most that a pair of cores (LNC=2) gets together.")),
      real("pj_per_byte", "pj", 0, 1e6,
           "Energy of reading or writing a byte, memory and interface."),
  };
}

inline BlockSpec block_spec_dram() {
  return {
      .type = "dram",
      .role = "hbm",
      .meaning = "Memory of the whole chip.",
      .per_core = false,
      .parameters = dram_parameters(),
      .ports =
          {
              {.name = "dma",
               .direction = Direction::kOffers,
               .kind = "memory_port",
               .meaning = "The DMA engines."},
              {.name = "host",
               .direction = Direction::kOffers,
               .kind = "memory_port",
               .meaning = "The host link."},
              {.name = "instructions",
               .direction = Direction::kOffers,
               .kind = "memory_port",
               .meaning = "Instruction fetch."},
          },
      .peaks = dram_peaks,
      .rules = dram_rules,
  };
}

}  // namespace thorong::chip
