#include "scripts/check.h"

#include <fmt/format.h>

namespace posthorn::scripts {

Checked check_script(std::string_view text, const std::set<std::string, std::less<>>& lists) {
  sieve::CompileSettings settings;
  settings.lists = lists;
  settings.find_script = [](sieve::Location, const std::string&) {
    return std::optional<std::string>("");
  };
  sieve::CompileResult result = sieve::compile(text, settings);
  return {.faults = std::move(result.faults), .warnings = std::move(result.warnings)};
}

std::string format_faults(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault& fault : faults)
    text += fmt::format("{}line {}, column {}: {}", text.empty() ? "" : "\r\n", fault.line,
                        fault.column, fault.text);
  return text;
}

}  // namespace posthorn::scripts
