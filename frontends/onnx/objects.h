// SPDX-License-Identifier: Apache-2.0
// Values of ONNX that are no tensors: sequences, absent optionals and strings. They exist only
// while a model is imported. A name of the model stands for a ValueId; ids from kFirstObject
// downwards are objects, so that rules pass both on alike.
#pragma once

#include <utility>
#include <vector>

#include "thorong/ops/graph.h"
#include "thorong/ops/structure.h"

namespace thorong::onnx {

inline constexpr ops::ValueId kFirstObject = -2;  // -1 is an absent operand
inline bool is_object(ops::ValueId id) { return id <= kFirstObject; }

struct Object {
  ops::Structure::Kind kind = ops::Structure::Kind::kAbsent;
  std::vector<ops::ValueId> items;  // of a sequence: tensors or objects
  ops::Text text;
};

class Objects {
 public:
  ops::ValueId add(Object object) {
    objects_.push_back(std::move(object));
    return kFirstObject - static_cast<ops::ValueId>(objects_.size() - 1);
  }
  ops::ValueId add_sequence(std::vector<ops::ValueId> items) {
    return add({ops::Structure::Kind::kSequence, std::move(items), {}});
  }
  ops::ValueId add_text(ops::Text text) {
    return add({ops::Structure::Kind::kText, {}, std::move(text)});
  }
  ops::ValueId add_absent() { return add({}); }
  const Object& get(ops::ValueId id) const {
    return objects_[static_cast<size_t>(kFirstObject - id)];
  }

 private:
  std::vector<Object> objects_;
};

}  // namespace thorong::onnx
