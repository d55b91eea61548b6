// SPDX-License-Identifier: Apache-2.0
#include "thorong/cli/overwrites.h"

#include <filesystem>
#include <map>

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
  std::map<std::string, std::string> taken;  // a file: what is done with it
  for (const Place& source : read) {
    std::error_code error;
    if (!fs::exists(source.path, error)) continue;
    const std::string file = identity(source.path);
    if (!file.empty()) taken.emplace(file, "is read as " + source.what);
  }
  for (const Place& target : written) {
    const std::string file = identity(target.path);
    if (file.empty()) continue;
    auto [known, is_new] = taken.emplace(file, target.what + " writes too");
    if (is_new) continue;
    return invalid_argument(
        "would overwrite '" + target.path + "', which " + known->second + ". Choose another file.",
        target.what);
  }
  return ok_status();
}

}  // namespace thorong::cli
