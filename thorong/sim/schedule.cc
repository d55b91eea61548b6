// SPDX-License-Identifier: Apache-2.0
#include "thorong/sim/schedule.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <queue>
#include <string>

#include "thorong/isa/instruction_table.h"
#include "thorong/isa/named_check.h"
#include "thorong/sim/dependencies.h"
#include "thorong/sim/tile_places.h"
#include "thorong/sim/timing.h"

namespace thorong::sim {
namespace {

using isa::Queue;

// All DMA rings share one data path; every other queue is a resource of its own.
constexpr size_t kResources = isa::kQueues;
size_t resource_of(Queue queue) {
  return static_cast<size_t>(is_dma(queue) ? Queue::kDmaLoad : queue);
}

// The program as the scheduler sees it: durations, dependencies both ways, uses of tiles. Made
// once; attempts differ in the window.
class Plan {
 public:
  Plan(const isa::Program& of, const isa::CoreParameters& core, const ScheduleRequest& asked)
      : program(of),
        request(asked),
        dependencies(find_dependencies(of, asked.fixed_addresses, asked.edges)),
        semaphore_ps(static_cast<int64_t>(core.semaphore_s * 1e12)) {
    size_t n = program.instructions.size();
    busy.resize(n), work.resize(n), latency.resize(n);
    for (size_t i = 0; i < n; ++i) {
      const isa::Instruction& instruction = program.instructions[i];
      isa::Cost cost = isa::spec(instruction.opcode).cost(core, program, instruction);
      busy[i] = sim::busy_ps(core, instruction.queue, cost);
      work[i] = sim::work_ps(core, instruction.queue, cost);
      latency[i] = sim::latency_ps(cost) + sim::descriptor_ps(cost);
    }
    find_priorities();
    order_transfers();
    find_tiles();
    find_chains();
  }

  bool is_instruction(size_t node) const { return node < dependencies.instructions; }
  Queue queue(size_t i) const { return program.instructions[i].queue; }
  std::span<const int32_t> successors(size_t node) const { return dependencies.followers(node); }
  std::span<const int32_t> tiles(size_t i) const {
    return {tile_.data() + first_tile_[i],
            static_cast<size_t>(first_tile_[i + 1] - first_tile_[i])};
  }

  // Bytes in a partition of SBUF.
  int64_t largest_tile() const {
    int64_t bytes = 1;
    for (const isa::Buffer& buffer : program.buffers) {
      if (buffer.space == isa::Space::kSbuf) bytes = std::max(bytes, buffer.row_bytes);
    }
    return bytes;
  }

  const isa::Program& program;
  const ScheduleRequest& request;
  Dependencies dependencies;
  int64_t semaphore_ps;
  std::vector<int64_t> busy, work, latency;
  std::vector<int64_t>
      priority;  // picoseconds from a node's start to the end of the longest chain behind it
  std::vector<int32_t> uses;          // of each tile: instructions that touch it
  std::vector<int32_t> chain_before;  // the instruction that must have started; -1: none

 private:
  // Nodes by trace position, joins behind the instruction at whose place they were made, are in
  // topological order.
  void find_priorities() {
    std::vector<int32_t> order(dependencies.nodes());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return dependencies.position[static_cast<size_t>(a)] <
             dependencies.position[static_cast<size_t>(b)];
    });
    priority.assign(dependencies.nodes(), 0);
    for (size_t k = order.size(); k-- > 0;) {
      auto node = static_cast<size_t>(order[k]);
      int64_t behind = 0;
      for (int32_t s : successors(node))
        behind = std::max(behind, priority[static_cast<size_t>(s)]);
      priority[node] = behind + (is_instruction(node) ? work[node] + latency[node] : 0);
    }
  }

  // Rings take transfers as the program asks for them: nobody sorts descriptors by what hangs on
  // them.
  void order_transfers() {
    for (size_t i = 0; i < dependencies.instructions; ++i) {
      if (is_dma(queue(i))) priority[i] = -static_cast<int64_t>(i);
    }
  }

  void find_tiles() {
    uses.assign(program.buffers.size(), 0);
    auto placed_here = [&](const isa::AccessPattern& pattern) {
      auto id = static_cast<size_t>(pattern.buffer);
      bool fixed = id < request.fixed_addresses.size() && request.fixed_addresses[id] >= 0;
      return !fixed && program.buffers[id].space != isa::Space::kHbm;
    };
    for (const isa::Instruction& instruction : program.instructions) {
      first_tile_.push_back(static_cast<int64_t>(tile_.size()));
      auto begin = static_cast<std::ptrdiff_t>(tile_.size());
      auto add = [&](const isa::AccessPattern& pattern) {
        if (!placed_here(pattern) ||
            std::find(tile_.begin() + begin, tile_.end(), pattern.buffer) != tile_.end())
          return;
        tile_.push_back(pattern.buffer);
        ++uses[static_cast<size_t>(pattern.buffer)];
      };
      for (int operand = 0; operand < isa::kMaxOperands; ++operand) {
        if (!program.has_operand(instruction, operand)) continue;
        const isa::AccessPattern& pattern = program.operand(instruction, operand);
        add(pattern);
        if (pattern.indirect < 0) continue;
        const auto& indirect = program.indirects[static_cast<size_t>(pattern.indirect)];
        add(program.patterns[static_cast<size_t>(indirect.index)]);
      }
      for (int64_t listed : program.listed_operands(instruction))
        add(program.patterns[static_cast<size_t>(listed)]);
      for (int64_t listed : program.listed_results(instruction))
        add(program.patterns[static_cast<size_t>(listed)]);
    }
    first_tile_.push_back(static_cast<int64_t>(tile_.size()));
  }

  void find_chains() {
    chain_before.assign(program.instructions.size(), -1);
    std::vector<int32_t> last;
    for (size_t i = 0; i < request.chains.size(); ++i) {
      int32_t chain = request.chains[i];
      if (chain < 0) continue;
      if (static_cast<size_t>(chain) >= last.size())
        last.resize(static_cast<size_t>(chain) + 1, -1);
      chain_before[i] = last[static_cast<size_t>(chain)];
      last[static_cast<size_t>(chain)] = static_cast<int32_t>(i);
    }
  }

  std::vector<int64_t> first_tile_;
  std::vector<int32_t> tile_;
};

// One pass over time, with instructions at most `window` places ahead of the oldest that has not
// started. `share`, `pack`: see TilePlaces.
class Attempt {
 public:
  Attempt(const Plan& plan, const isa::CoreParameters& core, int64_t window, bool share, bool pack)
      : plan_(plan),
        window_(window),
        places_(core, share),
        waiting_(plan.dependencies.nodes()),
        ready_(plan.dependencies.nodes(), 0),
        left_(plan.uses),
        started_(plan.dependencies.instructions, false),
        chain_next_(plan.dependencies.instructions, -1) {
    address.assign(plan.program.buffers.size(), -1);
    if (pack) places_.pack(plan.largest_tile());
    std::vector<std::pair<int64_t, int64_t>> taken[2];  // SBUF, PSUM: first byte and end
    for (size_t b = 0; b < plan.request.fixed_addresses.size(); ++b) {
      const isa::Buffer& buffer = plan.program.buffers[b];
      int64_t at = plan.request.fixed_addresses[b];
      if (at < 0 || buffer.space == isa::Space::kHbm) continue;
      taken[buffer.space == isa::Space::kPsum ? 1 : 0].emplace_back(at, at + buffer.row_bytes);
      address[b] = at;
    }
    places_.reserve(isa::Space::kSbuf, std::move(taken[0]));
    places_.reserve(isa::Space::kPsum, std::move(taken[1]));
    for (size_t i = 0; i < chain_next_.size(); ++i) {
      if (plan.chain_before[i] >= 0)
        chain_next_[static_cast<size_t>(plan.chain_before[i])] = static_cast<int32_t>(i);
    }
    for (size_t node = 0; node < waiting_.size(); ++node) {
      waiting_[node] = plan.dependencies.needed[node];
      if (plan.is_instruction(node) && plan.chain_before[node] >= 0) ++waiting_[node];
    }
  }

  // False: an instruction found no room for its tiles, and nothing that runs would give any back
  // (`stuck` says which).
  bool run() {
    for (size_t node = 0; node < waiting_.size(); ++node) {
      if (waiting_[node] == 0) release(node);
    }
    while (order.size() < plan_.dependencies.instructions) {
      if (!step()) return false;
    }
    return true;
  }

  std::vector<int32_t> order;    // by start
  std::vector<int64_t> address;  // by buffer
  size_t stuck = 0;
  const TilePlaces& places() const { return places_; }

 private:
  struct Entry {
    int64_t key;  // time (pending) or priority (available)
    int32_t node;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.key != b.key ? a.key > b.key : a.node > b.node;
    }
  };
  struct LessUrgent {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.key != b.key ? a.key < b.key : a.node > b.node;
    }
  };

  // All predecessors are known; `ready_` is final.
  void release(size_t node) {
    if (plan_.is_instruction(node)) {
      pending_[resource_of(plan_.queue(node))].push({ready_[node], static_cast<int32_t>(node)});
    } else {
      for (int32_t s : plan_.successors(node)) arrive(static_cast<size_t>(s), ready_[node]);
    }
  }

  void arrive(size_t node, int64_t when) {
    ready_[node] = std::max(ready_[node], when);
    if (--waiting_[node] == 0) release(node);
  }

  // Starts one instruction, or moves on to the next time at which room is given back. False:
  // neither.
  bool step() {
    size_t best = kResources;
    int64_t when = INT64_MAX;
    for (size_t r = 0; r < kResources; ++r) {
      int64_t start = INT64_MAX;
      if (!available_[r].empty() || retries(r))
        start = std::max(free_[r], now_);
      else if (!pending_[r].empty())
        start = std::max(free_[r], pending_[r].top().key);
      if (start < when) when = start, best = r;
    }
    if (!returns_.empty() && returns_.top().key <= when) {
      now_ = std::max(now_, returns_.top().key);
      give_back();
      return true;
    }
    if (best == kResources) return start_oldest();
    now_ = std::max(now_, when);
    while (!pending_[best].empty() && pending_[best].top().key <= when) {
      int32_t node = pending_[best].top().node;
      pending_[best].pop();
      available_[best].push({plan_.priority[static_cast<size_t>(node)], node});
    }
    take_one(best, when);
    return true;
  }

  // Whether an instruction that found no room may find some now.
  bool retries(size_t resource) {
    auto& blocked = blocked_[resource];
    while (!blocked.empty() && started_[static_cast<size_t>(blocked.top().node)]) blocked.pop();
    return room_[resource] && !blocked.empty();
  }

  // The most urgent instruction of a resource that can start at `when`.
  void take_one(size_t resource, int64_t when) {
    bool again =
        retries(resource) && (available_[resource].empty() ||
                              LessUrgent()(available_[resource].top(), blocked_[resource].top()));
    auto& from = again ? blocked_[resource] : available_[resource];
    Entry entry = from.top();
    from.pop();
    auto node = static_cast<size_t>(entry.node);
    if (started_[node]) return;  // as the oldest
    if (static_cast<int64_t>(node) > static_cast<int64_t>(oldest_) + window_ && needs_place(node)) {
      ahead_.push({entry.node, entry.node});
    } else if (place_tiles(node)) {
      start(node, std::max({free_[resource], when, ready_[node]}));
    } else {
      blocked_[resource].push(entry);
      room_[resource] = false;
    }
  }

  // The oldest instruction waits for nothing but room: it comes first, so that running ahead cannot
  // starve it.
  bool start_oldest() {
    stuck = oldest_;
    if (waiting_[oldest_] > 0 || !needs_place(oldest_) || !place_tiles(oldest_)) return false;
    start(oldest_, std::max({free_[resource_of(plan_.queue(oldest_))], now_, ready_[oldest_]}));
    return true;
  }

  bool needs_place(size_t node) const {
    for (int32_t tile : plan_.tiles(node)) {
      if (address[static_cast<size_t>(tile)] < 0) return true;
    }
    return false;
  }

  bool place_tiles(size_t node) {
    taken_.clear();
    for (int32_t tile : plan_.tiles(node)) {
      auto t = static_cast<size_t>(tile);
      if (address[t] >= 0) continue;
      address[t] = places_.take(plan_.program.buffers[t]);
      if (address[t] >= 0) {
        taken_.push_back(tile);
        continue;
      }
      for (int32_t given : taken_) {
        auto back = static_cast<size_t>(given);
        places_.give_back(plan_.program.buffers[back], address[back]);
        address[back] = -1;
      }
      return false;
    }
    return true;
  }

  void start(size_t node, int64_t at) {
    size_t resource = resource_of(plan_.queue(node));
    int64_t end = at + plan_.work[node], visible = end + plan_.latency[node];
    free_[resource] = at + plan_.busy[node];
    started_[node] = true;
    order.push_back(static_cast<int32_t>(node));
    bool engine = !is_dma(plan_.queue(node));
    for (int32_t s : plan_.successors(node)) {
      auto next = static_cast<size_t>(s);
      bool same = engine && plan_.is_instruction(next) && plan_.queue(next) == plan_.queue(node);
      arrive(next, same ? end : visible + plan_.semaphore_ps);
    }
    if (chain_next_[node] >= 0) arrive(static_cast<size_t>(chain_next_[node]), at);
    for (int32_t tile : plan_.tiles(node)) {
      if (--left_[static_cast<size_t>(tile)] == 0) returns_.push({visible, tile});
    }
    if (node == oldest_) move_window();
  }

  void move_window() {
    while (oldest_ < started_.size() && started_[oldest_]) ++oldest_;
    while (!ahead_.empty() && ahead_.top().key <= static_cast<int64_t>(oldest_) + window_) {
      int32_t node = ahead_.top().node;
      ahead_.pop();
      auto n = static_cast<size_t>(node);
      available_[resource_of(plan_.queue(n))].push({plan_.priority[n], node});
    }
  }

  void give_back() {
    auto tile = static_cast<size_t>(returns_.top().node);
    returns_.pop();
    places_.give_back(plan_.program.buffers[tile], address[tile]);
    room_.fill(true);
    if (oldest_ < started_.size()) start_oldest();
  }

  const Plan& plan_;
  int64_t window_;
  TilePlaces places_;
  std::vector<int32_t> waiting_;
  std::vector<int64_t> ready_;
  std::vector<int32_t> left_;
  std::vector<bool> started_;
  std::vector<int32_t> chain_next_;
  std::array<std::priority_queue<Entry, std::vector<Entry>, Later>, kResources> pending_;
  std::array<std::priority_queue<Entry, std::vector<Entry>, LessUrgent>, kResources> available_;
  std::priority_queue<Entry, std::vector<Entry>, Later> returns_;
  std::array<std::priority_queue<Entry, std::vector<Entry>, LessUrgent>, kResources>
      blocked_;                                                  // found no room
  std::priority_queue<Entry, std::vector<Entry>, Later> ahead_;  // beyond the window
  std::array<bool, kResources> room_{};  // some was given back since the last one found none
  std::array<int64_t, kResources> free_{};
  std::vector<int32_t> taken_;  // places that one instruction got
  int64_t now_ = 0;
  size_t oldest_ = 0;
};

void apply(isa::Program& program, const Attempt& attempt, const isa::CoreParameters& core) {
  std::vector<isa::Instruction> ordered;
  ordered.reserve(attempt.order.size());
  for (int32_t i : attempt.order) ordered.push_back(program.instructions[static_cast<size_t>(i)]);
  program.instructions = std::move(ordered);
  for (size_t b = 0; b < program.buffers.size(); ++b) {
    if (program.buffers[b].space != isa::Space::kHbm && attempt.address[b] >= 0)
      program.buffers[b].address = attempt.address[b];
  }
  program.sbuf_peak_bytes = attempt.places().sbuf_peak_bytes() * core.partitions;
  program.psum_peak_bytes = attempt.places().psum_peak_bytes() * core.partitions;
}

// Whether what lives at one time in the program's own order is no more than SBUF and PSUM hold,
// where tiles on few partitions count by quarters. There are places then, though none was found.
bool fits_in_trace_order(const Plan& plan, const isa::CoreParameters& core) {
  if (!plan.request.fixed_addresses.empty() &&
      std::ranges::any_of(plan.request.fixed_addresses, [](int64_t at) { return at >= 0; }))
    return false;
  std::array<int64_t, 2> live{},
      capacity{core.sbuf_bytes_per_partition * 4, core.psum_banks * core.psum_bank_bytes * 4};
  std::vector<int32_t> uses(plan.uses.size(), 0);
  for (size_t i = 0; i < plan.dependencies.instructions; ++i) {
    std::array<int64_t, 2> ends{};
    for (int32_t tile : plan.tiles(i)) {
      auto t = static_cast<size_t>(tile);
      const isa::Buffer& buffer = plan.program.buffers[t];
      size_t space = buffer.space == isa::Space::kSbuf ? 0 : 1;
      int64_t quarters = (4 * buffer.partitions + core.partitions - 1) / core.partitions;
      if (uses[t]++ == 0) live[space] += buffer.row_bytes * quarters;
      if (uses[t] == plan.uses[t]) ends[space] += buffer.row_bytes * quarters;
    }
    if (live[0] > capacity[0] || live[1] > capacity[1]) return false;
    live[0] -= ends[0], live[1] -= ends[1];
  }
  return true;
}

Status no_room(const Plan& plan, size_t instruction, const isa::CoreParameters& core) {
  const isa::Buffer* most = nullptr;
  for (int32_t tile : plan.tiles(instruction)) {
    const isa::Buffer& buffer = plan.program.buffers[static_cast<size_t>(tile)];
    if (most == nullptr || buffer.row_bytes > most->row_bytes) most = &buffer;
  }
  bool sbuf = most == nullptr || most->space == isa::Space::kSbuf;
  int64_t capacity = sbuf ? core.sbuf_bytes_per_partition : core.psum_banks * core.psum_bank_bytes;
  std::string label =
      most == nullptr || most->name.empty() ? "a tile" : "tile '" + most->name + "'";
  int32_t place = plan.program.instructions[instruction].operator_index;
  Code code = fits_in_trace_order(plan, core) ? Code::kUnsupported : Code::kResourceExhausted;
  Status status(code,
                "expected room for " + label + " of " +
                    std::to_string(most == nullptr ? 0 : most->row_bytes) +
                    " bytes a partition in " +
                    std::string(isa::name(sbuf ? isa::Space::kSbuf : isa::Space::kPsum)) + " (" +
                    std::to_string(capacity) +
                    " bytes), found none beside the tiles that live at this point. Use smaller "
                    "tiles, or let earlier ones end before this one begins.",
                place >= 0 ? plan.program.operators[static_cast<size_t>(place)].name : "");
  return isa::named(sbuf ? "sbuf-capacity" : "psum-capacity", std::move(status));
}

}  // namespace

Result<std::vector<int32_t>> schedule(isa::Program& program, const isa::CoreParameters& core,
                                      const ScheduleRequest& request) {
  if (program.instructions.empty()) return std::vector<int32_t>{};
  Plan plan(program, core, request);
  constexpr int64_t kWidest = 1 << 16, kNarrower = 4;
  size_t stuck = 0;
  for (bool share : {false, true}) {
    bool pack = false;
    for (int64_t window = kWidest;; pack = window == 0, window /= kNarrower) {
      Attempt attempt(plan, core, window, share, pack);
      if (attempt.run()) {
        std::vector<int32_t> order = attempt.order;
        apply(program, attempt, core);
        return order;
      }
      stuck = attempt.stuck;
      if (pack) break;
    }
  }
  return no_room(plan, stuck, core);
}

}  // namespace thorong::sim
