// SPDX-License-Identifier: Apache-2.0
// Loops are unrolled: the weights of a recurrence are read by a chain of groups, each of which
// waits for the one before.
#pragma once

#include <map>
#include <vector>

#include "thorong/compiler/groups.h"

namespace thorong::compiler {

// Constants, and views of such, that products of a chain of groups read, with the last group that
// does. Those of more than `most_elements` are left out.
std::map<ops::ValueId, int> recurring_constants(const ops::Graph& graph,
                                                const std::vector<Group>& groups,
                                                int64_t most_elements);

}  // namespace thorong::compiler
