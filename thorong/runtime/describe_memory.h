// SPDX-License-Identifier: Apache-2.0
// Which tensor lies where, from when to when.
#pragma once

#include "thorong/report/result.h"
#include "thorong/runtime/session.h"

namespace thorong::runtime {

// Fills Result::tiles, tile_names and the memories' shapes and capacities.
void describe_memory(const Program& program, report::Result& result);

}  // namespace thorong::runtime
