#include "takeover/postfix_map.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "takeover/postfix_mapping.h"

namespace posthorn::takeover {

std::string PostfixMapping::source(const std::string& name) const {
  const auto found = files_.main.settings.find(name);
  if (found == files_.main.settings.end()) return "";
  return fmt::format("{}:{} {}", Path(files_.main.file).filename().native(), found->second.line,
                     name);
}

void PostfixMapping::tell(const std::string& name, Fate fate, std::string text) {
  const auto found = files_.main.settings.find(name);
  if (found == files_.main.settings.end() || !told_.insert(name).second) return;
  report_.add(
      {files_.main.file, found->second.line, name, found->second.value, fate, std::move(text)});
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
