// SPDX-License-Identifier: Apache-2.0
// GRU and RNN. Rows of GRU's W and R are the gates update, reset, candidate.
#include "frontends/onnx/recurrent.h"

namespace thorong::onnx {
namespace {

struct GruCell {
  ValueId gates = kNoValue;           // R of update and reset, [2 hidden, hidden]
  ValueId candidate = kNoValue;       // R of the candidate, [hidden, hidden]
  ValueId candidate_bias = kNoValue;  // added before the reset gate multiplies
  bool reset_after = false;           // linear_before_reset
  Activation f, g;
};

// The state's part of the candidate: (reset state) R' or reset (state R' + bias).
Result<ValueId> candidate_part(ImportContext& c, const GruCell& cell, ValueId reset,
                               ValueId state) {
  if (!cell.reset_after) {
    THORONG_TRY(ValueId kept, c.add("multiply", {reset, state}));
    return state_product(c, kept, cell.candidate);
  }
  THORONG_TRY(ValueId product, state_product(c, state, cell.candidate));
  THORONG_TRY(product, c.add_broadcast(product, cell.candidate_bias));
  return c.add("multiply", {reset, product});
}

// (1 - update) candidate + update state
Result<State> gru_step(ImportContext& c, const Recurrence& r, const GruCell& cell, ValueId input,
                       const State& before) {
  THORONG_TRY(ValueId gates, state_product(c, before[0], cell.gates));
  THORONG_TRY(ValueId sums, gate(c, r, input, 0, 2));
  THORONG_TRY(gates, c.add("add", {sums, gates}));
  THORONG_TRY(gates, clipped(c, r, gates));
  THORONG_TRY(gates, activate(c, cell.f, gates));
  THORONG_TRY(ValueId update, gate(c, r, gates, 0, 1));
  THORONG_TRY(ValueId reset, gate(c, r, gates, 1, 2));
  THORONG_TRY(ValueId candidate, candidate_part(c, cell, reset, before[0]));
  THORONG_TRY(ValueId own, gate(c, r, input, 2, 3));
  THORONG_TRY(candidate, c.add("add", {own, candidate}));
  THORONG_TRY(candidate, clipped(c, r, candidate));
  THORONG_TRY(candidate, activate(c, cell.g, candidate));
  THORONG_TRY(ValueId one, c.full_like(update, 1));
  THORONG_TRY(ValueId rest, c.add("subtract", {one, update}));
  THORONG_TRY(ValueId fresh, c.add("multiply", {rest, candidate}));
  THORONG_TRY(ValueId kept, c.add("multiply", {update, before[0]}));
  THORONG_TRY(ValueId state, c.add("add", {fresh, kept}));
  return State{state};
}

// W's and R's biases; R's for the candidate stays apart where the reset gate multiplies it.
Result<ValueId> add_gru_bias(ImportContext& c, const Recurrence& r, int64_t direction,
                             ValueId inputs, GruCell& cell) {
  THORONG_TRY(ValueId bias, of_direction(c, r, 3, direction, {6 * r.hidden}, "B"));
  if (bias == kNoValue) return inputs;
  THORONG_TRY(ValueId of_inputs, gate(c, r, bias, 0, 3));
  THORONG_TRY(ValueId of_state, gate(c, r, bias, 3, 6));
  if (cell.reset_after) {
    THORONG_TRY(cell.candidate_bias, gate(c, r, bias, 5, 6));
    THORONG_TRY(ValueId others, gate(c, r, bias, 3, 5));
    THORONG_TRY(ValueId none, c.full(c.format(bias), {r.hidden}, 0));
    THORONG_TRY(of_state, c.concatenate({others, none}, 0));
  }
  THORONG_TRY(ValueId sum, c.add("add", {of_inputs, of_state}));
  return c.add_broadcast(inputs, sum);
}

Result<DirectionResult> gru_direction(ImportContext& c, const Recurrence& r, int64_t direction,
                                      bool reset_after) {
  GruCell cell;
  cell.reset_after = reset_after;
  auto first = static_cast<size_t>(2 * direction);
  cell.f = r.activations[first], cell.g = r.activations[first + 1];
  int64_t rows = 3 * r.hidden;
  THORONG_TRY(ValueId w, of_direction(c, r, 1, direction, {rows, r.input}, "W"));
  THORONG_TRY(ValueId matrix, of_direction(c, r, 2, direction, {rows, r.hidden}, "R"));
  THORONG_TRY(cell.gates, c.slice_axis(matrix, 0, 0, 2 * r.hidden));
  THORONG_TRY(cell.candidate, c.slice_axis(matrix, 0, 2 * r.hidden, rows));
  THORONG_TRY(ValueId inputs, input_products(c, r, w));
  THORONG_TRY(inputs, add_gru_bias(c, r, direction, inputs, cell));
  THORONG_TRY(ValueId hidden, initial_state(c, r, 5, direction, "initial_h"));
  return run_direction(c, r, direction, inputs, {hidden}, [&](ValueId input, const State& before) {
    return gru_step(c, r, cell, input, before);
  });
}

Status import_gru(ImportContext& c, const NodeProto&) {
  THORONG_TRY(Recurrence r, read_recurrence(c, {"Sigmoid", "Tanh"}, 3));
  THORONG_TRY(int64_t reset_after, c.integer("linear_before_reset", 0));
  return run_directions(c, r, [&](int64_t d) { return gru_direction(c, r, d, reset_after != 0); });
}

Result<DirectionResult> rnn_direction(ImportContext& c, const Recurrence& r, int64_t direction) {
  const Activation& f = r.activations[static_cast<size_t>(direction)];
  THORONG_TRY(ValueId w, of_direction(c, r, 1, direction, {r.hidden, r.input}, "W"));
  THORONG_TRY(ValueId matrix, of_direction(c, r, 2, direction, {r.hidden, r.hidden}, "R"));
  THORONG_TRY(ValueId inputs, input_products(c, r, w));
  THORONG_TRY(inputs, add_biases(c, r, direction, inputs, 1));
  THORONG_TRY(ValueId hidden, initial_state(c, r, 5, direction, "initial_h"));
  auto step = [&](ValueId input, const State& before) -> Result<State> {
    THORONG_TRY(ValueId sum, state_product(c, before[0], matrix));
    THORONG_TRY(sum, c.add("add", {input, sum}));
    THORONG_TRY(sum, clipped(c, r, sum));
    THORONG_TRY(ValueId state, activate(c, f, sum));
    return State{state};
  };
  return run_direction(c, r, direction, inputs, {hidden}, step);
}

// f(x W' + state R' + biases)
Status import_rnn(ImportContext& c, const NodeProto&) {
  THORONG_TRY(Recurrence r, read_recurrence(c, {"Tanh"}, 1));
  return run_directions(c, r, [&](int64_t d) { return rnn_direction(c, r, d); });
}

}  // namespace

std::vector<ImportRule> import_rules_gru() {
  return {{"", "GRU", 7, kAnyVersion, import_gru}, {"", "RNN", 7, kAnyVersion, import_rnn}};
}

}  // namespace thorong::onnx
