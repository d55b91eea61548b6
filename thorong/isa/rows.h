// SPDX-License-Identifier: Apache-2.0
// Work on the rows of elementwise instructions: short rows are put side by side, so that a column
// of 128 values is one call of a vector function and not 128.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "thorong/isa/machine_state.h"

namespace thorong::isa {

inline constexpr int64_t kShortRow = 32;  // elements

// An input of map_rows; `column`: one value a partition, repeated along the row.
struct RowInput {
  Operand* operand;
  bool column = false;
};

// Every row follows the one before it, in memory that can be used as it is.
inline bool side_by_side(const Operand& operand) {
  return operand.direct && operand.rows == nullptr &&
         operand.row_stride_bytes == operand.elements * 4;
}

// Rows of n floats, from one stride in bytes to another.
inline void copy_short(const std::byte* from, int64_t from_stride, std::byte* to, int64_t to_stride,
                       int64_t rows, int64_t n) {
  for (int64_t p = 0; p < rows; ++p, from += from_stride, to += to_stride) {
    const auto* source = reinterpret_cast<const float*>(from);
    auto* target = reinterpret_cast<float*>(to);
    for (int64_t i = 0; i < n; ++i) target[i] = source[i];
  }
}

// Calls f(inputs, target, n) for rows of n elements each (many partitions' at once where they are
// short) and stores what it leaves in `target`. `inputs` are pointers, a column's being n values.
template <typename F>
void map_short_rows(MachineState& machine, Operand& out, std::span<const RowInput> inputs, F&& f) {
  if (machine.part().index > 0) return;  // all rows at once, by one thread
  auto partitions = int64_t{out.pattern->partitions}, n = out.elements;
  auto total = static_cast<size_t>(partitions * n);
  std::array<const float*, 4> pointers{};
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Operand& in = *inputs[i].operand;
    if (side_by_side(in) && in.elements == n) {
      pointers[i] = in.row(0);
      continue;
    }
    float* scratch = thread_scratch(static_cast<int>(i), total);
    pointers[i] = scratch;
    if (in.direct && in.rows == nullptr && (!inputs[i].column || n == 1)) {
      copy_short(in.base, in.row_stride_bytes, reinterpret_cast<std::byte*>(scratch), n * 4,
                 partitions, n);
      continue;
    }
    for (int64_t p = 0; p < partitions; ++p) {
      float* to = scratch + p * n;
      if (inputs[i].column) {
        float one = 0;
        std::fill(to, to + n, *load_row(in, p, &one));
      } else if (const float* row = load_row(in, p, to); row != to) {
        std::copy(row, row + n, to);
      }
    }
  }
  bool whole = side_by_side(out);
  float* target = whole ? out.row(0) : thread_scratch(4, total);
  f(pointers.data(), target, total);
  numerics::Rounding rounding = machine.rounding();
  if (whole) {
    rounding.first_element = 0;
    round_values(out.pattern->format, target, total, rounding);
    return;
  }
  if (out.direct && out.rows == nullptr) {
    rounding.first_element = 0;
    round_values(out.pattern->format, target, total, rounding);
    copy_short(reinterpret_cast<const std::byte*>(target), n * 4, out.base, out.row_stride_bytes,
               partitions, n);
    return;
  }
  for (int64_t p = 0; p < partitions; ++p) store_row(out, p, target + p * n, rounding);
}

template <typename F>
void map_rows(MachineState& machine, Operand& out, std::span<const RowInput> inputs, F&& f) {
  if (out.elements <= kShortRow) return map_short_rows(machine, out, inputs, f);
  numerics::Rounding rounding = machine.rounding();
  auto n = static_cast<size_t>(out.elements);
  for_partitions(machine, out.pattern->partitions, out.elements, [&](int64_t first, int64_t last) {
    std::array<const float*, 4> pointers{};
    std::array<float*, 5> scratch{};
    for (size_t i = 0; i < inputs.size(); ++i) scratch[i] = thread_scratch(static_cast<int>(i), n);
    float* scratch_out = thread_scratch(4, n);
    for (int64_t p = first; p < last; ++p) {
      for (size_t i = 0; i < inputs.size(); ++i)
        pointers[i] = load_row(*inputs[i].operand, p, scratch[i]);
      float* target = target_row(out, p, scratch_out);
      f(pointers.data(), target, n);
      store_row(out, p, target, rounding);
    }
  });
}

}  // namespace thorong::isa
