#include "takeover/postfix_map.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "takeover/postfix_mapping.h"

namespace posthorn::takeover {

std::string PostfixMapping::source(const std::string& name) const {
  const auto found = files_.main.settings.find(name);
  if (found == files_.main.settings.end()) return "";
  if (found->second.line == 0)
    return fmt::format("{} {}", Path(files_.master.file).filename().native(), name);
  return fmt::format("{}:{} {}", Path(files_.main.file).filename().native(), found->second.line,
                     name);
}

void PostfixMapping::tell(const std::string& name, Fate fate, std::string text) {
  const auto found = files_.main.settings.find(name);
  if (found == files_.main.settings.end() || !told_.insert(name).second) return;
  // Passwords may stand in the setting itself.
  const bool is_secret = name == "smtp_sasl_password_maps" &&
                         (found->second.value.find("static:") != std::string::npos ||
                          found->second.value.find("inline:") != std::string::npos);
  report_.add({found->second.line == 0 ? files_.master.file : files_.main.file, found->second.line,
               name, is_secret ? "" : found->second.value, fate, std::move(text)});
}

void PostfixMapping::tell_at(const std::string& file, std::size_t line, std::string name,
                             std::string value, Fate fate, std::string text) {
  report_.add({file, line, std::move(name), std::move(value), fate, std::move(text)});
}

std::vector<OldTable> PostfixMapping::tables(const std::string& name, Fate when_unread) {
  std::vector<OldTable> read;
  for (const TableSpec& spec : parse_tables(value(name))) {
    OldTable table = read_table(spec);
    if (table.kind == OldTable::Kind::unread)
      tell_at(files_.main.file, 0, name, spec.text(), when_unread, table.why);
    else
      read.push_back(std::move(table));
  }
  return read;
}

void PostfixMapping::take_entrance() {
  std::map<std::string, std::string> own;
  std::size_t line = 0;
  for (const Service& service : files_.master.services) {
    const std::string_view port =
        std::string_view(service.name).substr(service.name.rfind(':') + 1);
    if (service.type != "inet" || (port != "smtp" && port != "25")) continue;
    if (++entrances_ == 1) line = service.line;
    own.insert(service.overrides.begin(), service.overrides.end());
  }
  for (const auto& [name, text] : own) {
    files_.main.settings[name] = {text, 0};
    report_.add({files_.master.file, line, "smtp -o " + name, text, Fate::taken,
                 "in place of what main.cf says of " + name});
  }
}

bool PostfixMapping::is_closed(const std::string& address) const {
  const std::size_t at = address.rfind('@');
  if (at == std::string::npos) return false;
  std::vector<std::string> keys = {address, address.substr(at + 1)};
  for (std::size_t dot = keys[1].find('.'); dot != std::string::npos;
       dot = keys[1].find('.', dot + 1)) {
    keys.push_back(keys[1].substr(dot));
    keys.push_back(keys[1].substr(dot + 1));
  }
  keys.push_back(address.substr(0, at + 1));
  for (const auto& table : access_patterns)
    if (const auto answer = table->answer(address); answer.value && closes(*answer.value))
      return true;
  for (const std::string& key : keys)
    if (const auto found = access.find(key); found != access.end()) return found->second.is_closed;
  return false;
}

void PostfixMapping::close_to_strangers(const std::string& source) {
  plan_.set("smtp.require_auth", "true", source);
}

bool is_domain_name(std::string_view text) {
  if (text.empty() || text.size() > 253 || text.front() == '.' || text.front() == '-') return false;
  bool has_letter = false;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    const bool is_letter = (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || u >= 0x80;
    has_letter = has_letter || is_letter;
    if (!is_letter && (u < '0' || u > '9') && u != '-' && u != '.' && u != '_') return false;
  }
  return has_letter;
}

void map_postfix(const PostfixFiles& files, Plan& plan, Report& report) {
  PostfixMapping mapping(files, plan, report);
  for (const auto* faults : {&files.main.faults, &files.master.faults})
    for (const config::Finding& fault : *faults)
      report.add({fault.where, 0, "", "", Fate::not_possible, fault.reason + "; " + fault.remedy});
  mapping.take_entrance();
  map_identity(mapping);
  map_access(mapping);
  map_domains(mapping);
  map_relay(mapping);
  map_old_tls(mapping);
  map_limits(mapping);
  map_services(mapping);
  tell_other_settings(mapping);
}

}  // namespace posthorn::takeover
