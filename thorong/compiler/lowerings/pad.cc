// SPDX-License-Identifier: Apache-2.0
// pad: the result is filled with the value, then the operand is moved into it (interior padding is
// a stride). Negative padding cuts the operand.
#include "thorong/compiler/lowering.h"

namespace thorong::compiler {
namespace {

bool accepts(const Graph& graph, const Node& node) {
  Format format = graph.type(node.inputs[0]).format;
  auto interior = node.attributes.integers("interior");
  auto low = node.attributes.integers("low"), high = node.attributes.integers("high");
  for (size_t d = 0; d < interior.size(); ++d) {
    if (interior[d] > 0 && (low[d] < 0 || high[d] < 0)) return false;
  }
  // Some dimension must go on the partitions as it is.
  bool plain = interior.empty() ? !low.empty()
                                : std::find(interior.begin(), interior.end(), 0) != interior.end();
  if (!plain || combines_nothing(graph, node)) return false;
  return graph.is_constant(node.inputs[1]) && numerics::is_engine_float(format);
}

Status lower(Codegen& codegen, const Group& group, const Node& node) {
  const Graph& graph = codegen.graph();
  const Shape& shape = graph.type(group.result).shape;
  const Shape& in_shape = graph.type(node.inputs[0]).shape;
  auto low = node.attributes.integers("low");
  auto interior = node.attributes.integers("interior", std::vector<int64_t>(low.size(), 0));
  std::vector<int> choices;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (interior[d] == 0) choices.push_back(static_cast<int>(d));
  }
  if (choices.empty()) return unsupported("padding between the elements of every dimension");
  int resident = codegen.resident_pdim(node.inputs[0]);
  bool stays = std::find(choices.begin(), choices.end(), resident) != choices.end();
  int pdim = stays ? resident : codegen.preferred_pdim(group.result, choices);
  THORONG_TRY(Placed in,
              codegen.acquire(node.inputs[0], pdim, codegen.storage_format(group.result)));
  THORONG_RETURN_IF_ERROR(codegen.begin_output(group, pdim));
  const Placed out = codegen.output_placed();
  const ops::Tensor& value = *codegen.constant(node.inputs[1]);
  THORONG_RETURN_IF_ERROR(codegen.fill(
      out, static_cast<float>(numerics::load_as_double(value.type.format, value.data, 0))));
  Placed spread = out;
  Box from, to;
  for (size_t d = 0; d < shape.size(); ++d) {
    spread.step[d] = out.step[d] * (interior[d] + 1);
    spread.shape[d] = in_shape[d];
    int64_t begin = std::max<int64_t>(0, -low[d]);
    int64_t end = interior[d] > 0 ? in_shape[d] : std::min(in_shape[d], shape[d] - low[d]);
    from.push_back({begin, end - begin});
    if (interior[d] > 0)
      spread.offset += low[d] * out.step[d], to.push_back({0, in_shape[d]});
    else
      to.push_back({begin + low[d], end - begin});
    if (end <= begin) return ok_status();
  }
  return codegen.copy_box(spread, to, in, from);
}

}  // namespace

Lowering lowering_pad() {
  return {.op = "pad", .lower = lower, .accepts = accepts, .fuses = false};
}

}  // namespace thorong::compiler
