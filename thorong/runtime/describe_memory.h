// SPDX-License-Identifier: Apache-2.0
// Which tensor lies where, from when to when.
#pragma once

#include "thorong/report/result.h"
#include "thorong/runtime/session.h"

namespace thorong::runtime {

// Result::tiles and tile_names.
struct MemoryUse {
  std::vector<report::TileUse> tiles;
  std::vector<std::string> names;
};
MemoryUse find_memory_use(const Program& program);

}  // namespace thorong::runtime
