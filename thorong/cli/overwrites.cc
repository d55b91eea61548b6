// SPDX-License-Identifier: Apache-2.0
#include "thorong/cli/overwrites.h"

#include <filesystem>

namespace thorong::cli {
namespace {

namespace fs = std::filesystem;

// One name for all spellings of a file; empty for what a write does not replace.
std::string identity(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (path.empty() || (fs::exists(status) && !fs::is_regular_file(status))) return "";
  const fs::path whole = fs::weakly_canonical(fs::absolute(path, error), error);
  return error ? path : whole.string();
}

}  // namespace

Status check_overwrites(const std::vector<Place>& read, const std::vector<Place>& written) {
  for (size_t i = 0; i < written.size(); ++i) {
    const std::string target = identity(written[i].path);
    if (target.empty()) continue;
    for (const Place& source : read) {
      std::error_code error;
      if (fs::exists(source.path, error) && identity(source.path) == target)
        return invalid_argument("would overwrite '" + written[i].path + "', which is read as " +
                                    source.what + ". Choose another file.",
                                written[i].what);
    }
    for (size_t j = 0; j < i; ++j) {
      if (identity(written[j].path) == target)
        return invalid_argument("would overwrite '" + written[i].path + "', which " +
                                    written[j].what + " writes too. Choose another file.",
                                written[i].what);
    }
  }
  return ok_status();
}

}  // namespace thorong::cli
