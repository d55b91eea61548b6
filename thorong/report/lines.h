// SPDX-License-Identifier: Apache-2.0
// Energy by line: what the operators of one name (a kernel's source line, a model's operator) cost
// together.
#pragma once

#include <vector>

#include "thorong/report/result.h"

namespace thorong::report {

struct LineUse {
  std::string name;  // file and line of a kernel; an operator's name of a model
  std::string ops;   // its instructions or operators, "dma_copy+tensor_copy"
  int64_t instructions = 0;
  double energy_j = 0;  // static energy and copies over the host link belong to no line
  std::array<double, kEnergyComponents> energy_by{};
};

// The line that needs most first; together with energy_by's static and host_link: energy_j.
std::vector<LineUse> energy_by_line(const Result& result);

}  // namespace thorong::report
