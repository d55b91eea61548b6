// SPDX-License-Identifier: Apache-2.0
// Writes a run's outputs as .npy files: into a folder of their own first, and into place only when
// all are whole.
#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <vector>

#include "thorong/base/file.h"
#include "thorong/report/npy.h"
#include "thorong/report/report.h"

namespace thorong::report {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestStem = 200;  // file systems allow 255 bytes; a number and ".npy" follow

// Removes what was made when the writing stops half-way: files in place, the staging folder,
// folders created.
class Cleanup {
 public:
  ~Cleanup() {
    std::error_code ignored;
    if (!staging.empty()) fs::remove_all(staging, ignored);
    if (committed) return;
    for (const fs::path& file : placed) fs::remove(file, ignored);
    for (auto folder = created.rbegin(); folder != created.rend(); ++folder)
      fs::remove(*folder, ignored);
  }
  fs::path staging;
  std::vector<fs::path> placed, created;
  bool committed = false;
};

Status cannot(std::string_view what, const std::string& reason, const fs::path& path) {
  return io_error(
      fmt::format("cannot {}: {}. Nothing was left behind; choose a folder that is writable "
                  "and has room.",
                  what, reason),
      path.string());
}

// Like create_directories, but remembers which folders are new.
Status make_folders(const fs::path& folder, Cleanup& cleanup) {
  std::error_code error;
  std::vector<fs::path> missing;
  fs::path at = folder;
  while (!at.empty() && !fs::exists(at, error)) {
    if (error && error != std::errc::no_such_file_or_directory) {
      return cannot("create the folder", error.message(), folder);
    }
    missing.push_back(at);
    if (at == at.parent_path()) break;
    at = at.parent_path();
  }
  for (auto next = missing.rbegin(); next != missing.rend(); ++next) {
    if (fs::create_directory(*next, error)) cleanup.created.push_back(*next);
    if (error) return cannot("create the folder", error.message(), *next);
  }
  if (!fs::is_directory(folder, error))
    return cannot("use the folder", "it is not a folder", folder);
  return ok_status();
}

Status make_staging(const fs::path& folder, Cleanup& cleanup) {
  std::string name = (folder / ".thorong-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    return cannot("write into the folder", std::strerror(errno), folder);
  cleanup.staging = name;
  return ok_status();
}

std::vector<std::string> file_names(const std::vector<Output>& outputs) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const Output& output : outputs) {
    std::string stem = file_stem(output.name);
    std::string name = stem + ".npy";
    for (int number = 2; !taken.insert(name).second; ++number) {
      name = fmt::format("{}_{}.npy", stem, number);
    }
    names.push_back(std::move(name));
  }
  return names;
}

Status write_all(const Result& result, const std::vector<std::string>& names,
                 const fs::path& folder, Cleanup& cleanup) {
  for (size_t i = 0; i < names.size(); ++i) {
    const ops::Tensor& tensor = result.outputs[i].tensor;
    if (!tensor) continue;
    std::string header = npy_header(tensor.type);
    std::array<std::string_view, 2> parts = {header, {tensor.as<char>(), tensor.bytes()}};
    Status written = write_file_atomically((cleanup.staging / names[i]).string(), parts);
    if (!written.ok())
      return Status(written.code(), written.message(), (folder / names[i]).string());
    std::error_code error;
    if (fs::is_directory(folder / names[i], error)) {
      return cannot("write the file", "a folder has its name", folder / names[i]);
    }
  }
  return ok_status();
}

Status place_all(const Result& result, const std::vector<std::string>& names,
                 const fs::path& folder, Cleanup& cleanup) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (!result.outputs[i].tensor) continue;
    std::error_code error;
    bool existed = fs::exists(folder / names[i], error);
    fs::rename(cleanup.staging / names[i], folder / names[i], error);
    if (error) return cannot("write the file", error.message(), folder / names[i]);
    if (!existed) cleanup.placed.push_back(folder / names[i]);
  }
  return ok_status();
}

}  // namespace

std::string file_stem(const std::string& name) {
  std::string stem;
  for (char c : name.substr(0, kLongestStem)) {
    bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '.' || c == '_' || c == '-';
    stem += kept ? c : '_';
  }
  return stem.empty() ? "_" : stem;
}

std::vector<std::string> output_files(const std::vector<Output>& outputs,
                                      const std::string& directory) {
  const fs::path folder(directory.empty() ? "." : directory);
  std::vector<std::string> paths;
  for (const std::string& name : file_names(outputs)) paths.push_back((folder / name).string());
  return paths;
}

Status write_outputs(Result& result, const std::string& directory) {
  const fs::path folder(directory.empty() ? "." : directory);
  Cleanup cleanup;
  THORONG_RETURN_IF_ERROR(make_folders(folder, cleanup));
  THORONG_RETURN_IF_ERROR(make_staging(folder, cleanup));
  const std::vector<std::string> names = file_names(result.outputs);
  THORONG_RETURN_IF_ERROR(write_all(result, names, folder, cleanup));
  THORONG_RETURN_IF_ERROR(place_all(result, names, folder, cleanup));
  for (size_t i = 0; i < names.size(); ++i) {
    if (result.outputs[i].tensor) result.outputs[i].file = (folder / names[i]).string();
  }
  cleanup.committed = true;
  return ok_status();
}

}  // namespace thorong::report
