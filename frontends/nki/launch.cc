// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/launch.h"

namespace thorong::nki {

std::shared_ptr<Storage> Launch::shared(size_t n) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return n < shared_.size() ? shared_[n] : nullptr;
}

void Launch::set_shared(size_t n, std::shared_ptr<Storage> storage) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (shared_.size() <= n) shared_.resize(n + 1);
  shared_[n] = std::move(storage);
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
  for (int step = 1; step <= cores(); ++step) {
    auto next = static_cast<size_t>((from + step) % cores());
    if (!finished_[next] && (all || waiting_[next].empty())) {
      holder_ = static_cast<int>(next);
      break;
    }
  }
  changed_.notify_all();
}

bool Launch::meet(int core, const std::string& name, std::string* why) {
  std::unique_lock<std::mutex> lock(mutex_);
  auto self = static_cast<size_t>(core);
  waiting_[self] = name;
  auto all_here = [&] {
    for (size_t i = 0; i < waiting_.size(); ++i) {
      if (waiting_[i] != name) return false;
    }
    return true;
  };
  if (all_here()) {  // the last to come lets the others go on, the first of them next
    for (std::string& meeting : waiting_) meeting.clear();
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
  for (size_t i = 0; i < waiting_.size(); ++i) {  // all wait, and not for us: it stays so
    if (i == self || (!finished_[i] && waiting_[i] == name)) continue;
    *why = "core " + std::to_string(i) +
           (finished_[i] ? std::string(" has ended") : " waits at " + waiting_[i]);
  }
  waiting_[self].clear();
  return false;
}

void Launch::post(int core, const std::string& name, std::vector<std::byte> bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::pair key{core, name};
  std::deque<Mail>& box = posted_[key];
  box.push_back({std::move(bytes), sent_[key]++});
  // A core is at most one meeting ahead of the others, so older mail has been read.
  while (box.size() > 2) box.pop_front();
}

std::vector<std::byte> Launch::collect(int core, int from, const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  size_t wanted = collected_[{core, from, name}]++;
  for (const Mail& mail : posted_[{from, name}]) {
    if (mail.number == wanted) return mail.bytes;
  }
  return {};
}

}  // namespace thorong::nki
