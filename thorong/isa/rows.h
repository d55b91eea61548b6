// SPDX-License-Identifier: Apache-2.0
// Work on the rows of elementwise instructions, where they lie: the one fast path of them all. A
// function gets whole tiles of fp32 or bfloat16 in memory (numerics::Rows) and makes one pass over
// them. Short rows are put side by side, so that a column of 128 values is one call of a vector
// function and not 128. Rows of lines (windows of pictures) are a call a partition. What lies
// otherwise (short gaps, indices, other formats, stochastic rounding) goes through scratch, row by
// row. All inputs are read before anything is written, as far as one
// can tell from the result (snapshot.h).
#pragma once

#include <algorithm>
#include <span>

#include "thorong/isa/machine_state.h"
#include "thorong/numerics/rows.h"

namespace thorong::isa {

inline constexpr size_t kMostRowInputs = 4;  // and as many slots of thread_scratch, and two more

// An input of map_rows; `column`: one value a partition, repeated along the row.
struct RowInput {
  const Operand* operand = nullptr;
  bool column = false;
};

// What is done to rows of n elements: a callable, which must outlive the call. An input that was a
// column may have become an array of n values.
class RowWork {
 public:
  template <typename F>
  RowWork(const F& f)  // NOLINT(google-explicit-constructor): a lambda at the call
      : object_(&f),
        call_([](const void* object, const numerics::Rows* in, const numerics::RowsOut& out,
                 size_t rows, size_t n) { (*static_cast<const F*>(object))(in, out, rows, n); }) {}
  void operator()(const numerics::Rows* in, const numerics::RowsOut& out, size_t rows,
                  size_t n) const {
    call_(object_, in, out, rows, n);
  }

 private:
  const void* object_;
  void (*call_)(const void*, const numerics::Rows*, const numerics::RowsOut&, size_t, size_t);
};

// Calls work(inputs, out, rows, n) until all rows of machine.part() are done, rounded and stored.
void map_rows(MachineState& machine, const Operand& out, std::span<const RowInput> inputs,
              RowWork work);

// Rounds `values`, rows of a few elements one after the other, and stores them in partitions
// [first, last).
void store_short_rows(const Operand& out, int64_t first, int64_t last, float* values,
                      const numerics::Rounding& rounding);

// Where a function of two steps keeps what is between: calls step(row, first element, elements,
// scratch) for pieces of rows that stay in the first-level cache.
template <typename F>
void for_pieces(size_t rows, size_t n, F&& step) {
  constexpr size_t kPiece = 1024;
  float* scratch = thread_scratch(kMostRowInputs + 1, kPiece);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < n; i += kPiece) step(r, i, std::min(kPiece, n - i), scratch);
  }
}

// Rows of the operand as they lie, for functions over Rows; false: load them one by one.
inline bool lies_in_rows(const Operand& operand) {
  return operand.dense && operand.rows == nullptr && numerics::fits_rows(operand.cell);
}
inline numerics::Rows rows_at(const Operand& operand, int64_t partition, bool column = false) {
  return {operand.at(partition), operand.row_stride_bytes, operand.cell, column};
}

}  // namespace thorong::isa
