// SPDX-License-Identifier: Apache-2.0
// What an import rule sees of one node, and helpers to build its meaning. A rule is a function in
// imports/STEM.cc, where
//     std::vector<ImportRule> import_rules_STEM();
// lists it with the operators and versions that it covers.
#pragma once

#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontends/onnx/importer.h"
#include "frontends/onnx/known_values.h"
#include "frontends/onnx/objects.h"
#include "frontends/onnx/onnx_reader.h"
#include "thorong/ops/graph.h"

namespace thorong::onnx {

using numerics::Format;
using ops::kNoValue;
using ops::Shape;
using ops::ValueId;
using Integers = std::vector<int64_t>;

class ImportContext;

inline constexpr int64_t kAnyVersion = std::numeric_limits<int64_t>::max();
inline constexpr const char* kMicrosoft = "com.microsoft";

struct ImportRule {
  std::string domain;
  std::string op_type;
  int64_t since_version = 1;
  int64_t until_version = kAnyVersion;  // inclusive
  std::function<Status(ImportContext&, const NodeProto&)> import;
};

// The rule for an operator at a version of its domain; nullptr when there is none.
const ImportRule* find_rule(const std::string& domain, const std::string& op_type, int64_t version);
// Every rule, for documentation and tests.
const std::vector<ImportRule>& all_rules();

ops::Attributes make_attributes(
    std::initializer_list<std::pair<const char*, ops::Attribute>> entries);

// What all nodes of one import share.
struct ImportState {
  explicit ImportState(const ImportOptions& import_options)
      : options(import_options),
        known(graph, import_options),
        objects(import_options.max_object_bytes) {}

  const ImportOptions& options;
  ops::Graph graph;
  KnownValues known;
  Objects objects;
};

class ImportContext {
 public:
  // Imports a subgraph of the node; its inputs stand for the values.
  using SubgraphImporter =
      std::function<Result<std::vector<ValueId>>(const GraphProto&, const std::vector<ValueId>&)>;

  ImportContext(ImportState& state, const NodeProto& node, int64_t version, std::string name,
                std::vector<ValueId> inputs, SubgraphImporter import_subgraph);

  // ---- The node ----
  int64_t version() const { return version_; }  // of the node's domain
  size_t input_count() const { return inputs_.size(); }
  bool has_input(size_t i) const { return i < inputs_.size() && inputs_[i] != kNoValue; }
  // The operand, or an error that says it is missing or no tensor.
  Result<ValueId> input(size_t i) const;
  // The operand of any kind, or an error that says it is missing.
  Result<ValueId> any_input(size_t i) const;
  // The operand, which must be of that kind.
  Result<std::vector<ValueId>> sequence_input(size_t i) const;
  Result<ops::Text> text_input(size_t i) const;
  // The operand, kNoValue when it is absent, or an error when it is no tensor.
  Result<ValueId> tensor_or_none(size_t i) const {
    return has_input(i) ? input(i) : Result<ValueId>(kNoValue);
  }
  ValueId optional_input(size_t i) const { return has_input(i) ? inputs_[i] : kNoValue; }
  bool output_used(size_t i) const { return i < node_.outputs.size() && !node_.outputs[i].empty(); }
  size_t output_count() const { return node_.outputs.size(); }
  Status set_output(size_t i, ValueId value);
  Status set_output(size_t i, Result<ValueId> value);
  // An error when the output is wanted, saying that it is not done.
  Status refuse_output(size_t i, const char* what) const;
  const std::vector<ValueId>& results() const { return results_; }

  // ---- Attributes; a wrong type is an error ----
  bool has_attribute(const std::string& name) const { return node_.attribute(name) != nullptr; }
  bool has_integer(const std::string& name) const {
    return has_attribute(name) && node_.attribute(name)->type == AttributeType::kInt;
  }
  Result<int64_t> integer(const std::string& name, int64_t fallback) const;
  Result<double> number(const std::string& name, double fallback) const;
  Result<std::string> text(const std::string& name, const std::string& fallback) const;
  Result<Integers> integers(const std::string& name, const Integers& fallback = {}) const;
  Result<std::vector<double>> numbers(const std::string& name) const;
  Result<std::vector<std::string>> texts(const std::string& name) const;

  // ---- Values ----
  ops::Graph& graph() { return graph_; }
  // Copies: adding to the graph moves its values.
  ops::TensorType type(ValueId id) const { return graph_.type(id); }
  Shape shape(ValueId id) const { return graph_.type(id).shape; }
  Format format(ValueId id) const { return graph_.type(id).format; }
  size_t rank(ValueId id) const { return graph_.type(id).shape.size(); }
  // The elements of operand i, which must be a constant or follow from given inputs
  // (known_values.h); `what` names it in the error.
  Result<ops::Tensor> known_tensor(size_t i, const char* what) const;
  // As known_tensor, of any values at once.
  Result<std::vector<ops::Tensor>> known_tensors(std::span<const ValueId> ids) const;
  Result<Integers> constant_integers(size_t i, const char* what) const;
  Result<std::vector<double>> constant_numbers(size_t i, const char* what) const;
  // The one element of operand i.
  Result<int64_t> constant_integer(size_t i, const char* what) const;
  // Axes from operand i, or from the attribute of that name; absent: `fallback`.
  Result<Integers> integers_from(size_t i, const char* name, const Integers& fallback = {}) const;
  // The objects of this import: sequences, absent optionals, strings.
  Objects& objects() { return state_.objects; }

  // ---- Building ----
  Result<ValueId> add(std::string_view op, std::vector<ValueId> operands,
                      ops::Attributes attributes = {});
  Result<std::vector<ValueId>> add_many(std::string_view op, std::vector<ValueId> operands,
                                        ops::Attributes attributes);
  // x + y, with y at x's shape; x where y is absent.
  Result<ValueId> add_broadcast(ValueId x, ValueId y);
  // An operator whose attribute "count" states how large dimension `dimension` of its first result
  // is, which depends on its operands' values: they become known.
  Result<std::vector<ValueId>> add_counted(std::string_view op, std::vector<ValueId> operands,
                                           ops::Attributes attributes, size_t dimension);
  Result<ValueId> constant(ops::Tensor tensor);
  Result<ValueId> constant(const ops::TensorType& type, const std::vector<double>& values);
  Result<ValueId> constant(const Shape& shape, const Integers& values);  // int64
  Result<ValueId> scalar(Format format, double value);
  // `value` at every element, in x's type.
  Result<ValueId> full_like(ValueId x, double value);
  Result<ValueId> full(Format format, const Shape& shape, double value);
  // op(x, value) with a scalar that is broadcast.
  Result<ValueId> add_scalar(std::string_view op, ValueId x, double value);
  Result<ValueId> compare(const char* direction, ValueId a, ValueId b);
  Result<ValueId> convert(ValueId x, Format format);
  // As convert, but to an eight-bit float values beyond its range become its largest.
  Result<ValueId> saturating_convert(ValueId x, Format format);
  Result<ValueId> reshape(ValueId x, const Shape& shape);
  Result<ValueId> transpose(ValueId x, const Integers& permutation);
  Result<ValueId> slice(ValueId x, const Integers& start, const Integers& limit,
                        const Integers& strides = {});
  Result<ValueId> slice_axis(ValueId x, size_t axis, int64_t start, int64_t limit);
  // One slice of x for each index, along an axis.
  Result<ValueId> take_axis(ValueId x, size_t axis, const Integers& indices);
  Result<ValueId> concatenate(const std::vector<ValueId>& values, size_t axis);
  // x broadcast to `shape` by NumPy's rule; x itself when it has that shape.
  Result<ValueId> broadcast_to(ValueId x, const Shape& shape);
  // Both broadcast to their common shape by NumPy's rule.
  Result<std::pair<ValueId, ValueId>> broadcast_together(ValueId a, ValueId b);
  // x's dimension i becomes dimension dimensions[i].
  Result<ValueId> broadcast_in(ValueId x, const Shape& shape, const Integers& dimensions);
  Result<ValueId> reduce(const char* function, ValueId x, const Integers& axes, bool keep);
  Result<ValueId> matrix_multiply(ValueId a, ValueId b);  // numpy.matmul
  // Sums of products over one dimension of each; `batch`: dimensions of both that stay side by
  // side.
  Result<ValueId> contract(ValueId a, ValueId b, int64_t a_dimension, int64_t b_dimension,
                           const Integers& batch = {});
  // The key of a node's random numbers, from the seed of the run, the node's name and its own seed;
  // the result will say that there are some.
  uint64_t random_key(uint64_t own_seed, uint64_t stream);
  // x in float32 when its format is a narrower float, so that steps are not rounded to it.
  Result<ValueId> widen(ValueId x);
  // The position along a dimension.
  Result<ValueId> iota(Format format, const Shape& shape, size_t dimension);

  // The subgraph's results with its inputs bound to the values.
  Result<std::vector<ValueId>> import_subgraph(const GraphProto& graph,
                                               const std::vector<ValueId>& inputs = {}) {
    return import_subgraph_(graph, inputs);
  }
  Status check_generated(int64_t elements) const;

 private:
  Result<const Object*> object_input(size_t i, ops::Structure::Kind kind) const;
  const AttributeProto* typed(const std::string& name, AttributeType type, Status& status) const;

  ImportState& state_;
  ops::Graph& graph_;
  const NodeProto& node_;
  const ImportOptions& options_;
  int64_t version_;
  std::string name_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> results_;
  SubgraphImporter import_subgraph_;
};

// ---- Shapes ----

// NumPy's common shape, or an error that names both.
Result<Shape> broadcast_shapes(const Shape& a, const Shape& b);
// An axis in [-rank, rank) as an index.
Result<size_t> resolve_axis(int64_t axis, size_t rank);
// Different axes as indices, in the order given.
Result<std::vector<size_t>> resolve_axes(const Integers& axes, size_t rank);
Integers to_integers(const std::vector<size_t>& values);
int64_t product(const Shape& shape, size_t first, size_t last);
// 0, 1, ..., count - 1.
Integers counting(size_t count);

}  // namespace thorong::onnx
