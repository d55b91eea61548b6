// SPDX-License-Identifier: Apache-2.0
// What follows when a kernel has returned: its instructions are ordered and its tiles placed
// (sim/schedule.h), semaphores are inserted, the cores are timed together and charged, and the
// result is described like a model's. Values were computed before; here only times follow.
#pragma once

#include <memory>
#include <span>

#include "frontends/nki/kernel_run.h"
#include "thorong/report/result.h"

namespace thorong::nki {

struct FinishOptions {
  std::string kernel_name;
  std::vector<std::pair<std::string, Tensor>> outputs;
  Result<int64_t> chip_end_ps = int64_t{0};  // as in runtime::Program; finish() finds it
};

// The core's figures beside the other cores of its launch.
isa::CoreParameters core_of_launch(const KernelRun& run);
// The order, addresses and waits of one core's record. Addresses that the kernel gave are kept, and
// so are its orders: blocks (KernelRun::chains), edges, and the meetings of cores among each other.
Status order_and_place(KernelRun& run, const isa::CoreParameters& core);
// The runs of one launch, core by core.
Result<report::Result> finish(std::span<const std::shared_ptr<KernelRun>> runs,
                              FinishOptions options);

}  // namespace thorong::nki
