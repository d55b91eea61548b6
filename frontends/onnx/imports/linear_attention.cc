// SPDX-License-Identifier: Apache-2.0
// LinearAttention and CausalConvWithState. A state [batch, heads, key size, value size] is updated
// by each position and then read: unrolled, except for the rule "linear", where all positions are
// two matrix products.
#include <cmath>

#include "frontends/onnx/attention.h"

namespace thorong::onnx {
namespace {

constexpr int64_t kMaxLinearSteps = 1 << 12;

struct LinearOperands {
  ValueId q = kNoValue, k = kNoValue, v = kNoValue;  // float32 [batch, positions, heads x size]
  ValueId decay = kNoValue, beta = kNoValue;
  int64_t batch = 0, positions = 0, heads = 0, key_heads = 0, key_size = 0, value_size = 0;
  double scale = 1;
};

Result<ValueId> wide_operand(ImportContext& c, size_t i) {
  THORONG_TRY(ValueId x, c.input(i));
  return c.convert(x, Format::kFloat32);
}

Status check_linear_gates(ImportContext& c, const LinearOperands& o) {
  THORONG_TRY(std::string rule, c.text("update_rule", "gated_delta"));
  bool gated = rule == "gated" || rule == "gated_delta";
  bool delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear") {
    return invalid_argument("update_rule must be linear, gated, delta or gated_delta, found \"" +
                            rule + "\".");
  }
  if (gated != (o.decay != kNoValue) || delta != (o.beta != kNoValue)) {
    return invalid_argument("update_rule \"" + rule + "\" needs " + (gated ? "a" : "no") +
                            " decay and " + (delta ? "a" : "no") + " beta.");
  }
  auto fits = [&](ValueId x, int64_t one, int64_t other) {
    Shape shape = c.shape(x);
    return shape.size() == 3 && shape[0] == o.batch && shape[1] == o.positions &&
           (shape[2] == one || shape[2] == other);
  };
  if (gated && !fits(o.decay, o.key_heads, o.key_heads * o.key_size)) {
    return invalid_argument("decay must have kv_num_heads or kv_num_heads x key size columns.");
  }
  if (delta && !fits(o.beta, o.key_heads, 1)) {
    return invalid_argument("beta must have kv_num_heads columns, or one.");
  }
  return ok_status();
}

Result<LinearOperands> read_linear_operands(ImportContext& c) {
  LinearOperands o;
  THORONG_TRY(o.q, wide_operand(c, 0));
  THORONG_TRY(o.k, wide_operand(c, 1));
  THORONG_TRY(o.v, wide_operand(c, 2));
  THORONG_TRY(o.heads, c.integer("q_num_heads", 0));
  THORONG_TRY(o.key_heads, c.integer("kv_num_heads", 0));
  Shape q = c.shape(o.q), k = c.shape(o.k), v = c.shape(o.v);
  bool fits = q.size() == 3 && k.size() == 3 && v.size() == 3 && o.heads > 0 && o.key_heads > 0 &&
              o.heads <= kMostHeads && o.heads % o.key_heads == 0 && q[2] % o.heads == 0 &&
              v[2] % o.key_heads == 0 && q[0] == k[0] && k[0] == v[0] && q[1] == k[1] &&
              k[1] == v[1] && k[2] % o.key_heads == 0 && k[2] / o.key_heads == q[2] / o.heads;
  if (!fits) {
    return invalid_argument("query " + ops::to_string(q) + ", key " + ops::to_string(k) +
                            " and value " + ops::to_string(v) +
                            " do not fit: [batch, positions, heads x size] are expected, with "
                            "q_num_heads a multiple of kv_num_heads.");
  }
  o.batch = q[0], o.positions = q[1], o.key_size = q[2] / o.heads;
  o.value_size = v[2] / o.key_heads;
  THORONG_TRY(o.scale, c.number("scale", 0));
  if (o.scale == 0) o.scale = 1 / std::sqrt(static_cast<double>(o.key_size));
  if (c.has_input(4)) {
    THORONG_TRY(o.decay, wide_operand(c, 4));
  }
  if (c.has_input(5)) {
    THORONG_TRY(o.beta, wide_operand(c, 5));
  }
  THORONG_RETURN_IF_ERROR(check_linear_gates(c, o));
  THORONG_TRY(o.q, c.add_scalar("multiply", o.q, o.scale));
  return o;
}

// Position t of a packed operand, [batch, key heads, rows, columns].
Result<ValueId> packed_position(ImportContext& c, const LinearOperands& o, ValueId x, int64_t t,
                                const Shape& matrix) {
  THORONG_TRY(ValueId at, c.slice_axis(x, 1, t, t + 1));
  return c.reshape(at, {o.batch, o.key_heads, matrix[0], matrix[1]});
}

// a b over dimension `a_contracted` of a and 2 of b, for each sample and head.
Result<ValueId> head_product(ImportContext& c, ValueId a, ValueId b, int64_t a_contracted) {
  return c.contract(a, b, a_contracted, 2, {0, 1});
}

// state exp(decay), the decay one number a head or one for each of its key's features.
Result<ValueId> decayed_state(ImportContext& c, const LinearOperands& o, ValueId state, int64_t t) {
  int64_t columns = c.shape(o.decay)[2];
  THORONG_TRY(ValueId decay, packed_position(c, o, o.decay, t, {columns / o.key_heads, 1}));
  THORONG_TRY(decay, c.add("exponential", {decay}));
  THORONG_TRY(decay, c.broadcast_to(decay, c.shape(state)));
  return c.add("multiply", {state, decay});
}

// beta (v - k state)
Result<ValueId> corrected_value(ImportContext& c, const LinearOperands& o, ValueId k, ValueId v,
                                ValueId state, int64_t t) {
  THORONG_TRY(ValueId known, head_product(c, k, state, 3));
  THORONG_TRY(v, c.add("subtract", {v, known}));
  THORONG_TRY(ValueId beta, c.slice_axis(o.beta, 1, t, t + 1));
  THORONG_TRY(beta, c.reshape(beta, {o.batch, c.shape(o.beta)[2], 1, 1}));
  THORONG_TRY(beta, c.broadcast_to(beta, c.shape(v)));
  return c.add("multiply", {v, beta});
}

struct LinearResults {
  ValueId y = kNoValue, state = kNoValue;
};

Result<LinearResults> linear_unrolled(ImportContext& c, const LinearOperands& o, ValueId state) {
  if (o.positions > kMaxLinearSteps) {
    return resource_exhausted("at most " + std::to_string(kMaxLinearSteps) +
                              " positions are unrolled, found " + std::to_string(o.positions) +
                              ". Bind a shorter sequence with --dim.");
  }
  std::vector<ValueId> outputs;
  for (int64_t t = 0; t < o.positions; ++t) {
    THORONG_TRY(ValueId k, packed_position(c, o, o.k, t, {1, o.key_size}));
    THORONG_TRY(ValueId v, packed_position(c, o, o.v, t, {1, o.value_size}));
    THORONG_TRY(ValueId q, packed_position(c, o, o.q, t, {o.heads / o.key_heads, o.key_size}));
    if (o.decay != kNoValue) {
      THORONG_TRY(state, decayed_state(c, o, state, t));
    }
    if (o.beta != kNoValue) {
      THORONG_TRY(v, corrected_value(c, o, k, v, state, t));
    }
    THORONG_TRY(ValueId update, head_product(c, k, v, 2));
    THORONG_TRY(state, c.add("add", {state, update}));
    THORONG_TRY(ValueId y, head_product(c, q, state, 3));
    THORONG_TRY(y, c.reshape(y, {o.batch, 1, o.heads * o.value_size}));
    outputs.push_back(y);
  }
  LinearResults results;
  results.state = state;
  THORONG_TRY(results.y, c.concatenate(outputs, 1));
  return results;
}

// y = (q k' where key <= query) v + q state; the state grows by k' v.
Result<LinearResults> linear_at_once(ImportContext& c, const LinearOperands& o, ValueId state) {
  THORONG_TRY(ValueId q, split_heads(c, o.q, o.heads));
  THORONG_TRY(ValueId k, split_heads(c, o.k, o.key_heads));
  THORONG_TRY(ValueId v, split_heads(c, o.v, o.key_heads));
  THORONG_TRY(ValueId scores, attention_scores(c, q, k, 1));
  Shape grid{o.positions, o.positions};
  THORONG_TRY(ValueId row, c.iota(Format::kInt32, grid, 0));
  THORONG_TRY(ValueId column, c.iota(Format::kInt32, grid, 1));
  THORONG_TRY(ValueId seen, c.compare("LE", column, row));
  THORONG_TRY(seen, c.broadcast_to(seen, c.shape(scores)));
  THORONG_TRY(ValueId zero, c.full_like(scores, 0));
  THORONG_TRY(scores, c.add("select", {seen, scores, zero}));
  THORONG_TRY(ValueId own, attention_values(c, scores, v));
  THORONG_TRY(ValueId before, attention_values(c, q, state));
  THORONG_TRY(ValueId y, c.add("add", {own, before}));
  THORONG_TRY(ValueId growth, head_product(c, k, v, 2));
  LinearResults results;
  THORONG_TRY(results.state, c.add("add", {state, growth}));
  THORONG_TRY(results.y, merge_heads(c, y));
  return results;
}

Status import_linear_attention(ImportContext& c, const NodeProto&) {
  THORONG_TRY(LinearOperands o, read_linear_operands(c));
  THORONG_TRY(ValueId query, c.input(0));
  Format format = c.format(query), state_format = format;
  Shape expected{o.batch, o.key_heads, o.key_size, o.value_size};
  THORONG_TRY(ValueId state, c.tensor_or_none(3));
  if (state != kNoValue) {
    state_format = c.format(state);
    if (c.shape(state) != expected) {
      return invalid_argument("past_state must be " + ops::to_string(expected) + ", found " +
                              ops::to_string(c.shape(state)) + ".");
    }
    THORONG_TRY(state, c.convert(state, Format::kFloat32));
  } else {
    THORONG_TRY(state, c.full(Format::kFloat32, expected, 0));
  }
  if (o.positions == 0) return invalid_argument("the query has no position.");
  bool is_linear = o.decay == kNoValue && o.beta == kNoValue;
  THORONG_TRY(LinearResults results,
              is_linear ? linear_at_once(c, o, state) : linear_unrolled(c, o, state));
  THORONG_RETURN_IF_ERROR(c.set_output(0, c.convert(results.y, format)));
  return c.set_output(1, c.convert(results.state, state_format));
}

// The last k - 1 positions of past and x; zeros before where there is no past.
Result<ValueId> last_positions(ImportContext& c, ValueId x, int64_t count, bool padded) {
  int64_t length = c.shape(x)[2];
  if (padded || length >= count) return c.slice_axis(x, 2, length - count, length);
  THORONG_TRY(ValueId zero, c.scalar(c.format(x), 0));
  return c.add("pad", {x, zero},
               make_attributes({{"low", Integers{0, 0, count - length}},
                                {"high", Integers(3, 0)},
                                {"interior", Integers(3, 0)}}));
}

// A convolution of each channel over the positions up to its own, with the last k - 1 inputs as the
// state.
Status import_causal_conv(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId w, c.input(1));
  Shape shape = c.shape(x), kernel = c.shape(w);
  if (shape.size() != 3 || kernel.size() != 3 || kernel[0] != shape[1] || kernel[1] != 1 ||
      kernel[2] < 1) {
    return invalid_argument("the input must be [batch, channels, length] and the weight " +
                            std::string("[channels, 1, k]; found ") + ops::to_string(shape) +
                            " and " + ops::to_string(kernel) + ".");
  }
  THORONG_TRY(std::string activation, c.text("activation", "none"));
  if (activation != "none" && activation != "silu" && activation != "swish") {
    return invalid_argument("activation must be none, silu or swish, found \"" + activation +
                            "\".");
  }
  int64_t before = kernel[2] - 1;
  THORONG_TRY(ValueId past, c.tensor_or_none(3));
  if (past != kNoValue && c.shape(past) != Shape{shape[0], shape[1], before}) {
    return invalid_argument("past_state must have k - 1 positions, found " +
                            ops::to_string(c.shape(past)) + ".");
  }
  bool has_past = past != kNoValue && before > 0;
  if (has_past) {
    THORONG_TRY(x, c.concatenate({past, x}, 2));
  }
  THORONG_TRY(ValueId y, c.add("convolution", {x, w},
                               make_attributes({{"strides", Integers{1}},
                                                {"padding_low", Integers{has_past ? 0 : before}},
                                                {"padding_high", Integers{0}},
                                                {"lhs_dilation", Integers{1}},
                                                {"rhs_dilation", Integers{1}},
                                                {"feature_group_count", shape[1]}})));
  if (c.has_input(2)) {
    THORONG_TRY(ValueId bias, c.input(2));
    THORONG_TRY(bias, c.broadcast_in(bias, c.shape(y), {1}));
    THORONG_TRY(y, c.add("add", {y, bias}));
  }
  if (activation != "none") {
    THORONG_TRY(y, c.add("silu", {y}));
  }
  THORONG_RETURN_IF_ERROR(c.set_output(0, y));
  if (!c.output_used(1)) return ok_status();
  return c.set_output(1, last_positions(c, x, before, has_past));
}

}  // namespace

std::vector<ImportRule> import_rules_linear_attention() {
  return {{"", "LinearAttention", 27, kAnyVersion, import_linear_attention},
          {"", "CausalConvWithState", 27, kAnyVersion, import_causal_conv}};
}

}  // namespace thorong::onnx
