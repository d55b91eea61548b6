// SPDX-License-Identifier: Apache-2.0
#include "thorong/sim/work_list.h"

#include <algorithm>
#include <functional>
#include <thread>

namespace thorong::sim {
namespace {

constexpr auto kLater = std::greater<int32_t>();  // makes the smallest the heap's front

}  // namespace

WorkList::WorkList(const Dependencies& dependencies, const std::vector<uint8_t>& parts)
    : dependencies_(dependencies),
      parts_(parts),
      needed_(dependencies.needed),
      taken_(parts.size(), 0),
      left_(parts.size(), 0),
      unfinished_(parts.size()) {
  for (size_t node = 0; node < parts.size(); ++node) {
    if (needed_[node] == 0) push(static_cast<int32_t>(node));
  }
}

void WorkList::lock() {
  while (locked_.exchange(true, std::memory_order_acquire)) {
    while (locked_.load(std::memory_order_relaxed)) std::this_thread::yield();
  }
}

void WorkList::announce() {
  changes_.fetch_add(1, std::memory_order_release);
  changes_.notify_all();
}

// Most waits are short: only those that are not go to sleep.
void WorkList::wait_while(uint32_t seen) {
  constexpr int kTries = 256;
  for (int i = 0; i < kTries; ++i) {
    if (changes_.load(std::memory_order_acquire) != seen) return;
    std::this_thread::yield();
  }
  changes_.wait(seen, std::memory_order_acquire);
}

void WorkList::push(int32_t node) {
  heap_.push_back(node);
  std::push_heap(heap_.begin(), heap_.end(), kLater);
}

// Marks a node as done: its followers that wait for nothing else become ready. A join is done as
// soon as it is ready.
void WorkList::complete(int32_t node) {
  joined_.assign(1, node);
  while (!joined_.empty()) {
    int32_t done = joined_.back();
    joined_.pop_back();
    for (int32_t follower : dependencies_.followers(static_cast<size_t>(done))) {
      if (--needed_[static_cast<size_t>(follower)] != 0) continue;
      if (static_cast<size_t>(follower) < parts_.size()) {
        push(follower);
      } else {
        joined_.push_back(follower);
      }
    }
  }
}

WorkList::Item WorkList::take() {
  int32_t node = heap_.front();
  auto n = static_cast<size_t>(node);
  int count = parts_[n];
  if (taken_[n] == 0) {
    if (heap_.size() > 1) count = 1;  // there is other work for the others
    left_[n] = static_cast<uint8_t>(count);
  }
  int index = taken_[n]++;
  if (index + 1 == count) {
    std::pop_heap(heap_.begin(), heap_.end(), kLater);
    heap_.pop_back();
  }
  ++running_;
  return {node, {index, count}};
}

WorkList::Item WorkList::next(const Item& done) {
  lock();
  if (done.node >= 0) {
    --running_;
    if (--left_[static_cast<size_t>(done.node)] == 0) {
      --unfinished_;
      complete(done.node);
    }
    announce();
  }
  while (!ready()) {
    if (running_ == 0) {
      unlock();
      return {};
    }
    uint32_t seen = changes_.load(std::memory_order_relaxed);
    unlock();
    wait_while(seen);
    lock();
  }
  Item item = take();
  if (ready()) announce();  // parts for those who wait
  unlock();
  return item;
}

void WorkList::stop_after(int32_t node) {
  lock();
  last_ = std::min(last_, node);
  unlock();
}

}  // namespace thorong::sim
