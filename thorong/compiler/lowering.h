// SPDX-License-Identifier: Apache-2.0
// For the files in lowerings/: each defines `Lowering lowering_NAME();` for the operator of its
// file's name.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "thorong/compiler/codegen.h"
#include "thorong/ops/tensor_iteration.h"
