// SPDX-License-Identifier: Apache-2.0
// One array of an .npz: the zip central directory, members stored or deflated, ZIP64 sizes as NumPy
// writes them (APPNOTE 6.3). Offsets and sizes are checked against the file before they are used.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <string_view>
#include <vector>

#include "thorong/report/npy.h"
#include "thorong/report/report.h"

namespace thorong::report {
namespace {

using Bytes = std::span<const std::byte>;

constexpr uint32_t kEndOfDirectory = 0x06054b50, kDirectoryEntry = 0x02014b50,
                   kLocalHeader = 0x04034b50;
constexpr uint32_t kZip64End = 0x06064b50, kZip64Locator = 0x07064b50;
constexpr size_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30, kZip64EndSize = 56,
                 kLocatorSize = 20;
constexpr uint64_t kDeflateRatio = 1032;  // no deflate stream grows by more

// Little-endian unsigned of n bytes at an offset known to be inside.
uint64_t number(Bytes bytes, size_t at, size_t n) {
  uint64_t value = 0;
  for (size_t i = 0; i < n; ++i) value |= std::to_integer<uint64_t>(bytes[at + i]) << (8 * i);
  return value;
}

bool fits(Bytes bytes, uint64_t at, uint64_t size) {
  return at <= bytes.size() && size <= bytes.size() - at;
}

struct Member {
  std::string name;
  uint64_t flags = 0, method = 0, crc = 0, packed = 0, size = 0, offset = 0;
};

struct Directory {
  uint64_t count = 0, offset = 0;
};

Status broken(std::string_view what, const std::string& where) {
  return invalid_argument(
      fmt::format("is not a readable .npz: {}. Save it again with numpy.savez.", what), where);
}

thorong::Result<Directory> find_directory(Bytes bytes, const std::string& where) {
  if (bytes.size() < kEndSize) return broken("it is too short for a zip archive", where);
  const size_t last = bytes.size() - kEndSize;
  const size_t lowest = last > 0xffff ? last - 0xffff : 0;
  size_t at = last;
  while (number(bytes, at, 4) != kEndOfDirectory) {
    if (at == lowest) return broken("the zip directory's end is missing", where);
    --at;
  }
  Directory directory{number(bytes, at + 10, 2), number(bytes, at + 16, 4)};
  if (directory.count != 0xffff && directory.offset != 0xffffffff) return directory;
  if (at < kLocatorSize || number(bytes, at - kLocatorSize, 4) != kZip64Locator) return directory;
  const uint64_t end = number(bytes, at - kLocatorSize + 8, 8);
  if (!fits(bytes, end, kZip64EndSize) || number(bytes, end, 4) != kZip64End) {
    return broken("the ZIP64 directory's end is missing", where);
  }
  return Directory{number(bytes, end + 32, 8), number(bytes, end + 48, 8)};
}

// Sizes of 4 GiB and more stand in the extra field, in this order, for those fields that are all
// ones.
bool apply_zip64(Bytes extra, Member& member) {
  constexpr uint64_t kOnes = 0xffffffff;
  while (extra.size() >= 4) {
    const uint64_t id = number(extra, 0, 2), length = number(extra, 2, 2);
    if (length > extra.size() - 4) return false;
    if (id == 1) {
      Bytes field = extra.subspan(4, length);
      for (uint64_t* value : {&member.size, &member.packed, &member.offset}) {
        if (*value != kOnes) continue;
        if (field.size() < 8) return false;
        *value = number(field, 0, 8);
        field = field.subspan(8);
      }
    }
    extra = extra.subspan(4 + length);
  }
  return true;
}

thorong::Result<std::vector<Member>> read_directory(Bytes bytes, const std::string& where) {
  THORONG_TRY(Directory directory, find_directory(bytes, where));
  std::vector<Member> members;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.count; ++i) {
    if (!fits(bytes, at, kEntrySize) || number(bytes, at, 4) != kDirectoryEntry) {
      return broken(fmt::format("entry {} of its zip directory is damaged", i), where);
    }
    const uint64_t name = number(bytes, at + 28, 2), extra = number(bytes, at + 30, 2);
    const uint64_t comment = number(bytes, at + 32, 2);
    if (!fits(bytes, at + kEntrySize, name + extra + comment)) {
      return broken(fmt::format("entry {} of its zip directory goes beyond the file", i), where);
    }
    Member member{{},
                  number(bytes, at + 8, 2),
                  number(bytes, at + 10, 2),
                  number(bytes, at + 16, 4),
                  number(bytes, at + 20, 4),
                  number(bytes, at + 24, 4),
                  number(bytes, at + 42, 4)};
    member.name.assign(reinterpret_cast<const char*>(bytes.data() + at + kEntrySize), name);
    if (!apply_zip64(bytes.subspan(at + kEntrySize + name, extra), member)) {
      return broken(fmt::format("entry {} has a damaged ZIP64 field", i), where);
    }
    members.push_back(std::move(member));
    at += kEntrySize + name + extra + comment;
  }
  return members;
}

std::string array_name(const Member& member) {
  std::string_view name = member.name;
  if (name.ends_with(".npy")) name.remove_suffix(4);
  return std::string(name);
}

thorong::Result<Member> choose(const std::vector<Member>& members, const std::string& wanted,
                               const std::string& where) {
  if (members.empty()) return not_found("is an empty .npz: it holds no array.", where);
  if (wanted.empty() && members.size() == 1) return members.front();
  std::string names;
  for (const Member& member : members) {
    if (!wanted.empty() && (array_name(member) == wanted || member.name == wanted)) return member;
    if (names.size() < 200) names += (names.empty() ? "" : ", ") + array_name(member);
  }
  if (wanted.empty()) {
    return invalid_argument(
        fmt::format("holds {} arrays; say which one: {}.", members.size(), names), where);
  }
  return not_found(
      fmt::format("has no array '{}'; it holds: {}. Save the array by that name, or alone.", wanted,
                  names),
      where);
}

// The packed bytes of a member, found through its local header.
thorong::Result<Bytes> packed_bytes(Bytes bytes, const Member& member, const std::string& where) {
  if (!fits(bytes, member.offset, kLocalSize) || number(bytes, member.offset, 4) != kLocalHeader) {
    return broken("the member's local header is damaged", where);
  }
  const uint64_t skip =
      kLocalSize + number(bytes, member.offset + 26, 2) + number(bytes, member.offset + 28, 2);
  if (!fits(bytes, member.offset, skip) || !fits(bytes, member.offset + skip, member.packed)) {
    return broken("the member goes beyond the end of the file", where);
  }
  return bytes.subspan(member.offset + skip, member.packed);
}

// zlib counts in 32 bits: feeds `packed` and the room for the data in pieces.
bool inflate_all(Bytes packed, std::vector<std::byte>& data) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
  constexpr size_t kPiece = size_t{1} << 20;
  std::vector<unsigned char> input(std::min(kPiece, packed.size()));
  std::byte spare{};  // room for a byte too many, so that a member that is too long is noticed
  size_t produced = 0;
  int code = Z_OK;
  while (code == Z_OK) {
    if (stream.avail_in == 0) {
      const size_t take = std::min(kPiece, packed.size());
      if (take > 0) std::memcpy(input.data(), packed.data(), take);
      packed = packed.subspan(take);
      stream.next_in = input.data();
      stream.avail_in = static_cast<unsigned>(take);
    }
    const size_t room = std::min(kPiece, data.size() - produced);
    std::byte* target = room > 0 ? data.data() + produced : &spare;
    stream.next_out = reinterpret_cast<unsigned char*>(target);
    const auto offered = static_cast<unsigned>(std::max<size_t>(room, 1));
    stream.avail_out = offered;
    code = inflate(&stream, Z_NO_FLUSH);
    const size_t made = offered - stream.avail_out;
    if (made > room) code = Z_DATA_ERROR;
    produced += made;
  }
  inflateEnd(&stream);
  return code == Z_STREAM_END && produced == data.size();
}

uint64_t checksum(Bytes bytes) {
  return crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

thorong::Result<ops::Tensor> read_member(Bytes bytes, const Member& member,
                                         const std::string& where,
                                         std::optional<numerics::Format> hint) {
  if ((member.flags & 1) != 0)
    return unsupported("is encrypted; save it without a password.", where);
  if (member.method != 0 && member.method != 8) {
    return unsupported(
        fmt::format("is packed by zip method {}; stored and deflated can be read.", member.method),
        where);
  }
  THORONG_TRY(Bytes packed, packed_bytes(bytes, member, where));
  if (member.method == 0) {
    if (packed.size() != member.size) return broken("a stored member has two sizes", where);
    if (checksum(packed) != member.crc) return broken("the member's checksum is wrong", where);
    return parse_npy_as(packed, where, hint);
  }
  if (member.size / kDeflateRatio > packed.size()) {
    return broken(
        fmt::format("the member claims to unpack from {} to {} bytes, more than deflate can",
                    packed.size(), member.size),
        where);
  }
  auto data = std::make_shared<std::vector<std::byte>>();
  try {
    data->resize(member.size);
  } catch (const std::exception&) {
    return resource_exhausted(fmt::format("needs {} bytes of memory to unpack.", member.size),
                              where);
  }
  if (!inflate_all(packed, *data)) return broken("the member's deflated data are damaged", where);
  if (checksum(*data) != member.crc) return broken("the member's checksum is wrong", where);
  return parse_npy_as(*data, where, hint, data);
}

}  // namespace

thorong::Result<ops::Tensor> parse_npz_as(Bytes bytes, const std::string& member,
                                          const std::string& where,
                                          std::optional<numerics::Format> hint) {
  THORONG_TRY(std::vector<Member> members, read_directory(bytes, where));
  THORONG_TRY(Member chosen, choose(members, member, where));
  return read_member(bytes, chosen, where + ": " + array_name(chosen), hint);
}

thorong::Result<ops::Tensor> parse_npz(Bytes bytes, const std::string& member,
                                       const std::string& where) {
  return parse_npz_as(bytes, member, where, std::nullopt);
}

}  // namespace thorong::report
