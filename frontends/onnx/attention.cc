// SPDX-License-Identifier: Apache-2.0
#include "frontends/onnx/attention.h"

#include <algorithm>
#include <cmath>

namespace thorong::onnx {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// [batch, heads, rows, columns] with the query heads that share a key head stacked as rows, so that
// keys and values need no copies.
Result<ValueId> stack_heads(ImportContext& c, ValueId x, int64_t key_heads) {
  Shape shape = c.shape(x);
  return c.reshape(x, {shape[0], key_heads, shape[1] / key_heads * shape[2], shape[3]});
}

// x at rank 4, with ones before.
Result<ValueId> at_rank_four(ImportContext& c, ValueId x) {
  Shape shape = c.shape(x);
  if (shape.size() > 4) {
    return invalid_argument("a mask has at most 4 dimensions, found " + ops::to_string(shape) +
                            ".");
  }
  shape.insert(shape.begin(), 4 - shape.size(), 1);
  return c.reshape(x, shape);
}

Result<ValueId> join_conditions(ImportContext& c, ValueId a, ValueId b) {
  if (a == kNoValue) return b;
  THORONG_TRY(const auto both, c.broadcast_together(a, b));
  return c.add("and", {both.first, both.second});
}

// a DIRECTION b for [batch] or constant bounds b, at [batch or 1, 1, a's last two dimensions].
Result<ValueId> compare_bound(ImportContext& c, const char* direction, ValueId a, ValueId b) {
  Shape shape = c.shape(a);  // [1, 1, rows, columns]
  shape[0] = c.shape(b)[0];
  THORONG_TRY(a, c.broadcast_to(a, shape));
  THORONG_TRY(b, c.broadcast_in(b, shape, {0}));
  return c.compare(direction, a, b);
}

Result<ValueId> batch_list(ImportContext& c, ValueId list) {
  THORONG_TRY(list, c.convert(list, Format::kFloat32));
  return c.reshape(list, {ops::element_count(c.shape(list))});
}

// The bounds that `causal`, `left` and `right` put on j - i, as one condition of rank 4.
Result<ValueId> position_condition(ImportContext& c, const AttentionMask& mask) {
  int64_t right =
      mask.causal ? (mask.right < 0 ? 0 : std::min<int64_t>(mask.right, 0)) : mask.right;
  if (right < 0 && mask.left < 0) return kNoValue;
  Shape grid{1, 1, mask.queries, mask.keys};
  THORONG_TRY(ValueId row, c.iota(Format::kFloat32, grid, 2));
  THORONG_TRY(ValueId column, c.iota(Format::kFloat32, grid, 3));
  THORONG_TRY(ValueId distance, c.add("subtract", {column, row}));  // j - i
  ValueId offsets = mask.offsets;
  if (offsets == kNoValue) {
    THORONG_TRY(offsets, c.constant({Format::kFloat32, {1}}, {static_cast<double>(mask.offset)}));
  } else {
    THORONG_TRY(offsets, batch_list(c, offsets));
  }
  ValueId condition = kNoValue;
  if (right >= 0) {
    THORONG_TRY(ValueId bound, c.add_scalar("add", offsets, static_cast<double>(right)));
    THORONG_TRY(condition, compare_bound(c, "LE", distance, bound));
  }
  if (mask.left >= 0) {
    THORONG_TRY(ValueId bound, c.add_scalar("subtract", offsets, static_cast<double>(mask.left)));
    THORONG_TRY(ValueId near, compare_bound(c, "GE", distance, bound));
    THORONG_TRY(condition, join_conditions(c, condition, near));
  }
  return condition;
}

// j < valid[batch].
Result<ValueId> valid_condition(ImportContext& c, const AttentionMask& mask) {
  THORONG_TRY(ValueId valid, batch_list(c, mask.valid));
  THORONG_TRY(ValueId column, c.iota(Format::kFloat32, {1, 1, 1, mask.keys}, 3));
  return compare_bound(c, "LT", column, valid);
}

// Whether some query at a known position sees no key.
bool positions_may_hide_all(const AttentionMask& mask) {
  int64_t right = mask.causal ? 0 : mask.right;
  bool before = right >= 0 && mask.offset + right < 0;
  bool after = mask.left >= 0 && mask.offset + mask.queries - 1 - mask.left > mask.keys - 1;
  return mask.keys == 0 || before || after;
}

// The given mask at rank 4 with all keys; shorter ones hide the last.
Result<ValueId> given_mask(ImportContext& c, const AttentionMask& mask) {
  bool is_bool = c.format(mask.given) == Format::kBool;
  THORONG_TRY(ValueId given, at_rank_four(c, mask.given));
  int64_t length = c.shape(given)[3];
  if (length == mask.keys || length == 1) return given;
  if (length > mask.keys) {
    return invalid_argument("the mask " + ops::to_string(c.shape(given)) + " has more than the " +
                            std::to_string(mask.keys) + " keys.");
  }
  THORONG_TRY(ValueId hidden, c.scalar(c.format(given), is_bool ? 0 : mask.excluded));
  return c.add("pad", {given, hidden},
               make_attributes({{"low", Integers(4, 0)},
                                {"high", Integers{0, 0, 0, mask.keys - length}},
                                {"interior", Integers(4, 0)}}));
}

}  // namespace

Result<ValueId> split_heads(ImportContext& c, ValueId x, int64_t heads) {
  Shape shape = c.shape(x);
  if (shape.size() != 3 || heads <= 0 || heads > kMostHeads || shape[2] % heads != 0) {
    return invalid_argument("an operand " + ops::to_string(shape) + " cannot be divided into " +
                            std::to_string(heads) +
                            " heads; it must be [batch, positions, heads x size].");
  }
  THORONG_TRY(x, c.reshape(x, {shape[0], shape[1], heads, shape[2] / heads}));
  return c.transpose(x, {0, 2, 1, 3});
}

Result<ValueId> merge_heads(ImportContext& c, ValueId x) {
  Shape shape = c.shape(x);
  THORONG_TRY(x, c.transpose(x, {0, 2, 1, 3}));
  return c.reshape(x, {shape[0], shape[2], shape[1] * shape[3]});
}

Result<ValueId> append_positions(ImportContext& c, ValueId past, ValueId x) {
  if (past == kNoValue) return x;
  if (c.rank(past) != 4 || c.rank(x) != 4) {
    return invalid_argument("past keys and values must be [batch, heads, positions, size], found " +
                            ops::to_string(c.shape(past)) + ".");
  }
  if (c.shape(past)[2] == 0) return x;
  return c.concatenate({past, x}, 2);
}

Result<AttentionBias> attention_bias(ImportContext& c, const AttentionMask& mask, Format format) {
  if (mask.queries > kMostPositions || mask.keys > kMostPositions || mask.offset > kMostPositions) {
    return unsupported("more than 2^24 positions are not done.");
  }
  AttentionBias result;
  result.may_hide_all = mask.given != kNoValue || mask.valid != kNoValue ||
                        mask.offsets != kNoValue || positions_may_hide_all(mask);
  THORONG_TRY(ValueId condition, position_condition(c, mask));
  if (mask.valid != kNoValue) {
    THORONG_TRY(ValueId valid, valid_condition(c, mask));
    THORONG_TRY(condition, join_conditions(c, condition, valid));
  }
  ValueId numbers = kNoValue;
  if (mask.given != kNoValue) {
    THORONG_TRY(ValueId given, given_mask(c, mask));
    if (c.format(given) == Format::kBool) {
      THORONG_TRY(condition, join_conditions(c, condition, given));
    } else {
      THORONG_TRY(numbers, c.convert(given, format));
    }
  }
  if (condition == kNoValue) {
    result.bias = numbers;
    return result;
  }
  THORONG_TRY(ValueId none, c.full(format, c.shape(condition), 0));
  THORONG_TRY(ValueId hidden, c.full(format, c.shape(condition), mask.excluded));
  THORONG_TRY(result.bias, c.add("select", {condition, none, hidden}));
  if (numbers == kNoValue) return result;
  THORONG_TRY(const auto both, c.broadcast_together(numbers, result.bias));
  THORONG_TRY(result.bias, c.add("add", {both.first, both.second}));
  return result;
}

Result<ValueId> attention_scores(ImportContext& c, ValueId q, ValueId k, double scale) {
  Shape shape = c.shape(q);
  int64_t keys = c.shape(k)[2];
  if (numerics::info(c.format(q)).bits > 16 && scale != 1) {
    THORONG_TRY(q, c.add_scalar("multiply", q, scale));
  } else if (scale != 1) {
    THORONG_TRY(q, c.add_scalar("multiply", q, std::sqrt(scale)));
    THORONG_TRY(k, c.add_scalar("multiply", k, std::sqrt(scale)));
  }
  THORONG_TRY(q, stack_heads(c, q, c.shape(k)[1]));
  THORONG_TRY(ValueId scores, c.contract(q, k, 3, 3, {0, 1}));
  return c.reshape(scores, {shape[0], shape[1], shape[2], keys});
}

Result<ValueId> attention_values(ImportContext& c, ValueId probabilities, ValueId v) {
  Shape shape = c.shape(probabilities);
  int64_t size = c.shape(v)[3];
  THORONG_TRY(ValueId rows, stack_heads(c, probabilities, c.shape(v)[1]));
  THORONG_TRY(ValueId y, c.contract(rows, v, 3, 2, {0, 1}));
  return c.reshape(y, {shape[0], shape[1], shape[2], size});
}

Result<ValueId> soft_capped(ImportContext& c, ValueId scores, double cap) {
  if (cap == 0) return scores;
  THORONG_TRY(scores, c.add_scalar("divide", scores, cap));
  THORONG_TRY(scores, c.add("tanh", {scores}));
  return c.add_scalar("multiply", scores, cap);
}

Result<ValueId> without_hidden_rows(ImportContext& c, ValueId probabilities, ValueId bias) {
  THORONG_TRY(ValueId best, c.reduce("maximum", bias, {3}, true));
  THORONG_TRY(ValueId nothing, c.full_like(best, -kInfinity));
  THORONG_TRY(ValueId hides_all, c.compare("EQ", best, nothing));
  THORONG_TRY(hides_all, c.broadcast_to(hides_all, c.shape(probabilities)));
  THORONG_TRY(ValueId zero, c.full_like(probabilities, 0));
  return c.add("select", {hides_all, zero, probabilities});
}

Result<ValueId> softmax_last(ImportContext& c, ValueId x) {
  auto axis = static_cast<int64_t>(c.rank(x)) - 1;
  return c.add("softmax", {x}, make_attributes({{"axis", axis}}));
}

Status check_attention(ImportContext& c, ValueId q, ValueId k, ValueId v) {
  Shape queries = c.shape(q), keys = c.shape(k), values = c.shape(v);
  bool fit = queries.size() == 4 && keys.size() == 4 && values.size() == 4;
  fit = fit && queries[0] == keys[0] && keys[0] == values[0] && keys[1] == values[1] &&
        keys[2] == values[2] && queries[3] == keys[3] && keys[1] > 0 && queries[1] % keys[1] == 0;
  if (fit) return ok_status();
  return invalid_argument("queries " + ops::to_string(queries) + ", keys " + ops::to_string(keys) +
                          " and values " + ops::to_string(values) +
                          " do not fit: [batch, heads, positions, size] are expected, with equal "
                          "batches, query heads a multiple of the key heads, as many keys as "
                          "values, and queries of the keys' size.");
}

Result<double> read_attention_scale(ImportContext& c, ValueId q) {
  auto size = static_cast<double>(c.shape(q)[3]);
  THORONG_TRY(double scale, c.number("scale", 1 / std::sqrt(size)));
  if (scale >= 0) return scale;
  return invalid_argument("scale must not be negative, as its root is taken.");
}

Result<Format> softmax_format(ImportContext& c, Format fallback) {
  THORONG_TRY(int64_t precision, c.integer("softmax_precision", 0));
  if (precision == 0) return fallback;
  THORONG_TRY(Format format, format_of_data_type(static_cast<int32_t>(precision)));
  if (numerics::is_float(format)) return format;
  return invalid_argument("softmax_precision must be a float type.");
}

}  // namespace thorong::onnx
