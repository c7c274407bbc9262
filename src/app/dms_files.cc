#include "app/dms_files.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <set>

#include "auth/user_file.h"
#include "maps/table.h"
#include "message/mailbox_address.h"

namespace posthorn::app {
namespace {

class Reader {
 public:
  explicit Reader(const Path& folder) : folder_(folder) {}

  Result<DmsFiles> read() {
    TRY(const auto accounts, take("postfix-accounts.cf"));
    TRY(const auto aliases, take("postfix-virtual.cf"));
    TRY(const auto logins, take("postfix-sasl-password.cf"));
    TRY(const auto relays, take("postfix-relaymap.cf"));
    if (!accounts && !aliases && !logins && !relays)
      return fail(ErrorKind::config,
                  fmt::format("{} holds none of docker-mailserver's files", folder_.native()));
    if (accounts) read_accounts(*accounts);
    if (aliases) read_aliases(table(*aliases, "postfix-virtual.cf"));
    if (logins) read_logins(table(*logins, "postfix-sasl-password.cf"));
    if (relays) read_relays(table(*relays, "postfix-relaymap.cf"));
    for (const std::string_view other : {"postfix-regexp.cf", "dovecot-quotas.cf"}) {
      TRY(const auto text, take(std::string(other)));
      if (text && text->find_first_not_of(" \t\r\n") != std::string::npos)
        files_.left_out.push_back(fmt::format("{}: this server has no counterpart", at(other)));
    }
    leave_out_scripts();
    return std::move(files_);
  }

 private:
  // before.dovecot.sieve, after.dovecot.sieve and the users' own.
  void leave_out_scripts() {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error))
      if (const std::string name = entry.path().filename().native();
          name.ends_with(".dovecot.sieve"))
        names.push_back(name);
    std::ranges::sort(names);
    for (const std::string& name : names)
      files_.left_out.push_back(
          fmt::format("{}: there is one script for the site here, sieve/default.sieve", at(name)));
  }

  Result<std::optional<std::string>> take(const std::string& name) const {
    return read_file(folder_ / name);
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
      if (more != std::string_view::npos && more + 1 < hash.size())
        leave_out(kName, number, "what stands behind the second | has no counterpart");
      const std::string entry = fmt::format("{}:{}\n", user, hash.substr(0, more));
      const auto checked = auth::parse_users(entry, "");
      if (!checked.faults.empty() || checked.hashes.size() != 1 || !seen.insert(user).second) {
        leave_out(kName, number, "this account stands there twice, or its hash has a fault");
        continue;
      }
      add_domain(parsed->domain);
      files_.users += entry;
      files_.mailboxes += fmt::format("{} {}\n", user, parsed->local);
    }
  }

  void read_aliases(const std::vector<maps::Entry>& entries) {
    for (const maps::Entry& entry : entries) {
      const std::size_t mark = entry.key.rfind('@');
      if (mark == std::string::npos) {
        leave_out("postfix-virtual.cf", entry.line, fmt::format("{} has no domain", entry.key));
        continue;
      }
      add_domain(entry.key.substr(mark + 1));
      files_.aliases += fmt::format("{} {}\n", entry.key, entry.value);
    }
  }

  void read_logins(const std::vector<maps::Entry>& entries) {
    for (const maps::Entry& entry : entries) {
      if (entry.key.find('@') != std::string::npos)
        leave_out("postfix-sasl-password.cf", entry.line,
                  fmt::format("{}: a login goes with a relay here, not with a sender", entry.key));
      else
        files_.relay_sasl += fmt::format("{} {}\n", entry.key, entry.value);
    }
  }

  // There the sender's domain chooses the relay; here the recipient's does.
  void read_relays(const std::vector<maps::Entry>& entries) {
    for (const maps::Entry& entry : entries)
      leave_out("postfix-relaymap.cf", entry.line,
                fmt::format("{}: a relay is chosen by the recipient here (maps/transport, "
                            "relay.relayhost), not by the sender",
                            entry.key));
  }

  Path folder_;
  DmsFiles files_;
  std::set<std::string> known_domains_;
};

}  // namespace

Result<DmsFiles> read_dms_files(const Path& folder) {
  return Reader(folder).read();
}

}  // namespace posthorn::app
