// Single keys of a posthorn.toml that is there, changed in its text: comments, order and every
// other line keep their bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace posthorn::setup {

// A key that is to have another value than the file gives it.
struct Change {
  std::string section, key;
  std::string is, shall;    // as the file writes them: "\"mail.example.org\"", "true"
  bool is_default = false;  // nobody has set it so far
};

// The keys that the dialogue asks for: in the file's settings, and as they shall be.
std::vector<Change> find_changes(const config::Config& is, const config::Config& shall);

// permanent: the file writes one of the keys in a form that is not edited here; the error names it.
Result<std::string> edit_settings(std::string_view toml, const std::vector<Change>& changes,
                                  const Path& file);

}  // namespace posthorn::setup
