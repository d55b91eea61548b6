// SPDX-License-Identifier: Apache-2.0
#include "thorong/runtime/describe_waits.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "thorong/isa/instruction_table.h"
#include "thorong/sim/waits.h"

namespace thorong::runtime {
namespace {

constexpr double kPicosecond = 1e-12;

// An instruction as waits are summed over: operator, mnemonic, queue.
using Who = std::tuple<int32_t, uint16_t, isa::Queue>;

// A kind of wait: who waited, for what, of whom.
using Kind = std::tuple<Who, sim::Hold, Who>;

struct KindHash {
  size_t operator()(const Kind& kind) const {
    auto number = [](const Who& who) {
      auto [index, opcode, queue] = who;
      return static_cast<uint64_t>(static_cast<uint32_t>(index)) << 24 |
             static_cast<uint64_t>(opcode) << 8 | static_cast<uint64_t>(queue);
    };
    const auto& [waiting, hold, cause] = kind;
    uint64_t mixed = number(waiting) * 0x9e3779b97f4a7c15 + static_cast<uint64_t>(hold);
    return (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9 + number(cause) * 0x94d049bb133111eb;
  }
};

Who who(const isa::Program& tiles, int32_t i) {
  if (i < 0) return {-1, 0, isa::Queue::kHost};
  const isa::Instruction& instruction = tiles.instructions[static_cast<size_t>(i)];
  return {instruction.operator_index, instruction.opcode, instruction.queue};
}

void name(const isa::Program& tiles, const Who& who, std::string& name, std::string& op,
          std::string& engine) {
  auto [index, opcode, queue] = who;
  if (index >= 0) name = tiles.operators[static_cast<size_t>(index)].name;
  op = isa::spec(opcode).mnemonic;
  engine = std::string(isa::name(queue));
}

template <typename Use, typename By>
void sort_and_cut(std::vector<Use>& uses, By&& by) {
  constexpr size_t kMost = 100;  // of a list that is read from its top
  std::stable_sort(uses.begin(), uses.end(),
                   [&](const Use& a, const Use& b) { return by(a) > by(b); });
  if (uses.size() > kMost) uses.resize(kMost);
}

// Returns, by instruction, how long nothing on the path was at work before it began.
std::vector<int64_t> add_critical_path(const Program& program,
                                       const std::vector<sim::Start>& starts,
                                       report::Result& result) {
  const isa::Program& tiles = program.tiles;
  std::vector<int32_t> path = sim::critical_path(program.timing, starts);
  std::vector<int64_t> idle(starts.size(), 0);
  std::map<Who, report::CriticalUse> sums;
  int64_t before = 0;
  for (size_t k = 0; k < path.size(); ++k) {
    auto i = static_cast<size_t>(path[k]);
    const sim::InstructionTime& time = program.timing.instructions[i];
    // A transfer that follows another in its ring begins while that one still runs.
    int64_t end = time.end_ps;
    if (k + 1 < path.size() && starts[static_cast<size_t>(path[k + 1])].hold == sim::Hold::kEngine)
      end = std::min(end, program.timing.instructions[static_cast<size_t>(path[k + 1])].start_ps);
    report::CriticalUse& use = sums[who(tiles, path[k])];
    ++use.count;
    idle[i] = time.start_ps - before;
    use.wait_s += static_cast<double>(idle[i]) * kPicosecond;
    use.busy_s += static_cast<double>(end - time.start_ps) * kPicosecond;
    before = end;
  }
  if (!path.empty()) {  // until the last result can be seen
    sums[who(tiles, path.back())].wait_s +=
        static_cast<double>(program.timing.end_ps - before) * kPicosecond;
  }
  for (auto& [key, use] : sums) {
    name(tiles, key, use.name, use.op, use.engine);
    result.critical_path.push_back(std::move(use));
  }
  sort_and_cut(result.critical_path,
               [](const report::CriticalUse& use) { return use.busy_s + use.wait_s; });
  return idle;
}

}  // namespace

void describe_waits(const Program& program, report::Result& result) {
  const isa::Program& tiles = program.tiles;
  std::vector<sim::Start> starts = sim::explain_starts(tiles, program.core, program.timing);
  std::vector<int64_t> idle = add_critical_path(program, starts, result);
  std::unordered_map<Kind, report::WaitUse, KindHash> sums;
  for (size_t i = 0; i < starts.size(); ++i) {
    const sim::Start& start = starts[i];
    result.timeline[i].cause = start.cause;
    result.timeline[i].hold = static_cast<uint8_t>(start.hold);
    bool queued = start.hold == sim::Hold::kEngine && start.queued_ps > 0;
    if ((start.stall_ps <= 0 && !queued) || start.hold == sim::Hold::kNothing) continue;
    report::WaitUse& use =
        sums[{who(tiles, static_cast<int32_t>(i)), start.hold, who(tiles, start.cause)}];
    ++use.count;
    use.queued_s += static_cast<double>(start.queued_ps) * kPicosecond;
    if (queued) continue;
    use.time_s += static_cast<double>(start.stall_ps) * kPicosecond;
    use.critical_s += static_cast<double>(idle[i]) * kPicosecond;
    use.latency_s += static_cast<double>(start.latency_ps) * kPicosecond;
    use.semaphore_s += static_cast<double>(start.semaphore_ps) * kPicosecond;
  }
  std::vector<std::pair<Kind, report::WaitUse>> kinds(sums.begin(), sums.end());
  std::sort(kinds.begin(), kinds.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [key, use] : kinds) {
    const auto& [waiting, hold, cause] = key;
    name(tiles, waiting, use.name, use.op, use.engine);
    use.waited_for = report::kHoldNames[static_cast<size_t>(hold)];
    if (hold != sim::Hold::kMeeting)
      name(tiles, cause, use.cause_name, use.cause_op, use.cause_engine);
    result.waits.push_back(std::move(use));
  }
  sort_and_cut(result.waits, [](const report::WaitUse& use) {
    return std::tuple(use.critical_s, use.time_s, use.queued_s);
  });
}

}  // namespace thorong::runtime
