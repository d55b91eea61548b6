// SPDX-License-Identifier: Apache-2.0
// What RNN, GRU and LSTM share. The recurrence is unrolled over the positions: the products of all
// inputs with W are one matrix product before it, and each step multiplies the state with the same
// constant R, so that both stay on the chip. Lengths of the sequences are data: a step past a
// sequence's end keeps its state and gives 0.
#pragma once

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {

struct Activation {
  std::string name;  // in lower case
  double alpha = 0, beta = 0;
};

Result<ValueId> activate(ImportContext& c, const Activation& activation, ValueId x);
bool operator==(const Activation& a, const Activation& b);

struct Recurrence {
  ValueId x = kNoValue;        // [steps, batch, input]
  ValueId lengths = kNoValue;  // fp32 [batch]
  int64_t steps = 0, batch = 0, input = 0, hidden = 0, directions = 1;
  bool first_is_reverse = false, batch_first = false;
  double clip = 0;                      // 0: none
  std::vector<Activation> activations;  // those of each direction in turn

  bool is_reverse(int64_t direction) const { return first_is_reverse || direction == 1; }
};

// Operands X, W, R, B, sequence_lens and the attributes, checked. `defaults`: one direction's
// activations; `gates`: rows of W are gates x hidden.
Result<Recurrence> read_recurrence(ImportContext& c, const std::vector<std::string>& defaults,
                                   int64_t gates);

// Operand i's part for a direction, [directions, ...] without the first dimension; kNoValue when
// absent.
Result<ValueId> of_direction(ImportContext& c, const Recurrence& r, size_t i, int64_t direction,
                             const Shape& shape, const char* what);
// A start of [batch, hidden]; zeros when absent.
Result<ValueId> initial_state(ImportContext& c, const Recurrence& r, size_t i, int64_t direction,
                              const char* what);
// x W' for all steps, [steps, batch, rows of W].
Result<ValueId> input_products(ImportContext& c, const Recurrence& r, ValueId w);
// With W's and R's biases added, if B is there.
Result<ValueId> add_biases(ImportContext& c, const Recurrence& r, int64_t direction, ValueId inputs,
                           int64_t gates);
// state R', [batch, rows of R].
Result<ValueId> state_product(ImportContext& c, ValueId state, ValueId matrix);
// Parts [first, last) of x's last dimension, counted in hidden sizes.
Result<ValueId> gate(ImportContext& c, const Recurrence& r, ValueId x, int64_t first, int64_t last);
Result<ValueId> clipped(ImportContext& c, const Recurrence& r, ValueId x);

using State = std::vector<ValueId>;  // the first is the output of a step
// The next state from a step's input product and the state before.
using Step = std::function<Result<State>(ValueId input, const State& before)>;

// Runs the recurrence of one direction over `inputs` (input_products with what is added to them).
struct DirectionResult {
  ValueId outputs = kNoValue;  // [steps, 1, batch, hidden]
  State last;                  // each [batch, hidden]
};
Result<DirectionResult> run_direction(ImportContext& c, const Recurrence& r, int64_t direction,
                                      ValueId inputs, State state, const Step& step);

// Runs all directions; sets Y, and from output 1 on the last states.
Status run_directions(ImportContext& c, const Recurrence& r,
                      const std::function<Result<DirectionResult>(int64_t direction)>& run);

}  // namespace thorong::onnx
