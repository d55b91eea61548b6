// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/launch.h"

#include <algorithm>

namespace thorong::nki {

Launch::Launch(int cores_of_rank, int ranks, bool given)
    : cores_(cores_of_rank),
      given_(given),
      shared_(static_cast<size_t>(ranks)),
      finished_(static_cast<size_t>(cores_of_rank * ranks)),
      waiting_(finished_.size()),
      places_(finished_.size()) {}

std::string Launch::label(int core) const {
  if (!given_) return "core " + std::to_string(core);
  std::string rank = "rank " + std::to_string(core / cores_);
  return cores_ == 1 ? rank : "core " + std::to_string(core % cores_) + " of " + rank;
}

std::shared_ptr<Storage> Launch::shared(int core, size_t n) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto& list = shared_[static_cast<size_t>(core / cores_)];
  return n < list.size() ? list[n] : nullptr;
}

void Launch::set_shared(int core, size_t n, std::shared_ptr<Storage> storage) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& list = shared_[static_cast<size_t>(core / cores_)];
  if (list.size() <= n) list.resize(n + 1);
  list[n] = std::move(storage);
}

void Launch::enter(int core) {
  std::unique_lock<std::mutex> lock(mutex_);
  wait_for_baton(lock, core);
}

void Launch::wait_for_baton(std::unique_lock<std::mutex>& lock, int core) {
  changed_.wait(lock, [&] { return holder_ == core || stopped_; });
}

void Launch::stop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

std::shared_ptr<StorageChecks> Launch::checks_of(const std::byte* data) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& checks = checks_[data];
  if (checks == nullptr) checks = std::make_shared<StorageChecks>();
  return checks;
}

void Launch::leave(int core) {
  const std::lock_guard<std::mutex> lock(mutex_);
  finished_[static_cast<size_t>(core)] = true;
  pass_on(core);
}

void Launch::take_turns(int core) {
  std::unique_lock<std::mutex> lock(mutex_);
  pass_on(core);
  wait_for_baton(lock, core);
}

bool Launch::everybody_waits() const {
  for (size_t i = 0; i < waiting_.size(); ++i) {
    if (!finished_[i] && waiting_[i].empty()) return false;
  }
  return true;
}

// To the next core that has not ended and is not at a meeting, as long as there is one; the lock is
// held.
void Launch::pass_on(int from) {
  bool all = everybody_waits();
  auto cores = static_cast<int>(finished_.size());
  for (int step = 1; step <= cores; ++step) {
    auto next = static_cast<size_t>((from + step) % cores);
    if (!finished_[next] && (all || waiting_[next].empty())) {
      holder_ = static_cast<int>(next);
      break;
    }
  }
  changed_.notify_all();
}

bool Launch::meet(int core, std::span<const int64_t> cores, const std::string& name,
                  const std::string& place, std::string* why) {
  std::unique_lock<std::mutex> lock(mutex_);
  auto self = static_cast<size_t>(core);
  waiting_[self] = name, places_[self] = place;
  bool all_here = std::all_of(cores.begin(), cores.end(), [&](int64_t each) {
    return waiting_[static_cast<size_t>(each)] == name;
  });
  if (all_here) {  // the last to come lets the others go on, the first of them next
    for (int64_t each : cores) waiting_[static_cast<size_t>(each)].clear();
    pass_on(core);
    wait_for_baton(lock, core);
    return true;
  }
  pass_on(core);
  wait_for_baton(lock, core);
  if (stopped_) {
    *why = "the run was stopped";
    return false;
  }
  if (waiting_[self].empty()) return true;
  *why = others(core, cores, name);  // all wait, and not for us: it stays so
  waiting_[self].clear();
  return false;
}

// Who of a meeting's cores stands elsewhere.
std::string Launch::others(int core, std::span<const int64_t> cores, const std::string& name) {
  if (stuck_.empty()) {
    for (size_t i = 0; i < waiting_.size(); ++i) {
      bool ended = finished_[i] || waiting_[i].empty();
      std::string line = places_[i].empty() ? "" : " (" + places_[i] + ")";
      stuck_.push_back(ended ? "" : waiting_[i] + line);
    }
  }
  std::string text;
  for (int64_t each : cores) {
    const std::string& stands = stuck_[static_cast<size_t>(each)];
    bool here = stands == name || stands.starts_with(name + " (");
    if (each == core || here) continue;
    text += (text.empty() ? "" : ", ") + label(static_cast<int>(each)) +
            (stands.empty() ? " has ended" : " waits at " + stands);
  }
  return text.empty() ? "others wait elsewhere" : text;
}

void Launch::post(int core, const std::string& name, Bytes bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::pair key{core, name};
  std::deque<Mail>& box = posted_[key];
  box.push_back({std::move(bytes), sent_[key]++});
  // A core is at most one meeting ahead of the others, so older mail has been read.
  while (box.size() > 2) box.pop_front();
}

Launch::Bytes Launch::collect(int core, int from, const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  size_t wanted = sent_[{core, name}] - 1;  // all have been to it equally often
  for (const Mail& mail : posted_[{from, name}]) {
    if (mail.number == wanted) return mail.bytes;
  }
  return std::make_shared<const std::vector<std::byte>>();
}

}  // namespace thorong::nki
