#include "takeover/plan.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace posthorn::takeover {
namespace {

// A basic string of TOML (1.0, "String").
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += fmt::format("\\{}", c);
    else if (u < 0x20 || u == 0x7F)
      out += fmt::format("\\u{:04X}", u);
    else
      out += c;
  }
  return out + '"';
}

// A comment is one line.
std::string as_comment(std::string text) {
  std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return text.empty() ? "" : "# " + text + "\n";
}

}  // namespace

void Plan::set(const std::string& key, const std::string& value, const std::string& source) {
  settings_[key] = {value, source};
}

void Plan::set_text(const std::string& key, const std::string& text, const std::string& source) {
  set(key, quoted(text), source);
}

void Plan::set_list(const std::string& key, const std::vector<std::string>& texts,
                    const std::string& source) {
  std::vector<std::string> all;
  for (const std::string& text : texts) all.push_back(quoted(text));
  set(key, fmt::format("[{}]", fmt::join(all, ", ")), source);
}

bool Plan::has(const std::string& table, const std::string& key) const {
  const auto found = tables_.find(table);
  return found != tables_.end() &&
         std::ranges::find(found->second, key, &Entry::key) != found->second.end();
}

void Plan::add(const std::string& table, Entry entry) {
  if (!has(table, entry.key)) tables_[table].push_back(std::move(entry));
}

void Plan::add_account(const std::string& address, const std::string& rest) {
  const auto there =
      std::ranges::find(accounts_, address, &std::pair<std::string, std::string>::first);
  if (there == accounts_.end()) accounts_.emplace_back(address, rest);
}

void Plan::add_file(const std::string& place, const std::string& text, unsigned mode) {
  files_[place] = {text, mode};
}

std::string Plan::to_toml() const {
  std::map<std::string, std::string> sections;
  for (const auto& [key, setting] : settings_) {
    const std::size_t dot = key.rfind('.');
    const std::string section = dot == std::string::npos ? "" : key.substr(0, dot);
    sections[section] +=
        as_comment(setting.source) + key.substr(dot + 1) + " = " + setting.value + "\n";
  }
  std::string out;
  for (const auto& [section, text] : sections)
    out +=
        (section.empty() ? "" : fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section)) + text;
  return out;
}

std::string Plan::to_text(const std::string& table) const {
  const auto found = tables_.find(table);
  if (found == tables_.end()) return "";
  std::string out, source;
  for (const Entry& entry : found->second) {
    if (entry.source != source) out += as_comment(entry.source);
    source = entry.source;
    // A line of a table has a value, also where nobody reads it.
    out += fmt::format("{} {}\n", entry.key, entry.value.empty() ? "OK" : entry.value);
  }
  return out;
}

}  // namespace posthorn::takeover
