// SPDX-License-Identifier: Apache-2.0
// What a user assumes in place of a figure of the chip file, for one run: an overlay on the chip as
// read. A rule of the hardware that no document states is a figure of the chip file like any other,
// so this is how its effect is seen. Lasting changes belong in a chip file with `base:`.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "thorong/chip/chip.h"

namespace thorong::chip {

struct Assumption {
  std::string fact;   // "tensor.min_issue_cycles", as `assumed` in results names it
  std::string value;  // as the chip file has it: "128", "128 cycles", "{value: 128, unit: cycles}"
};

// From "NAME=VALUE" each. Error: invalid_argument, for other forms.
Result<std::vector<Assumption>> parse_assumptions(std::span<const std::string> texts);

// Puts the figures in place, with Kind::kGiven and a source that says what stood there, and lists
// them in chip.given. Errors (place: "assume NAME"): not_found (an unknown name, with the nearest),
// invalid_argument (no number, another unit, out of range, a name that is given twice). What spans
// several figures is verify()'s.
Status assume(std::span<const Assumption> assumptions, Chip& chip);

}  // namespace thorong::chip
