// SPDX-License-Identifier: Apache-2.0
// The Tensor Engine: rows x columns multiply-adds a cycle on a stationary tile that is loaded once
// and a moving tile that streams through it; results accumulate in PSUM.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

// Operations per second of one array: a multiply-add counts as two, a pass as one use of the array.
inline double systolic_array_peak(const Block& block, std::string_view passes_key) {
  const double passes = parameter(block, passes_key) * parameter(block, "columns_factor");
  if (passes <= 0) return 0;
  return 2 * parameter(block, "rows") * parameter(block, "columns") * parameter(block, "clock_hz") /
         passes;
}

// True if float32 operands are multiplied as such, and not cast on the way in.
inline bool multiplies_float32(const Block& block) {
  const auto word = block.parameters.find("fp32_operands");
  return word != block.parameters.end() && word->second.text == "float32";
}

inline std::vector<Peak> systolic_array_peaks(const Block& block) {
  return {{"bfloat16", "flop/s", systolic_array_peak(block, "passes_bfloat16")},
          {"float16", "flop/s", systolic_array_peak(block, "passes_float16")},
          {"tfloat32", "flop/s",
           multiplies_float32(block) ? systolic_array_peak(block, "passes_tfloat32") : 0},
          {"float32", "flop/s",
           multiplies_float32(block) ? systolic_array_peak(block, "passes_float32") : 0},
          {"float8", "flop/s", systolic_array_peak(block, "passes_float8")},
          {"int8", "op/s", systolic_array_peak(block, "passes_int8")}};
}

inline std::vector<Finding> systolic_array_rules(const Chip& chip, const Block& block) {
  std::vector<Finding> findings;
  const double columns = parameter(block, "moving_max_columns");
  const double bank_values = chip.at("psum.bank_bytes_per_partition") / 4;
  const double banks = chip.at("psum.banks");
  if (columns > bank_values * banks) {
    findings.push_back({"moving_max_columns",
                        "one instruction moves " + format_number(columns) +
                            " columns, but the PSUM holds " + format_number(bank_values * banks) +
                            " float32 values a partition; lower " + block.name +
                            ".moving_max_columns or raise psum.bank_bytes_per_partition"});
  } else if (columns > bank_values) {
    findings.push_back(
        {"moving_max_columns",
         "one instruction moves " + format_number(columns) + " columns, but a PSUM bank holds " +
             format_number(bank_values) + " float32 values a partition; lower " + block.name +
             ".moving_max_columns to " + format_number(bank_values) +
             " or raise psum.bank_bytes_per_partition to " + format_number(columns * 4)});
  }
  return findings;
}

inline std::vector<ParameterSpec> systolic_array_parameters() {
  return {
      real("clock_hz", "hz", 1000, 1e11, "Clock of the array."),
      count("rows", "", 1, 4096, "Depth of the product: partitions of both operand tiles."),
      count("columns", "", 1, 4096, "Columns of the stationary tile: partitions of the result."),
      real("columns_factor", "", 0.01, 1000,
           "Extra factor on the cycles of a product; 1 where rows and columns tell all."),
      count("moving_max_columns", "", 1, 65536,
            "Most columns of the moving tile in one instruction."),
      real("min_issue_cycles", "cycles", 0, 1e6, "Least cycles from one instruction to the next."),
      real("passes_float32", "", 0.01, 256,
           "Uses of the array per float32 product; 0.5 = twice the rate."),
      real("passes_tfloat32", "", 0.01, 256,
           "Uses of the array per tfloat32 product; 0.5 = twice the rate."),
      real("passes_bfloat16", "", 0.01, 256,
           "Uses of the array per bfloat16 product; 0.5 = twice the rate."),
      real("passes_float16", "", 0.01, 256,
           "Uses of the array per float16 product; 0.5 = twice the rate."),
      real("passes_float8", "", 0.01, 256,
           "Uses of the array per float8 product; 0.5 = twice the rate."),
      real("passes_int8", "", 0.01, 256,
           "Uses of the array per int8 product; 0.5 = twice the rate."),
      // The cost rule of products takes loads as hidden: nothing reads these two.
      optional(real("load_speedup", "", 0.01, 1000,
                    "How much faster stationary columns load than moving columns stream.")),
      optional(real("hidden_load_min_columns", "", 0, 65536,
                    "Moving columns from which the load of the next stationary tile is hidden.")),
      real("fixed_latency_cycles", "cycles", 0, 1e6,
           "Cycles from the last column in to its result."),
      real("clock_ramp_s", "s", 0, 1,
           "Time after an idle spell in which the array runs at the lower rate."),
      real("clock_ramp_fraction", "", 0.001, 1, "Share of the full rate during clock_ramp_s."),
      word("fp32_operands", {"float32", "bfloat16"},
           "Format in which float32 operands are multiplied."),
      real("transpose_factor_float32", "", 0.01, 1000,
           "Factor on the cycles of a float32 transpose."),
      node_energy("pj_per_mac_float32", 1e6,
                  "Energy of one float32 multiply-add in one pass, at 7 nm."),
      node_energy("pj_per_mac_tfloat32", 1e6,
                  "Energy of one tfloat32 multiply-add in one pass, at 7 nm."),
      node_energy("pj_per_mac_bfloat16", 1e6,
                  "Energy of one bfloat16 multiply-add in one pass, at 7 nm."),
      node_energy("pj_per_mac_float16", 1e6,
                  "Energy of one float16 multiply-add in one pass, at 7 nm."),
      node_energy("pj_per_mac_float8", 1e6,
                  "Energy of one float8 multiply-add in one pass, at 7 nm."),
      node_energy("pj_per_mac_int8", 1e6, "Energy of one int8 multiply-add in one pass, at 7 nm."),
  };
}

inline BlockSpec block_spec_systolic_array() {
  return {
      .type = "systolic_array",
      .role = "tensor",
      .meaning = "Multiplies a stationary tile by a moving tile, one moving column a cycle.",
      .parameters = systolic_array_parameters(),
      .ports =
          {
              {.name = "operands",
               .direction = Direction::kUses,
               .kind = "sbuf_port",
               .width = "rows",
               .fit = Fit::kEqual,
               .meaning = "Reads both tiles, a row for every partition."},
              {.name = "results",
               .direction = Direction::kUses,
               .kind = "psum_port",
               .width = "columns",
               .fit = Fit::kAtMost,
               .meaning = "Writes results, at most a column for every partition."},
          },
      .peaks = systolic_array_peaks,
      .rules = systolic_array_rules,
  };
}

}  // namespace thorong::chip
