// SPDX-License-Identifier: Apache-2.0
#include "interruptible.h"

#include <nanobind/nanobind.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "errors.h"

namespace thorong::python {
namespace {

namespace nb = nanobind;

constexpr std::chrono::milliseconds kPoll{20};

struct Work {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::atomic<bool> interrupted{false};
  std::exception_ptr error;

  void run(const std::function<void(const std::atomic<bool>*)>& body) {
    try {
      body(&interrupted);
    } catch (...) {
      error = std::current_exception();
    }
    const std::lock_guard<std::mutex> lock(mutex);
    done = true;
    changed.notify_all();
  }

  bool finished_soon() {
    std::unique_lock<std::mutex> lock(mutex);
    return changed.wait_for(lock, kPoll, [this] { return done; });
  }
};

}  // namespace

void interruptible(const std::function<void(const std::atomic<bool>*)>& body) {
  Work work;
  std::optional<nb::python_error> raised;
  {
    nb::gil_scoped_release release;
    std::thread thread([&] { work.run(body); });
    while (!work.finished_soon()) {
      nb::gil_scoped_acquire acquire;
      if (raised || PyErr_CheckSignals() == 0) continue;
      raised.emplace();
      work.interrupted.store(true);
    }
    thread.join();
  }
  if (raised) throw nb::python_error(*raised);
  if (work.error) rethrow_as_ours(work.error);
}

}  // namespace thorong::python
