// SPDX-License-Identifier: Apache-2.0
// Random graphs of several formats on all chips: what the machine computes, with one thread and
// with three, is what the reference says within the bounds of error_bound.h. A failure prints the
// seed and the smallest part that fails. THORONG_RANDOM_FIRST=n THORONG_RANDOM_COUNT=m run others.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include "thorong/compiler/random_graphs/mixed_graph.h"
#include "thorong/compiler/testing.h"

namespace thorong::compiler::testing {
namespace {

using Inputs = std::map<ValueId, Tensor>;

// The shipped chips, then those of testing.h.
constexpr const char* kShipped[] = {"trainium1", "trainium2", "trainium3", "inferentia2",
                                    "inferentia1"};
constexpr size_t kShippedCount = std::size(kShipped);

const isa::CoreParameters& core_number(size_t number) {
  static std::map<size_t, isa::CoreParameters> cores;
  if (number >= kShippedCount) return core_of(kChips[number - kShippedCount + 1]);
  auto it = cores.find(number);
  if (it == cores.end()) {
    auto chip = chip::load(kShipped[number]);
    EXPECT_TRUE(chip.ok()) << chip.status().to_string();
    it = cores.emplace(number, isa::core_parameters(*chip)).first;
  }
  return it->second;
}
std::string name_of(size_t number) {
  return number < kShippedCount ? kShipped[number] : kChips[number - kShippedCount + 1].name;
}

// Empty where the machine agrees.
std::string checked(const Graph& graph, const Inputs& inputs, const isa::CoreParameters& core) {
  if (Status sound = ops::verify(graph); !sound.ok()) return sound.to_string();
  ErrorBounds known(!core.fp32_operands);
  if (Status run = known.run(graph, inputs); !run.ok()) return run.to_string();
  auto program = compile_checked(core, graph);
  if (!program.ok()) return program.status().to_string();
  std::vector<Tensor> tensors;
  for (const ValueId v : graph.inputs) tensors.push_back(inputs.at(v));
  auto found = run_program(core, *program, graph, tensors);
  auto again = run_program(core, *program, graph, tensors, 3);
  if (!found.ok()) return found.status().to_string();
  if (!again.ok()) return again.status().to_string();
  for (size_t k = 0; k < graph.outputs.size(); ++k) {
    const Numbers expected = known.values.at(graph.outputs[k]).to_doubles(), &got = (*found)[k];
    const Numbers &bound = known.bounds.at(graph.outputs[k]), &three = (*again)[k];
    if (got.size() != expected.size()) return "output " + std::to_string(k) + " is missing";
    for (size_t i = 0; i < got.size(); ++i) {
      const std::string where = "output " + std::to_string(k) + " element " + std::to_string(i);
      if (std::memcmp(&got[i], &three[i], sizeof(double)) != 0)
        return where + " differs with three threads";
      if (got[i] == expected[i] || std::fabs(got[i] - expected[i]) <= bound[i]) continue;
      if (std::isnan(got[i]) && std::isnan(expected[i])) continue;
      return fmt::format("{} is {:.9g}, not {:.9g} within {:.3g}", where, got[i], expected[i],
                         bound[i]);
    }
  }
  return "";
}

std::string guarded(const Graph& graph, const Inputs& inputs, const isa::CoreParameters& core) {
  try {
    return checked(graph, inputs, core);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

struct Failing {
  Graph graph;
  Inputs inputs;
};

void set_outputs(Graph& graph, const std::vector<ValueId>& outputs) {
  graph.outputs = outputs;
  graph.output_names.clear();
  for (size_t i = 0; i < outputs.size(); ++i) graph.output_names.push_back("y" + std::to_string(i));
}

// The graph without what its outputs do not need, ids in order again.
Failing rebuilt(const Failing& from, const std::map<ValueId, Tensor>& cut) {
  Failing to;
  std::map<ValueId, ValueId> moved;
  std::vector<bool> needed(from.graph.values.size());
  for (const ValueId v : from.graph.outputs) needed[static_cast<size_t>(v)] = true;
  for (size_t n = from.graph.nodes.size(); n-- > 0;) {
    const ops::Node& node = from.graph.nodes[n];
    bool used = false;
    for (const ValueId v : node.outputs)
      used = used || (needed[static_cast<size_t>(v)] && !cut.contains(v));
    for (const ValueId v : node.inputs) {
      if (used && v >= 0) needed[static_cast<size_t>(v)] = true;
    }
  }
  const auto input = [&](ValueId v, const Tensor& tensor) {
    moved[v] = to.graph.add_input("x" + std::to_string(to.graph.inputs.size()), tensor.type);
    to.inputs[moved[v]] = tensor;
  };
  for (size_t v = 0; v < from.graph.values.size(); ++v) {
    const auto id = static_cast<ValueId>(v);
    if (!needed[v]) continue;
    if (cut.contains(id))
      input(id, cut.at(id));
    else if (from.graph.is_constant(id))
      moved[id] = to.graph.add_constant("c", from.graph.value(id).constant);
    else if (from.inputs.contains(id))
      input(id, from.inputs.at(id));
  }
  to.graph.fold_limit = -1;
  for (const ops::Node& node : from.graph.nodes) {
    std::vector<ValueId> operands;
    bool all = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) {
      return needed[static_cast<size_t>(v)] && !cut.contains(v);
    });
    for (const ValueId v : node.inputs) {
      all = all && (v < 0 || moved.contains(v));
      operands.push_back(v < 0 || !all ? v : moved[v]);
    }
    if (!all) continue;
    auto made = to.graph.add(node.op->name, operands, node.attributes, node.name);
    if (!made.ok()) continue;
    for (size_t i = 0; i < made->size(); ++i) moved.emplace(node.outputs[i], (*made)[i]);
  }
  std::vector<ValueId> outputs;
  for (const ValueId v : from.graph.outputs) outputs.push_back(moved.at(v));
  set_outputs(to.graph, outputs);
  return to;
}

// The smallest part that still fails: one output, and as many values as possible as inputs.
Failing shrunk(Failing failing, const isa::CoreParameters& core) {
  const auto fails = [&](const Failing& part) {
    return !guarded(part.graph, part.inputs, core).empty();
  };
  for (const ops::Node& node : failing.graph.nodes) {
    Failing part = failing;
    set_outputs(part.graph, node.outputs);
    part = rebuilt(part, {});
    if (!fails(part)) continue;
    failing = part;
    break;
  }
  for (bool smaller = true; smaller;) {
    smaller = false;
    ErrorBounds known(!core.fp32_operands);
    if (!known.run(failing.graph, failing.inputs).ok()) return failing;
    for (size_t n = failing.graph.nodes.size(); n-- > 0 && !smaller;) {
      const ValueId v = failing.graph.nodes[n].outputs[0];
      if (std::find(failing.graph.outputs.begin(), failing.graph.outputs.end(), v) !=
          failing.graph.outputs.end())
        continue;
      const Failing part = rebuilt(failing, {{v, known.values.at(v)}});
      if (part.graph.nodes.size() >= failing.graph.nodes.size() || !fails(part)) continue;
      failing = part;
      smaller = true;
    }
  }
  return failing;
}

int environment(const char* name, int fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::atoi(text);
}

// Compiled, run and compared; stops at the `most`-th failure.
void check_seeds(int first, int count, int most) {
  set_check_handler([](const std::string& text) { throw std::runtime_error(text); });
  for (int seed = first, failures = 0; seed < first + count && failures < most; ++seed) {
    const size_t number = static_cast<size_t>(seed) % (kShippedCount + std::size(kChips) - 1);
    const isa::CoreParameters& core = core_number(number);
    try {
      const MixedGraph made(static_cast<uint64_t>(seed), !core.fp32_operands);
      Failing failing{made.graph, {}};
      for (size_t i = 0; i < made.inputs.size(); ++i)
        failing.inputs[made.graph.inputs[i]] = made.inputs[i];
      const std::string problem = guarded(failing.graph, failing.inputs, core);
      if (problem.empty()) continue;
      ++failures;
      const Failing part = shrunk(failing, core);
      ADD_FAILURE() << "seed " << seed << " on " << name_of(number) << ": " << problem
                    << "\nsmallest: " << guarded(part.graph, part.inputs, core) << "\n"
                    << ops::to_text(part.graph);
    } catch (const std::runtime_error& error) {
      ++failures;
      ADD_FAILURE() << "seed " << seed << ": " << error.what();
    }
  }
  set_check_handler(nullptr);
}

TEST(RandomGraphs, OfSeveralFormatsOnAllChips) {
  check_seeds(environment("THORONG_RANDOM_FIRST", 0), environment("THORONG_RANDOM_COUNT", 130),
              environment("THORONG_TEST_FAILURES", 3));
}

// A constant without elements; a layout seen as a view, whose place was given back twice; a
// normalised row that was rounded to fp16 before its bias was added.
TEST(RandomGraphs, ThatFailedOnce) {
  for (const int seed : {4991, 5794, 5363}) check_seeds(seed, 1, 1);
}

}  // namespace
}  // namespace thorong::compiler::testing
