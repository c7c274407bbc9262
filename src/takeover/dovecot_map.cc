#include "takeover/dovecot_map.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "base/ascii.h"
#include "takeover/dovecot_mapping.h"

namespace posthorn::takeover {
namespace {

// Of one name only the last one counts.
void tell_repeated(DovecotMapping& mapping, const DovecotBlock& block) {
  std::map<std::string_view, const DovecotSetting*> last_ones;
  for (const DovecotSetting& setting : block.settings) last_ones[setting.name] = &setting;
  for (const DovecotSetting& setting : block.settings) {
    const DovecotSetting* const last = last_ones[setting.name];
    if (last == &setting || setting.name.starts_with('@')) continue;
    mapping.tell(&setting, Fate::not_needed,
                 fmt::format("it is set again at {}:{}, and that counts", last->file, last->line));
  }
  for (const DovecotBlock& inner : block.blocks) tell_repeated(mapping, inner);
}

}  // namespace

DovecotMapping::DovecotMapping(const DovecotConf& conf, Plan& plan, Report& report)
    : conf_(conf), plan_(plan), report_(report) {
  name_places(conf.root, "");
}

void DovecotMapping::name_places(const DovecotBlock& block, const std::string& way) {
  for (const DovecotSetting& setting : block.settings) places_[&setting] = way + setting.name;
  for (const DovecotBlock& inner : block.blocks)
    name_places(inner, way + inner.type + "/" + inner.name + (inner.name.empty() ? "" : "/"));
}

const DovecotSetting* DovecotMapping::find(const DovecotBlock& block, Names names) {
  for (const std::string_view name : names)
    if (const DovecotSetting* found = block.find(name)) return found;
  return nullptr;
}

const DovecotSetting* DovecotMapping::plugin(std::string_view name) const {
  const DovecotBlock* const block = root().find_block("plugin");
  const DovecotSetting* const found = block == nullptr ? nullptr : block->find(name);
  return found == nullptr ? root().find(name) : found;  // 2.4 has no block of them
}

void DovecotMapping::set(std::string_view key, const Value& value, const DovecotSetting* from) {
  const std::string name(key);
  const std::string source = from == nullptr ? "" : fmt::format("{}:{}", from->file, from->line);
  if (const auto* text = std::get_if<std::string>(&value))
    plan_.set_text(name, *text, source);
  else if (const auto* list = std::get_if<std::vector<std::string>>(&value))
    plan_.set_list(name, *list, source);
  else if (const auto* flag = std::get_if<bool>(&value))
    plan_.set(name, *flag ? "true" : "false", source);
  else
    plan_.set(name, std::to_string(std::get<std::size_t>(value)), source);
}

void DovecotMapping::tell(const DovecotSetting* setting, Fate fate, std::string text) {
  if (setting == nullptr || !told_.insert(setting).second) return;
  report_.add(
      {setting->file, setting->line, place_of(*setting), setting->value, fate, std::move(text)});
}

void DovecotMapping::tell_all(const DovecotBlock& block, Fate fate, std::string_view text) {
  for (const DovecotSetting& setting : block.settings) tell(&setting, fate, std::string(text));
  for (const DovecotBlock& inner : block.blocks) tell_all(inner, fate, text);
}

void DovecotMapping::tell_at(const std::string& file, std::size_t line, std::string name, Fate fate,
                             std::string text) {
  report_.add({file, line, std::move(name), "", fate, std::move(text)});
}

std::string DovecotMapping::place_of(const DovecotSetting& setting) const {
  const auto found = places_.find(&setting);
  return found == places_.end() ? setting.name : found->second;
}

bool DovecotMapping::has_plugin(std::string_view name) const {
  const auto loads = [&](const DovecotBlock& block) {
    return holds(list_of(block, "mail_plugins"), name);
  };
  return loads(root()) || std::ranges::any_of(root().blocks, [&](const DovecotBlock& block) {
           return block.type == "protocol" && loads(block);
         });
}

bool is_yes(std::string_view value) {
  const std::string word = to_lower(value);
  return word == "yes" || word == "y" || word == "1" || word == "true" || word == "on";
}

bool holds(const std::vector<std::string>& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t,"), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::vector<std::string> list_of(const DovecotBlock& block, std::string_view name) {
  std::vector<std::string> words = words_of(block.value_of(name));
  if (const DovecotBlock* const inner = block.find_block(name))
    for (const DovecotSetting& setting : inner->settings)
      if (is_yes(inner->value_of(setting.name)) && !holds(words, setting.name))
        words.push_back(setting.name);
  return words;
}

std::string fill_form(std::string_view form, std::string_view name) {
  const std::size_t at = name.rfind('@');
  std::string out;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] != '%' || i + 1 == form.size()) {
      out += form[i];
      continue;
    }
    const char what = form[++i];
    out += what == 'd'   ? at == std::string_view::npos ? "" : name.substr(at + 1)
             : what == 'n' ? name.substr(0, at)
                         : name;
  }
  return out;
}

std::string short_variables(std::string_view text) {
  static const std::map<std::string, char, std::less<>> kLong = {
      {"user", 'u'},
      {"username", 'n'},
      {"domain", 'd'},
      {"home", 'h'},
      {"user|domain", 'd'},
      {"user|username", 'n'},
      {"user|lower", 'u'},
      {"user|domain|lower", 'd'},
      {"user|username|lower", 'n'},
      {"user|lower|domain", 'd'},
      {"user|lower|username", 'n'},
  };
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '%') {
      out += c;
      continue;
    }
    if (text.starts_with('{')) {
      const std::size_t end = text.find('}');
      if (end == std::string_view::npos) return "";
      std::string name(text.substr(1, end - 1));
      std::erase(name, ' ');
      const auto found = kLong.find(name);
      if (found == kLong.end()) return "";
      out += {'%', found->second};
      text.remove_prefix(end + 1);
      continue;
    }
    if (text.starts_with('L')) text.remove_prefix(1);  // names are in lower case here anyway
    if (text.empty() || std::string_view("undh").find(text.front()) == std::string_view::npos)
      return "";
    out += {'%', text.front()};
    text.remove_prefix(1);
  }
  return out;
}

void map_dovecot(const DovecotConf& conf, Plan& plan, Report& report) {
  DovecotMapping mapping(conf, plan, report);
  for (const config::Finding& fault : conf.faults) {
    const std::size_t colon = fault.where.rfind(':');
    mapping.tell_at(fault.where.substr(0, colon),
                    to_number<std::size_t>(fault.where.substr(colon + 1)).value_or(0), "",
                    Fate::not_possible, "it is not understood: " + fault.reason);
  }
  tell_repeated(mapping, conf.root);
  map_logins(mapping);
  map_mail(mapping);
  map_folders(mapping);
  map_quota(mapping);
  map_scripts(mapping);
  map_tls(mapping);
  map_listeners(mapping);
  tell_the_rest(mapping);
}

}  // namespace posthorn::takeover
