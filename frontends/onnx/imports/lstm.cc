// SPDX-License-Identifier: Apache-2.0
// LSTM. Rows of W and R are the gates input, output, forget, cell.
#include "frontends/onnx/recurrent.h"

namespace thorong::onnx {
namespace {

struct LstmCell {
  ValueId matrix = kNoValue;                                       // [4 hidden, hidden]
  ValueId input = kNoValue, output = kNoValue, forget = kNoValue;  // peepholes, [hidden]
  bool coupled = false;  // the forget gate is 1 - the input gate
  Activation f, g, h;
};

// f(clip(x + peephole state))
Result<ValueId> lstm_gate(ImportContext& c, const Recurrence& r, const LstmCell& cell, ValueId x,
                          ValueId peephole, ValueId state) {
  if (peephole != kNoValue) {
    THORONG_TRY(ValueId weights, c.broadcast_to(peephole, c.shape(state)));
    THORONG_TRY(ValueId seen, c.add("multiply", {weights, state}));
    THORONG_TRY(x, c.add("add", {x, seen}));
  }
  THORONG_TRY(x, clipped(c, r, x));
  return activate(c, cell.f, x);
}

// forget state + input candidate
Result<ValueId> next_lstm_cell(ImportContext& c, const LstmCell& cell, ValueId input,
                               ValueId forget, ValueId candidate, ValueId state) {
  if (cell.coupled) {
    THORONG_TRY(ValueId one, c.full_like(input, 1));
    THORONG_TRY(forget, c.add("subtract", {one, input}));
  }
  THORONG_TRY(ValueId kept, c.add("multiply", {forget, state}));
  THORONG_TRY(ValueId added, c.add("multiply", {input, candidate}));
  return c.add("add", {kept, added});
}

Result<State> lstm_step(ImportContext& c, const Recurrence& r, const LstmCell& cell, ValueId input,
                        const State& before) {
  THORONG_TRY(ValueId sums, state_product(c, before[0], cell.matrix));
  THORONG_TRY(sums, c.add("add", {input, sums}));
  THORONG_TRY(ValueId candidate, gate(c, r, sums, 3, 4));
  THORONG_TRY(candidate, clipped(c, r, candidate));
  THORONG_TRY(candidate, activate(c, cell.g, candidate));
  ValueId gates[3];  // input, output, forget
  bool peepholes = cell.input != kNoValue;
  THORONG_TRY(ValueId shared, gate(c, r, sums, 0, 3));
  if (!peepholes) {  // one function over the three
    THORONG_TRY(shared, lstm_gate(c, r, cell, shared, kNoValue, kNoValue));
  }
  for (int64_t i = 0; i < 3; ++i) {
    THORONG_TRY(gates[i], gate(c, r, shared, i, i + 1));
  }
  if (peepholes) {
    THORONG_TRY(gates[0], lstm_gate(c, r, cell, gates[0], cell.input, before[1]));
    THORONG_TRY(gates[2], lstm_gate(c, r, cell, gates[2], cell.forget, before[1]));
  }
  THORONG_TRY(ValueId state, next_lstm_cell(c, cell, gates[0], gates[2], candidate, before[1]));
  if (peepholes) {
    THORONG_TRY(gates[1], lstm_gate(c, r, cell, gates[1], cell.output, state));
  }
  // Not clipped before: the standard leaves it open, and ONNX Runtime does not.
  THORONG_TRY(ValueId seen, activate(c, cell.h, state));
  THORONG_TRY(ValueId hidden, c.add("multiply", {gates[1], seen}));
  return State{hidden, state};
}

Status read_lstm_peepholes(ImportContext& c, const Recurrence& r, int64_t direction,
                           LstmCell& cell) {
  THORONG_TRY(ValueId p, of_direction(c, r, 7, direction, {3 * r.hidden}, "P"));
  if (p == kNoValue) return ok_status();
  THORONG_TRY(cell.input, gate(c, r, p, 0, 1));
  THORONG_TRY(cell.output, gate(c, r, p, 1, 2));
  THORONG_TRY(cell.forget, gate(c, r, p, 2, 3));
  return ok_status();
}

Result<DirectionResult> lstm_direction(ImportContext& c, const Recurrence& r, int64_t direction,
                                       bool coupled) {
  LstmCell cell;
  cell.coupled = coupled;
  auto first = static_cast<size_t>(3 * direction);
  cell.f = r.activations[first], cell.g = r.activations[first + 1];
  cell.h = r.activations[first + 2];
  int64_t rows = 4 * r.hidden;
  THORONG_TRY(ValueId w, of_direction(c, r, 1, direction, {rows, r.input}, "W"));
  THORONG_TRY(cell.matrix, of_direction(c, r, 2, direction, {rows, r.hidden}, "R"));
  THORONG_RETURN_IF_ERROR(read_lstm_peepholes(c, r, direction, cell));
  THORONG_TRY(ValueId inputs, input_products(c, r, w));
  THORONG_TRY(inputs, add_biases(c, r, direction, inputs, 4));
  THORONG_TRY(ValueId hidden, initial_state(c, r, 5, direction, "initial_h"));
  THORONG_TRY(ValueId state, initial_state(c, r, 6, direction, "initial_c"));
  return run_direction(
      c, r, direction, inputs, {hidden, state},
      [&](ValueId input, const State& before) { return lstm_step(c, r, cell, input, before); });
}

Status import_lstm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(Recurrence r, read_recurrence(c, {"Sigmoid", "Tanh", "Tanh"}, 4));
  THORONG_TRY(int64_t coupled, c.integer("input_forget", 0));
  return run_directions(c, r, [&](int64_t d) { return lstm_direction(c, r, d, coupled != 0); });
}

}  // namespace

std::vector<ImportRule> import_rules_lstm() { return {{"", "LSTM", 7, kAnyVersion, import_lstm}}; }

}  // namespace thorong::onnx
