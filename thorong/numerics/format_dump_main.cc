// SPDX-License-Identifier: Apache-2.0
// thorong_format_dump: lets other programs (tests/conformance/test_formats.py) see the conversions
// of this folder.
//
//   thorong_format_dump list                     names and bits of all formats, one per line
//   thorong_format_dump widen FORMAT             fp32 values of all codes of a format of at most 16
//   bits, raw on stdout thorong_format_dump narrow FORMAT FILE       FILE holds raw fp32 values;
//   their codes, raw on stdout
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "thorong/numerics/format.h"

namespace thorong::numerics {
namespace {

constexpr int kUsageError = 2;

int fail(const std::string& message) {
  std::fprintf(stderr, "thorong_format_dump: %s\n", message.c_str());
  return kUsageError;
}

int write(const void* data, size_t bytes) {
  return std::fwrite(data, 1, bytes, stdout) == bytes ? 0 : fail("cannot write to standard output");
}

int list() {
  for (int i = 0; i < format_count(); ++i) {
    const FormatInfo& row = info(static_cast<Format>(i));
    std::printf("%.*s %d\n", static_cast<int>(row.name.size()), row.name.data(), row.bits);
  }
  return 0;
}

int dump_widened(Format format) {
  if (info(format).bits > 16) return fail("widen is for formats of at most 16 bits");
  const size_t count = size_t{1} << info(format).bits;
  std::vector<unsigned char> codes(count * byte_size(format));
  for (size_t code = 0; code < count; ++code) {
    const auto stored = static_cast<uint16_t>(code);
    std::memcpy(&codes[code * byte_size(format)], &stored, byte_size(format));
  }
  std::vector<float> values(count);
  widen(format, codes.data(), values.data(), count);
  return write(values.data(), values.size() * sizeof(float));
}

int dump_narrowed(Format format, const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)),
                                std::istreambuf_iterator<char>());
  if (!file) return fail(std::string("cannot read ") + path);
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  std::vector<unsigned char> codes(values.size() * byte_size(format));
  narrow(format, values.data(), codes.data(), values.size());
  return write(codes.data(), codes.size());
}

int run(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "list" && argc == 2) return list();
  const auto format = parse_format(argc > 2 ? argv[2] : "");
  if (command == "widen" && argc == 3 && format) return dump_widened(*format);
  if (command == "narrow" && argc == 4 && format) return dump_narrowed(*format, argv[3]);
  return fail("expected 'list', 'widen FORMAT' or 'narrow FORMAT FILE'");
}

}  // namespace
}  // namespace thorong::numerics

int main(int argc, char** argv) { return thorong::numerics::run(argc, argv); }
