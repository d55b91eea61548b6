// SPDX-License-Identifier: Apache-2.0
// FlexAttention (ai.onnx.preview): attention whose scores and probabilities go through subgraphs of
// the model.
#include <cmath>

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

Result<Format> flex_format(ImportContext& c, Format operands) {
  THORONG_TRY(int64_t precision, c.integer("softmax_precision", 0));
  if (precision == 0) return numerics::info(operands).bits > 32 ? operands : Format::kFloat32;
  THORONG_TRY(Format format, format_of_data_type(static_cast<int32_t>(precision)));
  if (numerics::is_float(format)) return format;
  return invalid_argument("softmax_precision must be a float type.");
}

Status import_flex_attention(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId q, c.input(0));
  THORONG_TRY(ValueId k, c.input(1));
  THORONG_TRY(ValueId v, c.input(2));
  THORONG_RETURN_IF_ERROR(check_attention(c, q, k, v));
  THORONG_TRY(double scale, c.number("scale", 1 / std::sqrt(static_cast<double>(c.shape(q)[3]))));
  if (!(scale >= 0)) return invalid_argument("scale must not be negative, as its root is taken.");
  Format result = c.format(v);
  THORONG_TRY(Format format, flex_format(c, c.format(q)));
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
