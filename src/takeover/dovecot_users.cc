#include "takeover/dovecot_users.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "auth/password.h"
#include "base/ascii.h"
#include "config/quota.h"

namespace posthorn::takeover {
namespace {

constexpr std::size_t kNotesMax = 1000;
constexpr std::size_t kUid = 2, kHome = 5, kExtra = 7;

// The extra fields may hold colons: they are the rest of the line.
std::vector<std::string_view> split_line(std::string_view line) {
  std::vector<std::string_view> fields;
  while (fields.size() < kExtra) {
    const std::size_t colon = line.find(':');
    fields.push_back(line.substr(0, colon));
    if (colon == std::string_view::npos) return fields;
    line.remove_prefix(colon + 1);
  }
  fields.push_back(line);
  return fields;
}
std::string_view field_of(const std::vector<std::string_view>& fields, std::size_t at) {
  return at < fields.size() ? fields[at] : std::string_view();
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}
std::string_view name_of(std::string_view word) {
  return word.substr(0, word.find('='));
}
std::string_view value_of(std::string_view word) {
  const std::size_t equals = word.find('=');
  return equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
}

// What libpam-pwdfile's files have behind a hash, and the scheme where none is named.
std::string password_of(std::string_view text, std::string_view default_scheme) {
  std::string scheme(default_scheme);
  for (const auto& [mark, kind] :
       {std::pair<std::string_view, std::string_view>{"[13]", "CRYPT"}, {"[34]", "MD5"}})
    if (text.ends_with(mark)) {
      text.remove_suffix(mark.size());
      scheme = kind;
    }
  if (text.empty() || text.starts_with('{') || equals_ignoring_case(scheme, "CRYPT"))
    return std::string(text);
  return fmt::format("{{{}}}{}", scheme, text);
}

struct Unused {
  std::string_view name, reason;
};
constexpr Unused kUnused[] = {
    {"nopassword", "a password is asked for here; `posthorn user passwd` makes one"},
    {"proxy", "nobody is passed on to another server; the mail is looked for here"},
    {"proxy_maybe", "nobody is passed on to another server; the mail is looked for here"},
    {"host", "nobody is passed on to another server; the mail is looked for here"},
    {"user", "a login is that of the name which was typed, and never another's"},
    {"login_user", "nobody logs in to another's mailbox here"},
    {"master_user", "nobody logs in to another's mailbox here"},
    {"reason", "who may not log in is not told why"},
    {"k8s_user", "it has no meaning here"},
    {"userdb_acl_groups", "mailboxes are not shared"},
};

class Reader {
 public:
  explicit Reader(const PasswdFileRules& rules) : rules_(rules) {}

  PasswdFile read(std::string_view text) {
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::size_t lf = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, lf);
      text.remove_prefix(std::min(lf + 1, text.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty() || line.starts_with('#') || line.starts_with(':')) continue;
      take(line, number);
    }
    return std::move(file_);
  }

 private:
  void leave_out(std::size_t line, std::string_view name, std::string_view reason) {
    if (file_.left_out.size() < kNotesMax)
      file_.left_out.push_back({line, std::string(name), std::string(reason)});
  }

  // Why Dovecot never finds this line; empty: it does.
  std::string_view find_fault(std::string_view name) const {
    if (!rules_.name_letters.empty() &&
        name.find_first_not_of(rules_.name_letters) != std::string_view::npos)
      return "the name has a letter outside auth_username_chars: Dovecot refuses its logins";
    if (std::ranges::any_of(
            name, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; }))
      return "the name has a blank or a control character in it";
    if (rules_.letters == PasswdFileRules::Case::lowered && name != to_lower(name))
      return "Dovecot looks for names in lower case and never finds this line";
    const std::size_t at = name.rfind('@');
    const bool has_domain = at != std::string_view::npos;
    if (rules_.key == PasswdFileRules::Key::local_part)
      return has_domain ? "Dovecot looks for names without their domain and never finds this line"
                        : "";
    if (!rules_.domain.empty() && (!has_domain || name.substr(at + 1) != rules_.domain))
      return "Dovecot looks for names of this file's domain and never finds this line";
    if (!has_domain && !rules_.default_realm.empty())
      return "auth_default_realm is put behind each name: Dovecot never finds this line";
    return "";
  }

  void take(std::string_view line, std::size_t number) {
    const auto fields = split_line(line);
    const std::string_view written = fields[0];
    if (const std::string_view fault = find_fault(written); !fault.empty())
      return leave_out(number, written, fault);
    PasswdAccount account;
    account.line = number;
    account.name = to_lower(written);
    if (rules_.key == PasswdFileRules::Key::local_part && !rules_.domain.empty())
      account.name += "@" + rules_.domain;
    if (!known_.insert(account.name).second)
      return leave_out(number, written,
                       "the name stands in the file already; the first line counts");
    account.password = password_of(field_of(fields, 1), rules_.default_scheme);
    if (account.password.empty()) account.password = "!";
    if (std::ranges::any_of(account.password,
                            [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
      return leave_out(number, written, "the password has a control character in it");
    account.uid = field_of(fields, kUid);
    account.home = field_of(fields, kHome);
    if (const auto fault = auth::find_hash_fault(account.password))
      leave_out(number, written,
                fmt::format("{}: the account is there and nobody can log in; "
                            "`posthorn user passwd {}` makes a hash that works",
                            *fault, account.name));
    read_fields(account, words_of(field_of(fields, kExtra)));
    file_.accounts.push_back(std::move(account));
  }

  // The block's fields hold where the line names none of that name, or in its place.
  void read_fields(PasswdAccount& account, const std::vector<std::string>& own) {
    std::vector<std::string> words = own;
    const auto has = [](const std::vector<std::string>& in, std::string_view word) {
      return std::ranges::any_of(in,
                                 [&](const auto& one) { return name_of(one) == name_of(word); });
    };
    for (const std::string& word : rules_.default_fields)
      if (!has(words, word)) words.push_back(word);
    std::erase_if(words, [&](const auto& word) { return has(rules_.override_fields, word); });
    words.insert(words.end(), rules_.override_fields.begin(), rules_.override_fields.end());
    for (const std::string& word : words) read_field(account, word);
  }
  void read_field(PasswdAccount& account, const std::string& word) {
    const std::string_view name = name_of(word);
    if (name == "nologin" || name == "allow_nets" || !quota_field(word).empty()) {
      account.fields.push_back(quota_field(word).empty() ? word : quota_field(word));
    } else if (name == "userdb_mail" || name == "userdb_mail_path") {
      account.mail = value_of(word);
    } else if (name == "userdb_home") {
      account.home = value_of(word);
    } else if (name == "userdb_uid") {
      account.uid = value_of(word);
    } else if (told_.insert(std::string(name)).second && told_.size() < kNotesMax) {
      const auto* const known = std::ranges::find(kUnused, name, &Unused::name);
      file_.unused.push_back({account.line, std::string(name),
                              known == std::end(kUnused) ? "this field has no counterpart"
                                                         : std::string(known->reason)});
    }
  }

  const PasswdFileRules& rules_;
  PasswdFile file_;
  std::set<std::string, std::less<>> known_, told_;
};

}  // namespace

std::string quota_field(std::string_view word) {
  constexpr std::string_view kUserdb = "userdb_";
  constexpr std::string_view kRule = "quota_rule";
  std::string_view bare = word;
  if (bare.starts_with(kUserdb)) bare.remove_prefix(kUserdb.size());
  // 2.4's own: "quota_storage_size=1G".
  if (name_of(bare) == "quota_storage_size" &&
      quota::parse_rule(fmt::format("*:bytes={}", value_of(bare))))
    return fmt::format("userdb_quota_rule=*:bytes={}", value_of(bare));
  if (!bare.starts_with(kRule) ||
      name_of(bare).substr(kRule.size()).find_first_not_of("0123456789") != std::string_view::npos)
    return "";
  return quota::parse_rule(value_of(bare)) ? fmt::format("{}{}", kUserdb, bare) : "";
}

std::string PasswdAccount::rest() const {
  return fields.empty() ? password : fmt::format("{}::::::{}", password, fmt::join(fields, " "));
}

PasswdFile read_passwd_file(std::string_view text, const PasswdFileRules& rules) {
  return Reader(rules).read(text);
}

}  // namespace posthorn::takeover
