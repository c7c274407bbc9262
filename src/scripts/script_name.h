// Names of a user's Sieve scripts, as clients give them (RFC 5804 section 1.6), and their files.
// Nothing passes that could leave the folder of the scripts, end a line or deceive a log.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn::scripts {

inline constexpr std::string_view kScriptSuffix = ".sieve";
// A file's name has 255 bytes at most, on every file system that a maildir lies on. Section 1.6
// wants 128 characters, which this has room for unless they take more than 249 bytes (83 Chinese
// ones do not): a longer name is refused, never cut.
inline constexpr std::size_t kScriptNameMax = 255 - kScriptSuffix.size();

// UTF-8, not empty, no '/', no control character and no line separator.
bool is_script_name(std::string_view name);
std::string file_of_script(std::string_view name);
// A file's name back; nullopt: no script lies in it.
std::optional<std::string> script_of_file(std::string_view file);

}  // namespace posthorn::scripts
