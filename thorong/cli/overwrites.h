// SPDX-License-Identifier: Apache-2.0
// Refuses to write where something is read, or two things to one file, before anything runs.
#pragma once

#include <string>
#include <vector>

#include "thorong/base/result.h"

namespace thorong::cli {

// A file and what the user calls it: "--report", "the model".
struct Place {
  std::string what, path;
};

// Error: invalid_argument that names both places, where one of `written` is one of `read` or
// another of `written`, by any spelling. Devices and pipes may be named as often as one likes.
Status check_overwrites(const std::vector<Place>& read, const std::vector<Place>& written);

}  // namespace thorong::cli
