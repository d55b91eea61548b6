// SPDX-License-Identifier: Apache-2.0
// A made-up Result for the tests of the views: a small convolutional network on five engines and
// DMA queues.
#pragma once

#include "thorong/report/result.h"

namespace thorong::report {

// `operators` operators of some hundreds of instructions each; the same every time.
Result sample_result(int operators);

}  // namespace thorong::report
