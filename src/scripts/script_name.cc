#include "scripts/script_name.h"

#include "base/utf8.h"

namespace posthorn::scripts {

bool is_script_name(std::string_view name) {
  if (name.empty() || name.size() > kScriptNameMax) return false;
  while (!name.empty()) {
    const auto point = take_code_point(name);
    // RFC 5804 section 1.6: C0, DEL, C1, LINE SEPARATOR, PARAGRAPH SEPARATOR; of "/" it says that a
    // server may refuse it.
    if (!point || *point < 0x20 || *point == '/' || (*point >= 0x7F && *point <= 0x9F) ||
        *point == 0x2028 || *point == 0x2029)
      return false;
  }
  return true;
}

std::string file_of_script(std::string_view name) {
  return std::string(name) + std::string(kScriptSuffix);
}

std::optional<std::string> script_of_file(std::string_view file) {
  if (!file.ends_with(kScriptSuffix)) return std::nullopt;
  file.remove_suffix(kScriptSuffix.size());
  if (!is_script_name(file)) return std::nullopt;
  return std::string(file);
}

}  // namespace posthorn::scripts
