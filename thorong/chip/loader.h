// SPDX-License-Identifier: Apache-2.0
// Reads chip files. `base: NAME` starts from another chip and states only the differences.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thorong/chip/assume.h"
#include "thorong/chip/chip.h"

namespace thorong::chip {

// Static plus peak dynamic power may exceed the budget by this factor before it counts as a
// contradiction: the peaks are never held all at once, and the energies are estimates.
constexpr double kPowerMargin = 2;

// The folder of the shipped chips: $THORONG_CHIPS, else beside the installed program/package, else
// the source tree's.
std::string chips_folder();
// Overrides chips_folder() (the Python package sets it to its own data folder).
void set_chips_folder(std::string folder);

// Names of the shipped chips, sorted.
std::vector<std::string> shipped_chips();

// A shipped chip's name or a path that ends in .yaml/.yml. Errors: not_found (names the nearest
// shipped chips), invalid_argument (file:line:column and what to change). The result has passed
// verify(), `assumptions` (assume.h) included.
Result<Chip> load(const std::string& name_or_path, std::span<const Assumption> assumptions = {});

// The same from text; `where` stands for the file name in messages and is the folder that relative
// bases are looked up in. Never reads other files when allow_base_files is false except shipped
// chips by name (fuzzers).
Result<Chip> parse(std::string_view yaml, const std::string& where, bool allow_base_files = true);

// Composition check: one Status per finding (file:line, what is wrong, what to change); empty if
// sound.
std::vector<Status> verify(const Chip& chip);

// Derived figures for `thorong chip NAME` and the reports.
struct RollUp {
  int cores = 0;
  double peak_bf16_flops = 0, peak_fp32_flops = 0, peak_fp8_flops = 0,
         peak_int8_ops = 0;  // whole chip, per second
  double memory_bytes = 0, memory_bytes_per_s = 0;
  double sbuf_bytes_per_core = 0, psum_bytes_per_core = 0;
  double power_budget_w = 0, static_w = 0;
  double peak_dynamic_w = 0;  // all tensor engines at bf16 peak plus HBM at its rate
};
RollUp roll_up(const Chip& chip);

}  // namespace thorong::chip
