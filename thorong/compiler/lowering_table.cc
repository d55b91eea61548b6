// SPDX-License-Identifier: Apache-2.0
// Every lowering, collected from lowerings/*.cc at build time.
#include "thorong/compiler/lowering.h"

namespace thorong::compiler {

#define THORONG_ENTRY(stem) Lowering lowering_##stem();
#include "thorong/compiler/lowerings.inc"
#undef THORONG_ENTRY

const Lowering* find_lowering(std::string_view op) {
  static const std::vector<Lowering> table = {
#define THORONG_ENTRY(stem) lowering_##stem(),
#include "thorong/compiler/lowerings.inc"
#undef THORONG_ENTRY
  };
  for (const Lowering& lowering : table) {
    if (lowering.op == op) return &lowering;
  }
  return nullptr;
}

}  // namespace thorong::compiler
