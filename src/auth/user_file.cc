#include "auth/user_file.h"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <set>

#include "auth/password.h"
#include "base/ascii.h"
#include "base/utf8.h"
#include "config/finding.h"
#include "config/quota.h"
#include "maps/text_lines.h"
#include "message/idna.h"

namespace posthorn::auth {
namespace {

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
}

constexpr std::string_view kNoHash = "!";           // crypt(5): no password has it
constexpr std::string_view kMark = "\xEF\xBB\xBF";  // an editor's byte order mark

struct Place {
  std::size_t key_size, value;
};
// "user:hash", or as other servers' tables have it "user", blanks, "hash".
std::optional<Place> find_value(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::size_t blank = line.find_first_of(" \t");
  if (colon < blank) return Place{colon, colon + 1};
  const std::size_t value = line.find_first_not_of(" \t", std::min(blank, line.size()));
  if (value == std::string_view::npos || (line[value] != '$' && line[value] != '{'))
    return std::nullopt;
  return Place{blank, value};
}

// The fields behind the hash: uid, gid, gecos, home, shell, then all the rest is one.
constexpr std::size_t kExtraField = 6;
std::string_view extra_of(std::string_view rest) {
  for (std::size_t i = 0; i < kExtraField; ++i) {
    const std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos) return {};
    rest.remove_prefix(colon + 1);
  }
  return rest;
}

// "userdb_quota_rule2=…": the rule.
std::optional<std::string_view> rule_of(std::string_view word) {
  constexpr std::string_view kKey = "userdb_quota_rule";
  if (!word.starts_with(kKey)) return std::nullopt;
  word.remove_prefix(kKey.size());
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos ||
      word.substr(0, equals).find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  return word.substr(equals + 1);
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// What Dovecot would do by a field of the last one (passwd-file's extra fields) and this server
// does not.
struct UnusedField {
  std::string_view name;
  config::Weight weight;
  std::string_view meaning;
};
constexpr UnusedField kUnusedFields[] = {
    {"nopassword", config::Weight::warning, "a password is asked for"},
    {"proxy", config::Weight::warning, "the login is served here"},
    {"userdb_mail", config::Weight::note, "mail lies where store.location says"},
    {"userdb_home", config::Weight::note, "mail lies where store.location says"},
    {"userdb_uid", config::Weight::note, "mail belongs to the account users.store"},
    {"userdb_gid", config::Weight::note, "mail belongs to the account users.store"},
};

// Passwd-file's extra fields that shut somebody out. A network that is none lets nobody in, as with
// Dovecot; "local" are its own processes, which do not come here.
enum class Door { open, shut, networks, faulty };
Door read_door(std::string_view word, net::Networks& networks) {
  if (word == "nologin" || word.starts_with("nologin=")) return Door::shut;
  if (!word.starts_with("allow_nets=")) return Door::open;
  std::vector<std::string> texts;
  for (std::string_view left = word.substr(word.find('=') + 1); !left.empty();) {
    const std::size_t end = std::min(left.find(','), left.size());
    if (const auto text = left.substr(0, end); !text.empty() && text != "local")
      texts.emplace_back(text);
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  auto parsed = net::Networks::parse(texts);
  if (!parsed) return Door::faulty;
  networks = *std::move(parsed);
  return Door::networks;
}

// Once for each kind of field.
void tell_unused(UserFile& file, std::set<std::string, std::less<>>& told, std::string_view word,
                 const std::string& where) {
  constexpr std::size_t kKindsMax = 20;
  const std::string_view name = word.substr(0, word.find('='));
  const auto* const known = std::ranges::find(kUnusedFields, name, &UnusedField::name);
  const bool is_known = known != std::end(kUnusedFields);
  if (!is_known && !name.starts_with("userdb_")) return;
  if (told.size() >= kKindsMax || !told.emplace(name).second) return;
  auto& texts = is_known && known->weight == config::Weight::warning ? file.warnings : file.notes;
  texts.push_back(fmt::format("{}: the field {} is not used{}{}", where, name, is_known ? ": " : "",
                              is_known ? known->meaning : ""));
}

struct Line {
  std::string key;
  std::string_view name;  // as it is written
  std::string where;
};
void read_extra(UserFile& file, const Line& line, std::string_view extra,
                std::set<std::string, std::less<>>& told) {
  for (const std::string_view word : words_of(extra)) {
    net::Networks networks;
    const Door door = read_door(word, networks);
    if (door == Door::networks) file.allow_nets.insert_or_assign(line.key, std::move(networks));
    if (door == Door::shut || door == Door::faulty) file.hashes[line.key] = kNoHash;
    if (door != Door::open) file.doors.insert_or_assign(line.key, std::string(word));
    if (door == Door::faulty)
      file.warnings.push_back(
          fmt::format("{}: nobody can log in as {}: {} names a network that is none; the form is "
                      "allow_nets=192.0.2.0/24,2001:db8::/32",
                      line.where, line.name, word));
    if (door != Door::open) continue;
    const auto text_of_rule = rule_of(word);
    if (!text_of_rule) {
      tell_unused(file, told, word, line.where);
      continue;
    }
    const auto rule = quota::parse_rule(*text_of_rule);
    if (!rule) {
      file.warnings.push_back(fmt::format("{}: {}", line.where, rule.error()));
      continue;
    }
    std::string& rules = file.quota_rules[line.key];
    rules += fmt::format("{}{}", rules.empty() ? "" : " ", *text_of_rule);
  }
}

// Each line of a user's through change, the others as they are. nullopt: there is none of hers.
// change gets the line's fields from the hash on, without what would make it a faulty one.
std::optional<std::string> edit_lines(
    std::string_view text, std::string_view user,
    const std::function<std::optional<std::string>(std::string_view fields)>& change) {
  std::string out;
  const bool is_utf16 = maps::find_encoding_fault(text).has_value();
  if (text.starts_with(kMark)) {
    out = kMark;
    text.remove_prefix(kMark.size());
  }
  bool found = false;
  while (!text.empty()) {
    const std::size_t lf = text.find('\n');
    const std::string_view line = text.substr(0, lf == std::string_view::npos ? lf : lf + 1);
    text.remove_prefix(line.size());
    const auto place = find_value(line.substr(0, line.find_last_not_of("\r\n") + 1));
    if (line.starts_with('#') || !place ||
        message::ascii_address(to_lower(line.substr(0, place->key_size))) !=
            message::ascii_address(to_lower(user))) {
      out += line;
      continue;
    }
    found = true;
    const std::string_view rest = line.substr(place->value);
    const std::size_t end = rest.find_last_not_of("\r\n") + 1;
    std::string fields(rest.substr(0, end));
    std::erase_if(fields, is_control);
    const auto changed = change(fields);
    if (!changed) continue;
    out += fmt::format("{}{}{}", line.substr(0, place->value), *changed,
                       rest.substr(end).ends_with("\r\n") ? "\r\n"
                       : rest.ends_with('\n')             ? "\n"
                                                          : "");
  }
  if (!found) return std::nullopt;
  if (!is_utf16) maps::keep_encoding(out);
  return out;
}

}  // namespace

UserFile parse_users(std::string_view text, const std::string& path) {
  UserFile file;
  file.path = path;
  if (const auto why = maps::find_encoding_fault(text)) {
    file.faults.push_back(fmt::format("{}:1: {}", path, *why));
    file.is_text = false;
    return file;
  }
  bool is_utf8_told = false;
  std::set<std::string, std::less<>> told_fields;
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t lf = text.find('\n');
    std::string_view line = text.substr(0, lf);
    text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos || line[first] == '#') continue;
    const auto place = find_value(line);
    if (!place || place->key_size == 0 || std::ranges::any_of(line, is_control)) {
      file.faults.push_back(fmt::format("{}:{}: the form is user:{{SCHEME}}hash", path, number));
      const std::string_view name = line.substr(first);
      file.faulty_names.push_back(to_lower(name.substr(0, name.find_first_of(": \t"))));
      continue;
    }
    if (!is_utf8_told && !is_utf8(line)) {
      file.warnings.push_back(fmt::format("{}:{}: {}", path, number, maps::kNotUtf8));
      is_utf8_told = true;
    }
    const std::string_view rest = line.substr(place->value);
    const std::string key = message::ascii_address(to_lower(line.substr(0, place->key_size)));
    // A {PLAIN} password may hold no colon, as with Dovecot.
    const std::string_view hash = rest.substr(0, rest.find(':'));
    if (!file.hashes.emplace(key, hash).second) {
      file.faults.push_back(fmt::format("{}:{}: {} stands in the file already", path, number,
                                        line.substr(0, place->key_size)));
      continue;
    }
    file.lines.emplace(key, number);
    if (const auto fault = find_hash_fault(hash))
      file.warnings.push_back(fmt::format(
          "{}:{}: nobody can log in as {}: {}; `posthorn user passwd` makes a hash that works",
          path, number, line.substr(0, place->key_size), *fault));
    read_extra(file, {key, line.substr(0, place->key_size), fmt::format("{}:{}", path, number)},
               extra_of(rest), told_fields);
  }
  return file;
}

std::optional<std::string> edit_users(std::string_view text, std::string_view user,
                                      const std::string* hash) {
  auto edited = edit_lines(text, user, [&](std::string_view fields) -> std::optional<std::string> {
    if (hash == nullptr) return std::nullopt;
    return *hash + std::string(fields.substr(std::min(fields.find(':'), fields.size())));
  });
  if (edited || hash == nullptr) return edited;
  std::string out(text);
  if (!out.empty() && out != kMark && !out.ends_with('\n')) out += '\n';
  out += fmt::format("{}:{}\n", user, *hash);
  if (!maps::find_encoding_fault(text)) maps::keep_encoding(out);
  return out;
}

std::optional<std::string> edit_quota_rules(std::string_view text, std::string_view user,
                                            std::string_view rules) {
  return edit_lines(text, user, [&](std::string_view fields) -> std::optional<std::string> {
    const std::string_view extra = extra_of(fields);
    std::vector<std::string> words;
    for (const std::string_view word : words_of(extra))
      if (!rule_of(word)) words.emplace_back(word);
    std::size_t number = 0;
    for (const std::string_view rule : words_of(rules)) {
      ++number;
      words.push_back(
          fmt::format("userdb_quota_rule{}={}", number == 1 ? "" : std::to_string(number), rule));
    }
    std::string out(fields.substr(0, fields.size() - extra.size()));
    if (words.empty()) {
      // Fields that are empty up to the line's end need not stand there.
      if (out.ends_with("::::::")) out.erase(out.size() - kExtraField);
      return out;
    }
    for (auto colons = static_cast<std::size_t>(std::ranges::count(out, ':')); colons < kExtraField;
         ++colons)
      out += ':';
    return fmt::format("{}{}", out, fmt::join(words, " "));
  });
}

}  // namespace posthorn::auth
