// SPDX-License-Identifier: Apache-2.0
// What an operator is: its schema, shape rule, reference meaning and work. One operator (or one
// family of plain elementwise operators) is one file in ops/operators/, found by CMake; the file
// NAME.cc defines
//     std::vector<OperatorSpec> operator_specs_NAME();
// in namespace thorong::ops, and nothing else is edited (operator_table.cc collects them).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thorong/numerics/functions.h"
#include "thorong/ops/graph.h"

namespace thorong::ops {

// How the compiler may treat it. kComposite and kOther operators with a `decompose` rule are
// rewritten into others unless a lowering of their own matches first; kOther without one runs on
// gpsimd.
enum class Category : uint8_t {
  kElementwise,   // output[i] depends on inputs[i] alone; operands have equal shapes
                  // (broadcast_in_dim is explicit)
  kDataMovement,  // output elements are input elements (or a fill value): reshape, transpose,
                  // slice, concatenate, ...
  kReduction,
  kContraction,
  kConvolution,
  kWindow,
  kComposite,
  kOther,
};

// Multiply-adds, other operations and bytes of one node at its shapes; for rooflines.
struct Work {
  double multiply_adds = 0;
  double other_ops = 0;
};

// Which engine function computes one elementwise operator.
using EngineFunction =
    std::variant<std::monostate, numerics::UnaryFunction, numerics::BinaryFunction>;

struct OperatorSpec {
  std::string name;     // StableHLO's: "add", "dot_general"; composites: "softmax", "layer_norm"
  std::string summary;  // one sentence: the meaning
  Category category = Category::kOther;
  int min_inputs = 0, max_inputs = 0;  // max -1: any number
  EngineFunction engine_function;      // elementwise only

  // Output types from the operands' types (and constants). Rules are labelled C1, C2, ... in the
  // file.
  std::function<Result<std::vector<TensorType>>(const Graph&, const Node&)> infer;
  // The meaning in plain loops: inputs[i] may be empty where the operand is absent; outputs are
  // allocated (row-major, type as inferred). Computes in double (integers exactly in int64) and
  // rounds once on storing.
  std::function<Status(const Graph&, const Node&, std::span<const Tensor> inputs,
                       std::span<std::byte* const> outputs)>
      reference;
  std::function<Work(const Graph&, const Node&)> work;  // empty: elements of the output
  // Whether a node of constants is computed while the graph is built. Random numbers are not:
  // making them costs time.
  bool folds = true;
  // Rewrites the node into other operators; appends them to `into` (operand ids are valid there)
  // and returns the new outputs.
  std::function<Result<std::vector<ValueId>>(Graph& into, const Node&)> decompose;
};

// nullptr when there is none of that name.
const OperatorSpec* find_operator(std::string_view name);
// All, sorted by name.
std::span<const OperatorSpec> all_operators();

// Runs the reference meaning of one node on tensors.
Result<std::vector<Tensor>> evaluate_node(const Graph& graph, const Node& node,
                                          std::span<const Tensor> inputs);
// Runs a whole graph by reference; inputs parallel to graph.inputs, result parallel to
// graph.outputs. fp32: every intermediate is rounded to its declared format, as an fp32 program
// would.
Result<std::vector<Tensor>> evaluate(const Graph& graph, std::span<const Tensor> inputs);

}  // namespace thorong::ops
