// SPDX-License-Identifier: Apache-2.0
// Figures of the whole chip that follow from its blocks. Peaks are what the arrays deliver; chip
// pages quote 3 to 7% more, probably with the other engines added.
#include <string>

#include "thorong/chip/block_spec.h"
#include "thorong/chip/loader.h"

namespace thorong::chip {
namespace {

double peak_of(const Chip& chip, std::string_view block_name, std::string_view peak_name) {
  const Block* block = chip.find_block(block_name);
  const BlockSpec* spec = block == nullptr ? nullptr : find_block_spec(block->type);
  if (spec == nullptr || spec->peaks == nullptr) return 0;
  for (const Peak& peak : spec->peaks(*block)) {
    if (peak.name == peak_name) return peak.value;
  }
  return 0;
}

}  // namespace

RollUp roll_up(const Chip& chip) {
  RollUp total;
  const double cores = chip.value_or("package.cores", 0);
  total.cores = static_cast<int>(cores);
  total.peak_bf16_flops = cores * peak_of(chip, "tensor", "bfloat16");
  total.peak_fp32_flops = cores * peak_of(chip, "tensor", "float32");
  total.peak_fp8_flops = cores * peak_of(chip, "tensor", "float8");
  total.peak_int8_ops = cores * peak_of(chip, "tensor", "int8");
  total.memory_bytes = chip.value_or("hbm.bytes", 0);
  total.memory_bytes_per_s = chip.value_or("hbm.bytes_per_second", 0);
  total.sbuf_bytes_per_core = peak_of(chip, "sbuf", "capacity");
  total.psum_bytes_per_core = peak_of(chip, "psum", "capacity");
  total.power_budget_w = chip.value_or("package.power_budget_w", 0);
  total.static_w = total.power_budget_w * chip.value_or("package.static_fraction", 0);
  const double mac_j = 1e-12 * chip.value_or("tensor.pj_per_mac_bfloat16", 0) *
                       chip.value_or("package.energy_factor", 1);
  const double macs_per_s = total.peak_bf16_flops / 2 * chip.value_or("tensor.passes_bfloat16", 1);
  const double memory_j = 1e-12 * chip.value_or("hbm.pj_per_byte", 0);
  total.peak_dynamic_w = macs_per_s * mac_j + total.memory_bytes_per_s * memory_j;
  return total;
}

}  // namespace thorong::chip
