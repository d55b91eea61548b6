// SPDX-License-Identifier: Apache-2.0
#include "thorong/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace thorong {
namespace {

std::string system_reason() { return std::strerror(errno); }

size_t status_field(const char* key) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind(key, 0) == 0)
      return std::strtoull(line.c_str() + std::strlen(key), nullptr, 10) * 1024;
  }
  return 0;
}

// Writes all of `text`; false with errno set when the disk refuses.
bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    Code code = errno == ENOENT ? Code::kNotFound : Code::kIo;
    return Status(
        code, "cannot open the file: " + system_reason() + ". Check the path and its permissions.",
        path);
  }
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    return io_error("is not a regular file; give the path of a file.", path);
  }
  std::shared_ptr<MappedFile> file(new MappedFile());
  file->path_ = path;
  file->size_ = static_cast<size_t>(info.st_size);
  if (file->size_ > 0) {
    void* data = ::mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) {
      std::string reason = system_reason();
      ::close(descriptor);
      file->size_ = 0;
      return io_error("cannot map the file into memory: " + reason + ".", path);
    }
    file->data_ = static_cast<const std::byte*>(data);
  }
  ::close(descriptor);
  return std::shared_ptr<const MappedFile>(std::move(file));
}

std::shared_ptr<const void> zero_pages(size_t bytes) {
  bytes = std::max<size_t>(bytes, 1);
  void* pages =
      ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  return {pages, [bytes](const void* start) { ::munmap(const_cast<void*>(start), bytes); }};
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::drop_resident_pages(size_t first, size_t bytes) const {
  if (data_ != nullptr) ::madvise(const_cast<std::byte*>(data_) + first, bytes, MADV_DONTNEED);
}

namespace {

// A device or a pipe is written to; renaming a file over it would take it away.
Status write_through(const std::string& path, std::span<const std::string_view> parts) {
  int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  bool good = descriptor >= 0;
  for (std::string_view part : parts) good = good && write_all(descriptor, part);
  std::string reason = good ? "" : system_reason();
  if (descriptor >= 0) good = (::close(descriptor) == 0) && good;
  if (good) return ok_status();
  return io_error("cannot write there: " + reason + ". Choose another place.", path);
}

// Where a chain of links leads, whether something is there or not.
std::string behind_links(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the kernel
  std::error_code error;
  std::filesystem::path at = path;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(at, error); ++i) {
    const std::filesystem::path next = std::filesystem::read_symlink(at, error);
    if (error) break;
    at = next.is_absolute() ? next : at.parent_path() / next;
  }
  return at.string();
}

// A new file beside `target`, open for writing, with the mode that new files get here; -1 with
// errno set when there can be none. `name` receives its path.
int create_beside(const std::string& target, std::string& name) {
  constexpr int kMostTries = 1000;  // names of this process that were left behind, or are in use
  int descriptor = -1;
  for (int i = 0; i < kMostTries && descriptor < 0; ++i) {
    name = target + "." + std::to_string(::getpid()) + "-" + std::to_string(i);
    descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0 && errno != EEXIST) break;
  }
  return descriptor;
}

Status is_a_folder(const std::string& path) {
  return io_error("is a folder; name a file in it.", path);
}

}  // namespace

Status check_place(const std::string& path, bool is_folder) {
  std::error_code error;
  struct stat info {};
  const bool exists = !is_folder && ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) return is_a_folder(path);
  if (exists && !S_ISREG(info.st_mode)) {
    if (::access(path.c_str(), W_OK) == 0) return ok_status();
    return io_error("cannot write there: " + system_reason() + ". Choose another place.", path);
  }
  std::filesystem::path folder =
      std::filesystem::absolute(is_folder ? path : behind_links(path), error);
  if (!is_folder) folder = folder.parent_path();
  // A link that points nowhere is there, and no folder.
  while (is_folder && !std::filesystem::exists(std::filesystem::symlink_status(folder, error)) &&
         folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  if (::access(folder.c_str(), W_OK | X_OK) == 0 && std::filesystem::is_directory(folder, error))
    return ok_status();
  std::string reason =
      std::filesystem::exists(folder, error) && !std::filesystem::is_directory(folder, error)
          ? "it is not a folder"
          : system_reason();
  return io_error("cannot write into the folder '" + folder.string() + "': " + reason +
                      ". Choose a folder that exists and is writable.",
                  path);
}

Status write_file_atomically(const std::string& path, std::span<const std::string_view> parts) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
    return write_through(path, parts);
  if (S_ISDIR(info.st_mode)) return is_a_folder(path);
  // What a symbolic link points to is replaced, not the link.
  const std::string target = behind_links(path);
  const bool replaces = ::stat(target.c_str(), &info) == 0 && S_ISREG(info.st_mode);
  std::string temporary;
  int descriptor = create_beside(target, temporary);
  if (descriptor < 0) {
    return io_error("cannot create a file there: " + system_reason() +
                        ". Choose a folder that exists and is writable.",
                    path);
  }
  bool good = true;
  for (std::string_view part : parts) good = good && write_all(descriptor, part);
  if (replaces) good = good && ::fchmod(descriptor, info.st_mode & 0777) == 0;
  good = good && ::fsync(descriptor) == 0;
  std::string reason = good ? "" : system_reason();
  good = (::close(descriptor) == 0) && good;
  if (good && ::rename(temporary.c_str(), target.c_str()) != 0) {
    reason = system_reason();
    good = false;
  }
  if (!good) {
    ::unlink(temporary.c_str());
    return io_error("cannot write the file: " + reason +
                        ". Nothing was left behind; free some space or choose another place.",
                    path);
  }
  return ok_status();
}

Result<std::string> read_text_file(const std::string& path) {
  THORONG_TRY(auto file, MappedFile::open(path));
  auto bytes = file->bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

size_t resident_bytes() { return status_field("VmRSS:"); }
size_t peak_resident_bytes() { return status_field("VmHWM:"); }

}  // namespace thorong
