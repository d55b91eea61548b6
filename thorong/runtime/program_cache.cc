// SPDX-License-Identifier: Apache-2.0
// One file a program: a digest of all that follows, then sections of plain structs and the bytes of
// constants, which stay in the mapped file.
#include "thorong/runtime/program_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <type_traits>
#include <vector>

#include "thorong/base/file.h"
#include "thorong/version.h"

namespace thorong::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "thorong program 1\n";
constexpr std::string_view kSuffix = ".program";
constexpr size_t kDigest = 64;   // hexadecimal
constexpr size_t kHeader = 128;  // magic, digest, padding: sections stay aligned
constexpr size_t kAlignment = 64;

std::string_view bytes_of(const void* data, size_t size) {
  return {static_cast<const char*>(data), size};
}

std::span<const std::byte> span_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// ---- The key ----

void add_tensor(const ops::Tensor& tensor, std::string& text) {
  text += tensor.absent ? "absent" : sha256_hex({tensor.data, tensor.bytes()});
}

std::string figures_of(const chip::Chip& chip) {
  std::string text = chip.name + "\n";
  for (const chip::Block& block : chip.blocks) {
    text += block.name + " " + block.type + "\n";
    for (const auto& [name, figure] : block.parameters)
      text += name + "=" + chip::value_text(figure) + "\n";
  }
  return text;
}

// ---- The file ----

class Writer {
 public:
  template <typename T>
  void plain(const std::vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    number(static_cast<int64_t>(values.size()));
    text_ += bytes_of(values.data(), values.size() * sizeof(T));
  }
  void number(int64_t value) { text_ += bytes_of(&value, sizeof value); }
  void text(const std::string& value) {
    number(static_cast<int64_t>(value.size()));
    text_ += value;
  }
  void aligned(const std::byte* data, size_t size) {
    text_.resize((text_.size() + kAlignment - 1) / kAlignment * kAlignment);
    text_ += bytes_of(data, size);
  }
  const std::string& all() const { return text_; }

 private:
  std::string text_;
};

// Reads what Writer wrote; not ok once something does not fit.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  const std::byte* take(size_t size) {
    if (!ok_ || size > bytes_.size() - at_) {
      ok_ = false;
      return nullptr;
    }
    const std::byte* data = bytes_.data() + at_;
    at_ += size;
    return data;
  }
  const std::byte* aligned(size_t size) {
    at_ = std::min((at_ + kAlignment - 1) / kAlignment * kAlignment, bytes_.size());
    return take(size);
  }
  int64_t number() {
    int64_t value = 0;
    if (const std::byte* data = take(sizeof value)) std::memcpy(&value, data, sizeof value);
    return value;
  }
  // How many things of that size follow.
  size_t count(size_t size) {
    const int64_t value = number();
    if (value < 0 || static_cast<size_t>(value) > (bytes_.size() - at_) / size) ok_ = false;
    return ok_ ? static_cast<size_t>(value) : 0;
  }
  template <typename T>
  void plain(std::vector<T>& values) {
    values.resize(count(sizeof(T)));
    if (const std::byte* data = take(values.size() * sizeof(T)); data && !values.empty())
      std::memcpy(values.data(), data, values.size() * sizeof(T));
  }
  std::string text() {
    const size_t size = count(1);
    const std::byte* data = take(size);
    return data ? std::string(reinterpret_cast<const char*>(data), size) : std::string();
  }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

size_t constant_bytes(const isa::Buffer& buffer) {
  if (buffer.constant == nullptr) return 0;
  return static_cast<size_t>(buffer.row_bytes) / numerics::byte_size(buffer.format) *
         numerics::byte_size(isa::host_cell(buffer.format));
}

void write_buffer(const isa::Buffer& buffer, Writer& out) {
  out.text(buffer.name);
  for (const int64_t value :
       {static_cast<int64_t>(buffer.space), static_cast<int64_t>(buffer.role),
        static_cast<int64_t>(buffer.format), int64_t{buffer.partitions}, buffer.row_bytes,
        buffer.address, int64_t{buffer.index}, static_cast<int64_t>(constant_bytes(buffer))})
    out.number(value);
  if (buffer.constant != nullptr) out.aligned(buffer.constant, constant_bytes(buffer));
}

isa::Buffer read_buffer(Reader& in, const std::shared_ptr<const MappedFile>& file) {
  isa::Buffer buffer;
  buffer.name = in.text();
  buffer.space = static_cast<isa::Space>(in.number());
  buffer.role = static_cast<isa::BufferRole>(in.number());
  buffer.format = static_cast<isa::Format>(in.number());
  buffer.partitions = static_cast<int32_t>(in.number());
  buffer.row_bytes = in.number(), buffer.address = in.number();
  buffer.index = static_cast<int32_t>(in.number());
  if (const size_t bytes = in.count(1); bytes > 0) {
    buffer.constant = in.aligned(bytes);
    buffer.constant_owner = file;
  }
  return buffer;
}

std::string to_bytes(const isa::Program& program) {
  Writer out;
  out.plain(program.patterns), out.plain(program.indirects), out.plain(program.integers);
  out.plain(program.instructions), out.plain(program.waits);
  for (const int64_t value : {program.hbm_bytes, program.sbuf_peak_bytes, program.psum_peak_bytes})
    out.number(value);
  out.number(static_cast<int64_t>(program.operators.size()));
  for (const isa::OperatorInfo& info : program.operators) {
    for (const std::string* text : {&info.name, &info.op, &info.path, &info.result, &info.choice})
      out.text(*text);
    out.plain(std::vector<double>{info.flops});
  }
  out.number(static_cast<int64_t>(program.buffers.size()));
  for (const isa::Buffer& buffer : program.buffers) write_buffer(buffer, out);
  return out.all();
}

std::optional<isa::Program> from_bytes(std::span<const std::byte> bytes,
                                       const std::shared_ptr<const MappedFile>& file) {
  Reader in(bytes);
  isa::Program program;
  in.plain(program.patterns), in.plain(program.indirects), in.plain(program.integers);
  in.plain(program.instructions), in.plain(program.waits);
  program.hbm_bytes = in.number(), program.sbuf_peak_bytes = in.number(),
  program.psum_peak_bytes = in.number();
  program.operators.resize(in.count(1));
  for (isa::OperatorInfo& info : program.operators) {
    for (std::string* text : {&info.name, &info.op, &info.path, &info.result, &info.choice})
      *text = in.text();
    std::vector<double> flops;
    in.plain(flops);
    info.flops = flops.empty() ? 0 : flops[0];
  }
  program.buffers.resize(in.count(1));
  for (isa::Buffer& buffer : program.buffers) buffer = read_buffer(in, file);
  return in.ok() ? std::optional(std::move(program)) : std::nullopt;
}

std::string header(const std::string& digest) {
  std::string text = std::string(kMagic) + digest;
  text.resize(kHeader, ' ');
  return text;
}

}  // namespace

std::string ProgramCache::key(const ops::Graph& graph, const chip::Chip& chip,
                              const compiler::CompileOptions& options) const {
  if (folder_.empty()) return {};
  std::string text = fmt::format("{} {} {} {} {}\n", THORONG_VERSION, sizeof(isa::Instruction),
                                 static_cast<int>(options.auto_cast),
                                 numerics::name(options.auto_cast_type), options.timing_only);
  text += figures_of(chip) + ops::to_text(graph);
  for (const ops::Value& value : graph.values) {
    if (value.constant) add_tensor(value.constant, text);
  }
  for (const ops::Node& node : graph.nodes) {
    for (const auto& [name, attribute] : node.attributes.all()) {
      if (const auto* tensor = std::get_if<ops::Tensor>(&attribute)) add_tensor(*tensor, text);
    }
  }
  return sha256_hex(span_of(text));
}

std::string ProgramCache::path_of(const std::string& key) const {
  return (fs::path(folder_) / (key + std::string(kSuffix))).string();
}

std::optional<isa::Program> ProgramCache::find(const std::string& key) const {
  if (key.empty()) return std::nullopt;
  auto file = MappedFile::open(path_of(key));
  if (!file.ok()) return std::nullopt;
  const std::span<const std::byte> bytes = (*file)->bytes();
  if (bytes.size() < kHeader) return std::nullopt;
  const std::span<const std::byte> rest = bytes.subspan(kHeader);
  if (header(sha256_hex(rest)) != bytes_of(bytes.data(), kHeader)) return std::nullopt;
  std::error_code ignored;  // its age decides what makes room; a folder may be read-only
  fs::last_write_time(path_of(key), fs::file_time_type::clock::now(), ignored);
  return from_bytes(rest, *file);
}

void ProgramCache::store(const std::string& key, const isa::Program& program) const {
  if (key.empty() || !program.calls.empty()) return;
  const std::string body = to_bytes(program);
  if (static_cast<int64_t>(body.size()) > most_bytes_) return;
  std::error_code error;
  fs::create_directories(folder_, error);
  const std::string start = header(sha256_hex(span_of(body)));
  const std::string_view parts[] = {start, body};
  if (write_file_atomically(path_of(key), parts).ok()) make_room();
}

void ProgramCache::make_room() const {
  struct Entry {
    fs::file_time_type time;
    int64_t bytes;
    fs::path path;
  };
  std::vector<Entry> entries;
  int64_t all = 0;
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;  // another process may have removed it
    if (at->path().extension() != kSuffix) continue;
    const Entry entry{at->last_write_time(gone), static_cast<int64_t>(at->file_size(gone)),
                      at->path()};
    if (gone) continue;
    all += entry.bytes;
    entries.push_back(entry);
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.time < b.time; });
  for (const Entry& entry : entries) {
    if (all <= most_bytes_) break;
    fs::remove(entry.path, error);
    all -= entry.bytes;
  }
}

}  // namespace thorong::runtime
