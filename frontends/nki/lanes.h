// SPDX-License-Identifier: Apache-2.0
// Which elements of a result come from bytes that nobody wrote.
//
// Kernels copy whole tiles of which a part is filled, and mask, cut off or overwrite the rest
// later. An instruction that makes each element from its own ones (InstructionSpec::lanewise) may
// do so: it leaves elements unwritten, and whoever needs them all finds that out.
#pragma once

#include <vector>

#include "frontends/nki/coverage.h"
#include "thorong/isa/isa.h"

namespace thorong::nki {

class Lanes {
 public:
  // A result, all of it written so far.
  Lanes(const isa::AccessPattern& result, isa::Space space);
  // Takes out what depends on unwritten elements of an operand: those of the same number, or, of
  // an operand of one element a partition, that of its partition. False if it has another size.
  bool read(const isa::AccessPattern& operand, isa::Space space, Coverage& written);
  // The result has been written, but for what was taken out.
  void write(Coverage& written) const;

 private:
  isa::AccessPattern result_;
  isa::Space space_;
  std::vector<bool> written_;  // by element, partition by partition
};

}  // namespace thorong::nki
