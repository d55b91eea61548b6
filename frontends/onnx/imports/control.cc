// SPDX-License-Identifier: Apache-2.0
// If, Loop, Scan, SequenceMap: the taken branch in its place, and the body once for each iteration.
// What conditions and trip counts depend on is known when the model is imported (known_values.h).
#include <algorithm>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

// Far above what real models do; a loop without end stops here.
constexpr int64_t kMaxIterations = 100'000;

Result<std::shared_ptr<const GraphProto>> subgraph(const NodeProto& node, const char* name) {
  const AttributeProto* attribute = node.attribute(name);
  if (attribute != nullptr && attribute->graph) return attribute->graph;
  return invalid_argument(std::string("the graph attribute \"") + name + "\" is missing.");
}

Result<bool> truth(ImportContext& c, ValueId id, const char* what) {
  if (is_object(id) || id == kNoValue)
    return invalid_argument(std::string(what) + " must be a tensor of one bool.");
  THORONG_TRY(const auto tensors, c.known_tensors({&id, 1}));
  const Integers values = tensors[0].to_int64s();
  if (values.size() != 1) {
    return invalid_argument(std::string(what) + " must be one bool, found shape " +
                            ops::to_string(c.shape(id)) + ".");
  }
  return values[0] != 0;
}

Status import_if(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(const ValueId condition, c.input(0));
  THORONG_TRY(const bool taken, truth(c, condition, "cond"));
  THORONG_TRY(auto branch, subgraph(node, taken ? "then_branch" : "else_branch"));
  THORONG_TRY(auto results, c.import_subgraph(*branch));
  if (results.size() != node.outputs.size()) {
    return invalid_argument("the branch that is taken has " + std::to_string(results.size()) +
                            " outputs, and the node " + std::to_string(node.outputs.size()) + ".");
  }
  for (size_t i = 0; i < results.size(); ++i) THORONG_RETURN_IF_ERROR(c.set_output(i, results[i]));
  return ok_status();
}

// The values side by side along a new dimension; `declared` is the shape of one where there is
// none.
Result<ValueId> stack(ImportContext& c, const std::vector<ValueId>& values, int64_t axis,
                      const ValueInfo& declared) {
  if (values.empty()) {
    ops::TensorType type{Format::kFloat32, {}};
    if (declared.element_type != 0) {
      THORONG_TRY(type.format, format_of_data_type(declared.element_type));
    }
    for (const Dimension& dimension : declared.shape)
      type.shape.push_back(dimension.size.value_or(0));
    THORONG_TRY(const size_t at, resolve_axis(axis, type.shape.size() + 1));
    type.shape.insert(type.shape.begin() + static_cast<std::ptrdiff_t>(at), 0);
    return c.full(type.format, type.shape, 0);  // refuses sizes that cannot be counted
  }
  std::vector<ValueId> rows;
  size_t at = 0;
  for (const ValueId value : values) {
    if (is_object(value)) return invalid_argument("a scan output must be a tensor.");
    Shape shape = c.shape(value);
    THORONG_TRY(at, resolve_axis(axis, shape.size() + 1));
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(at), 1);
    THORONG_TRY(const ValueId row, c.reshape(value, shape));
    rows.push_back(row);
  }
  return c.concatenate(rows, at);
}

// Values of one iteration that the next one's condition may follow from: with it they are computed
// once.
Result<bool> goes_on(ImportContext& c, ValueId condition, const std::vector<ValueId>& carried) {
  if (is_object(condition) || condition == kNoValue)
    return invalid_argument("the body's first output must be the condition.");
  std::vector<ValueId> ids{condition};
  if (!c.graph().is_constant(condition)) {
    for (const ValueId id : carried) {
      if (!is_object(id) && id != kNoValue && !c.graph().is_constant(id)) ids.push_back(id);
    }
  }
  THORONG_RETURN_IF_ERROR(c.known_tensors(ids).status());
  return truth(c, condition, "the condition");
}

Status import_loop(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(auto body, subgraph(node, "body"));
  int64_t trips = std::numeric_limits<int64_t>::max();
  if (c.has_input(0)) {
    THORONG_TRY(trips, c.constant_integer(0, "the trip count M"));
  }
  bool more = true;
  if (c.has_input(1)) {
    THORONG_TRY(const ValueId condition, c.input(1));
    THORONG_TRY(more, truth(c, condition, "cond"));
  }
  std::vector<ValueId> carried;
  for (size_t i = 2; i < c.input_count(); ++i) carried.push_back(c.optional_input(i));
  if (body->inputs.size() != carried.size() + 2 || body->outputs.size() < carried.size() + 1) {
    return invalid_argument("the body has " + std::to_string(body->inputs.size()) + " inputs and " +
                            std::to_string(body->outputs.size()) + " outputs; for " +
                            std::to_string(carried.size()) +
                            " carried values it needs the iteration, the condition and these, and "
                            "gives the condition, these and scan outputs.");
  }
  std::vector<std::vector<ValueId>> scans(body->outputs.size() - 1 - carried.size());
  for (int64_t i = 0; more && i < trips; ++i) {
    if (i == kMaxIterations) {
      return resource_exhausted("the loop has run " + std::to_string(kMaxIterations) +
                                " times and goes on; its condition may never become false.");
    }
    THORONG_TRY(const ValueId iteration, c.constant(Shape{}, Integers{i}));
    THORONG_TRY(const ValueId condition, c.scalar(Format::kBool, 1));
    std::vector<ValueId> inputs{iteration, condition};
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    THORONG_TRY(const auto results, c.import_subgraph(*body, inputs));
    carried.assign(results.begin() + 1,
                   results.begin() + 1 + static_cast<std::ptrdiff_t>(carried.size()));
    for (size_t s = 0; s < scans.size(); ++s) scans[s].push_back(results[1 + carried.size() + s]);
    THORONG_TRY(more, goes_on(c, results[0], carried));
  }
  for (size_t i = 0; i < carried.size(); ++i) THORONG_RETURN_IF_ERROR(c.set_output(i, carried[i]));
  for (size_t s = 0; s < scans.size(); ++s) {
    const size_t output = carried.size() + s;
    if (!c.output_used(output)) continue;
    THORONG_RETURN_IF_ERROR(c.set_output(output, stack(c, scans[s], 0, body->outputs[1 + output])));
  }
  return ok_status();
}

// ---- Scan ----

struct ScanPlan {
  std::shared_ptr<const GraphProto> body;
  size_t states = 0, scanned = 0, made = 0;  // carried values, scan inputs, scan outputs
  Integers input_axes, input_directions, output_axes, output_directions;
};

Result<Integers> list_of(ImportContext& c, const char* name, size_t count) {
  THORONG_TRY(Integers list, c.integers(name, Integers(count, 0)));
  if (list.size() == count) return list;
  return invalid_argument(std::string("attribute \"") + name + "\" needs " + std::to_string(count) +
                          " entries, found " + std::to_string(list.size()) + ".");
}

Result<ScanPlan> plan_scan(ImportContext& c, const NodeProto& node, size_t operands) {
  ScanPlan plan;
  THORONG_TRY(plan.body, subgraph(node, "body"));
  THORONG_TRY(const int64_t scanned, c.integer("num_scan_inputs", 0));
  if (scanned < 1 || static_cast<size_t>(scanned) > operands) {
    return invalid_argument("num_scan_inputs must lie in [1, " + std::to_string(operands) +
                            "], found " + std::to_string(scanned) + ".");
  }
  plan.scanned = static_cast<size_t>(scanned);
  plan.states = operands - plan.scanned;
  if (plan.body->inputs.size() != operands || plan.body->outputs.size() < plan.states) {
    return invalid_argument("the body must take " + std::to_string(operands) + " inputs, found " +
                            std::to_string(plan.body->inputs.size()) + ".");
  }
  plan.made = plan.body->outputs.size() - plan.states;
  if (c.version() < 9) {
    THORONG_TRY(plan.input_directions, list_of(c, "directions", plan.scanned));
    plan.input_axes.assign(plan.scanned, 0);
    plan.output_axes.assign(plan.made, 0);
    plan.output_directions.assign(plan.made, 0);
    return plan;
  }
  THORONG_TRY(plan.input_axes, list_of(c, "scan_input_axes", plan.scanned));
  THORONG_TRY(plan.input_directions, list_of(c, "scan_input_directions", plan.scanned));
  THORONG_TRY(plan.output_axes, list_of(c, "scan_output_axes", plan.made));
  THORONG_TRY(plan.output_directions, list_of(c, "scan_output_directions", plan.made));
  return plan;
}

// x[index] along the axis, without that dimension.
Result<ValueId> element_at(ImportContext& c, ValueId x, size_t axis, int64_t index) {
  THORONG_TRY(const ValueId part, c.slice_axis(x, axis, index, index + 1));
  Shape shape = c.shape(part);
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return c.reshape(part, shape);
}

Status check_steps(int64_t steps) {
  if (steps <= kMaxIterations) return ok_status();
  return resource_exhausted("the scan has " + std::to_string(steps) + " steps; at most " +
                            std::to_string(kMaxIterations) + " are done.");
}

// States, then scan outputs.
Result<std::vector<ValueId>> scan(ImportContext& c, const ScanPlan& plan,
                                  const std::vector<ValueId>& operands) {
  std::vector<ValueId> states(operands.begin(),
                              operands.begin() + static_cast<std::ptrdiff_t>(plan.states));
  int64_t trips = -1;
  std::vector<size_t> axes;
  for (size_t i = 0; i < plan.scanned; ++i) {
    const ValueId x = operands[plan.states + i];
    THORONG_TRY(const size_t axis, resolve_axis(plan.input_axes[i], c.rank(x)));
    axes.push_back(axis);
    const int64_t size = c.shape(x)[axis];
    if (trips >= 0 && size != trips) {
      return invalid_argument(
          "scan inputs must have equally many elements along their axes, found " +
          std::to_string(trips) + " and " + std::to_string(size) + ".");
    }
    trips = size;
  }
  THORONG_RETURN_IF_ERROR(check_steps(trips));
  std::vector<std::vector<ValueId>> made(plan.made);
  for (int64_t t = 0; t < trips; ++t) {
    std::vector<ValueId> inputs = states;
    for (size_t i = 0; i < plan.scanned; ++i) {
      const int64_t index = plan.input_directions[i] != 0 ? trips - 1 - t : t;
      THORONG_TRY(const ValueId part, element_at(c, operands[plan.states + i], axes[i], index));
      inputs.push_back(part);
    }
    THORONG_TRY(const auto results, c.import_subgraph(*plan.body, inputs));
    states.assign(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(plan.states));
    for (size_t i = 0; i < plan.made; ++i) made[i].push_back(results[plan.states + i]);
  }
  std::vector<ValueId> outputs = states;
  for (size_t i = 0; i < plan.made; ++i) {
    if (plan.output_directions[i] != 0) std::reverse(made[i].begin(), made[i].end());
    THORONG_TRY(const ValueId stacked,
                stack(c, made[i], plan.output_axes[i], plan.body->outputs[plan.states + i]));
    outputs.push_back(stacked);
  }
  return outputs;
}

Status import_scan(ImportContext& c, const NodeProto& node) {
  std::vector<ValueId> operands;
  for (size_t i = 0; i < c.input_count(); ++i) {
    THORONG_TRY(const ValueId id, c.input(i));
    operands.push_back(id);
  }
  THORONG_TRY(const ScanPlan plan, plan_scan(c, node, operands.size()));
  THORONG_TRY(const auto outputs, scan(c, plan, operands));
  for (size_t i = 0; i < outputs.size(); ++i) THORONG_RETURN_IF_ERROR(c.set_output(i, outputs[i]));
  return ok_status();
}

// The first version: everything has a leading batch dimension, and each sample is scanned alone.
Status import_batched_scan(ImportContext& c, const NodeProto& node) {
  if (c.has_input(0))
    return unsupported("sequence_lens is not done; use Scan of opset 9 or later.");
  std::vector<ValueId> operands;
  for (size_t i = 1; i < c.input_count(); ++i) {
    THORONG_TRY(const ValueId id, c.input(i));
    if (c.rank(id) == 0) return invalid_argument("operands need a leading batch dimension.");
    operands.push_back(id);
  }
  THORONG_TRY(const ScanPlan plan, plan_scan(c, node, operands.size()));
  const int64_t batch = c.shape(operands[0])[0];
  THORONG_RETURN_IF_ERROR(check_steps(batch));
  std::vector<std::vector<ValueId>> outputs(plan.states + plan.made);
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<ValueId> sample;
    for (const ValueId id : operands) {
      if (c.shape(id)[0] != batch)
        return invalid_argument("operands must have equal batch dimensions.");
      THORONG_TRY(const ValueId part, element_at(c, id, 0, b));
      sample.push_back(part);
    }
    THORONG_TRY(const auto results, scan(c, plan, sample));
    for (size_t i = 0; i < results.size(); ++i) outputs[i].push_back(results[i]);
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    THORONG_RETURN_IF_ERROR(c.set_output(i, stack(c, outputs[i], 0, plan.body->outputs[i])));
  return ok_status();
}

// ---- SequenceMap ----

Status import_sequence_map(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(auto body, subgraph(node, "body"));
  THORONG_TRY(const auto first, c.sequence_input(0));
  std::vector<std::vector<ValueId>> outputs(body->outputs.size());
  for (size_t item = 0; item < first.size(); ++item) {
    std::vector<ValueId> inputs;
    for (size_t i = 0; i < c.input_count(); ++i) {
      THORONG_TRY(ValueId id, c.any_input(i));
      if (is_object(id)) {
        THORONG_TRY(const auto items, c.sequence_input(i));
        if (items.size() != first.size()) {
          return invalid_argument("the sequences must be equally long, found " +
                                  std::to_string(first.size()) + " and " +
                                  std::to_string(items.size()) + ".");
        }
        id = items[item];
      }
      inputs.push_back(id);
    }
    THORONG_TRY(const auto results, c.import_subgraph(*body, inputs));
    for (size_t i = 0; i < results.size(); ++i) outputs[i].push_back(results[i]);
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    THORONG_RETURN_IF_ERROR(c.set_output(i, c.objects().add_sequence(outputs[i])));
  return ok_status();
}

}  // namespace

std::vector<ImportRule> import_rules_control() {
  return {{"", "If", 1, kAnyVersion, import_if},
          {"", "Loop", 1, kAnyVersion, import_loop},
          {"", "Scan", 8, 8, import_batched_scan},
          {"", "Scan", 9, kAnyVersion, import_scan},
          {"", "SequenceMap", 17, kAnyVersion, import_sequence_map}};
}

}  // namespace thorong::onnx
