// SPDX-License-Identifier: Apache-2.0
// Checked access to a node's attributes and operands, and the builders that rules share.
#include "frontends/onnx/import_context.h"

#include <algorithm>

#include "thorong/ops/operator.h"

namespace thorong::onnx {

ops::Attributes make_attributes(
    std::initializer_list<std::pair<const char*, ops::Attribute>> entries) {
  ops::Attributes attributes;
  for (const auto& [key, value] : entries) attributes.set(key, value);
  return attributes;
}

ImportContext::ImportContext(ImportState& state, const NodeProto& node, int64_t version,
                             std::string name, std::vector<ValueId> inputs,
                             SubgraphImporter import_subgraph)
    : state_(state),
      graph_(state.graph),
      node_(node),
      options_(state.options),
      version_(version),
      name_(std::move(name)),
      inputs_(std::move(inputs)),
      results_(node.outputs.size(), kNoValue),
      import_subgraph_(std::move(import_subgraph)) {}

// ---- The node ----

namespace {

const char* kind_name(ops::Structure::Kind kind) {
  switch (kind) {
    case ops::Structure::Kind::kSequence:
      return "a sequence";
    case ops::Structure::Kind::kText:
      return "a tensor of strings";
    case ops::Structure::Kind::kAbsent:
      break;
  }
  return "an optional without a value";
}

}  // namespace

Result<ValueId> ImportContext::input(size_t i) const {
  THORONG_TRY(const ValueId id, any_input(i));
  if (!is_object(id)) return id;
  return invalid_argument("operand " + std::to_string(i) + " is " +
                          kind_name(state_.objects.get(id).kind) +
                          "; expected a tensor of numbers.");
}

Result<const Object*> ImportContext::object_input(size_t i, ops::Structure::Kind kind) const {
  THORONG_TRY(const ValueId id, any_input(i));
  const Object* object = is_object(id) ? &state_.objects.get(id) : nullptr;
  if (object != nullptr && object->kind == kind) return object;
  return invalid_argument("operand " + std::to_string(i) + " is " +
                          (object != nullptr ? kind_name(object->kind) : "a tensor of numbers") +
                          "; expected " + kind_name(kind) + ".");
}

Result<std::vector<ValueId>> ImportContext::sequence_input(size_t i) const {
  THORONG_TRY(const Object* object, object_input(i, ops::Structure::Kind::kSequence));
  return object->items;
}

Result<ops::Text> ImportContext::text_input(size_t i) const {
  THORONG_TRY(const Object* object, object_input(i, ops::Structure::Kind::kText));
  return object->text;
}

Result<ValueId> ImportContext::any_input(size_t i) const {
  if (has_input(i)) return inputs_[i];
  return invalid_argument("operand " + std::to_string(i) + " is missing; " + node_.op_type +
                          " has " + std::to_string(inputs_.size()) + " operands.");
}

Status ImportContext::set_output(size_t i, ValueId value) {
  if (i < results_.size()) results_[i] = value;
  return ok_status();
}

Status ImportContext::set_output(size_t i, Result<ValueId> value) {
  if (!value.ok()) return value.status();
  return set_output(i, *value);
}

Status ImportContext::refuse_output(size_t i, const char* what) const {
  if (!output_used(i)) return ok_status();
  return unsupported("output " + std::to_string(i) + " (" + what + ") of " + node_.op_type +
                     " is not done; remove its uses from the model.");
}

// ---- Attributes ----

const AttributeProto* ImportContext::typed(const std::string& name, AttributeType type,
                                           Status& status) const {
  const AttributeProto* attribute = node_.attribute(name);
  if (attribute != nullptr && attribute->type != type) {
    status = invalid_argument("attribute \"" + name + "\" has type number " +
                              std::to_string(static_cast<int>(attribute->type)) + "; expected " +
                              std::to_string(static_cast<int>(type)) + ".");
    return nullptr;
  }
  return attribute;
}

Result<int64_t> ImportContext::integer(const std::string& name, int64_t fallback) const {
  Status status;
  const AttributeProto* attribute = typed(name, AttributeType::kInt, status);
  if (!status.ok()) return status;
  return attribute == nullptr ? fallback : attribute->i;
}

Result<double> ImportContext::number(const std::string& name, double fallback) const {
  Status status;
  const AttributeProto* attribute = typed(name, AttributeType::kFloat, status);
  if (!status.ok()) return status;
  return attribute == nullptr ? fallback : attribute->f;
}

Result<std::string> ImportContext::text(const std::string& name,
                                        const std::string& fallback) const {
  Status status;
  const AttributeProto* attribute = typed(name, AttributeType::kString, status);
  if (!status.ok()) return status;
  return attribute == nullptr ? fallback : attribute->s;
}

Result<Integers> ImportContext::integers(const std::string& name, const Integers& fallback) const {
  Status status;
  const AttributeProto* attribute = typed(name, AttributeType::kInts, status);
  if (!status.ok()) return status;
  return attribute == nullptr ? fallback : attribute->ints;
}

Result<std::vector<double>> ImportContext::numbers(const std::string& name) const {
  Status status;
  const AttributeProto* attribute = typed(name, AttributeType::kFloats, status);
  if (!status.ok()) return status;
  return attribute == nullptr ? std::vector<double>() : attribute->floats;
}

Result<std::vector<std::string>> ImportContext::texts(const std::string& name) const {
  Status status;
  const AttributeProto* attribute = typed(name, AttributeType::kStrings, status);
  if (!status.ok()) return status;
  return attribute == nullptr ? std::vector<std::string>() : attribute->strings;
}

// ---- Constants ----

Result<std::vector<ops::Tensor>> ImportContext::known_tensors(std::span<const ValueId> ids) const {
  return state_.known.find(ids, name_ + " (" + node_.op_type + ")");
}

Result<ops::Tensor> ImportContext::known_tensor(size_t i, const char* what) const {
  THORONG_TRY(const ValueId id, input(i));
  auto tensors = known_tensors({&id, 1});
  if (tensors.ok()) return (*tensors)[0];
  return Status(tensors.status().code(),
                "operand " + std::to_string(i) + " (" + what +
                    ") must be known when the model is imported: " + tensors.status().message(),
                tensors.status().where());
}

Result<Integers> ImportContext::constant_integers(size_t i, const char* what) const {
  THORONG_TRY(const ops::Tensor tensor, known_tensor(i, what));
  return tensor.to_int64s();
}

Result<std::vector<double>> ImportContext::constant_numbers(size_t i, const char* what) const {
  THORONG_TRY(const ops::Tensor tensor, known_tensor(i, what));
  return tensor.to_doubles();
}

Result<int64_t> ImportContext::constant_integer(size_t i, const char* what) const {
  THORONG_TRY(Integers values, constant_integers(i, what));
  if (values.size() != 1) {
    return invalid_argument(std::string(what) + " must be one number, found " +
                            std::to_string(values.size()) + ".");
  }
  return values[0];
}

Result<Integers> ImportContext::integers_from(size_t i, const char* name,
                                              const Integers& fallback) const {
  if (has_input(i)) return constant_integers(i, name);
  return integers(name, fallback);
}

// ---- Building ----

Result<ValueId> ImportContext::add(std::string_view op, std::vector<ValueId> operands,
                                   ops::Attributes attributes) {
  return graph_.add1(op, std::move(operands), std::move(attributes), name_);
}

Result<std::vector<ValueId>> ImportContext::add_many(std::string_view op,
                                                     std::vector<ValueId> operands,
                                                     ops::Attributes attributes) {
  return graph_.add(op, std::move(operands), std::move(attributes), name_);
}

Result<std::vector<ValueId>> ImportContext::add_counted(std::string_view op,
                                                        std::vector<ValueId> operands,
                                                        ops::Attributes attributes,
                                                        size_t dimension) {
  THORONG_TRY(const auto tensors, known_tensors(operands));
  ops::Graph known;
  ops::Node node;
  node.op = ops::find_operator(op);
  node.attributes = attributes;
  for (const ops::Tensor& tensor : tensors) node.inputs.push_back(known.add_constant("", tensor));
  THORONG_TRY(const auto types, node.op->infer(known, node));
  attributes.set("count", types.at(0).shape.at(dimension));
  return add_many(op, std::move(operands), std::move(attributes));
}

Status ImportContext::check_generated(int64_t elements) const {
  if (elements >= 0 && elements <= options_.max_generated_elements) return ok_status();
  return resource_exhausted("a constant of " +
                            (elements < 0 ? "more than 2^63" : std::to_string(elements)) +
                            " elements would be needed; the limit is " +
                            std::to_string(options_.max_generated_elements) + ".");
}

Result<ValueId> ImportContext::constant(ops::Tensor tensor) {
  return graph_.add_constant(name_, std::move(tensor));
}

Result<ValueId> ImportContext::constant(const ops::TensorType& type,
                                        const std::vector<double>& values) {
  return constant(ops::Tensor::from_doubles(type, values));
}

Result<ValueId> ImportContext::constant(const Shape& shape, const Integers& values) {
  ops::Tensor tensor = ops::Tensor::from_int64s(values);
  if (ops::element_count(shape) != static_cast<int64_t>(values.size())) {
    return internal_error("a constant of shape " + ops::to_string(shape) + " was given " +
                          std::to_string(values.size()) + " values.");
  }
  tensor.type.shape = shape;
  return constant(std::move(tensor));
}

Result<ValueId> ImportContext::scalar(Format format, double value) {
  return constant({format, {}}, {value});
}

Result<ValueId> ImportContext::full(Format format, const Shape& shape, double value) {
  THORONG_TRY(ValueId id, scalar(format, value));
  return broadcast_in(id, shape, {});
}

Result<ValueId> ImportContext::full_like(ValueId x, double value) {
  return full(format(x), shape(x), value);
}

Result<ValueId> ImportContext::add_scalar(std::string_view op, ValueId x, double value) {
  THORONG_TRY(ValueId operand, full_like(x, value));
  return add(op, {x, operand});
}

Result<ValueId> ImportContext::compare(const char* direction, ValueId a, ValueId b) {
  return add("compare", {a, b}, make_attributes({{"direction", std::string(direction)}}));
}

Result<ValueId> ImportContext::convert(ValueId x, Format to) {
  if (format(x) == to) return x;
  return add("convert", {x}, make_attributes({{"format", std::string(numerics::name(to))}}));
}

Result<ValueId> ImportContext::saturating_convert(ValueId x, Format to) {
  double largest = 0;
  if (to == Format::kFloat8E4m3fn) largest = 448;
  if (to == Format::kFloat8E4m3fnuz) largest = 240;
  if (to == Format::kFloat8E5m2 || to == Format::kFloat8E5m2fnuz) largest = 57344;
  if (largest == 0 || format(x) == to) return convert(x, to);
  if (!numerics::is_float(format(x)) || numerics::info(format(x)).bits < 16) {
    THORONG_TRY(x, convert(x, Format::kFloat32));
  }
  THORONG_TRY(ValueId low, scalar(format(x), -largest));
  THORONG_TRY(ValueId high, scalar(format(x), largest));
  THORONG_TRY(x, add("clamp", {low, x, high}));
  return convert(x, to);
}

Result<ValueId> ImportContext::reshape(ValueId x, const Shape& to) {
  if (shape(x) == to) return x;
  return add("reshape", {x}, make_attributes({{"shape", to}}));
}

Result<ValueId> ImportContext::transpose(ValueId x, const Integers& permutation) {
  if (permutation == counting(rank(x))) return x;
  return add("transpose", {x}, make_attributes({{"permutation", permutation}}));
}

Result<ValueId> ImportContext::slice(ValueId x, const Integers& start, const Integers& limit,
                                     const Integers& strides) {
  Integers steps = strides.empty() ? Integers(start.size(), 1) : strides;
  bool whole = limit == shape(x);
  for (size_t i = 0; i < start.size(); ++i) whole = whole && start[i] == 0 && steps[i] == 1;
  if (whole) return x;
  return add(
      "slice", {x},
      make_attributes({{"start_indices", start}, {"limit_indices", limit}, {"strides", steps}}));
}

Result<ValueId> ImportContext::slice_axis(ValueId x, size_t axis, int64_t start, int64_t limit) {
  Integers starts(rank(x), 0), limits = shape(x);
  starts[axis] = start;
  limits[axis] = limit;
  return slice(x, starts, limits);
}

Result<ValueId> ImportContext::take_axis(ValueId x, size_t axis, const Integers& indices) {
  auto size = static_cast<size_t>(shape(x)[axis]);
  if (indices.size() == size && indices == counting(size)) return x;
  THORONG_TRY(ValueId list, constant({static_cast<int64_t>(indices.size())}, indices));
  return add("take", {x, list}, make_attributes({{"axis", static_cast<int64_t>(axis)}}));
}

Result<ValueId> ImportContext::concatenate(const std::vector<ValueId>& values, size_t axis) {
  if (values.size() == 1) return values[0];
  return add("concatenate", values, make_attributes({{"dimension", static_cast<int64_t>(axis)}}));
}

Result<ValueId> ImportContext::broadcast_to(ValueId x, const Shape& to) {
  if (shape(x) == to) return x;
  THORONG_TRY(Shape common, broadcast_shapes(shape(x), to));
  if (common != to) {
    return invalid_argument("shape " + ops::to_string(shape(x)) + " does not broadcast to " +
                            ops::to_string(to) + ".");
  }
  Integers dimensions = counting(rank(x));
  for (int64_t& dimension : dimensions) dimension += static_cast<int64_t>(to.size() - rank(x));
  return broadcast_in(x, to, dimensions);
}

Result<std::pair<ValueId, ValueId>> ImportContext::broadcast_together(ValueId a, ValueId b) {
  THORONG_TRY(const Shape common, broadcast_shapes(shape(a), shape(b)));
  THORONG_TRY(a, broadcast_to(a, common));
  THORONG_TRY(b, broadcast_to(b, common));
  return std::pair{a, b};
}

Result<ValueId> ImportContext::broadcast_in(ValueId x, const Shape& to,
                                            const Integers& dimensions) {
  if (shape(x) == to && dimensions == counting(to.size())) return x;
  return add("broadcast_in_dim", {x},
             make_attributes({{"shape", to}, {"broadcast_dimensions", dimensions}}));
}

Result<ValueId> ImportContext::reduce(const char* function, ValueId x, const Integers& axes,
                                      bool keep) {
  THORONG_TRY(auto resolved, resolve_axes(axes, rank(x)));
  Shape kept = shape(x);
  for (size_t axis : resolved) kept[axis] = 1;
  ValueId y = x;
  if (!resolved.empty()) {
    std::sort(resolved.begin(), resolved.end());
    auto attributes = make_attributes(
        {{"dimensions", to_integers(resolved)}, {"function", std::string(function)}});
    THORONG_TRY(y, add("reduce", {x}, attributes));
  }
  return keep ? reshape(y, kept) : Result<ValueId>(y);
}

Result<ValueId> ImportContext::contract(ValueId a, ValueId b, int64_t a_dimension,
                                        int64_t b_dimension, const Integers& batch) {
  return add("dot_general", {a, b},
             make_attributes({{"lhs_batching_dimensions", batch},
                              {"rhs_batching_dimensions", batch},
                              {"lhs_contracting_dimensions", Integers{a_dimension}},
                              {"rhs_contracting_dimensions", Integers{b_dimension}}}));
}

Result<ValueId> ImportContext::matrix_multiply(ValueId a, ValueId b) {
  const Shape a_own = shape(a), b_own = shape(b);
  if (a_own.empty() || b_own.empty())
    return invalid_argument("a matrix product needs operands of rank 1 or more.");
  auto last = static_cast<int64_t>(a_own.size()) - 1;
  if (b_own.size() <= 2) return contract(a, b, last, 0);
  std::ptrdiff_t a_matrix = a_own.size() > 2 ? 2 : static_cast<std::ptrdiff_t>(a_own.size());
  THORONG_TRY(Shape batch, broadcast_shapes({a_own.begin(), a_own.end() - a_matrix},
                                            {b_own.begin(), b_own.end() - 2}));
  Shape a_shape = batch, b_shape = batch;
  a_shape.insert(a_shape.end(), a_own.end() - a_matrix, a_own.end());
  b_shape.insert(b_shape.end(), b_own.end() - 2, b_own.end());
  THORONG_TRY(a, broadcast_to(a, a_shape));
  THORONG_TRY(b, broadcast_to(b, b_shape));
  return contract(a, b, static_cast<int64_t>(a_shape.size()) - 1,
                  static_cast<int64_t>(batch.size()), counting(batch.size()));
}

uint64_t ImportContext::random_key(uint64_t own_seed, uint64_t stream) {
  const uint64_t seed = state_.options.seed;
  std::string note = "random numbers of the model: from Thorong's own generator with seed " +
                     std::to_string(seed) + ", the same in every run; another runtime draws others";
  if (std::find(graph_.notes.begin(), graph_.notes.end(), note) == graph_.notes.end())
    graph_.notes.push_back(note);
  return numerics::mix(numerics::mix(seed ^ numerics::mix(own_seed + stream)), name_);
}

Result<ValueId> ImportContext::add_broadcast(ValueId x, ValueId y) {
  if (y == kNoValue) return x;
  THORONG_TRY(y, broadcast_to(y, shape(x)));
  return add("add", {x, y});
}

Result<ValueId> ImportContext::widen(ValueId x) {
  bool narrow = numerics::is_float(format(x)) && numerics::byte_size(format(x)) < 4;
  return narrow ? convert(x, Format::kFloat32) : Result<ValueId>(x);
}

Result<ValueId> ImportContext::iota(Format format, const Shape& shape, size_t dimension) {
  return add("iota", {},
             make_attributes({{"shape", shape},
                              {"dimension", static_cast<int64_t>(dimension)},
                              {"format", std::string(numerics::name(format))}}));
}

// ---- Shapes ----

Result<Shape> broadcast_shapes(const Shape& a, const Shape& b) {
  size_t rank = std::max(a.size(), b.size());
  Shape common(rank, 1);
  for (size_t i = 0; i < rank; ++i) {
    int64_t x = i < rank - a.size() ? 1 : a[i - (rank - a.size())];
    int64_t y = i < rank - b.size() ? 1 : b[i - (rank - b.size())];
    if (x != y && x != 1 && y != 1) {
      return invalid_argument("shapes " + ops::to_string(a) + " and " + ops::to_string(b) +
                              " do not broadcast.");
    }
    common[i] = x == 1 ? y : x;
  }
  return common;
}

Result<size_t> resolve_axis(int64_t axis, size_t rank) {
  auto limit = static_cast<int64_t>(rank);
  if (axis < -limit || axis >= limit) {
    return invalid_argument("axis " + std::to_string(axis) + " is outside the " +
                            std::to_string(rank) + " dimensions of the operand.");
  }
  return static_cast<size_t>(axis < 0 ? axis + limit : axis);
}

Result<std::vector<size_t>> resolve_axes(const Integers& axes, size_t rank) {
  std::vector<size_t> resolved;
  for (int64_t axis : axes) {
    THORONG_TRY(size_t index, resolve_axis(axis, rank));
    if (std::find(resolved.begin(), resolved.end(), index) != resolved.end()) {
      return invalid_argument("axis " + std::to_string(axis) + " is given twice in " +
                              ops::to_string(axes) + ".");
    }
    resolved.push_back(index);
  }
  return resolved;
}

Integers to_integers(const std::vector<size_t>& values) {
  Integers result;
  for (size_t value : values) result.push_back(static_cast<int64_t>(value));
  return result;
}

int64_t product(const Shape& shape, size_t first, size_t last) {
  int64_t result = 1;
  for (size_t i = first; i < last; ++i) result *= shape[i];
  return result;
}

Integers counting(size_t count) {
  Integers result(count);
  for (size_t i = 0; i < count; ++i) result[i] = static_cast<int64_t>(i);
  return result;
}

}  // namespace thorong::onnx
