// SPDX-License-Identifier: Apache-2.0
// FlexAttention (ai.onnx.preview): attention whose scores and probabilities go through subgraphs of
// the model.
#include "frontends/onnx/attention.h"

namespace thorong::onnx {
namespace {

// x through the subgraph of that name, if there is one; its type must stay.
Result<ValueId> modified(ImportContext& c, const NodeProto& node, const char* name, ValueId x) {
  const AttributeProto* attribute = node.attribute(name);
  if (attribute == nullptr) return x;
  if (!attribute->graph || attribute->graph->inputs.size() != 1 ||
      attribute->graph->outputs.size() != 1) {
    return invalid_argument(std::string("attribute \"") + name +
                            "\" must be a graph with one input and one output.");
  }
  THORONG_TRY(auto results, c.import_subgraph(*attribute->graph, {x}));
  if (results.size() == 1 && !is_object(results[0]) && results[0] != kNoValue &&
      c.shape(results[0]) == c.shape(x)) {
    return c.convert(results[0], c.format(x));
  }
  return invalid_argument(std::string("the graph \"") + name + "\" must give a tensor of shape " +
                          ops::to_string(c.shape(x)) + ".");
}

Status import_flex_attention(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId q, c.input(0));
  THORONG_TRY(ValueId k, c.input(1));
  THORONG_TRY(ValueId v, c.input(2));
  THORONG_RETURN_IF_ERROR(check_attention(c, q, k, v));
  THORONG_TRY(double scale, read_attention_scale(c, q));
  Format result = c.format(v);
  const bool wide = numerics::info(c.format(q)).bits > 32;
  THORONG_TRY(Format format, softmax_format(c, wide ? c.format(q) : Format::kFloat32));
  THORONG_TRY(ValueId scores, attention_scores(c, q, k, scale));
  THORONG_TRY(scores, c.convert(scores, format));
  THORONG_TRY(scores, modified(c, node, "score_mod", scores));
  THORONG_TRY(ValueId probabilities, softmax_last(c, scores));
  THORONG_TRY(probabilities, modified(c, node, "prob_mod", probabilities));
  THORONG_TRY(v, c.convert(v, format));
  THORONG_TRY(ValueId y, attention_values(c, probabilities, v));
  return c.set_output(0, c.convert(y, result));
}

}  // namespace

std::vector<ImportRule> import_rules_flex_attention() {
  return {{"ai.onnx.preview", "FlexAttention", 1, kAnyVersion, import_flex_attention}};
}

}  // namespace thorong::onnx
