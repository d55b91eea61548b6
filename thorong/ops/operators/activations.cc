// SPDX-License-Identifier: Apache-2.0
// Activations with parameters, as ONNX defines them, and their decompositions. C1: the operand is a
// float. C2 (prelu): slope has x's format and shape.
#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

struct Parameters {
  double alpha, beta, gamma;
};

struct Activation {
  const char* name;
  const char* summary;
  Parameters defaults;
  double (*apply)(double x, const Parameters& p);
  ValueId (*decompose)(Builder& builder, ValueId x, const Parameters& p);
};

// alpha * (exp(x / divisor) - 1) for x < 0; zero elsewhere.
ValueId negative_exponential(Builder& b, ValueId x, double divisor, double alpha) {
  ValueId negative = b.add_scalar("minimum", x, 0);
  if (divisor != 1) negative = b.add_scalar("divide", negative, divisor);
  return b.add_scalar("multiply", b.add("exponential_minus_one", {negative}), alpha);
}

ValueId limit(Builder& b, ValueId x, double low, double high) {
  return b.add_scalar("minimum", b.add_scalar("maximum", x, low), high);
}

ValueId hard_sigmoid(Builder& b, ValueId x, const Parameters& p) {
  return limit(b, b.add_scalar("add", b.add_scalar("multiply", x, p.alpha), p.beta), 0, 1);
}

double hard_sigmoid_scalar(double x, const Parameters& p) {
  const double y = p.alpha * x + p.beta;
  return y < 0 ? 0 : y > 1 ? 1 : y;
}

constexpr Activation kActivations[] = {
    {"leaky_relu",
     "x where x >= 0, else alpha x.",
     {0.01, 0, 0},
     [](double x, const Parameters& p) { return x < 0 ? p.alpha * x : x; },
     [](Builder& b, ValueId x, const Parameters& p) {
       const ValueId negative = b.add_scalar("multiply", b.add_scalar("minimum", x, 0), p.alpha);
       return b.add("add", {b.add("relu", {x}), negative});
     }},
    {"elu",
     "x where x >= 0, else alpha (exp(x) - 1).",
     {1, 0, 0},
     [](double x, const Parameters& p) { return x < 0 ? p.alpha * std::expm1(x) : x; },
     [](Builder& b, ValueId x, const Parameters& p) {
       return b.add("add", {b.add("relu", {x}), negative_exponential(b, x, 1, p.alpha)});
     }},
    {"selu",
     "gamma times elu.",
     {1.67326319217681884765625, 0, 1.05070102214813232421875},
     [](double x, const Parameters& p) { return p.gamma * (x < 0 ? p.alpha * std::expm1(x) : x); },
     [](Builder& b, ValueId x, const Parameters& p) {
       const ValueId sum =
           b.add("add", {b.add("relu", {x}), negative_exponential(b, x, 1, p.alpha)});
       return b.add_scalar("multiply", sum, p.gamma);
     }},
    {"celu",
     "max(0, x) + min(0, alpha (exp(x / alpha) - 1)).",
     {1, 0, 0},
     [](double x, const Parameters& p) { return x < 0 ? p.alpha * std::expm1(x / p.alpha) : x; },
     [](Builder& b, ValueId x, const Parameters& p) {
       return b.add("add", {b.add("relu", {x}), negative_exponential(b, x, p.alpha, p.alpha)});
     }},
    {"hard_sigmoid",
     "alpha x + beta, limited to [0, 1].",
     {0.2, 0.5, 0},
     hard_sigmoid_scalar,
     hard_sigmoid},
    {"hard_swish",
     "x times hard_sigmoid(x) with alpha 1/6 and beta 1/2.",
     {1.0 / 6, 0.5, 0},
     [](double x, const Parameters& p) { return x * hard_sigmoid_scalar(x, p); },
     [](Builder& b, ValueId x, const Parameters& p) {
       return b.add("multiply", {x, hard_sigmoid(b, x, p)});
     }},
    {"thresholded_relu",
     "x where x > alpha, else 0.",
     {1, 0, 0},
     [](double x, const Parameters& p) { return x > p.alpha ? x : 0; },
     [](Builder& b, ValueId x, const Parameters& p) -> ValueId {
       if (!b.ok()) return kNoValue;
       const ValueId above = b.add("compare", {x, b.fill(p.alpha, x)},
                                   make_attributes({{"direction", std::string("GT")}}));
       return b.add("select", {above, x, b.fill(0, x)});
     }},
};

Parameters parameters_of(const Node& node, const Parameters& defaults) {
  return {node.attributes.number("alpha", defaults.alpha),
          node.attributes.number("beta", defaults.beta),
          node.attributes.number("gamma", defaults.gamma)};
}

OperatorSpec make_spec(const Activation& activation) {
  OperatorSpec spec;
  spec.name = activation.name;
  spec.summary = activation.summary;
  spec.category = Category::kComposite;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = [](const Graph& graph, const Node& node) -> Result<Types> {
    THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));  // C1
    return one_result(operand_type(graph, node, 0));
  };
  spec.reference = [&activation](const Graph& graph, const Node& node, Inputs inputs,
                                 OutputData outputs) {
    const Parameters parameters = parameters_of(node, activation.defaults);
    std::vector<double> x = load<double>(inputs[0]);
    for (double& value : x) value = activation.apply(value, parameters);
    store(result_type(graph, node), x, outputs[0]);
    return ok_status();
  };
  spec.decompose = [&activation](Graph& into, const Node& node) {
    Builder builder(into, node);
    const Format format = into.type(node.inputs[0]).format;
    const ValueId x = builder.widen(node.inputs[0]);
    const ValueId y = activation.decompose(builder, x, parameters_of(node, activation.defaults));
    return builder.finish(builder.convert(y, format));
  };
  return spec;
}

OperatorSpec make_prelu() {
  OperatorSpec spec;
  spec.name = "prelu";
  spec.summary = "x where x >= 0, else slope x.";
  spec.category = Category::kComposite;
  spec.min_inputs = spec.max_inputs = 2;
  spec.infer = [](const Graph& graph, const Node& node) -> Result<Types> {
    THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));    // C1
    THORONG_RETURN_IF_ERROR(require_same_types(graph, node));  // C2
    return one_result(operand_type(graph, node, 0));
  };
  spec.reference = [](const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
    std::vector<double> x = load<double>(inputs[0]);
    const std::vector<double> slope = load<double>(inputs[1]);
    for (size_t i = 0; i < x.size(); ++i) x[i] = x[i] < 0 ? slope[i] * x[i] : x[i];
    store(result_type(graph, node), x, outputs[0]);
    return ok_status();
  };
  spec.decompose = [](Graph& into, const Node& node) {
    Builder builder(into, node);
    const Format format = into.type(node.inputs[0]).format;
    const ValueId x = builder.widen(node.inputs[0]), slope = builder.widen(node.inputs[1]);
    const ValueId negative = builder.add("multiply", {builder.add_scalar("minimum", x, 0), slope});
    return builder.finish(
        builder.convert(builder.add("add", {builder.add("relu", {x}), negative}), format));
  };
  return spec;
}

}  // namespace

std::vector<OperatorSpec> operator_specs_activations() {
  std::vector<OperatorSpec> specs{make_prelu()};
  for (const Activation& activation : kActivations) specs.push_back(make_spec(activation));
  return specs;
}

}  // namespace thorong::ops
