// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's GroupQueryAttention. A sample's tokens so far, seqlens_k + 1 with the new ones,
// are data; the longest, total_sequence_length, is known when the model is imported. A call whose
// new tokens are all tokens is a prompt: it starts at position 0. Otherwise a sample's new tokens
// follow those before.
#include <algorithm>
#include <cmath>

#include "frontends/onnx/positions.h"

namespace thorong::onnx {
namespace {

struct GroupQuery {
  ValueId q = kNoValue, k = kNoValue, v = kNoValue;  // [batch, heads, new, size]
  ValueId lengths = kNoValue;                        // int32 [batch]: tokens with the new ones
  ValueId starts = kNoValue;  // int32 [batch]: tokens before; absent: `start`
  int64_t start = 0;
  int64_t heads = 0, key_heads = 0, batch = 0, fresh = 0, total = 0;
};

// What this rule does not do yet.
Status refuse_group_query(ImportContext& c) {
  for (size_t i : {size_t{12}, size_t{13}, size_t{14}, size_t{15}, size_t{16}}) {
    if (c.has_input(i)) {
      return unsupported("operand " + std::to_string(i) +
                         " (quantized caches, norms of queries and keys, query_seqlens) is not "
                         "done.");
    }
  }
  THORONG_TRY(int64_t windowed, c.integer("sliding_window_cache", 0));
  THORONG_TRY(int64_t output, c.integer("qk_output", 0));
  if (windowed != 0 || output != 0)
    return unsupported("sliding_window_cache and qk_output are not done.");
  return c.refuse_output(3, "output_qk");
}

Status read_group_query_heads(ImportContext& c, GroupQuery& g) {
  THORONG_TRY(ValueId query, c.input(0));
  THORONG_TRY(g.heads, c.integer("num_heads", 0));
  THORONG_TRY(g.key_heads, c.integer("kv_num_heads", 0));
  Shape shape = c.shape(query);
  if (shape.size() != 3 || g.heads <= 0 || g.heads > kMostHeads || g.key_heads <= 0 ||
      g.heads % g.key_heads != 0) {
    return invalid_argument(
        "the query must have rank 3, and num_heads be a multiple of "
        "kv_num_heads.");
  }
  if (c.has_input(1) && c.has_input(2)) {
    THORONG_TRY(ValueId key, c.input(1));
    THORONG_TRY(ValueId value, c.input(2));
    THORONG_TRY(g.q, split_heads(c, query, g.heads));
    THORONG_TRY(g.k, split_heads(c, key, g.key_heads));
    THORONG_TRY(g.v, split_heads(c, value, g.key_heads));
  } else {
    int64_t parts = g.heads + 2 * g.key_heads;
    if (shape[2] % parts != 0) {
      return invalid_argument("the packed query " + ops::to_string(shape) +
                              " cannot be divided into " + std::to_string(parts) + " heads.");
    }
    THORONG_TRY(ValueId all, split_heads(c, query, parts));
    THORONG_TRY(g.q, c.slice_axis(all, 1, 0, g.heads));
    THORONG_TRY(g.k, c.slice_axis(all, 1, g.heads, g.heads + g.key_heads));
    THORONG_TRY(g.v, c.slice_axis(all, 1, g.heads + g.key_heads, parts));
  }
  g.batch = shape[0], g.fresh = shape[1];
  return check_attention(c, g.q, g.k, g.v);
}

Status read_group_query_lengths(ImportContext& c, GroupQuery& g) {
  THORONG_TRY(ValueId lengths, c.input(5));
  THORONG_TRY(g.total, c.constant_integer(6, "total_sequence_length"));
  if (ops::element_count(c.shape(lengths)) != g.batch) {
    return invalid_argument("seqlens_k must hold one number for each of the " +
                            std::to_string(g.batch) + " samples, found " +
                            ops::to_string(c.shape(lengths)) + ".");
  }
  if (g.total < g.fresh || g.total > int64_t{1} << 30) {
    return invalid_argument("total_sequence_length is " + std::to_string(g.total) +
                            "; it must be at least the " + std::to_string(g.fresh) +
                            " new positions.");
  }
  THORONG_TRY(lengths, c.reshape(lengths, {g.batch}));
  THORONG_TRY(lengths, c.convert(lengths, Format::kInt32));
  THORONG_TRY(g.lengths, c.add_scalar("add", lengths, 1));
  bool prompt = g.total == g.fresh;
  if (prompt) return ok_status();
  g.start = g.total - g.fresh;
  if (g.batch == 1) return ok_status();  // its length is the longest
  THORONG_TRY(g.starts, c.add_scalar("subtract", g.lengths, static_cast<double>(g.fresh)));
  return ok_status();
}

// Row numbers of the tables of angles, [batch or 1, new].
Result<ValueId> angle_rows(ImportContext& c, const GroupQuery& g) {
  if (c.has_input(9)) return c.input(9);
  Shape shape{g.starts == kNoValue ? 1 : g.batch, g.fresh};
  THORONG_TRY(ValueId index, c.iota(Format::kInt32, shape, 1));
  if (g.starts == kNoValue) return c.add_scalar("add", index, static_cast<double>(g.start));
  THORONG_TRY(ValueId starts, c.broadcast_in(g.starts, shape, {0}));
  return c.add("add", {starts, index});
}

Status rotate_group_query(ImportContext& c, GroupQuery& g) {
  THORONG_TRY(int64_t rotary, c.integer("do_rotary", 0));
  if (rotary == 0) return ok_status();
  Rotation rotation;
  THORONG_TRY(int64_t interleaved, c.integer("rotary_interleaved", 0));
  rotation.interleaved = interleaved != 0;
  THORONG_TRY(ValueId rows, angle_rows(c, g));
  ValueId* targets[] = {&rotation.cosine, &rotation.sine};
  for (size_t i = 0; i < 2; ++i) {
    THORONG_TRY(ValueId table, c.input(7 + i));
    if (c.rank(table) != 2 || c.rank(rows) != 2 || c.shape(rows)[1] != g.fresh ||
        (c.shape(rows)[0] != 1 && c.shape(rows)[0] != g.batch)) {
      return invalid_argument(
          "cos_cache and sin_cache must have rank 2, and position_ids be "
          "[batch, positions].");
    }
    THORONG_TRY(table, c.add("take", {table, rows}, make_attributes({{"axis", int64_t{0}}})));
    Shape shape = c.shape(table);
    rotation.size = 2 * shape[2];
    shape.insert(shape.begin() + 1, 1);
    THORONG_TRY(*targets[i], c.reshape(table, shape));
  }
  if (rotation.size == 0 || rotation.size > c.shape(g.q)[3])
    return invalid_argument("cos_cache must have at most half the head size as columns.");
  THORONG_TRY(g.q, rotated(c, g.q, rotation));
  THORONG_TRY(g.k, rotated(c, g.k, rotation));
  return ok_status();
}

// The new positions in the past, which grows to the longest total where it is shorter.
Result<ValueId> group_query_present(ImportContext& c, const GroupQuery& g, size_t past_at,
                                    ValueId update) {
  Shape shape = c.shape(update);
  int64_t before = 0;
  ValueId past = kNoValue;
  if (c.has_input(past_at)) {
    THORONG_TRY(past, c.input(past_at));
    Shape own = c.shape(past);
    if (own.size() != 4 || own[0] != shape[0] || own[1] != shape[1] || own[3] != shape[3]) {
      return invalid_argument("past keys and values must be " + ops::to_string(shape) +
                              " but for their positions, found " + ops::to_string(own) + ".");
    }
    before = own[2];
  }
  int64_t capacity = std::max(before, g.total);
  if (capacity == g.fresh) return update;
  CacheWrite write;
  write.axis = 2, write.update = update, write.place = g.start, write.cache = past;
  if (before < capacity) {
    Shape rest = shape;
    rest[2] = capacity - before;
    THORONG_TRY(ValueId empty, c.full(c.format(update), rest, 0));
    THORONG_TRY(write.cache,
                before == 0 ? Result<ValueId>(empty) : c.concatenate({past, empty}, 2));
  }
  if (g.starts != kNoValue) {
    THORONG_TRY(write.places, c.convert(g.starts, Format::kInt64));
  }
  return write_cache(c, write);
}

// Probabilities of the scores with one more score in each row, which no key has.
Result<ValueId> softmax_with_sink(ImportContext& c, ValueId scores) {
  THORONG_TRY(int64_t smooth, c.integer("smooth_softmax", -1));
  if (!c.has_input(11) && smooth != 1) return softmax_last(c, scores);
  Shape shape = c.shape(scores);
  Shape column{shape[0], shape[1], shape[2], 1};
  ValueId sink = kNoValue;
  if (c.has_input(11)) {
    THORONG_TRY(sink, c.input(11));
    if (c.shape(sink) != Shape{shape[1]})
      return invalid_argument("head_sink must hold one number for each head.");
    THORONG_TRY(sink, c.broadcast_in(sink, column, {1}));
  } else {
    THORONG_TRY(sink, c.full(c.format(scores), column, 0));
  }
  THORONG_TRY(ValueId wide, c.concatenate({scores, sink}, 3));
  THORONG_TRY(wide, softmax_last(c, wide));
  return c.slice_axis(wide, 3, 0, shape[3]);
}

Result<ValueId> group_query_scores(ImportContext& c, const GroupQuery& g, ValueId keys) {
  AttentionMask mask;
  mask.queries = g.fresh, mask.keys = c.shape(keys)[2];
  mask.offset = g.start, mask.offsets = g.starts;
  THORONG_TRY(int64_t causal, c.integer("causal", 1));
  mask.causal = causal != 0;
  THORONG_TRY(int64_t window, c.integer("local_window_size", -1));
  if (window > 0 && window < int64_t{1} << 30) mask.left = window - 1;
  if (!mask.causal) mask.valid = g.lengths;
  THORONG_TRY(double scale, c.number("scale", 0));
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(c.shape(g.q)[3]));
  THORONG_TRY(double cap, c.number("softcap", 0));
  THORONG_TRY(ValueId q, c.add_scalar("multiply", g.q, scale));
  THORONG_TRY(ValueId scores, attention_scores(c, q, keys, 1));
  THORONG_TRY(scores, soft_capped(c, scores, cap));
  if (c.has_input(10)) {
    THORONG_TRY(ValueId bias, c.input(10));
    int64_t rest = mask.keys - (c.rank(bias) == 4 ? c.shape(bias)[3] : 0);
    if (rest > 0 && rest < mask.keys) {
      THORONG_TRY(ValueId zero, c.scalar(c.format(bias), 0));
      THORONG_TRY(bias, c.add("pad", {bias, zero},
                              make_attributes({{"low", Integers(4, 0)},
                                               {"high", Integers{0, 0, 0, rest}},
                                               {"interior", Integers(4, 0)}})));
    }
    THORONG_TRY(scores, c.add_broadcast(scores, bias));
  }
  THORONG_TRY(AttentionBias hidden, attention_bias(c, mask, c.format(scores)));
  return c.add_broadcast(scores, hidden.bias);
}

Status import_group_query(ImportContext& c, const NodeProto&) {
  THORONG_RETURN_IF_ERROR(refuse_group_query(c));
  GroupQuery g;
  THORONG_RETURN_IF_ERROR(read_group_query_heads(c, g));
  THORONG_RETURN_IF_ERROR(read_group_query_lengths(c, g));
  THORONG_RETURN_IF_ERROR(rotate_group_query(c, g));
  THORONG_TRY(ValueId keys, group_query_present(c, g, 3, g.k));
  THORONG_TRY(ValueId values, group_query_present(c, g, 4, g.v));
  THORONG_TRY(ValueId scores, group_query_scores(c, g, keys));
  THORONG_TRY(ValueId probabilities, softmax_with_sink(c, scores));
  THORONG_TRY(ValueId y, attention_values(c, probabilities, values));
  THORONG_RETURN_IF_ERROR(c.set_output(0, merge_heads(c, y)));
  THORONG_RETURN_IF_ERROR(c.set_output(1, keys));
  return c.set_output(2, values);
}

}  // namespace

std::vector<ImportRule> import_rules_group_query_attention() {
  return {{kMicrosoft, "GroupQueryAttention", 1, kAnyVersion, import_group_query}};
}

}  // namespace thorong::onnx
