// SPDX-License-Identifier: Apache-2.0
// How far the machine's results may be from the reference's, element by element, from the errors of
// fp32 arithmetic alone: nothing here knows how the compiler arranges a graph. u = 2^-p is the unit
// roundoff of a format with p significant bits.
//   elementwise     what the function does at the corners of the operands' errors, and 2 ulp
//   moved elements  move with their errors
//   sums            the errors' sum + 2 n u32 sum |x|; products: 2 (K + 2) u32 sum |a| |b|, and the
//                   operands' errors times the other's magnitudes
//   maxima, top_k   the largest error of what takes part
//   softmax, norms  first-order, with the line's largest error
//   other           what changes at a few points within the operands' errors
// and 2 u |y| for the rounding of the result, by the machine and by the reference. What is exact in
// any order (sums of numbers on a grid that fp32 holds) has no error, so that comparisons,
// roundings and choices are determined; where they are not, the bound is infinite.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "thorong/ops/operator_support.h"

namespace thorong::compiler::testing {

using Numbers = std::vector<double>;

class ErrorBounds {
 public:
  // casts_products: the chip casts fp32 operands of products to bfloat16 (Inferentia).
  explicit ErrorBounds(bool casts_products = false) : casts_products_(casts_products) {}

  std::map<ops::ValueId, ops::Tensor> values;  // by reference
  std::map<ops::ValueId, Numbers> bounds;

  void set_exact(ops::ValueId v, const ops::Tensor& tensor) {
    values[v] = tensor;
    bounds[v] = Numbers(static_cast<size_t>(tensor.type.elements()), 0);
  }
  // Values and bounds of a whole graph.
  Status run(const ops::Graph& graph, const std::map<ops::ValueId, ops::Tensor>& inputs) {
    for (size_t v = 0; v < graph.values.size(); ++v) {
      const auto id = static_cast<ops::ValueId>(v);
      if (graph.is_constant(id)) set_exact(id, graph.value(id).constant);
    }
    for (const ops::ValueId v : graph.inputs) set_exact(v, inputs.at(v));
    for (const ops::Node& node : graph.nodes) THORONG_RETURN_IF_ERROR(step(graph, node));
    return ok_status();
  }
  Status step(const ops::Graph& graph, const ops::Node& node) {
    std::vector<ops::Tensor> operands;
    for (const ops::ValueId v : node.inputs) operands.push_back(v < 0 ? ops::Tensor{} : values[v]);
    THORONG_TRY(auto results, ops::evaluate_node(graph, node, operands));
    for (size_t i = 0; i < results.size(); ++i) {
      const ops::ValueId v = node.outputs[i];
      values[v] = results[i];
      bounds[v] = bound_of(node, i, results[i]);
    }
    return ok_status();
  }
  double largest(ops::ValueId v) const { return largest_of(bounds.at(v)); }

 private:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr double kSingle = 0x1p-24;

  bool casts_products_;

  bool is_cast_exact(const ops::Tensor& tensor) const {
    if (!casts_products_ || tensor.type.format != numerics::Format::kFloat32) return true;
    const Numbers x = tensor.to_doubles();
    const ops::TensorType narrow{numerics::Format::kBfloat16, tensor.type.shape};
    return ops::Tensor::from_doubles(narrow, x).to_doubles() == x;
  }
  static double largest_of(const Numbers& numbers) {
    double most = 0;
    for (const double x : numbers) most = x <= most ? most : x == x ? x : kInfinity;
    return most;
  }
  static Numbers magnitudes(const ops::Tensor& tensor) {
    Numbers numbers = tensor.to_doubles();
    for (double& x : numbers) x = std::fabs(x);
    return numbers;
  }

  // The node in double on other operands (empty: its own).
  Numbers evaluate(const ops::Node& node, const std::vector<Numbers>& numbers,
                   size_t output = 0) const {
    ops::Graph graph;
    graph.fold_limit = -1;
    std::vector<ops::ValueId> ids;
    std::vector<ops::Tensor> operands;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      operands.emplace_back();
      ids.push_back(ops::kNoValue);
      if (node.inputs[i] < 0) continue;
      operands[i] = values.at(node.inputs[i]);
      const bool replaced = i < numbers.size() && !numbers[i].empty();
      if (numerics::is_float(operands[i].type.format) || replaced) {
        operands[i] =
            ops::Tensor::from_doubles({numerics::Format::kFloat64, operands[i].type.shape},
                                      replaced ? numbers[i] : operands[i].to_doubles());
      }
      ids[i] = graph.add_input("", operands[i].type);
    }
    auto made = graph.add(node.op->name, ids, node.attributes);
    THORONG_CHECK(made.ok(), "in double: " + made.status().to_string());
    auto results = ops::evaluate_node(graph, graph.nodes.back(), operands);
    THORONG_CHECK(results.ok(), "in double: " + results.status().to_string());
    return (*results)[output].to_doubles();
  }

  // The largest power of two of which all numbers are multiples; 0: there are none but zeros.
  static double grid(const Numbers& numbers) {
    double finest = 0;
    for (const double x : numbers) {
      if (x == 0 || !std::isfinite(x)) continue;
      int exponent = 0;
      auto bits = static_cast<int64_t>(std::ldexp(std::frexp(x, &exponent), 53));
      const double step =
          std::ldexp(1.0, exponent - 53 + __builtin_ctzll(static_cast<unsigned long long>(bits)));
      finest = finest == 0 ? step : std::min(finest, step);
    }
    return finest;
  }
  bool exact_operands(const ops::Node& node) const {
    return std::all_of(node.inputs.begin(), node.inputs.end(),
                       [&](ops::ValueId v) { return v < 0 || largest_of(bounds.at(v)) == 0; });
  }
  static Numbers rounded(numerics::Format format, const Numbers& y, Numbers errors) {
    const numerics::FormatInfo& info = numerics::info(format);
    const double unit = std::ldexp(1.0, -info.mantissa_bits - 1);
    const double least = std::ldexp(1.0, 1 - info.bias - info.mantissa_bits);
    for (size_t i = 0; i < errors.size(); ++i) {
      errors[i] += 2 * unit * (std::fabs(y[i]) + errors[i]) + least;
    }
    return errors;
  }

  Numbers bound_of(const ops::Node& node, size_t output, const ops::Tensor& result) const {
    const Numbers y = result.to_doubles();
    const std::string& name = node.op->name;
    if (node.op->category == ops::Category::kDataMovement || name == "reverse" || name == "take") {
      return moved(node);
    }
    const numerics::Format format = result.type.format;
    if (exact_operands(node) && is_exact(node, output, result, y)) return Numbers(y.size(), 0);
    if (!numerics::is_float(format)) return undetermined(node, y);
    if (name == "select")
      return evaluate(node, {{}, bounds.at(node.inputs[1]), bounds.at(node.inputs[2])});
    if (name == "top_k") return Numbers(y.size(), largest_of(bounds.at(node.inputs[0])));
    if (name == "clamp") return bounds.at(node.inputs[1]);
    return rounded(format, y, arithmetic(node, y));
  }

  Numbers moved(const ops::Node& node) const {
    if (exact_operands(node)) return zeros_like(node);
    std::vector<Numbers> errors;
    for (const ops::ValueId v : node.inputs) {
      const bool number = numerics::is_float(values.at(v).type.format);
      errors.push_back(number ? bounds.at(v) : Numbers{});
    }
    return evaluate(node, errors);
  }
  Numbers zeros_like(const ops::Node& node) const {
    return Numbers(static_cast<size_t>(values.at(node.outputs[0]).type.elements()), 0);
  }

  // Results that are no floats: those of exact operands are exact; of others only where they cannot
  // turn.
  Numbers undetermined(const ops::Node& node, const Numbers& y) const {
    const std::string& name = node.op->name;
    if (exact_operands(node)) return Numbers(y.size(), 0);
    if (name != "compare") return Numbers(y.size(), kInfinity);
    const Numbers a = values.at(node.inputs[0]).to_doubles(),
                  b = values.at(node.inputs[1]).to_doubles();
    const Numbers &ea = bounds.at(node.inputs[0]), &eb = bounds.at(node.inputs[1]);
    Numbers errors(y.size(), 0);
    for (size_t i = 0; i < y.size(); ++i) {
      if (!(std::fabs(a[i] - b[i]) > ea[i] + eb[i]) && ea[i] + eb[i] > 0) errors[i] = kInfinity;
    }
    return errors;
  }

  // Whether every order of computing it gives these bits.
  bool is_exact(const ops::Node& node, size_t output, const ops::Tensor& result,
                const Numbers& y) const {
    static const std::vector<std::string> kPlain = {"add",
                                                    "subtract",
                                                    "multiply",
                                                    "negate",
                                                    "abs",
                                                    "relu",
                                                    "square",
                                                    "floor",
                                                    "ceil",
                                                    "sign",
                                                    "maximum",
                                                    "minimum",
                                                    "select",
                                                    "clamp",
                                                    "truncate",
                                                    "round_nearest_even",
                                                    "round_nearest_afz",
                                                    "top_k",
                                                    "arg_reduce",
                                                    "convert",
                                                    "compare",
                                                    "iota"};
    const std::string& name = node.op->name;
    if (!numerics::is_float(result.type.format)) return true;
    if (std::find(kPlain.begin(), kPlain.end(), name) != kPlain.end()) {
      if (name == "convert") return y == values.at(node.inputs[0]).to_doubles();
      return name == "iota" || evaluate(node, {}, output) == y;
    }
    const std::string function = node.attributes.text("function", "add");
    const bool extreme = function == "maximum" || function == "minimum";
    const bool reduces = name == "reduce" || name == "reduce_window";
    if (reduces && extreme) return true;
    if (reduces && function != "add") return false;
    if (!reduces && name != "cumsum" && name != "dot_general" && name != "convolution") {
      return false;
    }
    std::vector<Numbers> sizes;
    double step = 1;
    for (const ops::ValueId v : node.inputs) {
      sizes.push_back(magnitudes(values.at(v)));
      if (!reduces && name != "cumsum" && !is_cast_exact(values.at(v))) return false;
      step *= grid(sizes.back());
    }
    const double most = largest_of(evaluate(node, sizes));
    return (step == 0 || most < step * 0x1p24) && evaluate(node, {}) == y;
  }

  // Errors before the result is rounded.
  Numbers arithmetic(const ops::Node& node, const Numbers& y) const {
    const std::string& name = node.op->name;
    if (name == "convert") return bounds.at(node.inputs[0]);
    if (node.op->category == ops::Category::kElementwise) return corners(node, y);
    if (name == "reduce" || name == "reduce_window" || name == "cumsum") return combined(node, y);
    if (name == "dot_general" || name == "convolution") return products(node, y);
    if (name == "softmax") return softmax(node, y);
    if (name == "layer_norm" || name == "rms_norm") return normalised(node, y);
    return nearby(node, y);
  }

  // The function at the corners of a box around the operands.
  Numbers corners(const ops::Node& node, const Numbers& y) const {
    const std::string& name = node.op->name;
    const bool around_x = name.rfind("gelu", 0) == 0 || name.rfind("silu", 0) == 0 ||
                          name == "mish" || name == "softplus" || name == "sine" ||
                          name == "cosine" || name == "remainder" || name == "modulo";
    const Numbers middle = evaluate(node, {});
    Numbers errors(y.size(), 0);
    const size_t n = node.inputs.size();
    for (size_t corner = 0; corner < (size_t{1} << n); ++corner) {
      std::vector<Numbers> points;
      for (size_t i = 0; i < n; ++i) {
        points.push_back(values.at(node.inputs[i]).to_doubles());
        const double side = ((corner >> i) & 1) != 0 ? 1 : -1;
        const Numbers& bound = bounds.at(node.inputs[i]);
        for (size_t k = 0; k < bound.size(); ++k) points[i][k] += side * bound[k];
      }
      const Numbers there = evaluate(node, points);
      for (size_t k = 0; k < y.size(); ++k) {
        const double change = std::fabs(there[k] - middle[k]);
        if (!(change <= errors[k])) errors[k] = change == change ? change : kInfinity;
      }
    }
    const Numbers x = values.at(node.inputs[0]).to_doubles();
    const Numbers period =
        name == "modulo" || name == "remainder" ? magnitudes(values.at(node.inputs[1])) : Numbers{};
    for (size_t k = 0; k < y.size(); ++k) {
      // Corners a period apart agree although what lies between them does not; a wrap is any jump.
      const double error = bounds.at(node.inputs[0])[k];
      if (name == "sine" || name == "cosine") errors[k] = std::max(errors[k], std::min(2.0, error));
      if (!period.empty() && std::max(error, errors[k]) >= period[k] / 4) errors[k] = kInfinity;
      errors[k] =
          1.01 * errors[k] + 6 * kSingle * (std::fabs(y[k]) + (around_x ? std::fabs(x[k]) : 0));
    }
    return errors;
  }

  Numbers combined(const ops::Node& node, const Numbers& y) const {
    const std::string function = node.attributes.text("function", "add");
    const ops::ValueId x = node.inputs[0];
    if (function == "multiply") return nearby(node, y);
    if (function != "add") {  // no result changes by more than the largest error
      return Numbers(y.size(), largest_of(bounds.at(x)));
    }
    Numbers errors = evaluate(node, {bounds.at(x)});
    const Numbers sums = evaluate(node, {magnitudes(values.at(x))});
    const auto most = static_cast<double>(values.at(x).type.elements());
    const double count = node.op->name == "reduce"
                             ? most / std::max<double>(1, static_cast<double>(y.size()))
                             : std::min(most, 1000.0);
    for (size_t i = 0; i < errors.size(); ++i) errors[i] += 2 * (count + 2) * kSingle * sums[i];
    return errors;
  }

  Numbers products(const ops::Node& node, const Numbers& y) const {
    std::vector<Numbers> sizes, wide;
    for (const ops::ValueId v : node.inputs) {
      sizes.push_back(magnitudes(values.at(v)));
      wide.push_back(sizes.back());
      for (size_t i = 0; i < wide.back().size(); ++i) wide.back()[i] += bounds.at(v)[i];
    }
    const Numbers sums = evaluate(node, sizes), most = evaluate(node, wide);
    double depth = 1;
    const ops::Shape& shape = values.at(node.inputs[1]).type.shape;
    if (node.op->name == "convolution") {
      depth = static_cast<double>(ops::element_count(shape)) /
              static_cast<double>(std::max<int64_t>(1, shape[0]));
    } else {
      for (const int64_t d : node.attributes.integers("rhs_contracting_dimensions")) {
        depth *= static_cast<double>(shape[static_cast<size_t>(d)]);
      }
    }
    const bool single = values.at(node.inputs[0]).type.format == numerics::Format::kFloat32;
    const double cast = casts_products_ && single ? 2.1 * 0x1p-8 : 0;
    Numbers errors(y.size());
    for (size_t i = 0; i < y.size(); ++i) {
      errors[i] = most[i] - sums[i] + (2 * (depth + 2) * kSingle + cast) * most[i];
    }
    return errors;
  }

  Numbers softmax(const ops::Node& node, const Numbers& y) const {
    const ops::Tensor& x = values.at(node.inputs[0]);
    const double size = largest_of(magnitudes(x)), error = largest_of(bounds.at(node.inputs[0]));
    const auto rank = static_cast<int64_t>(x.type.shape.size());
    const int64_t axis = node.attributes.integer("axis", -1);
    const auto n =
        static_cast<double>(x.type.shape[static_cast<size_t>(axis < 0 ? axis + rank : axis)]);
    const double relative = std::expm1(2 * error + (8 * size + 2 * n + 16) * kSingle);
    Numbers errors = y;
    for (double& e : errors) e = std::fabs(e) * relative + 1e-37;
    return errors;
  }

  Numbers normalised(const ops::Node& node, const Numbers& y) const {
    const ops::Tensor& tensor = values.at(node.inputs[0]);
    const auto rank = static_cast<int64_t>(tensor.type.shape.size());
    int64_t axis = node.attributes.integer("axis", -1);
    if (axis < 0) axis += rank;
    size_t n = 1;
    for (int64_t d = axis; d < rank; ++d)
      n *= static_cast<size_t>(tensor.type.shape[static_cast<size_t>(d)]);
    const Numbers x = tensor.to_doubles(), &bound = bounds.at(node.inputs[0]);
    const auto operand = [&](size_t i) {
      return node.inputs.size() > i && node.inputs[i] >= 0 ? values.at(node.inputs[i]).to_doubles()
                                                           : Numbers(n, i == 1 ? 1 : 0);
    };
    const auto operand_error = [&](size_t i) {
      return node.inputs.size() > i && node.inputs[i] >= 0 ? bounds.at(node.inputs[i])
                                                           : Numbers(n, 0);
    };
    const Numbers scale = operand(1), bias = operand(2), scale_error = operand_error(1),
                  bias_error = operand_error(2);
    const double epsilon = node.attributes.number("epsilon", 1e-5);
    Numbers errors(y.size(), 0);
    for (size_t line = 0; n > 0 && line + n <= x.size(); line += n) {
      double mean = 0, squares = 0, largest = 0, error = 0;
      for (size_t i = line; i < line + n; ++i) {
        mean += x[i] / static_cast<double>(n);
        largest = std::max(largest, std::fabs(x[i]));
        error = std::max(error, bound[i]);
      }
      const double centre = node.op->name == "layer_norm" ? mean : 0;
      for (size_t i = line; i < line + n; ++i) squares += (x[i] - centre) * (x[i] - centre);
      const double variance = squares / static_cast<double>(n) + epsilon,
                   sigma = std::sqrt(variance);
      // The variance may be the mean of squares less the square of the mean.
      const double single = static_cast<double>(2 * n + 16) * kSingle;
      const double shift = 2 * error + single * largest;
      const double turned =
          (2 * sigma * shift + shift * shift + 2 * single * largest * largest) / variance;
      for (size_t i = line; i < line + n; ++i) {
        const double z = std::fabs(x[i] - centre) / sigma;
        const double spread = turned < 1 ? z * (1 / std::sqrt(1 - turned) - 1) : kInfinity;
        const double of_z =
            spread + shift / sigma * (turned < 1 ? 1 / std::sqrt(1 - turned) : 1) + 8 * kSingle * z;
        const size_t k = i - line;
        errors[i] = of_z * (std::fabs(scale[k]) + scale_error[k]) + z * scale_error[k] +
                    bias_error[k] + 4 * kSingle * (z * std::fabs(scale[k]) + std::fabs(bias[k]));
      }
    }
    return errors;
  }

  // What changes at a few points within the operands' errors: no bound, but a measure.
  Numbers nearby(const ops::Node& node, const Numbers& y) const {
    const Numbers middle = evaluate(node, {});
    double change = 0, largest = largest_of(magnitudes(values.at(node.outputs[0])));
    for (uint64_t point = 0; point < 4; ++point) {
      std::vector<Numbers> points;
      for (const ops::ValueId v : node.inputs) {
        points.push_back(v < 0 ? Numbers{} : values.at(v).to_doubles());
        if (v < 0) continue;
        largest = std::max(largest, largest_of(magnitudes(values.at(v))));
        for (size_t k = 0; k < points.back().size(); ++k) {
          points.back()[k] +=
              (numerics::mix(point * 1000003 + k) % 2 == 0 ? 1 : -1) * bounds.at(v)[k];
        }
      }
      const Numbers there = evaluate(node, points);
      for (size_t k = 0; k < y.size(); ++k)
        change = std::max(change, std::fabs(there[k] - middle[k]));
    }
    return Numbers(y.size(), 4 * change + 200 * kSingle * largest);
  }
};

}  // namespace thorong::compiler::testing
