// The files that `posthorn import config` adds to: lines whose key is not there yet, settings that
// nobody has set, files that are not there. Each is replaced as a whole, by a rename, and keeps its
// owner and mode.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "takeover/plan.h"

namespace posthorn::tools {

// The file with a new text and the owner and mode of before; mode is for one that is not there.
Result<> replace_keeping_rights(const Path& file, std::string_view text, unsigned mode = 0644);
Result<> add_lines(const Path& table, const std::vector<takeover::Entry>& entries);
// "address" and the rest of its line in the users file.
Result<> add_accounts(const Path& users,
                      const std::vector<std::pair<std::string, std::string>>& accounts);
Result<> put_file(const Path& place, const takeover::Plan::File& file);
Result<> put_copy(const Path& folder, const takeover::Copy& copy);

// The value as the file writes it; nullopt: the key does not stand there. TOML as `posthorn init`
// and people write it, a setting a line.
std::optional<std::string> find_setting(std::string_view toml, std::string_view section,
                                        std::string_view key);
// The text with these settings, each with a comment above that tells where it came from; all other
// lines keep their bytes. permanent: one of them stands there in several lines.
using Settings = std::map<std::string, takeover::Plan::Setting>;
Result<std::string> with_settings(std::string_view toml, Settings settings);

}  // namespace posthorn::tools
