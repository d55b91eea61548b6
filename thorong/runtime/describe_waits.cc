// SPDX-License-Identifier: Apache-2.0
#include "thorong/runtime/describe_waits.h"

#include <algorithm>
#include <map>
#include <span>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "thorong/isa/instruction_table.h"
#include "thorong/sim/waits.h"

namespace thorong::runtime {
namespace {

constexpr double kPicosecond = 1e-12;

// An instruction as waits are summed over: operator, mnemonic, queue.
using Who = std::tuple<int32_t, uint16_t, isa::Queue>;
constexpr Who kNobody{-1, 0, isa::Queue::kHost};

// The different ones of a program, numbered, and the number of each instruction's.
class Groups {
 public:
  explicit Groups(std::span<const report::TimelineEvent> timeline) : of_(timeline.size()) {
    number(kNobody);
    for (size_t i = 0; i < of_.size(); ++i) {
      const report::TimelineEvent& event = timeline[i];
      of_[i] =
          number({event.operator_index, event.instruction, static_cast<isa::Queue>(event.engine)});
    }
  }
  // Of an instruction, or -1.
  uint32_t operator[](int32_t i) const { return i < 0 ? 0 : of_[static_cast<size_t>(i)]; }
  const Who& who(uint32_t group) const { return all_[group]; }
  size_t size() const { return all_.size(); }

 private:
  uint32_t number(const Who& who) {
    auto index = static_cast<size_t>(std::get<0>(who) + 1);
    if (by_operator_.size() <= index) by_operator_.resize(index + 1);
    for (uint32_t group : by_operator_[index]) {  // few
      if (all_[group] == who) return group;
    }
    auto group = static_cast<uint32_t>(all_.size());
    all_.push_back(who);
    by_operator_[index].push_back(group);
    return group;
  }

  std::vector<Who> all_;
  std::vector<std::vector<uint32_t>> by_operator_;
  std::vector<uint32_t> of_;
};

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
std::vector<int64_t> add_critical_path(const Program& program, const Groups& groups,
                                       const std::vector<sim::Start>& starts,
                                       report::Result& result) {
  const isa::Program& tiles = program.tiles;
  std::vector<int32_t> path = sim::critical_path(program.timing, starts);
  std::vector<int64_t> idle(starts.size(), 0);
  std::vector<report::CriticalUse> sums(groups.size());
  int64_t before = 0;
  for (size_t k = 0; k < path.size(); ++k) {
    auto i = static_cast<size_t>(path[k]);
    const sim::InstructionTime& time = program.timing.instructions[i];
    // A transfer that follows another in its ring or at its generator begins while that one still
    // runs, as a product on another part of the array does.
    int64_t end = time.end_ps;
    if (k + 1 < path.size())
      end = std::min(end, program.timing.instructions[static_cast<size_t>(path[k + 1])].start_ps);
    report::CriticalUse& use = sums[groups[path[k]]];
    ++use.count;
    idle[i] = time.start_ps - before;
    use.wait_s += static_cast<double>(idle[i]) * kPicosecond;
    use.busy_s += static_cast<double>(end - time.start_ps) * kPicosecond;
    before = end;
  }
  if (!path.empty()) {  // until the last result can be seen
    sums[groups[path.back()]].wait_s +=
        static_cast<double>(program.timing.end_ps - before) * kPicosecond;
  }
  std::map<Who, uint32_t> found;  // in an order that no hash decides
  for (uint32_t group = 0; group < sums.size(); ++group) {
    if (sums[group].count > 0) found.emplace(groups.who(group), group);
  }
  for (auto [key, group] : found) {
    report::CriticalUse& use = sums[group];
    name(tiles, key, use.name, use.op, use.engine);
    result.critical_path.push_back(std::move(use));
  }
  sort_and_cut(result.critical_path,
               [](const report::CriticalUse& use) { return use.busy_s + use.wait_s; });
  return idle;
}

}  // namespace

void describe_waits(const Program& program, const std::vector<sim::Start>& starts,
                    report::Result& result) {
  const isa::Program& tiles = program.tiles;
  const Groups groups(result.timeline);
  std::vector<int64_t> idle = add_critical_path(program, groups, starts, result);
  constexpr uint64_t kHolds = report::kHoldNames.size();
  std::unordered_map<uint64_t, report::WaitUse> sums;  // by who waits, who is waited for and hold
  for (size_t i = 0; i < starts.size(); ++i) {
    const sim::Start& start = starts[i];
    result.timeline[i].cause = start.cause;
    result.timeline[i].hold = static_cast<uint8_t>(start.hold);
    bool queued = start.hold == sim::Hold::kEngine && start.queued_ps > 0;
    if ((start.stall_ps <= 0 && !queued) || start.hold == sim::Hold::kNothing) continue;
    uint64_t pair = uint64_t{groups[static_cast<int32_t>(i)]} * groups.size() + groups[start.cause];
    report::WaitUse& use = sums[pair * kHolds + static_cast<uint64_t>(start.hold)];
    ++use.count;
    use.queued_s += static_cast<double>(start.queued_ps) * kPicosecond;
    if (start.stall_ps <= 0) continue;
    use.time_s += static_cast<double>(start.stall_ps) * kPicosecond;
    use.critical_s += static_cast<double>(idle[i]) * kPicosecond;
    use.latency_s += static_cast<double>(start.latency_ps) * kPicosecond;
    use.semaphore_s += static_cast<double>(start.semaphore_ps) * kPicosecond;
  }
  std::map<std::tuple<Who, sim::Hold, Who>, report::WaitUse*> ordered;
  for (auto& [key, use] : sums) {
    uint64_t pair = key / kHolds;
    ordered[{groups.who(static_cast<uint32_t>(pair / groups.size())),
             static_cast<sim::Hold>(key % kHolds),
             groups.who(static_cast<uint32_t>(pair % groups.size()))}] = &use;
  }
  for (auto& [key, summed] : ordered) {
    const auto& [waiting, hold, cause] = key;
    report::WaitUse& use = *summed;
    name(tiles, waiting, use.name, use.op, use.engine);
    use.waited_for = report::kHoldNames[static_cast<size_t>(hold)];
    if (cause != kNobody) name(tiles, cause, use.cause_name, use.cause_op, use.cause_engine);
    result.waits.push_back(std::move(use));
  }
  sort_and_cut(result.waits, [](const report::WaitUse& use) {
    return std::tuple(use.critical_s, use.time_s, use.queued_s);
  });
}

}  // namespace thorong::runtime
