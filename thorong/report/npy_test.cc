// SPDX-License-Identifier: Apache-2.0
// .npy and .npz: round trips, what NumPy writes, hostile files; output files.
#include "thorong/report/npy.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <random>
#include <tuple>

#include "thorong/base/file.h"
#include "thorong/report/report.h"

namespace thorong::report {
namespace {

namespace fs = std::filesystem;
using numerics::Format;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string image(const std::string& dictionary, const std::string& data, char version = 1) {
  std::string text = "\x93NUMPY";
  text += version;
  text += '\0';
  text += static_cast<char>(dictionary.size() & 0xff);
  text += static_cast<char>(dictionary.size() >> 8);
  if (version > 1) text += std::string(2, '\0');
  return text + dictionary + data;
}

std::string error_of(const std::string& file) {
  auto parsed = parse_npy(bytes_of(file), "x.npy");
  return parsed.ok() ? "" : parsed.status().to_string();
}

TEST(Npy, RoundTripsEveryFormat) {
  for (int f = 0; f < numerics::format_count(); ++f) {
    const auto format = static_cast<Format>(f);
    const ops::Tensor tensor = ops::Tensor::from_doubles({format, {2, 3}}, {0, 1, 1, 0, 1, 0});
    const std::string file = to_npy(tensor);
    EXPECT_EQ((file.size() - tensor.bytes()) % 64, 0u);
    auto parsed = parse_npy_as(bytes_of(file), "x.npy", format);
    ASSERT_TRUE(parsed.ok()) << parsed.status().to_string();
    EXPECT_EQ(parsed->type, tensor.type);
    EXPECT_EQ(std::memcmp(parsed->data, tensor.data, tensor.bytes()), 0);
  }
}

TEST(Npy, HeadersAreWhatNumpyWrites) {
  EXPECT_NE(npy_header({Format::kFloat32, {}})
                .find("{'descr': '<f4', 'fortran_order': False, 'shape': (), }"),
            std::string::npos);
  EXPECT_NE(
      npy_header({Format::kBool, {5}}).find("'|b1', 'fortran_order': False, 'shape': (5,), }"),
      std::string::npos);
  EXPECT_NE(npy_header({Format::kBfloat16, {2, 3}})
                .find("'<V2', 'fortran_order': False, 'shape': (2, 3), }"),
            std::string::npos);
  EXPECT_NE(npy_header({Format::kFloat8E5m2, {1}}).find("'<V1'"), std::string::npos);
}

TEST(Npy, ReadsFortranOrderEmptyAndScalar) {
  const std::string data = "\1\4\2\5\3\6";  // [[1, 2, 3], [4, 5, 6]] column by column
  auto parsed = parse_npy(
      bytes_of(image("{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3), }\n", data)), "x");
  ASSERT_TRUE(parsed.ok()) << parsed.status().to_string();
  EXPECT_EQ(parsed->to_int64s(), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  auto empty =
      parse_npy(bytes_of(image("{'shape':(0,7),'fortran_order':True,'descr':'<f4'}", "", 2)), "x");
  ASSERT_TRUE(empty.ok()) << empty.status().to_string();
  EXPECT_TRUE(*empty);
  EXPECT_EQ(empty->bytes(), 0u);
  auto scalar = parse_npy(
      bytes_of(image("{'descr': '<i2', 'fortran_order': False, 'shape': ()}", "\x05\x01")), "x");
  ASSERT_TRUE(scalar.ok());
  EXPECT_EQ(scalar->to_int64s(), std::vector<int64_t>{261});
}

TEST(Npy, RawBytesNeedAFormat) {
  const std::string raw1 = image("{'descr': '<V1', 'fortran_order': False, 'shape': (2,)}", "ab");
  EXPECT_NE(error_of(raw1).find("do not say their number format"), std::string::npos);
  EXPECT_TRUE(parse_npy_as(bytes_of(raw1), "x", Format::kFloat8E4m3).ok());
  EXPECT_FALSE(parse_npy_as(bytes_of(raw1), "x", Format::kBfloat16).ok());
  auto raw2 = parse_npy(
      bytes_of(image("{'descr': '|V2', 'fortran_order': False, 'shape': (1,)}", "ab")), "x");
  ASSERT_TRUE(raw2.ok());
  EXPECT_EQ(raw2->type.format, Format::kBfloat16);
}

TEST(Npy, NormalisesBools) {
  auto parsed = parse_npy(bytes_of(image("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}",
                                         std::string("\x00\x02\xff", 3))),
                          "x");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(std::to_integer<int>(parsed->data[1]), 1);
  EXPECT_EQ(std::to_integer<int>(parsed->data[2]), 1);
}

TEST(Npy, RefusesHostileFiles) {
  auto with = [](const std::string& descr, const std::string& shape, const std::string& data) {
    return error_of(image(
        "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }\n", data));
  };
  EXPECT_NE(error_of(""), "");
  EXPECT_NE(error_of("PK\x03\x04 not an array at all"), "");
  EXPECT_NE(error_of("\x93NUMPY\x01"), "");
  EXPECT_NE(error_of(std::string("\x93NUMPY\x01\x00\xff\xff", 10)), "");
  EXPECT_NE(error_of(image("{", "")), "");
  EXPECT_NE(error_of(image("{'descr': '<f4'}", "")), "");
  EXPECT_NE(error_of(image("{'evil': __import__('os')}", "")), "");
  EXPECT_NE(with("'>f4'", "(1,)", "abcd").find("big-endian"), std::string::npos);
  EXPECT_NE(with("'|O'", "(1,)", "abcd").find("Python objects"), std::string::npos);
  EXPECT_NE(with("'<c8'", "(1,)", "abcdefgh"), "");
  EXPECT_NE(with("''", "(1,)", "abcd"), "");
  EXPECT_NE(with("'<U3'", "(1,)", "abcd"), "");
  EXPECT_NE(with("[('a', '<f4')]", "(1,)", "abcd").find("structured"), std::string::npos);
  EXPECT_NE(with("'<f4'", "(2,)", "abcd").find("cut short"), std::string::npos);
  EXPECT_NE(with("'<f4'", "(1,)", "abcdefgh").find("longer"), std::string::npos);
  EXPECT_NE(with("'<f4'", "(-1,)", "abcd"), "");
  EXPECT_NE(with("'<f4'", "(99999999999999999999,)", "abcd"), "");
  EXPECT_NE(with("'<f4'", "(4611686018427387904, 4)", ""), "");
  EXPECT_NE(with("'<f8'", "(4611686018427387904,)", ""), "");
}

// Any one byte changed, any length cut: an answer, never a crash.
TEST(Npy, SurvivesDamage) {
  const std::string whole =
      to_npy(ops::Tensor::from_doubles({Format::kFloat32, {2, 2}}, {1, 2, 3, 4}));
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_NE(error_of(whole.substr(0, size)), "");
  std::mt19937 random(1);
  for (int i = 0; i < 4000; ++i) {
    std::string damaged = whole;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    (void)error_of(damaged);
  }
}

void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

struct ZipEntry {
  std::string name, data;
  bool deflated = false;
  uint64_t claimed = 0;  // another size than the data's
};

std::string deflated(const std::string& data) {
  std::string out(compressBound(static_cast<uLong>(data.size())) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string input = data;
  stream.next_in = reinterpret_cast<unsigned char*>(input.data());
  stream.avail_in = static_cast<unsigned>(input.size());
  stream.next_out = reinterpret_cast<unsigned char*>(out.data());
  stream.avail_out = static_cast<unsigned>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zip(const std::vector<ZipEntry>& entries) {
  std::string out, directory;
  for (const ZipEntry& entry : entries) {
    const std::string packed = entry.deflated ? deflated(entry.data) : entry.data;
    const uint64_t size = entry.claimed != 0 ? entry.claimed : entry.data.size();
    std::string common;
    put(common, 20, 2), put(common, 0, 2), put(common, entry.deflated ? 8 : 0, 2),
        put(common, 0, 4);
    put(common,
        crc32_z(0, reinterpret_cast<const unsigned char*>(entry.data.data()), entry.data.size()),
        4);
    put(common, packed.size(), 4), put(common, size, 4), put(common, entry.name.size(), 2),
        put(common, 0, 2);
    const size_t offset = out.size();
    put(out, 0x04034b50, 4);
    out += common + entry.name + packed;
    put(directory, 0x02014b50, 4), put(directory, 20, 2);
    directory += common;
    put(directory, 0, 2), put(directory, 0, 2), put(directory, 0, 2), put(directory, 0, 4),
        put(directory, offset, 4);
    directory += entry.name;
  }
  const size_t start = out.size();
  out += directory;
  put(out, 0x06054b50, 4), put(out, 0, 4), put(out, entries.size(), 2), put(out, entries.size(), 2);
  put(out, directory.size(), 4), put(out, start, 4), put(out, 0, 2);
  return out;
}

std::string counting_array() {
  std::vector<double> values(1000);
  std::iota(values.begin(), values.end(), 0.0);
  return to_npy(ops::Tensor::from_doubles({Format::kFloat32, {1000}}, values));
}

TEST(Npz, ReadsStoredAndDeflated) {
  const std::string array = counting_array();
  const std::string archive = zip({{"a.npy", array, false, 0}, {"b.npy", array, true, 0}});
  for (const char* name : {"a", "b", "a.npy"}) {
    auto parsed = parse_npz(bytes_of(archive), name, "x.npz");
    ASSERT_TRUE(parsed.ok()) << parsed.status().to_string();
    EXPECT_EQ(parsed->to_doubles()[999], 999);
  }
  EXPECT_EQ(parse_npz(bytes_of(archive), "c", "x").status().code(), Code::kNotFound);
  EXPECT_EQ(parse_npz(bytes_of(archive), "", "x").status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(parse_npz(bytes_of(zip({{"only.npy", array, true, 0}})), "", "x").ok());
}

TEST(Npz, RefusesHostileArchives) {
  const std::string array = counting_array();
  auto fails = [](const std::string& archive) {
    return !parse_npz(bytes_of(archive), "", "x").ok();
  };
  EXPECT_TRUE(fails(""));
  EXPECT_TRUE(fails(std::string(100, '\0')));
  EXPECT_TRUE(fails(zip({})));
  EXPECT_TRUE(fails(zip({{"a.npy", array, true, 0xfffffff0}})));        // claims 4 GiB
  EXPECT_TRUE(fails(zip({{"a.npy", array, true, array.size() - 1}})));  // holds more than it says
  EXPECT_TRUE(fails(zip({{"a.npy", array, true, array.size() + 1}})));
  EXPECT_TRUE(fails(zip({{"a.npy", array, false, array.size() + 1}})));
  EXPECT_TRUE(fails(zip({{"a.npy", "text", false, 0}})));
  for (bool packed : {false, true}) {
    const std::string whole = zip({{"a.npy", array, packed, 0}});
    for (size_t size = 0; size < whole.size(); size += 7) EXPECT_TRUE(fails(whole.substr(0, size)));
    std::mt19937 random(2);
    for (int i = 0; i < 3000; ++i) {
      std::string damaged = whole;
      const size_t tail = std::min<size_t>(200, damaged.size());
      const size_t at =
          i % 2 == 0 ? random() % damaged.size() : damaged.size() - 1 - random() % tail;
      damaged[at] = static_cast<char>(random());
      (void)parse_npz(bytes_of(damaged), "", "x");
    }
  }
}

class Outputs : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "thorong_outputs_" + std::to_string(::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  static Result with_outputs(const std::vector<std::string>& names) {
    Result result;
    for (const std::string& name : names) {
      Output output;
      output.name = name;
      output.tensor = ops::Tensor::from_int64s(std::vector<int64_t>(400, 7));
      output.type = output.tensor.type;
      result.outputs.push_back(output);
    }
    return result;
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::recursive_directory_iterator(folder_), {}));
  }
  std::string folder_;
};

TEST_F(Outputs, NamesAreSafeAndDistinct) {
  Result result = with_outputs(
      {"a/b", "a:b", "../../etc/passwd", "", "ok-1.x_Y", std::string(400, 'n'), "\xc3\xa9"});
  ASSERT_TRUE(write_outputs(result, folder_ + "/new/deep").ok());
  const std::string base = folder_ + "/new/deep/";
  EXPECT_EQ(result.outputs[0].file, base + "a_b.npy");
  EXPECT_EQ(result.outputs[1].file, base + "a_b_2.npy");
  EXPECT_EQ(result.outputs[2].file, base + ".._.._etc_passwd.npy");
  EXPECT_EQ(result.outputs[3].file, base + "_.npy");
  EXPECT_EQ(result.outputs[4].file, base + "ok-1.x_Y.npy");
  EXPECT_EQ(result.outputs[6].file, base + "__.npy");
  EXPECT_EQ(files(), 2 + result.outputs.size());
  auto text = read_text_file(result.outputs[1].file);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(parse_npy(bytes_of(*text), "x")->to_int64s().at(399), 7);
}

TEST_F(Outputs, NothingIsLeftWhenAFileCannotBeWritten) {
  Result result = with_outputs({"first", "second", "third"});
  fs::create_directories(folder_ + "/third.npy");  // a folder where the file should be
  EXPECT_EQ(write_outputs(result, folder_).code(), Code::kIo);
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(result.outputs[0].file, "");
}

TEST_F(Outputs, NothingIsLeftBelowAFileOrADevice) {
  Result result = with_outputs({"x"});
  std::ignore = write_file_atomically(folder_ + "/file", {});
  EXPECT_EQ(write_outputs(result, folder_ + "/file/sub").code(), Code::kIo);
  EXPECT_EQ(write_outputs(result, folder_ + "/file").code(), Code::kIo);
  EXPECT_EQ(write_outputs(result, "/dev/full/sub").code(), Code::kIo);
  EXPECT_EQ(files(), 1u);
}

TEST_F(Outputs, NothingIsLeftOnAFullDisk) {
  Result result = with_outputs({"x", "y"});
  result.outputs[0].tensor = ops::Tensor::from_int64s({1});
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1024, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const Status status = write_outputs(result, folder_ + "/made");
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace thorong::report
