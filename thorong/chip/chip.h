// SPDX-License-Identifier: Apache-2.0
// A chip as data: blocks with sourced figures, read from chips/<name>.yaml (loader.h) and checked
// for composition (verify.h). Nothing here knows instructions or programs; the simulator asks for
// figures by "block.parameter".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "thorong/base/result.h"

namespace thorong::chip {

// How sure a figure is, weakest last. `published` = read in a public document, `recalled` = a named
// public document, number from memory, `derived` = arithmetic on others, `calibrated` = one
// constant per mechanism and generation from published measurements, `assumed` = our estimate;
// `given` = the user's for one run (assume.h), in no chip file.
enum class Kind { kPublished, kMeasured, kRecalled, kDerived, kCalibrated, kAssumed, kGiven };
std::string_view name(Kind kind);

// One number (or word) about hardware, with where it comes from.
struct Figure {
  double value = 0;  // in `unit`; 0 when `text` is set
  std::string text;  // for parameters that are words, e.g. fp32_operands: bfloat16
  std::string unit;  // "hz", "bytes", "pj", ... ; "" for counts and words
  Kind kind = Kind::kAssumed;
  std::string source;      // document, section, date
  std::string derivation;  // arithmetic or reasoning, may be empty
  double uncertainty = 0;  // relative half width, 0 when not stated
  std::string file;        // where the figure was written
  int line = 0;
};

// "64 cycles", or the word.
std::string value_text(const Figure& figure);

struct Block {
  std::string name;  // "tensor"
  std::string type;  // "systolic_array": a file in chip/blocks/
  std::map<std::string, Figure> parameters;
  std::map<std::string, std::string> connections;  // port -> "block.port"
  int line = 0;
};

// A purchasable machine with this chip.
struct Instance {
  std::string name;
  int chips = 1;
  double usd_per_hour = 0;
  std::string price_kind;  // on_demand, capacity_block, estimate
  std::string price_date;
  std::string source;
};

// How wrong predictions of one kind of workload have been on this chip, against published
// measurements.
struct PredictionError {
  std::string kind;            // as in bench/validation: "inference-encoder"
  double median = 0, p90 = 0;  // of |predicted / published - 1|
  int rows = 0;
  std::string source;
};

// What the user set for one run in place of a figure of the chip file.
struct GivenFact {
  std::string fact;  // "tensor.min_issue_cycles"
  std::string value;
  std::string chip_value, chip_kind;  // of the chip file; empty: it states none
};

struct Chip {
  std::string name;
  std::string title;       // "AWS Trainium2"
  std::string generation;  // "v2": key of mechanisms that were calibrated per generation
  std::string file;
  std::vector<Block> blocks;
  std::vector<Instance> instances;
  std::vector<PredictionError>
      prediction_errors;                  // of this very chip: a variant has none of its own
  std::vector<std::string> not_modelled;  // sentences, shown with every result
  std::string price_reason;               // why no price is known, when instances is empty
  std::vector<GivenFact> given;           // in the order given

  const Block* find_block(std::string_view block) const;
  // "tensor.clock_hz"; nullptr if there is none.
  const Figure* find(std::string_view path) const;
  // The value of a figure that verify() guarantees; a missing one is a bug of ours.
  double at(std::string_view path) const;
  double value_or(std::string_view path, double fallback) const;
  bool has_block(std::string_view block) const { return find_block(block) != nullptr; }
};

}  // namespace thorong::chip
