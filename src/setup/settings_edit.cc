#include "setup/settings_edit.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::setup {
namespace {

// TOML 1.0, basic strings.
std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}
std::string written(const std::string& value) {
  return quote(value);
}
std::string written(const Path& value) {
  return quote(value.native());
}
std::string written(bool value) {
  return value ? "true" : "false";
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

bool is_header(std::string_view line, std::string_view section) {
  const std::string_view text = trim(line.substr(0, line.find('#')), " \t\r\n");
  return text.size() == section.size() + 2 && text.front() == '[' && text.back() == ']' &&
         text.substr(1, section.size()) == section;
}

bool sets_key(std::string_view line, std::string_view key) {
  const std::string_view text = trim(line, " \t\r\n");
  if (!text.starts_with(key)) return false;
  return trim(text.substr(key.size()), " \t").starts_with('=');
}

// Its indent, the comment behind its value and its end stay.
std::string with_value(std::string_view line, const Change& change) {
  const std::size_t begin = line.find_first_not_of(" \t");
  bool is_quoted = false;
  std::size_t comment = std::string_view::npos;
  for (std::size_t at = line.find('='); at < line.size() && comment == std::string_view::npos;
       ++at) {
    if (line[at] == '"' && line[at - 1] != '\\') is_quoted = !is_quoted;
    if (line[at] == '#' && !is_quoted) comment = at;
  }
  std::string_view rest = comment == std::string_view::npos ? "" : line.substr(comment);
  rest = trim(rest, " \t\r\n");
  return fmt::format("{}{} = {}{}{}{}", line.substr(0, begin), change.key, change.shall,
                     rest.empty() ? "" : " ", rest, line.ends_with("\r\n") ? "\r\n" : "\n");
}

std::string describe(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& change : changes)
    out += fmt::format("{}{}.{} = {}", out.empty() ? "" : ", ", change.section, change.key,
                       change.shall);
  return out;
}

void put(std::vector<std::string>& lines, const Change& change) {
  const std::string wanted = fmt::format("{} = {}\n", change.key, change.shall);
  const auto header = std::ranges::find_if(
      lines, [&](const std::string& line) { return is_header(line, change.section); });
  if (header == lines.end()) {
    if (!lines.empty() && !lines.back().ends_with('\n')) lines.back() += '\n';
    lines.push_back(fmt::format("\n[{}]\n", change.section));
    lines.push_back(wanted);
    return;
  }
  for (auto at = header + 1; at != lines.end() && !trim(*at).starts_with('['); ++at)
    if (sets_key(*at, change.key)) {
      *at = with_value(*at, change);
      return;
    }
  if (!header->ends_with('\n')) *header += '\n';
  lines.insert(header + 1, wanted);
}

}  // namespace

std::vector<Change> find_changes(const config::Config& is, const config::Config& shall) {
  const config::Config none;
  std::vector<Change> changes;
  const auto compare = [&](const char* section, const char* key, const auto& of) {
    if (of(is) != of(shall))
      changes.push_back({section, key, written(of(is)), written(of(shall)), of(is) == of(none)});
  };
  using C = config::Config;
  compare("server", "hostname", [](const C& c) { return c.server.hostname; });
  compare("relay", "relayhost", [](const C& c) { return c.relay.relayhost; });
  compare("acme", "directory", [](const C& c) { return c.acme.directory; });
  compare("acme", "email", [](const C& c) { return c.acme.email; });
  compare("acme", "agree_terms", [](const C& c) { return c.acme.agree_terms; });
  compare("acme", "eab_key_id", [](const C& c) { return c.acme.eab_key_id; });
  compare("acme", "eab_key_file", [](const C& c) { return c.acme.eab_key_file; });
  compare("acme", "authority", [](const C& c) { return c.acme.authority; });
  return changes;
}

Result<std::string> edit_settings(std::string_view toml, const std::vector<Change>& changes,
                                  const Path& file) {
  std::vector<std::string> lines = lines_of(toml);
  for (const Change& change : changes) put(lines, change);
  std::string out = fmt::format("{}", fmt::join(lines, ""));
  // What is written is read again: a form that was not understood shows here, and nothing is lost.
  const auto before = config::read_keys(toml, file);
  if (!before) return fail(ErrorKind::config, before.error().what);
  const auto after = config::read_keys(out, file);
  const auto done = after ? find_changes(*before, *after) : std::vector<Change>{};
  const bool is_as_meant =
      std::ranges::is_permutation(done, changes, [](const Change& a, const Change& b) {
        return a.section == b.section && a.key == b.key && a.shall == b.shall;
      });
  if (!is_as_meant)
    return fail(ErrorKind::permanent,
                fmt::format("{}: a key stands there in a form that is edited by hand only; nothing "
                            "was changed. Set there: {}",
                            file.native(), describe(changes)));
  return out;
}

}  // namespace posthorn::setup
