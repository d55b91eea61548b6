// SPDX-License-Identifier: Apache-2.0
// Which elements of a result come from bytes that nobody wrote.
//
// Kernels work on whole tiles of which a part is filled, and cut off or overwrite the rest later.
// An instruction whose results depend on a partition or an element only (InstructionSpec::reach)
// may do so: it leaves elements unwritten, and whoever needs them all finds that out.
#pragma once

#include <vector>

#include "frontends/nki/coverage.h"
#include "thorong/isa/instruction.h"

namespace thorong::nki {

class Lanes {
 public:
  // A result, all of it written so far.
  Lanes(const isa::AccessPattern& result, isa::Space space);
  // Takes out what depends on unwritten elements of an operand. False if that may be all.
  bool read(const isa::AccessPattern& operand, isa::Space space, isa::Reach reach,
            Coverage& written);
  // The result has been written, but for what was taken out, which is `passed_on` instead.
  void write(Coverage& written, Coverage& passed_on) const;

  // By element, partition by partition: for another core that gets the result.
  const std::vector<bool>& elements() const { return written_; }
  void set_elements(std::vector<bool> written) { written_ = std::move(written); }

 private:
  isa::AccessPattern result_;
  isa::Space space_;
  std::vector<bool> written_;
};

}  // namespace thorong::nki
