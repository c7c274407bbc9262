// The environment's say in the configuration: POSTHORN_<SECTION>_<KEY> sets any key of
// posthorn.toml, and a few names that people know from other mail containers set the key that means
// the same. NAME__FILE gives the value in a file, as container secrets come. A POSTHORN_ name that
// means nothing is an error, for a misspelt setting would otherwise be silently the default.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace posthorn::config {

using Variables = std::map<std::string, std::string>;

struct Override {
  std::string variable;  // where it came from, for messages
  std::string section, key;
  std::string value;
};

Variables environment();  // of this process

// In the order in which they are to be applied: known names of others first, POSTHORN_ last.
Result<std::vector<Override>> find_overrides(const Variables& variables);
// Names of others that change nothing here, each with the reason.
std::vector<std::string> find_idle_variables(const Variables& variables);

// NAME__FILE=path becomes NAME=<the file's text without its last line end>; both at once are an
// error. Only names that begin with prefix.
Result<> resolve_files(Variables& variables, std::string_view prefix);
// NAME_SECRET=name becomes NAME=<the text of that file in the secrets folder>: POSTHORN_SECRETS, or
// else /run/secrets or /var/run/secrets.
Result<> resolve_secrets(Variables& variables);
// Makes this process' environment, which its children inherit, what variables says.
void adopt_environment(const Variables& variables);

}  // namespace posthorn::config
