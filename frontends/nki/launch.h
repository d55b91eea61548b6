// SPDX-License-Identifier: Apache-2.0
// The cores that run one kernel together (LNC): HBM tensors that they share, and a baton. Only the
// core that holds the baton runs; it goes to the next core after each write to shared HBM, at a
// meeting (sendrecv, core_barrier) and at the end, in the order of their numbers, so that a run
// does not depend on the host's threads. A kernel that splits its work evenly sees the other core's
// half as soon as it has written its own, as on the machine, where the compiler orders the two.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "frontends/nki/tensor.h"

namespace thorong::nki {

class Launch {
 public:
  explicit Launch(int cores)
      : finished_(static_cast<size_t>(cores)), waiting_(static_cast<size_t>(cores)) {}
  int cores() const { return static_cast<int>(finished_.size()); }

  // The n-th shared HBM tensor that each core allocates is one tensor: null when this core is the
  // first to ask.
  std::shared_ptr<Storage> shared(size_t n);
  void set_shared(size_t n, std::shared_ptr<Storage> storage);

  // Leaves bytes for the others at a meeting; each core collects each other's once, in the order of
  // the meetings.
  void post(int core, const std::string& name, std::vector<std::byte> bytes);
  std::vector<std::byte> collect(int core, int from, const std::string& name);

  // Blocks until this core holds the baton.
  void enter(int core);
  // Hands the baton on for good.
  void leave(int core);
  // Lets every other core that is not at a meeting run up to its next turn.
  void take_turns(int core);
  // Waits until all cores have come to a meeting of this name; false if another core has ended
  // instead, or waits for a meeting of another name that cannot come to be (`why` says which).
  bool meet(int core, const std::string& name, std::string* why);

 private:
  bool everybody_waits() const;
  void pass_on(int from);
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Storage>> shared_;
  std::vector<bool> finished_;
  std::vector<std::string> waiting_;  // the meeting that a core waits for
  int holder_ = 0;
  struct Mail {
    std::vector<std::byte> bytes;
    size_t number;
  };
  std::map<std::pair<int, std::string>, std::deque<Mail>> posted_;  // by sender
  std::map<std::tuple<int, int, std::string>, size_t> collected_;   // by receiver and sender
  std::map<std::pair<int, std::string>, size_t> sent_;
};

}  // namespace thorong::nki
