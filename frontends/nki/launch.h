// SPDX-License-Identifier: Apache-2.0
// The cores that run one kernel together: those of a rank (LNC) share HBM tensors, and all a baton.
// Only the core that holds the baton runs; it goes to the next core after each write to shared HBM,
// at a meeting (sendrecv, core_barrier, a collective) and at the end, in the order of their
// numbers, so that a run does not depend on the host's threads. A kernel that splits its work
// evenly sees the other core's half as soon as it has written its own, as on the machine, where the
// compiler orders the two.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "frontends/nki/checks.h"
#include "frontends/nki/tensor.h"

namespace thorong::nki {

class Launch {
 public:
  // given: the user named the ranks (isa::LaunchPlace).
  explicit Launch(int cores_of_rank, int ranks = 1, bool given = false);
  int cores() const { return cores_; }  // of a rank
  int ranks() const { return static_cast<int>(finished_.size()) / cores_; }
  bool given() const { return given_; }
  // "core 1", or "core 1 of rank 2" where there are ranks.
  std::string label(int core) const;

  // The n-th shared HBM tensor that each core of a rank allocates is one tensor: null when this
  // core is the first to ask.
  std::shared_ptr<Storage> shared(int core, size_t n);
  void set_shared(int core, size_t n, std::shared_ptr<Storage> storage);

  // What the checks remember of an array that each core wraps for itself.
  std::shared_ptr<StorageChecks> checks_of(const std::byte* data);
  std::shared_ptr<Checker::Seen> seen() const { return seen_; }
  // Nobody waits any longer: enter and meet return at once.
  void stop();

  // Leaves bytes for the others at a meeting, before it; what another core has left there, after
  // it.
  using Bytes = std::shared_ptr<const std::vector<std::byte>>;
  void post(int core, const std::string& name, Bytes bytes);
  Bytes collect(int core, int from, const std::string& name);

  // Blocks until this core holds the baton.
  void enter(int core);
  // Hands the baton on for good.
  void leave(int core);
  // Lets every other core that is not at a meeting run up to its next turn.
  void take_turns(int core);
  // Waits until `cores` (all who come to it) have come to a meeting of this name; false if another
  // of them has ended instead, or waits for a meeting of another name that cannot come to be (`why`
  // says which, and its line). `place`: this core's line.
  bool meet(int core, std::span<const int64_t> cores, const std::string& name,
            const std::string& place, std::string* why);

 private:
  bool everybody_waits() const;
  std::string others(int core, std::span<const int64_t> cores, const std::string& name);
  void pass_on(int from);
  void wait_for_baton(std::unique_lock<std::mutex>& lock, int core);
  std::mutex mutex_;
  std::condition_variable changed_;
  int cores_;
  bool given_;
  std::vector<std::vector<std::shared_ptr<Storage>>> shared_;  // by rank
  std::vector<bool> finished_;
  std::vector<std::string> waiting_;  // the meeting that a core waits for
  std::vector<std::string> places_;   // and the line at which it does
  // Where each core stood when the first found that it waits in vain; empty: ended.
  std::vector<std::string> stuck_;
  int holder_ = 0;
  bool stopped_ = false;
  std::map<const std::byte*, std::shared_ptr<StorageChecks>> checks_;
  std::shared_ptr<Checker::Seen> seen_ = std::make_shared<Checker::Seen>();
  struct Mail {
    Bytes bytes;
    size_t number;
  };
  std::map<std::pair<int, std::string>, std::deque<Mail>> posted_;  // by sender
  std::map<std::pair<int, std::string>, size_t> sent_;              // so often
};

}  // namespace thorong::nki
