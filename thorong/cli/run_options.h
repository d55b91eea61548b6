// SPDX-License-Identifier: Apache-2.0
// Options that `run` and `compare` share.
#pragma once

#include <string>
#include <vector>

#include "thorong/cli/commands.h"
#include "thorong/runtime/session.h"

namespace thorong::cli {

struct RunOptions {
  std::string model, auto_cast = "none", auto_cast_type = "bf16", rounding = "rne",
                     schedule = "vendor", against;
  runtime::Places places;
  std::vector<std::string> inputs, dims;
  runtime::Options options;
  bool json = false, verbose = false;

  void add_to(CLI::App& command);
  // Reads inputs and words into `options`. Errors name the option.
  Status resolve();
};

}  // namespace thorong::cli
