// SPDX-License-Identifier: Apache-2.0
// What a fault of the machine has to do with the user's files.
#pragma once

#include "thorong/runtime/session.h"

namespace thorong::runtime {

// The fault's status with the model's name before the place and, where integers of the model's
// inputs reach the operator that faulted (indices), with their names.
Status explain_fault(const Status& status, const std::string& operator_name,
                     const Program& program);

}  // namespace thorong::runtime
