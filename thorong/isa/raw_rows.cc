// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/raw_rows.h"

#include <cstring>

#include "thorong/isa/snapshot.h"

namespace thorong::isa {
namespace {

// Calls f(byte address, bytes that follow each other there) over the row, in order.
template <typename F>
void for_pieces_of_row(const Operand& operand, int64_t partition, F&& f) {
  const AccessPattern& pattern = *operand.pattern;
  auto cell = static_cast<int64_t>(numerics::byte_size(operand.cell));
  if (operand.columns != nullptr) {
    const int64_t* columns = operand.columns + partition / operand.column_group * operand.elements;
    for (int64_t i = 0; i < operand.elements; ++i)
      f(operand.at(partition) + columns[i] * cell, static_cast<size_t>(cell));
    return;
  }
  if (operand.dense) return f(operand.at(partition), static_cast<size_t>(operand.elements * cell));
  std::array<int64_t, kMaxFreeRank> size{1, 1, 1, 1}, step{0, 0, 0, 0};
  for (int i = 0; i < pattern.rank; ++i) {
    auto from = static_cast<size_t>(i), to = static_cast<size_t>(kMaxFreeRank - pattern.rank + i);
    size[to] = pattern.size[from];
    step[to] = pattern.step[from] * cell;
  }
  std::byte* row = operand.at(partition);
  for (int64_t a = 0; a < size[0]; ++a) {
    for (int64_t b = 0; b < size[1]; ++b) {
      for (int64_t c = 0; c < size[2]; ++c) {
        std::byte* line = row + a * step[0] + b * step[1] + c * step[2];
        if (step[3] == cell) {
          f(line, static_cast<size_t>(size[3] * cell));
          continue;
        }
        for (int64_t d = 0; d < size[3]; ++d) f(line + d * step[3], static_cast<size_t>(cell));
      }
    }
  }
}

// Pieces: some hosts' instruction for long copies takes fifteen times as long where the target lies
// a few bytes behind the source, modulo a page (Zen 3).
void copy_bytes(std::byte* to, const std::byte* from, size_t n) {
  constexpr size_t kPiece = 2048;
  if (from < to + n && to < from + n) {
    std::memmove(to, from, n);
    return;
  }
  for (; n > kPiece; to += kPiece, from += kPiece, n -= kPiece) std::memcpy(to, from, kPiece);
  std::memcpy(to, from, n);
}

void copy_raw_rows(const Operand& out, const Operand& in, int64_t first, int64_t last) {
  size_t bytes = numerics::byte_size(in.cell) * static_cast<size_t>(in.elements);
  auto row = static_cast<int64_t>(bytes);
  bool dense = in.dense && out.dense, fixed = in.rows == nullptr && out.rows == nullptr;
  if (dense && fixed && in.row_stride_bytes == row && out.row_stride_bytes == row) {
    return copy_bytes(out.at(first), in.at(first), bytes * static_cast<size_t>(last - first));
  }
  auto* scratch = reinterpret_cast<std::byte*>(thread_scratch(0, bytes / 4 + 1));
  for (int64_t p = first; p < last; ++p) {
    if (in.skipped(p) || out.skipped(p)) continue;
    if (dense) {
      copy_bytes(out.at(p), in.at(p), bytes);
      continue;
    }
    gather_raw(in, p, scratch);
    scatter_raw(out, p, scratch);
  }
}

}  // namespace

void gather_raw(const Operand& operand, int64_t partition, std::byte* bytes) {
  for_pieces_of_row(operand, partition, [&](const std::byte* at, size_t size) {
    std::memcpy(bytes, at, size);
    bytes += size;
  });
}

void scatter_raw(const Operand& operand, int64_t partition, const std::byte* bytes) {
  for_pieces_of_row(operand, partition, [&](std::byte* at, size_t size) {
    std::memcpy(at, bytes, size);
    bytes += size;
  });
}

void copy_raw(const MachineState& machine, const Operand& out, const Operand& in) {
  for_rows_as_read(machine, out, in, [&](const Operand& source, int64_t first, int64_t last) {
    copy_raw_rows(out, source, first, last);
  });
}

namespace {

template <typename T>
void read_integers(const std::byte* from, int64_t n, int64_t* to) {
  for (int64_t i = 0; i < n; ++i) {
    T value;
    std::memcpy(&value, from + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
    to[i] = static_cast<int64_t>(value);
  }
}

template <typename T>
void write_integers(const int64_t* from, int64_t n, std::byte* to) {
  for (int64_t i = 0; i < n; ++i) {
    auto value = static_cast<T>(from[i]);
    std::memcpy(to + i * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
  }
}

}  // namespace

void load_integers(const Operand& operand, int64_t partition, int64_t* values) {
  auto n = operand.elements;
  thread_local std::vector<std::byte> bytes;
  bytes.resize(static_cast<size_t>(n) * 8);
  gather_raw(operand, partition, bytes.data());
  switch (operand.cell) {
    case Format::kInt8:
      return read_integers<int8_t>(bytes.data(), n, values);
    case Format::kInt16:
      return read_integers<int16_t>(bytes.data(), n, values);
    case Format::kInt32:
      return read_integers<int32_t>(bytes.data(), n, values);
    case Format::kInt64:
    case Format::kUint64:
      return read_integers<int64_t>(bytes.data(), n, values);
    case Format::kBool:
    case Format::kUint8:
      return read_integers<uint8_t>(bytes.data(), n, values);
    case Format::kUint16:
      return read_integers<uint16_t>(bytes.data(), n, values);
    case Format::kUint32:
      return read_integers<uint32_t>(bytes.data(), n, values);
    default:
      break;
  }
  for (int64_t i = 0; i < n; ++i) {
    values[i] = static_cast<int64_t>(
        numerics::load_as_double(operand.cell, bytes.data(), static_cast<size_t>(i)));
  }
}

void store_integers(const Operand& operand, int64_t partition, const int64_t* values) {
  auto n = operand.elements;
  thread_local std::vector<std::byte> bytes;
  bytes.resize(static_cast<size_t>(n) * 8);
  switch (numerics::is_float(operand.cell) ? 0 : numerics::byte_size(operand.cell)) {
    case 1:
      write_integers<uint8_t>(values, n, bytes.data());
      break;
    case 2:
      write_integers<uint16_t>(values, n, bytes.data());
      break;
    case 4:
      write_integers<uint32_t>(values, n, bytes.data());
      break;
    case 8:
      write_integers<uint64_t>(values, n, bytes.data());
      break;
    default: {
      std::vector<float> floats(values, values + n);
      return store_row(operand, partition, floats.data(), {});
    }
  }
  scatter_raw(operand, partition, bytes.data());
}

}  // namespace thorong::isa
