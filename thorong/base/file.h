// SPDX-License-Identifier: Apache-2.0
// Files: read-only memory maps, and writes that leave either the whole file or nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "thorong/base/result.h"

namespace thorong {

// A read-only map of a file, shared by every view on it. Empty files give an empty span.
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  // Tells the kernel that the pages that were read may be dropped from memory; they are read again
  // when touched.
  void drop_resident_pages() const { drop_resident_pages(0, size_); }
  // SHA-256 of the file, as sha256_hex gives it. Pages that were read are dropped on the way.
  std::string sha256_hex() const;

 private:
  MappedFile() = default;
  void drop_resident_pages(size_t first, size_t bytes) const;  // `first`: of a page
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Zeros without memory of their own, for data that is not there: pages of which none is written.
// Null where the address space has no room.
std::shared_ptr<const void> zero_pages(size_t bytes);

// Writes `parts` one after the other to a temporary file beside `path`, syncs and renames it. On
// any error nothing of it is left. The file keeps its mode if there is one. A symbolic link stays
// one; a device or a pipe is written to directly. Error: io with the system's reason.
Status write_file_atomically(const std::string& path, std::span<const std::string_view> parts);

// Whether write_file_atomically could write to `path` as far as one can know before, so that a long
// run does not fail at its end; or, with `is_folder`, files in a folder `path`, which need not
// exist yet. Error: io.
Status check_place(const std::string& path, bool is_folder = false);

Result<std::string> read_text_file(const std::string& path);

// Lower-case hexadecimal SHA-256 (FIPS 180-4).
std::string sha256_hex(std::span<const std::byte> bytes);

// Bytes of this process that are resident now, and at its highest (Linux: /proc/self/status VmRSS,
// VmHWM); 0 if unknown.
size_t resident_bytes();
size_t peak_resident_bytes();

}  // namespace thorong
