// SPDX-License-Identifier: Apache-2.0
#include "thorong/report/lines.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace thorong::report {
namespace {

bool has_op(std::string_view ops, std::string_view op) {
  while (!ops.empty()) {
    size_t end = std::min(ops.find('+'), ops.size());
    if (ops.substr(0, end) == op) return true;
    ops.remove_prefix(std::min(ops.size(), end + 1));
  }
  return false;
}

}  // namespace

std::vector<LineUse> energy_by_line(const Result& result) {
  std::vector<LineUse> lines;
  std::unordered_map<std::string_view, size_t> known;
  for (const OperatorUse& use : result.operators) {
    auto [at, added] = known.try_emplace(use.name, lines.size());
    if (added) lines.push_back({use.name, use.op, 0, 0, {}});
    LineUse& line = lines[at->second];
    if (!added && !has_op(line.ops, use.op)) line.ops += "+" + use.op;
    line.instructions += use.instructions;
    line.energy_j += use.energy_j;
    for (size_t part = 0; part < kEnergyComponents; ++part)
      line.energy_by[part] += use.energy_by[part];
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const LineUse& a, const LineUse& b) { return a.energy_j > b.energy_j; });
  return lines;
}

}  // namespace thorong::report
