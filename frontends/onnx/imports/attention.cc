// SPDX-License-Identifier: Apache-2.0
// Attention (opsets 23 to 25): caches, masks, windows, heads in groups, soft caps. Without
// softmax_precision the softmax computes in fp32 and rounds once, also of bf16 and fp16; the ONNX
// reference rounds each step, and adds bf16 numbers one by one, which no engine does.
#include "frontends/onnx/attention.h"

namespace thorong::onnx {
namespace {

constexpr int64_t kUnboundedWindow = int64_t{1} << 30;  // a window at least so wide has no bound

struct AttentionOperands {
  ValueId q = kNoValue, k = kNoValue, v = kNoValue;
  bool packed = false;  // rank 3: heads in the last dimension
};

Result<AttentionOperands> read_attention_operands(ImportContext& c) {
  AttentionOperands o;
  THORONG_TRY(o.q, c.input(0));
  THORONG_TRY(o.k, c.input(1));
  THORONG_TRY(o.v, c.input(2));
  o.packed = c.rank(o.q) == 3;
  THORONG_TRY(int64_t heads, c.integer("q_num_heads", 0));
  THORONG_TRY(int64_t key_heads, c.integer("kv_num_heads", 0));
  if (o.packed) {
    if (heads <= 0 || key_heads <= 0) {
      return invalid_argument(
          "operands of rank 3 need the attributes q_num_heads and kv_num_heads.");
    }
    THORONG_TRY(o.q, split_heads(c, o.q, heads));
    THORONG_TRY(o.k, split_heads(c, o.k, key_heads));
    THORONG_TRY(o.v, split_heads(c, o.v, key_heads));
  }
  if (c.has_input(4) != c.has_input(5)) {
    return invalid_argument("past_key and past_value must be given together.");
  }
  return o;
}

Result<AttentionMask> read_attention_mask(ImportContext& c, const AttentionOperands& o) {
  AttentionMask mask;
  mask.queries = c.shape(o.q)[2];
  mask.keys = c.shape(o.k)[2];
  THORONG_TRY(mask.given, c.tensor_or_none(3));
  THORONG_TRY(mask.valid, c.tensor_or_none(6));
  THORONG_TRY(int64_t causal, c.integer("is_causal", 0));
  mask.causal = causal != 0;
  THORONG_TRY(mask.left, c.integer("left_window_size", -1));
  THORONG_TRY(mask.right, c.integer("right_window_size", -1));
  if (mask.left < -1 || mask.right < -1) {
    return invalid_argument("a window size must be -1 or not negative.");
  }
  if (mask.left >= kUnboundedWindow) mask.left = -1;
  if (mask.right >= kUnboundedWindow) mask.right = -1;
  THORONG_TRY(ValueId past, c.tensor_or_none(4));
  if (past != kNoValue) mask.offset = c.shape(past)[2];
  if (mask.valid == kNoValue) return mask;
  if (past != kNoValue) {
    return invalid_argument("nonpad_kv_seqlen cannot be given together with past keys.");
  }
  if (ops::element_count(c.shape(mask.valid)) != c.shape(o.q)[0]) {
    return invalid_argument("nonpad_kv_seqlen must hold one number for each of the " +
                            std::to_string(c.shape(o.q)[0]) + " samples, found " +
                            ops::to_string(c.shape(mask.valid)) + ".");
  }
  if (!numerics::is_integer(c.format(mask.valid)))
    return invalid_argument("nonpad_kv_seqlen must hold integers.");
  THORONG_TRY(mask.valid, c.convert(mask.valid, Format::kFloat32));
  THORONG_TRY(mask.offsets,
              c.add_scalar("subtract", mask.valid, static_cast<double>(mask.queries)));
  return mask;
}

// Y and what qk_matmul_output_mode asks for.
Status set_attention_outputs(ImportContext& c, const AttentionOperands& o,
                             const AttentionBias& mask) {
  Format format = c.format(o.q);
  THORONG_TRY(int64_t mode, c.integer("qk_matmul_output_mode", 0));
  THORONG_TRY(double cap, c.number("softcap", 0));
  THORONG_TRY(double scale, read_attention_scale(c, o.q));
  THORONG_TRY(Format precise, softmax_format(c, format));
  if (mode < 0 || mode > 3) return invalid_argument("qk_matmul_output_mode must be 0, 1, 2 or 3.");
  THORONG_TRY(ValueId raw, attention_scores(c, o.q, o.k, scale));
  THORONG_TRY(ValueId capped, soft_capped(c, raw, cap));
  THORONG_TRY(ValueId biased, c.add_broadcast(capped, mask.bias));
  THORONG_TRY(ValueId wide, c.convert(biased, precise));
  THORONG_TRY(ValueId probabilities, softmax_last(c, wide));
  THORONG_TRY(probabilities, c.convert(probabilities, format));
  if (mask.may_hide_all && mask.bias != kNoValue) {
    THORONG_TRY(probabilities, without_hidden_rows(c, probabilities, mask.bias));
  }
  THORONG_TRY(ValueId v, c.convert(o.v, format));
  THORONG_TRY(ValueId y, attention_values(c, probabilities, v));
  THORONG_RETURN_IF_ERROR(c.set_output(0, o.packed ? merge_heads(c, y) : Result<ValueId>(y)));
  const ValueId stages[] = {raw, capped, biased, probabilities};
  return c.set_output(3, stages[mode]);
}

Status import_attention(ImportContext& c, const NodeProto&) {
  THORONG_TRY(AttentionOperands o, read_attention_operands(c));
  THORONG_TRY(ValueId past_key, c.tensor_or_none(4));
  THORONG_TRY(ValueId past_value, c.tensor_or_none(5));
  THORONG_TRY(o.k, append_positions(c, past_key, o.k));
  THORONG_TRY(o.v, append_positions(c, past_value, o.v));
  THORONG_RETURN_IF_ERROR(check_attention(c, o.q, o.k, o.v));
  THORONG_TRY(AttentionMask mask, read_attention_mask(c, o));
  THORONG_TRY(AttentionBias bias, attention_bias(c, mask, c.format(o.q)));
  THORONG_RETURN_IF_ERROR(c.set_output(1, o.k));
  THORONG_RETURN_IF_ERROR(c.set_output(2, o.v));
  return set_attention_outputs(c, o, bias);
}

}  // namespace

std::vector<ImportRule> import_rules_attention() {
  return {{"", "Attention", 23, kAnyVersion, import_attention}};
}

}  // namespace thorong::onnx
