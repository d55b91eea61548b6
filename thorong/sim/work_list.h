// SPDX-License-Identifier: Apache-2.0
// Hands out the nodes of a dependency graph to threads: the earliest in program order that is ready
// first. Which thread does what follows from the clock, so nothing that a node computes may depend
// on it.
//
// When a thread takes the last ready node and the node can be split, the others may do parts of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "thorong/isa/machine_state.h"
#include "thorong/sim/dependencies.h"

namespace thorong::sim {

class WorkList {
 public:
  // parts: into how many parts each instruction may be split. Both outlive the list.
  WorkList(const Dependencies& dependencies, const std::vector<uint8_t>& parts);

  struct Item {
    int32_t node = -1;  // -1: nothing is left to do
    isa::Part part;
  };
  // The next item for a thread that has finished `done` (or has none yet). Waits while nothing is
  // ready but something runs. Any thread; one that took an item must come back when it is done, for
  // others wait for that.
  Item next(const Item& done);
  // Whether all nodes were handed out and finished; what is not, once next() gives nothing, was
  // left out or waits for itself.
  bool finished() const { return unfinished_ == 0; }
  // Leaves out all nodes after `node`; those before are still handed out.
  void stop_after(int32_t node);

 private:
  void lock();
  void unlock() { locked_.store(false, std::memory_order_release); }
  void announce();
  void wait_while(uint32_t seen);
  void complete(int32_t node);
  void push(int32_t node);
  Item take();
  bool ready() const { return !heap_.empty() && heap_.front() <= last_; }

  const Dependencies& dependencies_;
  const std::vector<uint8_t>& parts_;
  std::atomic<bool> locked_{false};
  std::atomic<uint32_t> changes_{0};  // counts what a waiting thread may wait for
  std::vector<int32_t> needed_;       // of each node: what it still waits for
  std::vector<uint8_t> taken_,
      left_;  // parts of the node that are handed out, and those that are not done
  std::vector<int32_t> heap_, joined_;  // ready nodes, the smallest first; joins to complete
  size_t unfinished_;
  int32_t last_ = INT32_MAX;  // nodes after it are left out
  int32_t running_ = 0;       // parts that threads are doing
};

}  // namespace thorong::sim
