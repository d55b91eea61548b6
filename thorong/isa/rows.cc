// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/rows.h"

#include <array>
#include <cstring>
#include <optional>

#include "thorong/isa/snapshot.h"

namespace thorong::isa {
namespace {

using numerics::RoundingMode;
using numerics::Rows;
using numerics::RowsOut;

constexpr int64_t kShortRow = 32;  // elements
constexpr int kOutSlot = kMostRowInputs;

int64_t cell_bytes(const Operand& operand) {
  return static_cast<int64_t>(numerics::byte_size(operand.cell));
}

// Whether a function over Rows can round and store it, as far as formats go; or as it lies.
bool rounds_rows(const Operand& out, RoundingMode mode) {
  if (mode == RoundingMode::kStochastic) return false;
  if (out.cell == Format::kBfloat16) return true;
  if (out.cell != Format::kFloat32) return false;
  Format format = out.pattern->format;
  return format == Format::kFloat32 || format == Format::kBfloat16 ||
         (mode == RoundingMode::kNone && numerics::is_float(format));
}
bool stores_rows(const Operand& out, RoundingMode mode) {
  return out.dense && rounds_rows(out, mode);
}
RowsOut out_at(const Operand& out, std::byte* data, int64_t stride, RoundingMode mode) {
  bool rounded = out.pattern->format == Format::kBfloat16 && mode == RoundingMode::kNearestEven;
  return {data, stride, out.cell, rounded};
}

// Whether writing an element of a row may change another one of the input's same row that is still
// to be read. Other rows: disturbs_rows.
bool disturbs(const Operand& out, const Operand& in) {
  if (in.pattern->buffer != out.pattern->buffer) return false;
  int64_t stride = out.row_stride_bytes, distance = in.base - out.base;
  if (in.row_stride_bytes != stride || stride <= 0) return distance != 0 || in.cell != out.cell;
  if (distance == 0) return in.cell != out.cell;
  int64_t behind = (distance % stride + stride) % stride;
  return behind < out.elements * cell_bytes(out) || stride - behind < in.elements * cell_bytes(in);
}

// A row as lines, each of elements that follow each other, a constant distance apart.
struct Lines {
  int64_t count = 0;
  int64_t step = 0;  // bytes
};
// The row in lines of `length` elements: its runs, or parts of a dense row.
std::optional<Lines> lines_of(const Operand& operand, int64_t length) {
  const AccessPattern& pattern = *operand.pattern;
  if (operand.dense) return Lines{operand.elements / length, length * cell_bytes(operand)};
  if (pattern.contiguous_run() != length || operand.columns != nullptr) return std::nullopt;
  int64_t count = 1, step = 0, inner = 1;
  for (size_t d = pattern.rank; d-- > 0;) {
    if (pattern.size[d] == 1) continue;
    if (inner < length) {
      inner *= pattern.size[d];
      continue;
    }
    if (count == 1) step = pattern.step[d];
    if (pattern.step[d] != step * count) return std::nullopt;
    count *= pattern.size[d];
  }
  return Lines{count, step * cell_bytes(operand)};
}

struct Plan {
  const Operand& out;
  std::span<const RowInput> inputs;
  numerics::Rounding rounding;
  bool stores = false;                      // the work writes to memory itself
  std::array<bool, kMostRowInputs> lies{};  // the work reads it where it lies
  bool whole = true;                        // all rows in one call
  bool one_row = true;                      // every row follows the one before it
  bool across = false;                      // writing a row may change an input's other rows
  int64_t line = 0;  // rows are lines of so many elements, a row in one call; 0: they are not
  Lines lines_out;
  std::array<Lines, kMostRowInputs> lines_in{};

  Plan(MachineState& machine, const Operand& target, std::span<const RowInput> sources)
      : out(target), inputs(sources), rounding(machine.rounding()) {
    stores = stores_rows(out, rounding.mode);
    whole = stores && out.rows == nullptr;
    one_row = whole && out.row_stride_bytes == out.elements * cell_bytes(out);
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Operand& in = *inputs[i].operand;
      // A column of the output's own buffer is read before the row is written.
      bool own = inputs[i].column && out.elements > 1 ? in.pattern->buffer == out.pattern->buffer
                                                      : disturbs(out, in);
      across = across || disturbs_rows(out, in);
      lies[i] = in.dense && numerics::fits_rows(in.cell) && !own;
      whole = whole && lies[i] && in.rows == nullptr;
      one_row =
          one_row && in.row_stride_bytes == (inputs[i].column ? 0 : out.elements * cell_bytes(in));
    }
    one_row = one_row && whole;
    if (!whole && !across) find_lines();
  }

  // Whether an input that is no column can be read line by line.
  bool in_lines(const Operand& in) const {
    if (in.rows != nullptr || !numerics::fits_rows(in.cell)) return false;
    if (in.pattern->buffer != out.pattern->buffer) return true;
    return in.base == out.base && in.cell == out.cell && in.pattern->size == out.pattern->size &&
           in.pattern->step == out.pattern->step;
  }

  void find_lines() {
    if (!rounds_rows(out, rounding.mode) || out.rows != nullptr) return;
    int64_t shortest = out.dense ? out.elements : out.pattern->contiguous_run();
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Operand& in = *inputs[i].operand;
      if (inputs[i].column ? !lies[i] : !in_lines(in)) return;
      if (!inputs[i].column && !in.dense)
        shortest = std::min(shortest, in.pattern->contiguous_run());
    }
    constexpr int64_t kWorthwhile = 4;  // elements
    if (shortest < kWorthwhile || out.elements % shortest != 0) return;
    std::optional<Lines> lines = lines_of(out, shortest);
    if (!lines.has_value()) return;
    if (lines->count > 1 && lines->step < shortest * cell_bytes(out)) return;  // they overlap
    lines_out = *lines;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].column) continue;
      if (lines = lines_of(*inputs[i].operand, shortest); !lines.has_value()) return;
      lines_in[i] = *lines;
    }
    line = shortest;
  }
};

// Rows of n elements of T, the upper bytes of fp32, one after the other as fp32.
template <typename T>
void widen_short(const std::byte* from, int64_t stride, int64_t rows, int64_t n, float* to) {
  constexpr int kShift = 32 - 8 * static_cast<int>(sizeof(T));
  for (int64_t p = 0; p < rows; ++p, from += stride) {
    for (int64_t i = 0; i < n; ++i) {
      T code = 0;
      std::memcpy(&code, from + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
      uint32_t bits = static_cast<uint32_t>(code) << kShift;
      std::memcpy(to++, &bits, sizeof(bits));
    }
  }
}

// The input's short rows side by side; in place only if they stay as they are (`in_place`).
Rows gather_short(const Operand& in, bool column, bool in_place, int64_t n, int slot) {
  auto partitions = int64_t{in.pattern->partitions};
  int64_t own = column ? 1 : n;  // elements of its rows
  bool lies = lies_in_rows(in);
  if (in_place && lies && own == n && in.row_stride_bytes == n * cell_bytes(in))
    return rows_at(in, 0);
  float* scratch = thread_scratch(slot, static_cast<size_t>(partitions * n));
  if (lies && in.cell == Format::kFloat32) {
    widen_short<uint32_t>(in.base, in.row_stride_bytes, partitions, own, scratch);
  } else if (lies) {
    widen_short<uint16_t>(in.base, in.row_stride_bytes, partitions, own, scratch);
  } else {
    for (int64_t p = 0; p < partitions; ++p) {
      float* to = scratch + p * own;
      if (const float* row = load_row(in, p, to); row != to) std::copy(row, row + own, to);
    }
  }
  // From the last, so that no value is lost.
  for (int64_t p = partitions; own < n && p-- > 0;)
    std::fill_n(scratch + p * n, n, float{scratch[p]});
  return numerics::rows_of(static_cast<const float*>(scratch));
}

void map_short_rows(const Plan& plan, RowWork work) {
  const Operand& out = plan.out;
  auto partitions = int64_t{out.pattern->partitions}, n = out.elements;
  auto total = static_cast<size_t>(partitions * n);
  std::array<Rows, kMostRowInputs> in;
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const RowInput& input = plan.inputs[i];
    in[i] = gather_short(*input.operand, input.column, plan.lies[i], n, static_cast<int>(i));
  }
  bool lies = plan.stores && out.rows == nullptr && out.row_stride_bytes == n * cell_bytes(out);
  if (lies) return work(in.data(), out_at(out, out.base, 0, plan.rounding.mode), 1, total);
  float* target = thread_scratch(kOutSlot, total);
  RowsOut to = numerics::rows_of(target);
  to.rounded = plan.stores && (out.cell == Format::kBfloat16 ||
                               out_at(out, nullptr, 0, plan.rounding.mode).rounded);
  work(in.data(), to, 1, total);
  store_short_rows(out, 0, partitions, target, plan.rounding);
}

void map_whole(const Plan& plan, RowWork work, int64_t first, int64_t last) {
  const Operand& out = plan.out;
  std::array<Rows, kMostRowInputs> in;
  for (size_t i = 0; i < plan.inputs.size(); ++i)
    in[i] = rows_at(*plan.inputs[i].operand, first, plan.inputs[i].column);
  RowsOut to = out_at(out, out.at(first), out.row_stride_bytes, plan.rounding.mode);
  auto rows = static_cast<size_t>(last - first), n = static_cast<size_t>(out.elements);
  plan.one_row ? work(in.data(), to, 1, rows * n) : work(in.data(), to, rows, n);
}

void map_lines(const Plan& plan, RowWork work, int64_t first, int64_t last) {
  auto count = static_cast<size_t>(plan.lines_out.count), n = static_cast<size_t>(plan.line);
  std::array<Rows, kMostRowInputs> in;
  for (int64_t p = first; p < last; ++p) {
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      in[i] = rows_at(*plan.inputs[i].operand, p, plan.inputs[i].column);
      in[i].stride = plan.lines_in[i].step;
    }
    work(in.data(), out_at(plan.out, plan.out.at(p), plan.lines_out.step, plan.rounding.mode),
         count, n);
  }
}

void map_one_by_one(const Plan& plan, RowWork work, int64_t first, int64_t last) {
  const Operand& out = plan.out;
  auto n = static_cast<size_t>(out.elements);
  std::array<Rows, kMostRowInputs> in;
  std::array<float*, kMostRowInputs> scratch{};
  std::array<float, kMostRowInputs> one{};
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    bool column = plan.inputs[i].column;
    scratch[i] = column || plan.lies[i] ? &one[i] : thread_scratch(static_cast<int>(i), n);
  }
  float* scratch_out = thread_scratch(kOutSlot, n);
  for (int64_t p = first; p < last; ++p) {
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      const Operand& operand = *plan.inputs[i].operand;
      if (plan.lies[i]) {
        in[i] = rows_at(operand, p);
      } else {
        const float* row = load_row(operand, p, scratch[i]);
        // What may be overwritten before it is read is not read in place.
        if (row != scratch[i]) std::copy_n(row, plan.inputs[i].column ? 1 : n, scratch[i]);
        in[i] = numerics::rows_of(static_cast<const float*>(scratch[i]));
      }
      in[i].column = plan.inputs[i].column;
    }
    if (plan.stores) {
      work(in.data(), out_at(out, out.at(p), 0, plan.rounding.mode), 1, n);
      continue;
    }
    float* target = target_row(out, p, scratch_out);
    work(in.data(), numerics::rows_of(target), 1, n);
    store_row(out, p, target, plan.rounding);
  }
}

void map_part(const Plan& plan, RowWork work, int64_t first, int64_t last) {
  if (plan.whole) return map_whole(plan, work, first, last);
  if (plan.line > 0) return map_lines(plan, work, first, last);
  map_one_by_one(plan, work, first, last);
}

// Rows that overlap others: by one thread, from copies of the inputs that would change.
void map_disturbed(MachineState& machine, const Operand& out, std::span<const RowInput> inputs,
                   RowWork work) {
  std::array<std::optional<Snapshot>, kMostRowInputs> before;
  std::array<RowInput, kMostRowInputs> kept;
  for (size_t i = 0; i < inputs.size(); ++i) {
    kept[i] = inputs[i];
    if (disturbs_rows(out, *inputs[i].operand))
      kept[i].operand = &before[i].emplace(*inputs[i].operand).operand();
  }
  Plan plan(machine, out, std::span(kept).first(inputs.size()));
  if (out.elements <= kShortRow && !plan.one_row) return map_short_rows(plan, work);
  map_part(plan, work, 0, out.pattern->partitions);
}

}  // namespace

void store_short_rows(const Operand& out, int64_t first, int64_t last, float* values,
                      const numerics::Rounding& rounding) {
  int64_t n = out.elements, cell = cell_bytes(out);
  if (!stores_rows(out, rounding.mode) || out.rows != nullptr) {
    for (int64_t p = first; p < last; ++p, values += n) store_row(out, p, values, rounding);
    return;
  }
  bool narrow = out.cell == Format::kBfloat16;  // bytes are rounded whatever the mode
  round_values(out.pattern->format, values, static_cast<size_t>((last - first) * n),
               narrow ? numerics::Rounding{} : rounding);
  const auto* bytes =
      reinterpret_cast<const std::byte*>(values) + 4 - cell;  // the upper ones of fp32
  for (int64_t p = first; p < last; ++p) {
    std::byte* to = out.at(p);
    for (int64_t i = 0; i < n; ++i, to += cell, bytes += 4)
      std::memcpy(to, bytes, static_cast<size_t>(cell));
  }
}

void map_rows(MachineState& machine, const Operand& out, std::span<const RowInput> inputs,
              RowWork work) {
  Plan plan(machine, out, inputs);
  if (plan.across) {
    if (machine.part().index == 0) map_disturbed(machine, out, inputs, work);
    return;
  }
  if (out.elements <= kShortRow && !plan.one_row) {
    if (machine.part().index == 0) map_short_rows(plan, work);  // all rows at once, by one thread
    return;
  }
  for_partitions(machine, out.pattern->partitions, out.elements,
                 [&](int64_t first, int64_t last) { map_part(plan, work, first, last); });
}

}  // namespace thorong::isa
