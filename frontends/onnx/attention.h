// SPDX-License-Identifier: Apache-2.0
// What the attention operators share, whichever standard names them: heads, masks as additive
// biases, scores, and the weighted sum of the values. Tensors are [batch, heads, positions, size];
// keys and values may have fewer heads than queries, each then serves a run of them.
#pragma once

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {

constexpr int64_t kMostHeads = int64_t{1} << 20;
constexpr int64_t kMostPositions = int64_t{1} << 24;  // exact in fp32, which the engines compare

// [batch, positions, heads size] as [batch, heads, positions, size], and back.
Result<ValueId> split_heads(ImportContext& c, ValueId x, int64_t heads);
Result<ValueId> merge_heads(ImportContext& c, ValueId x);
// past and x, one after the other along the positions; x when there is no past.
Result<ValueId> append_positions(ImportContext& c, ValueId past, ValueId x);

// Which keys a query sees. Query i stands at position p = offset + i; it sees key j when all hold:
// the mask allows it, j < valid[batch], j <= p (causal), p - left <= j <= p + right (-1: no bound).
struct AttentionMask {
  int64_t queries = 0, keys = 0;
  ValueId given = kNoValue;    // bool, or numbers that are added; broadcast to the scores
  ValueId valid = kNoValue;    // [batch], integers: so many keys are in use
  int64_t offset = 0;          // where `offsets` is absent
  ValueId offsets = kNoValue;  // [batch], integers
  bool causal = false;
  int64_t left = -1, right = -1;
  double excluded = -std::numeric_limits<double>::infinity();  // what hides a key
};

struct AttentionBias {
  ValueId bias = kNoValue;    // rank 4, broadcasts to the scores; absent: every key is seen
  bool may_hide_all = false;  // some query may see no key
};

Result<AttentionBias> attention_bias(ImportContext& c, const AttentionMask& mask, Format format);

// scale q k', [batch, query heads, queries, keys]. In 16-bit formats both operands are multiplied
// by the rounded root of the scale, as the ONNX standard says; elsewhere the queries by the scale.
Result<ValueId> attention_scores(ImportContext& c, ValueId q, ValueId k, double scale);
// probabilities v, [batch, query heads, queries, value size].
Result<ValueId> attention_values(ImportContext& c, ValueId probabilities, ValueId v);
// cap tanh(scores / cap); scores when cap is 0.
Result<ValueId> soft_capped(ImportContext& c, ValueId scores, double cap);
// `probabilities` with 0 in the rows whose every bias is -inf.
Result<ValueId> without_hidden_rows(ImportContext& c, ValueId probabilities, ValueId bias);
Result<ValueId> softmax_last(ImportContext& c, ValueId x);

// The attribute scale, which must not be negative; absent: one over the root of the head's size.
Result<double> read_attention_scale(ImportContext& c, ValueId q);
// The attribute softmax_precision, a float type.
Result<Format> softmax_format(ImportContext& c, Format fallback);

// That q, k and v have rank 4, equal batches, fitting heads, sizes and positions.
Status check_attention(ImportContext& c, ValueId q, ValueId k, ValueId v);

}  // namespace thorong::onnx
