// SPDX-License-Identifier: Apache-2.0
// The package: what holds for the chip as a whole. Power and area are budgets that verify.cc
// compares with the blocks.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

inline std::vector<ParameterSpec> package_parameters() {
  return {
      count("cores", "", 1, 4096, "Physical cores on the chip."),
      real("power_budget_w", "w", 0.001, 100000, "Thermal design power of the package."),
      real("static_fraction", "", 0, 1,
           "Share of the power budget that is drawn whenever the chip is powered."),
      real("technology_nm", "nm", 0.5, 500, "Name of the process node."),
      real("energy_factor", "", 0.001, 1000,
           "Energy of logic and on-chip memory relative to 7 nm."),
      optional(real("die_mm2", "mm2", 0.01, 100000, "Silicon area of all compute dies.")),
      optional(real("area_budget_mm2", "mm2", 0.01, 100000,
                    "Area that the dies, or the blocks with an area_mm2, may take.")),
  };
}

inline BlockSpec block_spec_package() {
  return {
      .type = "package",
      .role = "package",
      .meaning = "The chip as a whole: number of cores, power, technology.",
      .per_core = false,
      .parameters = package_parameters(),
      .ports = {},
  };
}

}  // namespace thorong::chip
