// SPDX-License-Identifier: Apache-2.0
// What follows when a kernel has returned: buffers get physical addresses by liveness, semaphores
// are inserted, the program is timed and charged, and the result is described like a model's.
#pragma once

#include <memory>
#include <span>

#include "frontends/nki/kernel_run.h"
#include "thorong/report/result.h"

namespace thorong::nki {

struct FinishOptions {
  std::string kernel_name;
  std::vector<std::pair<std::string, Tensor>> outputs;
};

// Addresses for every buffer of SBUF and PSUM; those that the kernel gave are kept.
Status assign_addresses(KernelRun& run);
// The runs of one launch, core by core.
Result<report::Result> finish(std::span<const std::shared_ptr<KernelRun>> runs,
                              const FinishOptions& options);

}  // namespace thorong::nki
