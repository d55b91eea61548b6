// SPDX-License-Identifier: Apache-2.0
// The subcommands: one file each in commands/, which defines `void command_NAME(CLI::App& app,
// Exit& exit)`.
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

// Ctrl-C ends the command at once, except while one of these exists: files are written whole or not
// at all, so what has begun is finished first. `finish` says whether to go on.
class WritingFiles {
 public:
  WritingFiles();
  ~WritingFiles();
  WritingFiles(const WritingFiles&) = delete;
  WritingFiles& operator=(const WritingFiles&) = delete;
  Status finish() const;  // interrupted, if Ctrl-C came meanwhile
};

// Whether progress may be shown: stderr is a terminal, or -v.
bool verbose();
void set_verbose(bool on);
void progress(const std::string& text);

// Whether the answer goes to a terminal, which shows color.
bool answers_terminal();
// Prints the answer, whole or with an error.
Status answer(const std::string& text);

int exit_status(Code code);

}  // namespace thorong::cli
