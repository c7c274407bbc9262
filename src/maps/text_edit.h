// Editing a text table in place: only the entries that change are touched; comments, order and
// everything else keep their bytes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace posthorn::maps {

struct TextChange {
  std::string key;
  std::optional<std::string> value;  // nullopt: the entry goes, with its continuation lines
};
// permanent: the text form cannot hold a key or value (white space, control characters).
Result<std::string> edit_text(std::string_view text, std::span<const TextChange> changes);

}  // namespace posthorn::maps
