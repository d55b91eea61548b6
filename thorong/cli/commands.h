// SPDX-License-Identifier: Apache-2.0
// The subcommands: one file each in commands/, which defines `void command_NAME(CLI::App& app, Exit& exit)`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "thorong/base/result.h"

namespace thorong::cli {

// What a subcommand leaves for main: its status, and whether errors go to stdout as JSON too.
struct Exit {
  Status status;
  bool json = false;
};

// Set by Ctrl-C.
const bool* interrupted();
// Whether progress may be shown: stderr is a terminal, or -v.
bool verbose();
void set_verbose(bool on);
void progress(const std::string& text);

int exit_status(Code code);

}  // namespace thorong::cli
