#include "sieve/compile.h"

#include "sieve/extensions/table.h"

namespace posthorn::sieve {

CompileResult compile(std::string_view script, const CompileSettings& settings) {
  Includes includes;
  return Checker(language(), settings, includes).compile(script);
}

std::vector<std::string_view> extension_names() {
  std::vector<std::string_view> names;
  for (const Extension* extension : language())
    if (!extension->name.empty() && extension->refused.empty()) names.push_back(extension->name);
  return names;
}

}  // namespace posthorn::sieve
