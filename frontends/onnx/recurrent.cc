// SPDX-License-Identifier: Apache-2.0
#include "frontends/onnx/recurrent.h"

#include <algorithm>

namespace thorong::onnx {

namespace {

// Steps of all directions that are unrolled; each gives 10 to 25 operators.
constexpr int64_t kMaxRecurrentSteps = 1 << 12;

struct ActivationRow {
  const char* name;  // in lower case
  const char* op;    // applied to x; nullptr: see activate()
  double alpha, beta;
};

constexpr ActivationRow kActivations[] = {
    {"relu", "relu", 0, 0},          {"tanh", "tanh", 0, 0},
    {"sigmoid", "logistic", 0, 0},   {"softsign", nullptr, 0, 0},
    {"softplus", "softplus", 0, 0},  {"affine", nullptr, 1, 0},
    {"leakyrelu", nullptr, 0.01, 0}, {"thresholdedrelu", nullptr, 1, 0},
    {"scaledtanh", nullptr, 1, 1},   {"hardsigmoid", nullptr, 0.2, 0.5},
    {"elu", nullptr, 1, 0},
};

const ActivationRow* find_activation(const std::string& name) {
  for (const ActivationRow& row : kActivations) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

bool has_alpha(const ActivationRow& row) {
  return row.op == nullptr && std::string_view(row.name) != "softsign";
}
bool has_beta(const std::string& name) {
  return name == "affine" || name == "scaledtanh" || name == "hardsigmoid";
}

std::string in_lower_case(std::string text) {
  for (char& letter : text) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return text;
}

// The list attribute of words `activations`, with activation_alpha and activation_beta dealt out in
// order to those that take them.
Result<std::vector<Activation>> read_activations(ImportContext& c,
                                                 const std::vector<std::string>& defaults,
                                                 int64_t directions) {
  THORONG_TRY(std::vector<std::string> names, c.texts("activations"));
  if (names.empty()) {
    for (int64_t d = 0; d < directions; ++d)
      names.insert(names.end(), defaults.begin(), defaults.end());
  }
  size_t expected = defaults.size() * static_cast<size_t>(directions);
  if (names.size() != expected) {
    return invalid_argument("activations must name " + std::to_string(expected) +
                            " functions, found " + std::to_string(names.size()) + ".");
  }
  THORONG_TRY(std::vector<double> alphas, c.numbers("activation_alpha"));
  THORONG_TRY(std::vector<double> betas, c.numbers("activation_beta"));
  std::vector<Activation> result;
  size_t next_alpha = 0, next_beta = 0;
  for (const std::string& given : names) {
    std::string name = in_lower_case(given);
    const ActivationRow* row = find_activation(name);
    if (row == nullptr) {
      return invalid_argument("activation \"" + given + "\" is not one of ONNX's.");
    }
    Activation activation{name, row->alpha, row->beta};
    if (has_alpha(*row) && next_alpha < alphas.size()) activation.alpha = alphas[next_alpha++];
    if (has_beta(name) && next_beta < betas.size()) activation.beta = betas[next_beta++];
    result.push_back(activation);
  }
  return result;
}

Status check_recurrent_shape(ImportContext& c, ValueId value, const Shape& expected,
                             const char* what) {
  if (c.shape(value) == expected) return ok_status();
  return invalid_argument(std::string(what) + " must be " + ops::to_string(expected) + ", found " +
                          ops::to_string(c.shape(value)) + ".");
}

Status read_recurrent_direction(ImportContext& c, Recurrence& r) {
  THORONG_TRY(std::string direction, c.text("direction", "forward"));
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return invalid_argument("direction must be forward, reverse or bidirectional, found \"" +
                            direction + "\".");
  }
  r.first_is_reverse = direction == "reverse";
  r.directions = direction == "bidirectional" ? 2 : 1;
  return ok_status();
}

Status check_recurrent_weights(ImportContext& c, const Recurrence& r, int64_t gates) {
  THORONG_TRY(ValueId w, c.input(1));
  THORONG_TRY(ValueId matrix, c.input(2));
  int64_t rows = gates * r.hidden;
  THORONG_RETURN_IF_ERROR(check_recurrent_shape(c, w, {r.directions, rows, r.input}, "W"));
  THORONG_RETURN_IF_ERROR(check_recurrent_shape(c, matrix, {r.directions, rows, r.hidden}, "R"));
  if (!c.has_input(3)) return ok_status();
  THORONG_TRY(ValueId bias, c.input(3));
  return check_recurrent_shape(c, bias, {r.directions, 2 * rows}, "B");
}

// bool, whether the sequence still runs at a step.
Result<ValueId> is_running(ImportContext& c, const Recurrence& r, int64_t step) {
  THORONG_TRY(ValueId number, c.full(Format::kFloat32, {r.batch}, static_cast<double>(step)));
  THORONG_TRY(ValueId running, c.compare("GT", r.lengths, number));
  return c.broadcast_in(running, {r.batch, r.hidden}, {0});
}

}  // namespace

bool operator==(const Activation& a, const Activation& b) {
  return a.name == b.name && a.alpha == b.alpha && a.beta == b.beta;
}

Result<ValueId> activate(ImportContext& c, const Activation& activation, ValueId x) {
  const ActivationRow* row = find_activation(activation.name);
  if (row != nullptr && row->op != nullptr) return c.add(row->op, {x});
  if (activation.name == "affine") {
    THORONG_TRY(x, c.add_scalar("multiply", x, activation.alpha));
    return c.add_scalar("add", x, activation.beta);
  }
  if (activation.name == "softsign") {  // x / (1 + |x|)
    THORONG_TRY(ValueId size, c.add("abs", {x}));
    THORONG_TRY(size, c.add_scalar("add", size, 1));
    return c.add("divide", {x, size});
  }
  if (activation.name == "scaledtanh") {
    THORONG_TRY(x, c.add_scalar("multiply", x, activation.beta));
    THORONG_TRY(x, c.add("tanh", {x}));
    return c.add_scalar("multiply", x, activation.alpha);
  }
  const char* op = activation.name == "leakyrelu"         ? "leaky_relu"
                   : activation.name == "thresholdedrelu" ? "thresholded_relu"
                   : activation.name == "hardsigmoid"     ? "hard_sigmoid"
                                                          : "elu";
  ops::Attributes attributes = make_attributes({{"alpha", activation.alpha}});
  if (activation.name == "hardsigmoid") attributes.set("beta", activation.beta);
  return c.add(op, {x}, attributes);
}

Result<Recurrence> read_recurrence(ImportContext& c, const std::vector<std::string>& defaults,
                                   int64_t gates) {
  Recurrence r;
  THORONG_RETURN_IF_ERROR(read_recurrent_direction(c, r));
  THORONG_TRY(r.activations, read_activations(c, defaults, r.directions));
  THORONG_TRY(int64_t layout, c.integer("layout", 0));
  THORONG_TRY(r.clip, c.number("clip", 0));
  if (r.clip < 0) return invalid_argument("clip must not be negative.");
  r.batch_first = layout != 0;
  THORONG_TRY(r.x, c.input(0));
  if (c.rank(r.x) != 3) {
    return invalid_argument("X must have rank 3, found " + ops::to_string(c.shape(r.x)) + ".");
  }
  if (r.batch_first) {
    THORONG_TRY(r.x, c.transpose(r.x, {1, 0, 2}));
  }
  Shape shape = c.shape(r.x);
  r.steps = shape[0], r.batch = shape[1], r.input = shape[2];
  THORONG_TRY(ValueId matrix, c.input(2));
  if (c.rank(matrix) != 3) return invalid_argument("R must have rank 3.");
  r.hidden = c.shape(matrix)[2];
  if (r.hidden > int64_t{1} << 30) return invalid_argument("R has too many columns.");
  THORONG_TRY(int64_t declared, c.integer("hidden_size", r.hidden));
  if (declared != r.hidden) {
    return invalid_argument("hidden_size is " + std::to_string(declared) + ", but R has " +
                            std::to_string(r.hidden) + " columns.");
  }
  THORONG_RETURN_IF_ERROR(check_recurrent_weights(c, r, gates));
  if (r.steps > kMaxRecurrentSteps / r.directions) {
    return resource_exhausted("the recurrence has " + std::to_string(r.steps) + " steps; at most " +
                              std::to_string(kMaxRecurrentSteps / r.directions) +
                              " are unrolled. Bind a shorter sequence length with --dim.");
  }
  if (r.steps == 0) return invalid_argument("X has no step.");
  if (!c.has_input(4)) return r;
  THORONG_TRY(r.lengths, c.input(4));
  THORONG_RETURN_IF_ERROR(check_recurrent_shape(c, r.lengths, {r.batch}, "sequence_lens"));
  THORONG_TRY(r.lengths, c.convert(r.lengths, Format::kFloat32));
  return r;
}

Result<ValueId> of_direction(ImportContext& c, const Recurrence& r, size_t i, int64_t direction,
                             const Shape& shape, const char* what) {
  THORONG_TRY(ValueId value, c.tensor_or_none(i));
  if (value == kNoValue) return value;
  Shape expected = shape;
  expected.insert(expected.begin(), r.directions);
  THORONG_RETURN_IF_ERROR(check_recurrent_shape(c, value, expected, what));
  THORONG_TRY(value, c.slice_axis(value, 0, direction, direction + 1));
  return c.reshape(value, shape);
}

Result<ValueId> initial_state(ImportContext& c, const Recurrence& r, size_t i, int64_t direction,
                              const char* what) {
  THORONG_TRY(ValueId value, c.tensor_or_none(i));
  Shape shape{r.batch, r.hidden};
  if (value == kNoValue) return c.full(c.format(r.x), shape, 0);
  Shape expected{r.directions, r.batch, r.hidden};
  if (r.batch_first) std::swap(expected[0], expected[1]);
  THORONG_RETURN_IF_ERROR(check_recurrent_shape(c, value, expected, what));
  THORONG_TRY(value, c.slice_axis(value, r.batch_first ? 1 : 0, direction, direction + 1));
  return c.reshape(value, shape);
}

Result<ValueId> input_products(ImportContext& c, const Recurrence& r, ValueId w) {
  return c.contract(r.x, w, 2, 1);
}

Result<ValueId> state_product(ImportContext& c, ValueId state, ValueId matrix) {
  return c.contract(state, matrix, 1, 1);
}

Result<ValueId> gate(ImportContext& c, const Recurrence& r, ValueId x, int64_t first,
                     int64_t last) {
  return c.slice_axis(x, c.rank(x) - 1, first * r.hidden, last * r.hidden);
}

Result<ValueId> add_biases(ImportContext& c, const Recurrence& r, int64_t direction, ValueId inputs,
                           int64_t gates) {
  THORONG_TRY(ValueId bias, of_direction(c, r, 3, direction, {2 * gates * r.hidden}, "B"));
  if (bias == kNoValue) return inputs;
  THORONG_TRY(ValueId of_inputs, gate(c, r, bias, 0, gates));
  THORONG_TRY(ValueId of_state, gate(c, r, bias, gates, 2 * gates));
  THORONG_TRY(ValueId sum, c.add("add", {of_inputs, of_state}));
  return c.add_broadcast(inputs, sum);
}

Result<ValueId> clipped(ImportContext& c, const Recurrence& r, ValueId x) {
  if (r.clip == 0) return x;
  THORONG_TRY(ValueId low, c.scalar(c.format(x), -r.clip));
  THORONG_TRY(ValueId high, c.scalar(c.format(x), r.clip));
  return c.add("clamp", {low, x, high});
}

Result<DirectionResult> run_direction(ImportContext& c, const Recurrence& r, int64_t direction,
                                      ValueId inputs, State state, const Step& step) {
  std::vector<ValueId> outputs(static_cast<size_t>(r.steps));
  Shape row{r.batch, c.shape(inputs)[2]};
  THORONG_TRY(ValueId zero, c.full(c.format(r.x), {r.batch, r.hidden}, 0));
  for (int64_t i = 0; i < r.steps; ++i) {
    int64_t t = r.is_reverse(direction) ? r.steps - 1 - i : i;
    THORONG_TRY(ValueId input, c.slice_axis(inputs, 0, t, t + 1));
    THORONG_TRY(input, c.reshape(input, row));
    THORONG_TRY(State next, step(input, state));
    ValueId output = next[0];
    if (r.lengths != kNoValue) {
      THORONG_TRY(ValueId running, is_running(c, r, t));
      THORONG_TRY(output, c.add("select", {running, output, zero}));
      for (size_t s = 0; s < next.size(); ++s) {
        THORONG_TRY(next[s], c.add("select", {running, next[s], state[s]}));
      }
    }
    state = next;
    THORONG_TRY(outputs[static_cast<size_t>(t)], c.reshape(output, {1, 1, r.batch, r.hidden}));
  }
  DirectionResult result;
  result.last = state;
  if (!c.output_used(0)) return result;
  THORONG_TRY(result.outputs, c.concatenate(outputs, 0));
  return result;
}

Status run_directions(ImportContext& c, const Recurrence& r,
                      const std::function<Result<DirectionResult>(int64_t direction)>& run) {
  std::vector<DirectionResult> results(static_cast<size_t>(r.directions));
  for (int64_t d = 0; d < r.directions; ++d) {
    THORONG_TRY(results[static_cast<size_t>(d)], run(d));
  }
  if (c.output_used(0)) {
    std::vector<ValueId> parts;
    for (const DirectionResult& result : results) parts.push_back(result.outputs);
    THORONG_TRY(ValueId y, c.concatenate(parts, 1));
    if (r.batch_first) {
      THORONG_TRY(y, c.transpose(y, {2, 0, 1, 3}));
    }
    THORONG_RETURN_IF_ERROR(c.set_output(0, y));
  }
  for (size_t s = 0; s < results[0].last.size(); ++s) {
    Shape shape{1, r.batch, r.hidden};
    if (r.batch_first) std::swap(shape[0], shape[1]);
    std::vector<ValueId> parts;
    for (const DirectionResult& result : results) {
      THORONG_TRY(ValueId part, c.reshape(result.last[s], shape));
      parts.push_back(part);
    }
    THORONG_RETURN_IF_ERROR(c.set_output(s + 1, c.concatenate(parts, r.batch_first ? 1 : 0)));
  }
  return ok_status();
}

}  // namespace thorong::onnx
