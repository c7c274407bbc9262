#include "config/environment.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <set>
#include <unistd.h>

#include "base/edit_distance.h"
#include "config/config.h"
#include "config/config_keys.h"
#include "config/other_names.h"

namespace posthorn::config {
namespace {

constexpr std::string_view kPrefix = "POSTHORN_";
constexpr std::string_view kFileSuffix = "__FILE";
constexpr std::uint64_t kValueMax = 64U << 10U;

// POSTHORN_ names that are no keys.
constexpr std::string_view kOwn[] = {"POSTHORN_CONFIG",  "POSTHORN_PROFILE",
                                     "POSTHORN_SECRETS", "POSTHORN_SUPERVISOR_FD",
                                     "POSTHORN_LOG_FD",  "POSTHORN_CONF"};

struct Secret {
  std::string_view variable, target;
};
constexpr Secret kSecrets[] = {
    {"SMTP_USER_SECRET", "SMTP_USER"},   {"SMTP_PASSWD_SECRET", "SMTP_PASSWD"},
    {"IMAP_USER_SECRET", "IMAP_USER1"},  {"IMAP_USER1_SECRET", "IMAP_USER1"},
    {"IMAP_USER2_SECRET", "IMAP_USER2"}, {"IMAP_PASSWD_SECRET", "IMAP_PASSWD"},
};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

// Every key's variable.
class Names final : public KeyVisitor {
 public:
  void section(std::string_view name, std::string_view) override { section_ = name; }
  void text(std::string_view key, std::string&, std::string_view) override { add(key); }
  void choice(std::string_view key, const ChoiceRef&, std::string_view) override { add(key); }
  void path(std::string_view key, Path&, std::string_view) override { add(key); }
  void list(std::string_view key, std::vector<std::string>&, std::string_view) override {
    add(key);
  }
  void names(std::string_view key, std::map<std::string, std::string>&, std::string_view) override {
    add(key);
  }
  void flag(std::string_view key, bool&, std::string_view) override { add(key); }
  void count(std::string_view key, std::size_t&, std::size_t, std::size_t,
             std::string_view) override {
    add(key);
  }
  void bytes(std::string_view key, Bytes&, Bytes, Bytes, std::string_view) override { add(key); }
  void duration(std::string_view key, Duration&, Duration, Duration, std::string_view) override {
    add(key);
  }
  const std::map<std::string, std::pair<std::string, std::string>>& names() const { return names_; }

 private:
  void add(std::string_view key) {
    names_[fmt::format("{}{}_{}", kPrefix, upper(section_), upper(key))] = {section_,
                                                                            std::string(key)};
  }
  std::string section_;
  std::map<std::string, std::pair<std::string, std::string>> names_;
};

// A key without its section, or the most alike.
std::string near_name(std::string_view name, const Names& keys) {
  const std::string word(name.substr(kPrefix.size()));
  std::set<std::string> known;
  for (const auto& [variable, key] : keys.names()) {
    if (upper(key.second) == word) return variable;
    known.insert(variable.substr(kPrefix.size()));
  }
  for (const std::string_view own : kOwn) known.emplace(own.substr(kPrefix.size()));
  const std::string near = nearest(word, known);
  return near.empty() ? near : fmt::format("{}{}", kPrefix, near);
}

std::string value_of(const Variables& variables, std::string_view name) {
  const auto found = variables.find(std::string(name));
  return found == variables.end() ? std::string() : found->second;
}

Result<std::string> read_value(const std::string& variable, const Path& path) {
  const auto text = read_file(path, kValueMax);
  if (!text) return fail(ErrorKind::config, fmt::format("{}: {}", variable, text.error().what));
  if (!*text)
    return fail(ErrorKind::config, fmt::format("{}: there is no file {}", variable, path.native()));
  std::string value = **text;
  while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
  return value;
}

}  // namespace

Variables environment() {
  Variables variables;
  for (char** line = environ; line != nullptr && *line != nullptr; ++line) {
    const std::string_view text = *line;
    const std::size_t equal = text.find('=');
    if (equal != std::string_view::npos)
      variables.emplace(text.substr(0, equal), text.substr(equal + 1));
  }
  return variables;
}

Result<std::vector<Override>> find_overrides(const Variables& variables) {
  std::vector<Override> found = find_other_names(variables);
  Config config;
  Names keys;
  visit_keys(config, keys);
  for (const auto& [name, value] : variables) {
    if (!name.starts_with(kPrefix)) continue;
    if (const auto key = keys.names().find(name); key != keys.names().end()) {
      found.push_back({name, key->second.first, key->second.second, value});
    } else if (std::find(std::begin(kOwn), std::end(kOwn), name) == std::end(kOwn)) {
      const std::string near = near_name(name, keys);
      return fail(ErrorKind::config,
                  fmt::format("the environment's {} is no setting{}", name,
                              near.empty() ? "" : fmt::format(", did you mean {}?", near)));
    }
  }
  return found;
}

std::vector<std::string> find_idle_variables(const Variables& variables) {
  return find_idle_names(variables);
}

Result<> resolve_files(Variables& variables, std::string_view prefix) {
  const Variables before = variables;
  for (const auto& [name, path] : before) {
    if (!name.ends_with(kFileSuffix) || !name.starts_with(prefix)) continue;
    const std::string target = name.substr(0, name.size() - kFileSuffix.size());
    if (target.empty()) continue;
    if (before.contains(target))
      return fail(ErrorKind::config,
                  fmt::format("the environment holds both {} and {}", target, name));
    TRY(variables[target], read_value(name, path));
    variables.erase(name);
  }
  return {};
}

Result<> resolve_secrets(Variables& variables) {
  std::string folder = value_of(variables, "POSTHORN_SECRETS");
  if (folder.empty()) {
    TRY(const auto usual, find_file_info("/run/secrets"));
    folder = usual ? "/run/secrets" : "/var/run/secrets";
  }
  for (const Secret& secret : kSecrets) {
    const std::string file = value_of(variables, secret.variable);
    if (file.empty() || !value_of(variables, secret.target).empty()) continue;
    if (file.find('/') != std::string::npos || file == ".." || file == ".")
      return fail(ErrorKind::config, fmt::format("{} is the name of a file in {}, not a path",
                                                 secret.variable, folder));
    TRY(variables[std::string(secret.target)],
        read_value(std::string(secret.variable), Path(folder) / file));
  }
  return {};
}

void adopt_environment(const Variables& variables) {
  for (const auto& [name, value] : environment())
    if (!variables.contains(name)) ::unsetenv(name.c_str());
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
}

}  // namespace posthorn::config
