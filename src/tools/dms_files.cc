#include "tools/dms_files.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <set>

#include "auth/user_file.h"
#include "base/ascii.h"
#include "config/quota.h"
#include "deliver/dkim_key.h"
#include "maps/regexp_table.h"
#include "maps/table.h"
#include "maps/text_lines.h"
#include "message/dkim.h"
#include "message/mailbox_address.h"
#include "sieve/compile.h"

namespace posthorn::tools {
namespace {

// Without what begins at this line (from 1) up to the next that is not its continuation, which
// becomes a comment.
std::string without_line(std::string_view text, std::size_t number) {
  std::string out;
  bool is_it = false;
  for (std::size_t at = 1; !text.empty(); ++at) {
    const std::size_t size = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, size);
    text.remove_prefix(size);
    const bool goes_on = line.starts_with(' ') || line.starts_with('\t');
    is_it = at == number || (is_it && goes_on);
    if (is_it) out += "# left out: ";
    out += line;
  }
  return out;
}

// Files of docker-mailserver's that have no counterpart, and what does the same here.
struct NotTaken {
  std::string_view name, instead;
};
constexpr NotTaken kNotTaken[] = {
    {"postfix-main.cf", "settings of Postfix; conf/posthorn.toml has those of this server"},
    {"postfix-master.cf", "services of Postfix; [listen] of conf/posthorn.toml names the ports"},
    {"postfix-aliases.cf", "names of the machine's accounts: `posthorn alias add root@DOMAIN …`"},
    {"postfix-send-access.cf", "who may not send: there is no such table; `posthorn user remove`"},
    {"postfix-receive-access.cf", "who may not receive: `NAME error:…` in maps/transport"},
    {"dovecot.cf", "settings of Dovecot; [imap], [pop3], [store] of conf/posthorn.toml"},
    {"dovecot-masters.cf", "master accounts: nobody logs in to another's mailbox here"},
    {"fetchmail.cf", "mail is fetched from nowhere: run fetchmail beside it"},
    {"ldap-users.cf", "there is no LDAP: accounts stand in conf/users"},
    {"ldap-groups.cf", "there is no LDAP: accounts stand in conf/users"},
    {"ldap-aliases.cf", "there is no LDAP: aliases stand in maps/aliases"},
    {"ldap-domains.cf", "there is no LDAP: domains stand in maps/domains"},
    {"spamassassin-rules.cf", "a rule file of spamd's: copy it into its /etc/spamassassin"},
    {"amavis.cf", "there is no amavis: filter.* of conf/posthorn.toml and spamd's own files"},
    {"fail2ban-jail.cf", "bans are auth.failures_max and auth.ban; `posthorn ban`"},
    {"fail2ban-fail2ban.cf", "bans are auth.failures_max and auth.ban; `posthorn ban`"},
    {"whitelist_clients.local", "nobody is greylisted"},
    {"user-patches.sh", "a script that patches docker-mailserver's container"},
    {"opendkim", "its keys are taken; what else lies there says nothing more"},
    {"rspamd", "the filter is SpamAssassin's spamd"},
    {"sieve-pipe", "no process of this server runs programs"},
    {"sieve-filter", "no process of this server runs programs"},
};
constexpr std::string_view kTaken[] = {"postfix-accounts.cf", "postfix-virtual.cf",
                                       "postfix-regexp.cf",   "postfix-sasl-password.cf",
                                       "postfix-relaymap.cf", "dovecot-quotas.cf"};

class Reader {
 public:
  explicit Reader(const Path& folder) : folder_(folder) {}

  Result<DmsFiles> read() {
    TRY(const auto accounts, take("postfix-accounts.cf"));
    TRY(const auto aliases, take("postfix-virtual.cf"));
    TRY(const auto patterns, take("postfix-regexp.cf"));
    TRY(const auto logins, take("postfix-sasl-password.cf"));
    TRY(const auto relays, take("postfix-relaymap.cf"));
    TRY_OK(read_scripts());
    if (files_.scripts.empty() && !accounts && !aliases && !patterns && !logins && !relays)
      return fail(ErrorKind::config,
                  fmt::format("{} holds none of docker-mailserver's files", folder_.native()));
    TRY(const auto quotas, take("dovecot-quotas.cf"));
    if (accounts) read_accounts(*accounts);
    if (quotas) read_quotas(*quotas);
    write_users();
    if (aliases) read_aliases(table(*aliases, "postfix-virtual.cf"));
    if (logins) read_logins(table(*logins, "postfix-sasl-password.cf"));
    if (relays) read_relays(*relays);
    if (patterns) read_patterns(*patterns);
    TRY_OK(read_dkim_keys());
    name_the_rest();
    return std::move(files_);
  }

 private:
  // As `setup config dkim` makes them. Which one signs for whom stands in the folder's and the
  // file's name there, too; what KeyTable says besides is told of.
  Result<> read_dkim_keys() {
    std::set<std::pair<std::string, std::string>> found;
    const Path keys = folder_ / "opendkim/keys";
    std::vector<Path> files;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator at(keys, error), end; !error && at != end;
         at.increment(error))
      if (at.depth() == 1 && at->path().extension() == ".private") files.push_back(at->path());
    if (error && error != std::errc::no_such_file_or_directory)
      return fail(ErrorKind::config, fmt::format("{}: {}", keys.native(), error.message()));
    std::ranges::sort(files);
    for (const Path& file : files) {
      const std::string domain = message::to_lower(file.parent_path().filename().native());
      const std::string selector = message::to_lower(file.stem().native());
      TRY(const auto pem, read_file(file, 64U << 10U));
      const auto key = deliver::DkimKey::parse(pem.value_or(""));
      if (!key || !message::is_dkim_name(domain) || !message::is_dkim_name(selector)) {
        files_.left_out.push_back(fmt::format(
            "{}: {}", file.native(), key ? "not of the form DOMAIN/SELECTOR" : key.error().what));
        continue;
      }
      found.emplace(domain, selector);
      files_.dkim_keys.push_back({domain, selector, *pem});
    }
    TRY(const auto table_text, take("opendkim/KeyTable"));
    if (!table_text) return {};
    for (const maps::Entry& entry : table(*table_text, "opendkim/KeyTable")) {
      // example.org:mail:/etc/opendkim/keys/example.org/mail.private
      const std::string value = message::to_lower(entry.value);
      const std::size_t first = std::min(value.find(':'), value.size());
      const std::size_t second = std::min(value.find(':', first + 1), value.size());
      const std::string domain = value.substr(0, first);
      const std::string selector =
          first < second ? value.substr(first + 1, second - first - 1) : std::string();
      if (!found.contains({domain, selector}))
        leave_out("opendkim/KeyTable", entry.line,
                  fmt::format("there is no opendkim/keys/{}/{}.private", domain, selector));
    }
    return {};
  }

  // before.dovecot.sieve, after.dovecot.sieve, user@domain.dovecot.sieve. One that does not run
  // here would keep the server from starting.
  Result<> read_scripts() {
    constexpr std::string_view kSuffix = ".dovecot.sieve";
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error))
      if (const std::string name = entry.path().filename().native(); name.ends_with(kSuffix))
        names.push_back(name);
    std::ranges::sort(names);
    for (const std::string& name : names) {
      const std::string whose = to_lower(name.substr(0, name.size() - kSuffix.size()));
      const bool is_site = whose == "before" || whose == "after";
      if (!is_site && !message::parse_mailbox_address(whose)) {
        files_.left_out.push_back(fmt::format("{}:1: whose is it?", at(name)));
        continue;
      }
      TRY(auto text, take(name));
      if (!text || text->find_first_not_of(" \t\r\n") == text->npos) continue;
      const auto script = sieve::compile(*text, {.name = at(name)});
      if (script.program)
        files_.scripts[fmt::format("{}{}.sieve", is_site ? "" : "users/", whose)] =
            *std::move(text);
      for (const sieve::Fault& fault : script.faults)
        leave_out(name, fault.line, fmt::format("column {}: {}", fault.column, fault.text));
    }
    return {};
  }

  // Whoever comes has to know what of theirs is not here: every file that was not read is named.
  void name_the_rest() {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error))
      names.push_back(entry.path().filename().native());
    std::ranges::sort(names);
    for (const std::string& name : names) {
      if (std::ranges::find(kTaken, name) != std::end(kTaken) || name.ends_with(".dovecot.sieve") ||
          name.starts_with('.') || (name == "opendkim" && !files_.dkim_keys.empty()))
        continue;
      const auto* const known = std::ranges::find(kNotTaken, name, &NotTaken::name);
      files_.left_out.push_back(fmt::format("{}: {}", at(name),
                                            known == std::end(kNotTaken)
                                                ? "no file that is known of docker-mailserver"
                                                : known->instead));
      if (name == "postfix-aliases.cf") name_local_aliases();
    }
  }
  // "root: admin@example.org": which domain the machine's names are of, nothing here says.
  void name_local_aliases() {
    const auto text = take("postfix-aliases.cf");
    if (!text || !*text) return;
    std::string_view rest = **text;
    for (std::size_t number = 1; !rest.empty(); ++number) {
      const std::size_t lf = std::min(rest.find('\n'), rest.size());
      const std::string_view line = trim(rest.substr(0, lf), " \t\r");
      rest.remove_prefix(std::min(lf + 1, rest.size()));
      const std::size_t colon = line.find(':');
      if (line.empty() || line.starts_with('#') || colon == std::string_view::npos) continue;
      leave_out("postfix-aliases.cf", number,
                fmt::format("posthorn alias add {}@DOMAIN {}", trim(line.substr(0, colon)),
                            trim(line.substr(colon + 1))));
    }
  }

  Result<std::optional<std::string>> take(const std::string& name) {
    TRY(auto text, read_file(folder_ / name));
    if (!text || text->find('\0') == text->npos) return text;
    files_.left_out.push_back(fmt::format("{}: it is no text: there is a NUL in it", at(name)));
    return std::nullopt;
  }
  std::string at(std::string_view name) const { return (folder_ / name).native(); }
  void leave_out(std::string_view name, std::size_t line, std::string_view reason) {
    files_.left_out.push_back(fmt::format("{}:{}: {}", at(name), line, reason));
  }
  void add_domain(const std::string& domain) {
    if (known_domains_.insert(domain).second) files_.domains.push_back(domain);
  }

  std::vector<maps::Entry> table(const std::string& text, std::string_view name) {
    maps::TextFile file = maps::parse_text(text, at(name));
    for (const auto* findings : {&file.faults, &file.warnings})
      for (const maps::Finding& finding : *findings) files_.left_out.push_back(finding.text());
    return std::move(file.entries);
  }

  // user@domain|{SCHEME}hash|attributes
  void read_accounts(std::string_view text) {
    constexpr std::string_view kName = "postfix-accounts.cf";
    std::set<std::string> seen;
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::size_t lf = text.find('\n');
      std::string_view line = text.substr(0, lf);
      text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
      while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
      if (line.empty() || line.starts_with('#')) continue;
      const std::size_t bar = line.find('|');
      const std::string user = message::to_lower(line.substr(0, bar));
      const auto parsed = message::parse_mailbox_address(user);
      if (bar == std::string_view::npos || !parsed || parsed->domain.empty()) {
        leave_out(kName, number, "the form is user@domain|{SCHEME}hash");
        continue;
      }
      std::string_view hash = line.substr(bar + 1);
      const std::size_t more = hash.find('|');
      const std::string_view attributes =
          more == std::string_view::npos ? std::string_view() : hash.substr(more + 1);
      const std::string entry = fmt::format("{}:{}\n", user, hash.substr(0, more));
      const auto checked = auth::parse_users(entry, "");
      if (!checked.faults.empty() || checked.hashes.size() != 1 || !seen.insert(user).second) {
        leave_out(kName, number, "this account stands there twice, or its hash has a fault");
        continue;
      }
      add_domain(parsed->domain);
      users_.push_back({user, entry.substr(0, entry.size() - 1), {}});
      read_attributes(attributes, number);
      files_.mailboxes += fmt::format("{} {}\n", user, parsed->local);
    }
  }

  // Of the account that was read last: "userdb_quota_rule=*:storage=5M", with blanks between.
  void read_attributes(std::string_view text, std::size_t number) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
      const std::string_view word = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      constexpr std::string_view kRule = "userdb_quota_rule";
      const std::size_t equals = std::min(word.find('='), word.size());
      if (word.empty()) continue;
      if (!word.starts_with(kRule))
        leave_out("postfix-accounts.cf", number,
                  "what stands behind the second | has no counterpart");
      else
        add_rule(users_.back(), word.substr(std::min(equals + 1, word.size())),
                 "postfix-accounts.cf", number);
    }
  }

  // user@domain:5M
  void read_quotas(std::string_view text) {
    constexpr std::string_view kName = "dovecot-quotas.cf";
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::size_t lf = text.find('\n');
      const std::string_view line = trim(text.substr(0, lf));
      text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
      const std::string_view entry = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
      if (entry.empty() || entry.starts_with('#')) continue;
      const std::size_t colon = entry.find(':');
      const std::string user = message::to_lower(entry.substr(0, colon));
      const auto known = std::ranges::find(users_, user, &User::name);
      if (colon == std::string_view::npos)
        leave_out(kName, number, "the form is user@domain:5M");
      else if (known == users_.end())
        leave_out(kName, number, fmt::format("{} is no account", user));
      else
        add_rule(*known, fmt::format("*:bytes={}", trim(entry.substr(colon + 1))), kName, number);
    }
  }

  struct User {
    std::string name, line;
    std::string rules;  // with blanks between; a later one counts in place of an earlier one
  };
  void add_rule(User& user, std::string_view rule, std::string_view name, std::size_t number) {
    if (const auto parsed = quota::parse_rule(rule); !parsed)
      leave_out(name, number, parsed.error());
    else
      user.rules += fmt::format("{}{}", user.rules.empty() ? "" : " ", rule);
  }
  void write_users() {
    for (const User& user : users_) {
      std::string line = user.line + "\n";
      if (!user.rules.empty())
        line = auth::edit_quota_rules(line, user.name, user.rules).value_or(line);
      files_.users += line;
    }
  }

  void read_aliases(const std::vector<maps::Entry>& entries) {
    for (const maps::Entry& entry : entries) {
      const std::size_t mark = entry.key.rfind('@');
      if (mark == std::string::npos ||
          !message::is_domain(std::string_view(entry.key).substr(mark + 1))) {
        leave_out("postfix-virtual.cf", entry.line, fmt::format("{} has no domain", entry.key));
        continue;
      }
      add_domain(entry.key.substr(mark + 1));
      files_.aliases += fmt::format("{} {}\n", entry.key, entry.value);
    }
  }

  // Postfix takes a file of patterns with faults in it; here a fault keeps out the whole table.
  void read_patterns(std::string text) {
    constexpr std::string_view kName = "postfix-regexp.cf";
    constexpr std::size_t kFaultsMax = 1000;
    for (std::size_t faults = 0;; ++faults) {
      const auto table = maps::RegexpTable::parse(text, at(kName));
      if (table) break;
      const std::string& what = table.error().what;
      const auto number = to_number<std::size_t>(
          std::string_view(what)
              .substr(at(kName).size() + 1)
              .substr(0, what.find(':', at(kName).size() + 1) - at(kName).size() - 1));
      files_.left_out.push_back(what);
      if (!number || faults == kFaultsMax) return;
      text = without_line(text, *number);
    }
    const bool has_rule = std::ranges::any_of(maps::logical_lines(text),
                                              [](const auto& line) { return !line.text.empty(); });
    if (has_rule) files_.alias_patterns = std::move(text);
  }

  // Of a relay, or of a sender wherever it relays.
  void read_logins(const std::vector<maps::Entry>& entries) {
    for (const maps::Entry& entry : entries)
      files_.relay_sasl += fmt::format("{} {}\n", entry.key, entry.value);
  }

  // "@domain [host]:port"; "@domain" alone: what it sends leaves by MX.
  void read_relays(std::string_view text) {
    constexpr std::string_view kName = "postfix-relaymap.cf";
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::size_t lf = std::min(text.find('\n'), text.size());
      const std::string_view line = trim(text.substr(0, lf), " \t\r");
      text.remove_prefix(std::min(lf + 1, text.size()));
      if (line.empty() || line.starts_with('#')) continue;
      const std::size_t space = std::min(line.find_first_of(" \t"), line.size());
      const std::string_view relay = trim(line.substr(space));
      if (line.substr(0, space).find('@') == std::string_view::npos ||
          relay.find_first_of(" \t") != std::string_view::npos)
        leave_out(kName, number, "the form is @domain [host]:port");
      else
        files_.sender_relays += fmt::format("{} {}\n", to_lower(line.substr(0, space)),
                                            relay.empty() ? "smtp:" : relay);
    }
  }

  Path folder_;
  DmsFiles files_;
  std::vector<User> users_;
  std::set<std::string> known_domains_;
};

}  // namespace

Result<DmsFiles> read_dms_files(const Path& folder) {
  return Reader(folder).read();
}

}  // namespace posthorn::tools
