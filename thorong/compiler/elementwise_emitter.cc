// SPDX-License-Identifier: Apache-2.0
#include "thorong/compiler/elementwise_emitter.h"

#include <algorithm>

namespace thorong::compiler {
namespace {

using numerics::BinaryFunction;
using numerics::UnaryFunction;

std::optional<BinaryFunction> binary_function(const Node& node) {
  if (const auto* function = std::get_if<BinaryFunction>(&node.op->engine_function))
    return *function;
  if (node.op->name != "compare") return std::nullopt;
  std::string direction = node.attributes.text("direction");
  std::transform(direction.begin(), direction.end(), direction.begin(),
                 [](char c) { return static_cast<char>(c | 0x20); });
  return numerics::parse_binary_function(direction);
}

std::optional<UnaryFunction> unary_function(const Node& node) {
  if (const auto* function = std::get_if<UnaryFunction>(&node.op->engine_function))
    return *function;
  if (node.op->name == "convert") return UnaryFunction::kCopy;
  if (node.op->name == "not") return UnaryFunction::kLogicalNot;
  return std::nullopt;
}

// Functions that Vector computes as well as Scalar, as x op constant.
struct VectorForm {
  BinaryFunction function;
  float scalar;
  bool reversed;
};
std::optional<VectorForm> vector_form(UnaryFunction function) {
  switch (function) {
    case UnaryFunction::kRelu:
      return VectorForm{BinaryFunction::kMaximum, 0.0f, false};
    case UnaryFunction::kNegate:
      return VectorForm{BinaryFunction::kMultiply, -1.0f, false};
    default:
      return std::nullopt;
  }
}

bool is_one_value(const ops::Tensor& tensor) { return tensor.type.elements() == 1; }

}  // namespace

int ElementwiseEmitter::uses_in_group(ValueId id) const {
  int uses = 0;
  for (int n : group_.elementwise) {
    const Node& node = codegen_.graph().nodes[static_cast<size_t>(n)];
    uses += static_cast<int>(std::count(node.inputs.begin(), node.inputs.end(), id));
  }
  return uses;
}

Result<ElementwiseEmitter::Value> ElementwiseEmitter::value(ValueId id) {
  if (auto it = done_.find(id); it != done_.end()) return it->second;
  // A constant of one element, however broadcast, is an immediate.
  ValueId base = codegen_.base_of(id);
  if (const ops::Tensor* tensor = codegen_.constant(base);
      tensor != nullptr && is_one_value(*tensor)) {
    Value v;
    v.immediate =
        static_cast<float>(numerics::load_as_double(tensor->type.format, tensor->data, 0));
    return v;
  }
  auto it = codegen_.externals_.find(id);
  THORONG_CHECK(it != codegen_.externals_.end(), "an elementwise operand was not prepared");
  const Placed& placed = it->second;
  Value v;
  v.per_partition = true;
  Box box = box_;
  for (size_t i = 0; i < box.size(); ++i) {
    if (static_cast<int>(i) == pdim_) continue;
    if (placed.step[i] == 0) box[i] = {0, 1};
    if (box[i].size > 1) v.per_partition = false;
  }
  if (!v.per_partition) box = box_;
  THORONG_TRY(v.pattern, codegen_.fetch(placed, box, pdim_, codegen_.storage_format(id), scope_));
  done_[id] = v;
  return v;
}

Result<AccessPattern> ElementwiseEmitter::expanded(const Value& value) {
  if (value.full()) return value.pattern;
  AccessPattern ap = value.pattern;
  if (value.immediate) {
    BufferId buffer = scope_.allocate(Format::kFloat32, 1);
    if (buffer < 0) return resource_exhausted("no SBUF left for a constant");
    int64_t partitions = pdim_ < 0 ? 1 : box_[static_cast<size_t>(pdim_)].size;
    ap = codegen_.builder().dense(buffer, partitions, {1});
    codegen_.builder().emit(Opcode::memset, Queue::kVector, {ap}, {.immediate0 = *value.immediate});
  }
  ap.rank = 1;
  ap.size = {static_cast<int32_t>(free_elements(box_, pdim_)), 1, 1, 1};
  ap.step = {0, 0, 0, 0};
  return ap;
}

// The anchor's tile in PSUM, if the way from it to `id` leads through values that nobody else
// reads: the intermediate may take its place, and an instruction with one operand in PSUM and one
// in SBUF is fast.
bool ElementwiseEmitter::may_replace_anchor(ValueId id) const {
  if (!anchor_ || codegen_.builder().program().buffer(*anchor_).space != isa::Space::kPsum)
    return false;
  if (codegen_.storage_format(id) != anchor_->format) return false;
  ValueId anchor = anchor_value(codegen_.graph(), group_);
  auto leads = [&](const auto& self, ValueId v) -> bool {
    if (uses_in_group(v) != 1) return false;
    if (v == anchor) return true;
    int producer = codegen_.graph().value(v).producer;
    if (producer < 0) return false;
    if (std::find(group_.elementwise.begin(), group_.elementwise.end(), producer) ==
        group_.elementwise.end())
      return false;
    const Node& node = codegen_.graph().nodes[static_cast<size_t>(producer)];
    return std::any_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId input) { return self(self, input); });
  };
  return leads(leads, id);
}

Result<AccessPattern> ElementwiseEmitter::temporary(ValueId id) {
  if (may_replace_anchor(id)) return *anchor_;
  int64_t elements = free_elements(box_, pdim_);
  BufferId buffer = scope_.allocate(codegen_.storage_format(id), elements);
  if (buffer < 0) return resource_exhausted("no SBUF left for an intermediate of a fused group");
  return codegen_.builder().dense(buffer, pdim_ < 0 ? 1 : box_[static_cast<size_t>(pdim_)].size,
                                  {elements});
}

std::optional<int> ElementwiseEmitter::tensor_operand(const Node& node) {
  if (node.inputs.size() != 2) return std::nullopt;
  auto is_scalar = [&](ValueId id) {
    if (done_.contains(id)) return !done_.at(id).full();
    auto v = value(id);
    return v.ok() && !v->full();
  };
  auto in_group = [&](ValueId id) {
    int producer = codegen_.graph().value(id).producer;
    return producer >= 0 && std::find(group_.elementwise.begin(), group_.elementwise.end(),
                                      producer) != group_.elementwise.end();
  };
  bool s0 = !in_group(node.inputs[0]) && is_scalar(node.inputs[0]);
  bool s1 = !in_group(node.inputs[1]) && is_scalar(node.inputs[1]);
  if (s0 == s1) return std::nullopt;
  return s0 ? 1 : 0;
}

const Node* ElementwiseEmitter::foldable(ValueId id) const {
  int producer = codegen_.graph().value(id).producer;
  if (producer < 0 || done_.contains(id) || uses_in_group(id) != 1) return nullptr;
  if (std::find(group_.elementwise.begin(), group_.elementwise.end(), producer) ==
      group_.elementwise.end())
    return nullptr;
  const Node& node = codegen_.graph().nodes[static_cast<size_t>(producer)];
  // Folding skips the rounding of the intermediate: only where that format is the engines' own.
  return codegen_.storage_format(id) == Format::kFloat32 ? &node : nullptr;
}

Status ElementwiseEmitter::run(const std::optional<AccessPattern>& anchor,
                               const AccessPattern& target) {
  if (group_.anchor >= 0) {
    anchor_ = anchor;
    Value v;
    v.pattern = *anchor;
    done_[anchor_value(codegen_.graph(), group_)] = v;
  }
  if (group_.elementwise.empty()) {
    codegen_.builder().copy(target, *anchor);
    return ok_status();
  }
  return emit_node(group_.elementwise.back(), target);
}

// Operands are made on demand, depth first, so that a node can fold its producers instead.
Status ElementwiseEmitter::emit_node(int node_index, const AccessPattern& out) {
  const Node& node = codegen_.graph().nodes[static_cast<size_t>(node_index)];
  if (auto function = unary_function(node)) return emit_unary(node, *function, out);
  if (auto function = binary_function(node)) return emit_binary(node, *function, out);
  if (node.op->name == "select") return emit_select(node, out);
  if (node.op->name == "clamp") return emit_clamp(node, out);
  return internal_error("operator '" + node.op->name + "' has no engine instruction", node.name);
}

Status ElementwiseEmitter::emit_unary(const Node& node, UnaryFunction function,
                                      const AccessPattern& out) {
  ValueId source = node.inputs[0];
  Value scale, bias;
  scale.immediate = 1.0f, bias.immediate = 0.0f;
  // function(x * scale + bias): take an add of a scalar, then a multiply by one, if nobody else
  // reads them.
  if (const Node* add = foldable(source); add != nullptr && add->op->name == "add") {
    if (auto tensor = tensor_operand(*add)) {
      THORONG_TRY(bias, value(add->inputs[static_cast<size_t>(1 - *tensor)]));
      source = add->inputs[static_cast<size_t>(*tensor)];
    }
  }
  if (const Node* multiply = foldable(source);
      multiply != nullptr && multiply->op->name == "multiply") {
    if (auto tensor = tensor_operand(*multiply)) {
      THORONG_TRY(scale, value(multiply->inputs[static_cast<size_t>(1 - *tensor)]));
      source = multiply->inputs[static_cast<size_t>(*tensor)];
    }
  }
  THORONG_TRY(Value in, operand(source));
  THORONG_TRY(AccessPattern full, expanded(in));
  AccessPattern none;
  Scalars scalars{.function0 = static_cast<uint8_t>(function),
                  .immediate0 = scale.immediate.value_or(1.0f),
                  .immediate1 = bias.immediate.value_or(0.0f)};
  AccessPattern bias_pattern = bias.immediate ? none : bias.pattern,
                scale_pattern = scale.immediate ? none : scale.pattern;
  bool plain = scale.immediate == 1.0f && bias.immediate == 0.0f;
  if (auto form = vector_form(function); form && plain) {
    Scalars on_vector{.function0 = static_cast<uint8_t>(form->function),
                      .immediate0 = form->scalar};
    if (codegen_.builder().cheaper_engine(Opcode::tensor_scalar, on_vector, Opcode::activation,
                                          scalars, {out, full}, {out, full}) == Queue::kVector) {
      codegen_.builder().emit(Opcode::tensor_scalar, Queue::kVector, {out, full}, on_vector);
      return ok_status();
    }
  }
  if (function == UnaryFunction::kCopy && plain) {
    codegen_.builder().copy(out, full);
    return ok_status();
  }
  codegen_.builder().emit(Opcode::activation, Queue::kScalar,
                          {out, full, bias_pattern, scale_pattern}, scalars);
  return ok_status();
}

Result<ElementwiseEmitter::Value> ElementwiseEmitter::operand(ValueId id) {
  if (done_.contains(id)) return done_.at(id);
  int producer = codegen_.graph().value(id).producer;
  bool inside = producer >= 0 && std::find(group_.elementwise.begin(), group_.elementwise.end(),
                                           producer) != group_.elementwise.end();
  if (!inside) return value(id);
  THORONG_TRY(AccessPattern out, temporary(id));
  THORONG_RETURN_IF_ERROR(emit_node(producer, out));
  Value v;
  v.pattern = out;
  done_[id] = v;
  return v;
}

Status ElementwiseEmitter::emit_scalar_op(const Value& tensor, const Value& scalar,
                                          BinaryFunction function, bool reversed,
                                          const AccessPattern& out) {
  AccessPattern none;
  AccessPattern s = scalar.immediate ? none : scalar.pattern;
  Scalars on_vector{.function0 = static_cast<uint8_t>(function),
                    .flags = reversed ? isa::kReverse0 : uint16_t{0},
                    .immediate0 = scalar.immediate.value_or(0.0f)};
  bool linear = function == BinaryFunction::kAdd || function == BinaryFunction::kMultiply;
  if (linear) {
    bool add = function == BinaryFunction::kAdd;
    Scalars on_scalar{.function0 = static_cast<uint8_t>(UnaryFunction::kCopy),
                      .immediate0 = add ? 1.0f : scalar.immediate.value_or(1.0f),
                      .immediate1 = add ? scalar.immediate.value_or(0.0f) : 0.0f};
    if (codegen_.builder().cheaper_engine(Opcode::tensor_scalar, on_vector, Opcode::activation,
                                          on_scalar, {out, tensor.pattern, s},
                                          {out, tensor.pattern}) == Queue::kScalar) {
      codegen_.builder().emit(Opcode::activation, Queue::kScalar,
                              {out, tensor.pattern, add ? s : none, add ? none : s}, on_scalar);
      return ok_status();
    }
  }
  codegen_.builder().emit(Opcode::tensor_scalar, Queue::kVector, {out, tensor.pattern, s},
                          on_vector);
  return ok_status();
}

// (x op0 s) op1 y is one scalar_tensor_tensor, if the inner node may be folded.
Result<bool> ElementwiseEmitter::emit_scalar_tensor_tensor(const Node& node,
                                                           BinaryFunction function,
                                                           const AccessPattern& out) {
  bool commutes = function == BinaryFunction::kAdd || function == BinaryFunction::kMultiply;
  for (size_t i = 0; i < (commutes ? 2u : 1u); ++i) {
    const Node* inner = foldable(node.inputs[i]);
    auto inner_function = inner != nullptr ? binary_function(*inner) : std::nullopt;
    auto tensor = inner_function ? tensor_operand(*inner) : std::nullopt;
    if (!tensor || *tensor != 0) continue;
    THORONG_TRY(Value s, value(inner->inputs[1]));
    THORONG_TRY(Value x, operand(inner->inputs[0]));
    THORONG_TRY(Value y, operand(node.inputs[1 - i]));
    THORONG_TRY(AccessPattern full_x, expanded(x));
    THORONG_TRY(AccessPattern full_y, expanded(y));
    AccessPattern none;
    codegen_.builder().emit(Opcode::scalar_tensor_tensor, Queue::kVector,
                            {out, full_x, s.immediate ? none : s.pattern, full_y},
                            {.function0 = static_cast<uint8_t>(*inner_function),
                             .function1 = static_cast<uint8_t>(function),
                             .immediate0 = s.immediate.value_or(0.0f)});
    return true;
  }
  return false;
}

Status ElementwiseEmitter::emit_binary(const Node& node, BinaryFunction function,
                                       const AccessPattern& out) {
  auto tensor = tensor_operand(node);
  if (!tensor) {
    THORONG_TRY(bool folded, emit_scalar_tensor_tensor(node, function, out));
    if (folded) return ok_status();
    THORONG_TRY(Value a, operand(node.inputs[0]));
    THORONG_TRY(Value b, operand(node.inputs[1]));
    THORONG_TRY(AccessPattern full_a, expanded(a));
    THORONG_TRY(AccessPattern full_b, expanded(b));
    codegen_.builder().emit(Opcode::tensor_tensor, Queue::kVector, {out, full_a, full_b},
                            {.function0 = static_cast<uint8_t>(function)});
    return ok_status();
  }
  THORONG_TRY(Value scalar, value(node.inputs[static_cast<size_t>(1 - *tensor)]));
  ValueId source = node.inputs[static_cast<size_t>(*tensor)];
  bool reversed = *tensor == 1;
  // (x op0 s0) op1 s1 is one tensor_scalar.
  if (const Node* inner = foldable(source)) {
    auto inner_function = binary_function(*inner);
    auto inner_tensor = inner_function ? tensor_operand(*inner) : std::nullopt;
    if (inner_tensor) {
      THORONG_TRY(Value s0, value(inner->inputs[static_cast<size_t>(1 - *inner_tensor)]));
      THORONG_TRY(Value x, operand(inner->inputs[static_cast<size_t>(*inner_tensor)]));
      THORONG_TRY(AccessPattern full, expanded(x));
      AccessPattern none;
      auto flags = static_cast<uint16_t>(isa::kHasOp1 | (*inner_tensor == 1 ? isa::kReverse0 : 0) |
                                         (reversed ? isa::kReverse1 : 0));
      codegen_.builder().emit(
          Opcode::tensor_scalar, Queue::kVector,
          {out, full, s0.immediate ? none : s0.pattern, scalar.immediate ? none : scalar.pattern},
          {.function0 = static_cast<uint8_t>(*inner_function),
           .function1 = static_cast<uint8_t>(function),
           .flags = flags,
           .immediate0 = s0.immediate.value_or(0.0f),
           .immediate1 = scalar.immediate.value_or(0.0f)});
      return ok_status();
    }
  }
  THORONG_TRY(Value x, operand(source));
  THORONG_TRY(AccessPattern full, expanded(x));
  x.pattern = full;
  return emit_scalar_op(x, scalar, function, reversed, out);
}

Status ElementwiseEmitter::emit_select(const Node& node, const AccessPattern& out) {
  std::vector<AccessPattern> patterns;
  for (ValueId id : node.inputs) {
    THORONG_TRY(Value v, operand(id));
    THORONG_TRY(AccessPattern full, expanded(v));
    patterns.push_back(full);
  }
  codegen_.builder().emit(Opcode::select, Queue::kVector,
                          {out, patterns[0], patterns[1], patterns[2]});
  return ok_status();
}

Status ElementwiseEmitter::emit_clamp(const Node& node, const AccessPattern& out) {
  THORONG_TRY(Value low, operand(node.inputs[0]));
  THORONG_TRY(Value x, operand(node.inputs[1]));
  THORONG_TRY(Value high, operand(node.inputs[2]));
  THORONG_TRY(AccessPattern full, expanded(x));
  AccessPattern none;
  if (!low.full() && !high.full()) {
    codegen_.builder().emit(
        Opcode::tensor_scalar, Queue::kVector,
        {out, full, low.immediate ? none : low.pattern, high.immediate ? none : high.pattern},
        {.function0 = static_cast<uint8_t>(BinaryFunction::kMaximum),
         .function1 = static_cast<uint8_t>(BinaryFunction::kMinimum),
         .flags = isa::kHasOp1,
         .immediate0 = low.immediate.value_or(0.0f),
         .immediate1 = high.immediate.value_or(0.0f)});
    return ok_status();
  }
  THORONG_TRY(AccessPattern low_full, expanded(low));
  THORONG_TRY(AccessPattern high_full, expanded(high));
  codegen_.builder().emit(Opcode::tensor_tensor, Queue::kVector, {out, full, low_full},
                          {.function0 = static_cast<uint8_t>(BinaryFunction::kMaximum)});
  codegen_.builder().emit(Opcode::tensor_tensor, Queue::kVector, {out, out, high_full},
                          {.function0 = static_cast<uint8_t>(BinaryFunction::kMinimum)});
  return ok_status();
}

}  // namespace thorong::compiler
