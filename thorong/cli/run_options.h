// SPDX-License-Identifier: Apache-2.0
// Options that `run` and `compare` share.
#pragma once

#include <string>
#include <vector>

#include "thorong/cli/commands.h"
#include "thorong/cli/overwrites.h"
#include "thorong/runtime/session.h"

namespace thorong::cli {

// --assume NAME=VALUE, of every command that times something on a chip.
void add_assume(CLI::App& command, std::vector<std::string>& assumptions);

struct RunOptions {
  std::string model, auto_cast = "none", auto_cast_type = "bf16", rounding = "rne",
                     schedule = "vendor", against;
  runtime::Places places;
  std::vector<std::string> inputs, dims, assumptions;
  std::vector<Place> input_places;
  runtime::Options options;
  bool json = false, verbose = false;
  const CLI::Option* auto_cast_type_option = nullptr;

  void add_to(CLI::App& command);
  // --chip, of the commands that work on one.
  void add_chip_to(CLI::App& command);
  // Reads inputs and words into `options`. Errors name the option.
  Status resolve();
  // The files that are read and those that are written, as far as the options tell.
  std::vector<Place> read_places() const;
  std::vector<Place> written_places() const;
};

}  // namespace thorong::cli
