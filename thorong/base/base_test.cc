// SPDX-License-Identifier: Apache-2.0
// Status and Result, atomic writes, SHA-256, checks, and the split of work over threads.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <vector>

#include "thorong/base/file.h"
#include "thorong/base/parallel.h"
#include "thorong/base/result.h"

namespace thorong {
namespace {

namespace fs = std::filesystem;

// A folder of the test's own that disappears with it.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "thorong_base_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() {
    ::chmod(path_.c_str(), 0755);
    fs::remove_all(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  size_t entries() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  std::string path_;
};

Result<int> half(int x) {
  if (x % 2 != 0) return invalid_argument("must be even", "x");
  return x / 2;
}

Result<int> quarter(int x) {
  THORONG_TRY(const int once, half(x));
  THORONG_TRY(const int twice, half(once));
  return twice;
}

Status only_even(int x) {
  THORONG_RETURN_IF_ERROR(half(x).status());
  return ok_status();
}

TEST(Status, CarriesCodeMessageAndPlace) {
  EXPECT_TRUE(ok_status().ok());
  const Status inner = not_found("no such file", "line 3");
  const Status outer = inner.at("model.onnx").at("thorong");
  EXPECT_EQ(outer.code(), Code::kNotFound);
  EXPECT_EQ(outer.to_string(), "thorong: model.onnx: line 3: no such file");
  EXPECT_EQ(not_found("no such file").to_string(), "no such file");
  EXPECT_TRUE(ok_status().at("somewhere").ok());
  EXPECT_EQ(ok_status().at("somewhere").where(), "");
}

TEST(Status, EveryCodeHasItsOwnName) {
  std::vector<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    names.push_back(code_name(static_cast<Code>(code)));
    EXPECT_FALSE(names.back().empty());
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
  EXPECT_EQ(code_name(Code::kMachineFault), "machine_fault");
}

TEST(Result, TryPassesValuesAndErrorsOn) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(7).status().to_string(), "x: must be even");
  EXPECT_EQ(quarter(6).status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(only_even(2).ok());
  EXPECT_FALSE(only_even(3).ok());
  EXPECT_FALSE(static_cast<bool>(half(1)));
}

TEST(Result, HoldsWhatCannotBeCopied) {
  const auto make = [](bool good) -> Result<std::unique_ptr<int>> {
    if (!good) return unsupported("no");
    return std::make_unique<int>(5);
  };
  const auto use = [&](bool good) -> Result<int> {
    THORONG_TRY(std::unique_ptr<int> made, make(good));
    return *made + 1;
  };
  EXPECT_EQ(*use(true), 6);
  EXPECT_EQ(use(false).status().code(), Code::kUnsupported);
}

TEST(Check, HandlerGetsPlaceAndReason) {
  set_check_handler([](const std::string& text) { throw std::runtime_error(text); });
  const Result<int> wrong = half(1);
  try {
    (void)wrong.value();
    ADD_FAILURE() << "value() of an error returned";
  } catch (const std::runtime_error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("result.h:"), std::string::npos) << text;
    EXPECT_NE(text.find("value() of an error Result"), std::string::npos) << text;
  }
  EXPECT_THROW((void)Result<int>(ok_status()), std::runtime_error);
  set_check_handler(nullptr);
}

TEST(CheckDeathTest, AbortsWithoutHandler) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(THORONG_CHECK(1 + 1 == 3, "arithmetic"), "arithmetic \\(failed: 1 \\+ 1 == 3\\)");
}

TEST(WriteFile, WritesAllPartsAndReplaces) {
  const Folder folder;
  const std::string path = folder.file("result.json");
  const std::string_view first[] = {"old"};
  const std::string_view second[] = {"ab", "", "cd"};
  ASSERT_TRUE(write_file_atomically(path, first).ok());
  ASSERT_TRUE(write_file_atomically(path, second).ok());
  EXPECT_EQ(*read_text_file(path), "abcd");
  EXPECT_EQ(folder.entries(), 1U);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0644));
  ASSERT_TRUE(write_file_atomically(folder.file("empty"), {}).ok());
  EXPECT_EQ(*read_text_file(folder.file("empty")), "");
}

TEST(WriteFile, LeavesNothingWhereItCannotWrite) {
  const Folder folder;
  const std::string_view parts[] = {"text"};
  const Status missing = write_file_atomically(folder.file("none/result.json"), parts);
  EXPECT_EQ(missing.code(), Code::kIo);
  EXPECT_EQ(missing.where(), folder.file("none/result.json"));
  EXPECT_EQ(folder.entries(), 0U);
  if (::geteuid() != 0) {  // root may write anywhere
    ::chmod(folder.path().c_str(), 0555);
    EXPECT_EQ(write_file_atomically(folder.file("result.json"), parts).code(), Code::kIo);
    ::chmod(folder.path().c_str(), 0755);
    EXPECT_EQ(folder.entries(), 0U);
  }
}

TEST(WriteFile, LeavesNothingWhenRenamingFails) {
  const Folder folder;
  const std::string path = folder.file("taken");
  fs::create_directory(path);  // a file cannot replace it
  const std::string_view parts[] = {"text"};
  const Status status = write_file_atomically(path, parts);
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_NE(status.message().find("is a folder; name a file in it"), std::string::npos);
  EXPECT_EQ(folder.entries(), 1U);
  EXPECT_TRUE(fs::is_directory(path));
}

TEST(WriteFile, DevicesAndLinksStayWhatTheyAre) {
  const std::string_view parts[] = {"text"};
  for (const char* device : {"/dev/null", "/dev/full"}) {
    if (!fs::is_character_file(device)) continue;
    const Status status = write_file_atomically(device, parts);
    EXPECT_EQ(status.ok(), std::string(device) == "/dev/null") << status.to_string();
    ASSERT_TRUE(fs::is_character_file(device)) << device;
  }
  const Folder folder;
  fs::create_symlink(folder.file("real"), folder.file("link"));
  for (int i = 0; i < 2; ++i) {  // the first time it points nowhere
    ASSERT_TRUE(write_file_atomically(folder.file("link"), parts).ok());
    EXPECT_TRUE(fs::is_symlink(folder.file("link")));
    EXPECT_EQ(*read_text_file(folder.file("real")), "text");
  }
  EXPECT_EQ(folder.entries(), 2U);
}

TEST(CheckPlace, SaysBeforeARunWhereNothingCanBeWritten) {
  const Folder folder;
  std::ofstream(folder.file("taken")) << "x";
  EXPECT_TRUE(check_place(folder.file("new.html")).ok());
  EXPECT_TRUE(check_place(folder.file("some/folders/deep"), true).ok());
  EXPECT_TRUE(check_place("here.html").ok());
  const Status missing = check_place(folder.file("none/new.html"));
  EXPECT_EQ(missing.code(), Code::kIo);
  EXPECT_NE(missing.message().find("/none': No such file or directory. Choose a folder"),
            std::string::npos)
      << missing.message();
  for (const char* below : {"taken", "taken/a/b"}) {
    const Status blocked = check_place(folder.file(below), true);
    EXPECT_EQ(blocked.code(), Code::kIo);
    EXPECT_NE(blocked.message().find("/taken': it is not a folder."), std::string::npos)
        << blocked.message();
  }
}

TEST(WriteFile, FullDiskKeepsTheOldFile) {
  const Folder folder;
  const std::string path = folder.file("result.json");
  const std::string_view old[] = {"old"};
  ASSERT_TRUE(write_file_atomically(path, old).ok());
  // A limit on file sizes refuses the second half of a write, as a full disk does.
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 6;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string_view parts[] = {"1234", "5678"};
  const Status status = write_file_atomically(path, parts);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_EQ(folder.entries(), 1U);
  EXPECT_EQ(*read_text_file(path), "old");
}

TEST(MappedFile, GivesBytesOrSaysWhatIsWrong) {
  const Folder folder;
  std::ofstream(folder.file("data")) << "hello";
  auto file = MappedFile::open(folder.file("data"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->bytes().size(), 5U);
  (*file)->drop_resident_pages();
  EXPECT_EQ(static_cast<char>((*file)->bytes()[4]), 'o');
  EXPECT_EQ(MappedFile::open(folder.file("absent")).status().code(), Code::kNotFound);
  EXPECT_EQ(MappedFile::open(folder.path()).status().code(), Code::kIo);
  std::ofstream(folder.file("empty")) << "";
  EXPECT_TRUE((*MappedFile::open(folder.file("empty")))->bytes().empty());
}

std::string sha256_of(const std::string& text) {
  return sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
}

TEST(MappedFile, HashesPieceByPiece) {
  const Folder folder;
  std::string text(9 << 20, '\0');  // several pieces, the last not full
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i >> 7);
  text.pop_back();
  std::ofstream(folder.file("data")) << text;
  EXPECT_EQ((*MappedFile::open(folder.file("data")))->sha256_hex(), sha256_of(text));
  std::ofstream(folder.file("empty")) << "";
  EXPECT_EQ((*MappedFile::open(folder.file("empty")))->sha256_hex(), sha256_of(""));
}

TEST(Sha256, KnownVectors) {  // FIPS 180-4 and NIST's examples
  EXPECT_EQ(sha256_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_of(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(ThreadPool, CoversTheRangeOnceInWholeGrains) {
  for (const int threads : {1, 2, 3, 8}) {
    const ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int64_t n : {0, 1, 2, 7, 16, 100, 1001}) {
      for (const int64_t grain : {1, 3, 8, 64}) {
        std::vector<std::atomic<int>> visits(static_cast<size_t>(n));
        std::mutex mutex;
        std::vector<std::pair<int64_t, int64_t>> chunks;
        pool.parallel_for(n, grain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
          const std::lock_guard lock(mutex);
          chunks.emplace_back(begin, end);
        });
        for (const auto& count : visits) EXPECT_EQ(count, 1);
        EXPECT_LE(chunks.size(), static_cast<size_t>(threads));
        for (const auto& [begin, end] : chunks) {
          EXPECT_LT(begin, end);
          EXPECT_TRUE(end == n || (end - begin) % grain == 0)
              << n << " items, grain " << grain << ": " << begin << " to " << end;
        }
      }
    }
  }
  EXPECT_GE(ThreadPool(0).threads(), 1);
}

TEST(ResidentBytes, AreKnownOnLinux) {
  EXPECT_GT(resident_bytes(), 0U);
  EXPECT_GE(peak_resident_bytes(), resident_bytes());
}

}  // namespace
}  // namespace thorong
