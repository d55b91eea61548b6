// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's Attention, QAttention and MultiHeadAttention: projections, padding masks, pasts.
#include <cmath>

#include "frontends/onnx/attention.h"

namespace thorong::onnx {
namespace {

struct HeadInputs {
  ValueId q = kNoValue, k = kNoValue, v = kNoValue;  // [batch, heads, positions, size]
  ValueId padding = kNoValue;                        // integers, see padding_mask
  ValueId bias = kNoValue;                           // added to the scores
  int64_t past = 0;                                  // positions before the queries
};

Result<int64_t> number_of_heads(const ImportContext& c) {
  THORONG_TRY(int64_t heads, c.integer("num_heads", 0));
  if (heads > 0) return heads;
  return invalid_argument("the attribute num_heads must be positive.");
}

// [2 batch]: ends, then starts. Keys before the start are hidden too.
Status hide_left(ImportContext& c, ValueId padding, const HeadInputs& in, AttentionMask& mask) {
  int64_t batch = c.shape(in.q)[0], keys = mask.keys;
  THORONG_TRY(mask.valid, c.slice_axis(padding, 0, 0, batch));
  THORONG_TRY(ValueId starts, c.slice_axis(padding, 0, batch, 2 * batch));
  THORONG_TRY(starts, c.broadcast_in(starts, {batch, 1, 1, keys}, {0}));
  THORONG_TRY(ValueId number, c.iota(c.format(padding), {batch, 1, 1, keys}, 3));
  THORONG_TRY(mask.given, c.compare("GE", number, starts));
  return ok_status();
}

// [batch]: so many keys are in use; [batch, keys] or [batch, queries, keys]: 0 hides a key.
Status padding_mask(ImportContext& c, const HeadInputs& in, AttentionMask& mask) {
  Shape shape = c.shape(in.padding);
  int64_t batch = c.shape(in.q)[0];
  if (shape == Shape{batch}) {
    mask.valid = in.padding;
    return ok_status();
  }
  if (shape == Shape{2 * batch}) return hide_left(c, in.padding, in, mask);
  if (shape.size() < 2 || shape.size() > 3 || shape[0] != batch || shape.back() != mask.keys ||
      (shape.size() == 3 && shape[1] != mask.queries)) {
    return unsupported("a mask of shape " + ops::to_string(shape) +
                       " is not done; [batch], [2 batch], [batch, keys] and [batch, queries, keys] "
                       "are.");
  }
  THORONG_TRY(ValueId zero, c.full_like(in.padding, 0));
  THORONG_TRY(ValueId seen, c.compare("GT", in.padding, zero));
  THORONG_TRY(mask.given, c.reshape(seen, {batch, 1, shape.size() == 3 ? shape[1] : 1, mask.keys}));
  return ok_status();
}

// Later keys at -inf, padding at a finite value: a query that sees nothing else sees padding.
Result<ValueId> hide_keys(ImportContext& c, const HeadInputs& in, ValueId scores) {
  AttentionMask order;
  order.queries = c.shape(in.q)[2];
  order.keys = c.shape(in.k)[2];
  AttentionMask padding = order;
  THORONG_TRY(int64_t causal, c.integer("unidirectional", 0));
  order.causal = causal != 0;
  order.offset = in.past;
  THORONG_TRY(padding.excluded, c.number("mask_filter_value", -10000));
  if (in.padding != kNoValue) THORONG_RETURN_IF_ERROR(padding_mask(c, in, padding));
  for (const AttentionMask& mask : {padding, order}) {
    THORONG_TRY(AttentionBias hidden, attention_bias(c, mask, c.format(scores)));
    THORONG_TRY(scores, c.add_broadcast(scores, hidden.bias));
  }
  return scores;
}

struct HeadResults {
  ValueId y = kNoValue, scores = kNoValue;
};

// softmax(scale q k' + masks + bias) v, heads side by side again.
Result<HeadResults> attend_heads(ImportContext& c, const HeadInputs& in) {
  THORONG_RETURN_IF_ERROR(check_attention(c, in.q, in.k, in.v));
  THORONG_TRY(double scale, c.number("scale", 0));
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(c.shape(in.q)[3]));
  THORONG_TRY(ValueId q, c.add_scalar("multiply", in.q, scale));
  HeadResults results;
  THORONG_TRY(ValueId scores, attention_scores(c, q, in.k, 1));
  THORONG_TRY(scores, c.add_broadcast(scores, in.bias));
  THORONG_TRY(scores, hide_keys(c, in, scores));
  results.scores = scores;
  THORONG_TRY(ValueId probabilities, softmax_last(c, scores));
  THORONG_TRY(ValueId y, attention_values(c, probabilities, in.v));
  THORONG_TRY(results.y, merge_heads(c, y));
  return results;
}

// Part [first, first + size) of the last dimension, as heads.
Result<ValueId> projected_heads(ImportContext& c, ValueId x, int64_t first, int64_t size,
                                int64_t heads) {
  THORONG_TRY(ValueId part, c.slice_axis(x, c.rank(x) - 1, first, first + size));
  return split_heads(c, part, heads);
}

// Keys or values of `past` [2, batch, heads, positions, size].
Result<ValueId> past_part(ImportContext& c, ValueId past, int64_t number) {
  Shape shape = c.shape(past);
  if (shape.size() != 5 || shape[0] != 2) {
    return invalid_argument("past must be [2, batch, heads, positions, size], found " +
                            ops::to_string(shape) + ".");
  }
  THORONG_TRY(ValueId part, c.slice_axis(past, 0, number, number + 1));
  return c.reshape(part, {shape.begin() + 1, shape.end()});
}

// Appends k and v to a past and sets output 1 to both of them.
Status set_present(ImportContext& c, HeadInputs& in, ValueId past) {
  if (past != kNoValue) {
    THORONG_TRY(ValueId keys, past_part(c, past, 0));
    THORONG_TRY(ValueId values, past_part(c, past, 1));
    in.past = c.shape(past)[3];
    THORONG_TRY(in.k, append_positions(c, keys, in.k));
    THORONG_TRY(in.v, append_positions(c, values, in.v));
  }
  if (!c.output_used(1)) return ok_status();
  std::vector<ValueId> parts;
  for (ValueId part : {in.k, in.v}) {
    Shape shape = c.shape(part);
    shape.insert(shape.begin(), 1);
    THORONG_TRY(part, c.reshape(part, shape));
    parts.push_back(part);
  }
  return c.set_output(1, c.concatenate(parts, 0));
}

// From the projection [batch, positions, sizes of q, k and v] on.
Status attend_projection(ImportContext& c, ValueId projection, Integers sizes, size_t padding,
                         size_t past, ValueId bias) {
  for (const char* name : {"do_rotary", "past_present_share_buffer"}) {
    THORONG_TRY(int64_t value, c.integer(name, 0));
    if (value != 0) return unsupported(std::string(name) + " is not done.");
  }
  THORONG_TRY(int64_t heads, number_of_heads(c));
  const bool is_packed = c.rank(projection) == 3;
  int64_t total = is_packed ? c.shape(projection)[2] : 0;
  if (sizes.empty()) sizes = {total / 3, total / 3, total / 3};
  if (!is_packed || sizes.size() != 3 || sizes[0] < 0 || sizes[0] > total || sizes[1] != sizes[0] ||
      sizes[2] != total - 2 * sizes[0]) {
    return invalid_argument("the projection " + ops::to_string(c.shape(projection)) +
                            " cannot be divided into queries, keys and values of " +
                            ops::to_string(sizes) + ".");
  }
  HeadInputs in;
  THORONG_TRY(in.q, projected_heads(c, projection, 0, sizes[0], heads));
  THORONG_TRY(in.k, projected_heads(c, projection, sizes[0], sizes[1], heads));
  THORONG_TRY(in.v, projected_heads(c, projection, 2 * sizes[0], sizes[2], heads));
  in.bias = bias;
  THORONG_TRY(in.padding, c.tensor_or_none(padding));
  THORONG_TRY(ValueId before, c.tensor_or_none(past));
  THORONG_RETURN_IF_ERROR(set_present(c, in, before));
  THORONG_TRY(HeadResults results, attend_heads(c, in));
  return c.set_output(0, results.y);
}

// Attention(x, weights, bias?, mask?, past?, attention bias?, past length?)
Status import_microsoft_attention(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId weights, c.input(1));
  if (c.has_input(6)) return unsupported("past_sequence_length is not done.");
  if (c.rank(x) != 3 || c.rank(weights) != 2) {
    return invalid_argument("the input must have rank 3 and the weights rank 2.");
  }
  THORONG_TRY(ValueId projection, c.matrix_multiply(x, weights));
  THORONG_TRY(projection, c.add_broadcast(projection, c.optional_input(2)));
  THORONG_TRY(ValueId score_bias, c.tensor_or_none(5));
  THORONG_TRY(Integers sizes, c.integers("qkv_hidden_sizes"));
  return attend_projection(c, projection, sizes, 3, 4, score_bias);
}

// (x - zero point) scale for operand i; a list of scales lies along the columns.
Result<ValueId> unquantized(ImportContext& c, size_t i, size_t scale_at, size_t zero_at) {
  THORONG_TRY(ValueId x, c.input(i));
  THORONG_TRY(ValueId scale, c.input(scale_at));
  THORONG_TRY(x, c.convert(x, c.format(scale)));
  if (c.has_input(zero_at)) {
    THORONG_TRY(ValueId zero, c.input(zero_at));
    THORONG_TRY(zero, c.convert(zero, c.format(scale)));
    THORONG_TRY(zero, c.broadcast_to(zero, c.shape(x)));
    THORONG_TRY(x, c.add("subtract", {x, zero}));
  }
  THORONG_TRY(scale, c.broadcast_to(scale, c.shape(x)));
  return c.add("multiply", {x, scale});
}

// QAttention(x, weights, bias, x scale, weight scale, mask?, x zero?, weight zero?, past?)
Status import_qattention(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, unquantized(c, 0, 3, 6));
  THORONG_TRY(ValueId weights, unquantized(c, 1, 4, 7));
  THORONG_TRY(ValueId bias, c.input(2));
  if (c.rank(x) != 3 || c.rank(weights) != 2) {
    return invalid_argument("the input must have rank 3 and the weights rank 2.");
  }
  THORONG_TRY(ValueId projection, c.matrix_multiply(x, weights));
  THORONG_TRY(projection, c.add_broadcast(projection, bias));
  return attend_projection(c, projection, {}, 5, 8, kNoValue);
}

// Part `number` of a packed [batch, positions, heads, parts, size], heads side by side.
Result<ValueId> packed_part(ImportContext& c, ValueId packed, int64_t number) {
  Shape shape = c.shape(packed);
  THORONG_TRY(ValueId part, c.slice_axis(packed, 3, number, number + 1));
  return c.reshape(part, {shape[0], shape[1], shape[2] * shape[4]});
}

// query, key and value at rank 3 (or keys and values at rank 4, as heads already), unpacked.
Status unpack_heads(ImportContext& c, HeadInputs& in) {
  THORONG_TRY(ValueId query, c.input(0));
  THORONG_TRY(in.q, c.input(0));
  THORONG_TRY(in.k, c.tensor_or_none(1));
  THORONG_TRY(in.v, c.tensor_or_none(2));
  Shape packed = c.shape(query);
  if (packed.size() == 5 && packed[3] == 3 && in.k == kNoValue && in.v == kNoValue) {
    THORONG_TRY(in.q, packed_part(c, query, 0));
    THORONG_TRY(in.k, packed_part(c, query, 1));
    THORONG_TRY(in.v, packed_part(c, query, 2));
    return ok_status();
  }
  if (in.k == kNoValue) return invalid_argument("the key is missing, and the query is not packed.");
  packed = c.shape(in.k);
  if (packed.size() == 5 && packed[3] == 2 && in.v == kNoValue) {
    ValueId pair = in.k;
    THORONG_TRY(in.k, packed_part(c, pair, 0));
    THORONG_TRY(in.v, packed_part(c, pair, 1));
  }
  if (in.v == kNoValue) return invalid_argument("the value is missing, and the key is not packed.");
  return ok_status();
}

// x plus its part of the projections' bias, as heads.
Result<ValueId> biased_heads(ImportContext& c, ValueId x, ValueId bias, int64_t first,
                             int64_t heads) {
  if (c.rank(x) == 4) return x;
  if (c.rank(x) == 3 && bias != kNoValue) {
    int64_t size = c.shape(x)[2];
    if (c.rank(bias) != 1 || first + size > c.shape(bias)[0]) {
      return invalid_argument("the bias " + ops::to_string(c.shape(bias)) +
                              " does not hold one number for each column of query, key and value.");
    }
    THORONG_TRY(bias, c.slice_axis(bias, 0, first, first + size));
    THORONG_TRY(x, c.add_broadcast(x, bias));
  }
  return split_heads(c, x, heads);
}

// MultiHeadAttention(query, key, value, bias?, padding?, attention bias?, past key?, past value?)
Status import_multi_head(ImportContext& c, const NodeProto&) {
  if (c.has_input(8) || c.has_input(9))
    return unsupported("past_sequence_length and cache_indirection are not done.");
  HeadInputs in;
  THORONG_RETURN_IF_ERROR(unpack_heads(c, in));
  THORONG_TRY(int64_t heads, number_of_heads(c));
  THORONG_TRY(ValueId bias, c.tensor_or_none(3));
  if (c.rank(in.q) != 3 || c.rank(in.k) < 3 || c.rank(in.k) > 4)
    return invalid_argument("the query must have rank 3 or be packed, the key rank 3 or 4.");
  int64_t q_size = c.shape(in.q)[2], k_size = c.rank(in.k) == 3 ? c.shape(in.k)[2] : q_size;
  THORONG_TRY(in.q, biased_heads(c, in.q, bias, 0, heads));
  THORONG_TRY(in.k, biased_heads(c, in.k, bias, q_size, heads));
  THORONG_TRY(in.v, biased_heads(c, in.v, bias, q_size + k_size, heads));
  THORONG_TRY(in.padding, c.tensor_or_none(4));
  THORONG_TRY(in.bias, c.tensor_or_none(5));
  THORONG_TRY(ValueId past_key, c.tensor_or_none(6));
  THORONG_TRY(ValueId past_value, c.tensor_or_none(7));
  if ((past_key == kNoValue) != (past_value == kNoValue))
    return invalid_argument("past_key and past_value must be given together.");
  THORONG_TRY(in.k, append_positions(c, past_key, in.k));
  THORONG_TRY(in.v, append_positions(c, past_value, in.v));
  if (past_key != kNoValue) in.past = c.shape(past_key)[2];
  THORONG_RETURN_IF_ERROR(c.set_output(1, in.k));
  THORONG_RETURN_IF_ERROR(c.set_output(2, in.v));
  THORONG_RETURN_IF_ERROR(c.refuse_output(3, "qk"));
  THORONG_TRY(HeadResults results, attend_heads(c, in));
  return c.set_output(0, results.y);
}

}  // namespace

std::vector<ImportRule> import_rules_microsoft_attention() {
  return {{kMicrosoft, "Attention", 1, kAnyVersion, import_microsoft_attention},
          {kMicrosoft, "QAttention", 1, kAnyVersion, import_qattention},
          {kMicrosoft, "MultiHeadAttention", 1, kAnyVersion, import_multi_head}};
}

}  // namespace thorong::onnx
