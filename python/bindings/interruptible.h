// SPDX-License-Identifier: Apache-2.0
// Runs long work without the GIL and lets Python's signal handlers run meanwhile, so that Ctrl-C is
// a KeyboardInterrupt.
#pragma once

#include <atomic>
#include <functional>

namespace thorong::python {

// Calls work(flag) on a thread of its own and waits for it. The calling thread asks Python for
// signals every few milliseconds (which only its main thread gets); when a handler raised, *flag
// becomes true, the work's end is awaited and the handler's exception propagates. Exceptions of the
// work propagate too. Call with the GIL held; `work` runs without it and must not touch Python
// objects.
void interruptible(const std::function<void(const std::atomic<bool>* interrupted)>& work);

}  // namespace thorong::python
