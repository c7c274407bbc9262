#include "tools/init_answers.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <unistd.h>

#include "base/ascii.h"
#include "maps/migrations.h"
#include "maps/table.h"
#include "tools/terminal.h"

namespace posthorn::tools {
namespace {

std::unexpected<Error> refuse(std::string_view flag, std::string_view why) {
  return fail(ErrorKind::config, fmt::format("{}: {}", flag, why));
}

Result<std::string> read_secret(std::string_view flag, const Path& path) {
  if (path == "-") {
    auto line = ask_line(is_anybody_there() ? fmt::format("{}: ", flag) : "", Echo::hidden);
    if (!line) return refuse(flag, "standard input holds no line");
    return line;
  }
  constexpr std::uint64_t kMax = 65'536;
  TRY(const auto text, read_file(path, kMax));
  if (!text) return refuse(flag, fmt::format("there is no file {}", path.native()));
  std::string line = text->substr(0, text->find('\n'));
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

Result<setup::Account> read_account(const InitFlags& flags, std::string_view delimiter) {
  setup::Account account;
  if (flags.account.empty()) {
    if (!flags.password_file.empty()) return refuse("--password-file", "whose? Add --user ADDRESS");
    return account;
  }
  account.address = to_lower(flags.account);
  if (const auto fault = setup::find_account_fault(account.address, delimiter))
    return refuse("--user", fmt::format("\"{}\": {}", flags.account, *fault));
  if (flags.password_file.empty()) {
    if (is_anybody_there() && !flags.yes) return account;
    return refuse("--user",
                  "its password is missing: --password-file FILE, or - for standard input");
  }
  TRY(account.password, read_secret("--password-file", flags.password_file));
  if (const auto fault = setup::find_password_fault(account.password))
    return refuse("--password-file", *fault);
  return account;
}

Result<setup::Relay> read_relay(const InitFlags& flags) {
  setup::Relay relay;
  if (flags.relay.empty()) {
    if (!flags.relay_login.empty()) return refuse("--relay-login", "where? Add --relay HOST");
    if (!flags.relay_password_file.empty())
      return refuse("--relay-password-file", "where? Add --relay HOST");
    return relay;
  }
  std::string why;
  const auto hop = setup::meant_relay(flags.relay, why);
  if (!hop) return refuse("--relay", fmt::format("\"{}\": {}", flags.relay, why));
  relay.hop = *hop;
  relay.login = flags.relay_login.empty() ? setup::usual_login(*hop) : flags.relay_login;
  if (relay.login.empty()) {
    if (!flags.relay_password_file.empty())
      return refuse("--relay-password-file", "whose? Add --relay-login NAME");
    return relay;
  }
  if (const auto fault = setup::find_relay_login_fault(relay.login))
    return refuse("--relay-login", *fault);
  if (flags.relay_password_file.empty()) {
    if (is_anybody_there() && !flags.yes) return relay;
    return refuse("--relay",
                  fmt::format("the password of {} is missing: --relay-password-file FILE, "
                              "or - for standard input",
                              relay.login));
  }
  if (flags.relay_password_file == "-" && flags.password_file == "-")
    return refuse("--relay-password-file", "standard input is --password-file's already");
  TRY(relay.password, read_secret("--relay-password-file", flags.relay_password_file));
  if (const auto fault = setup::find_relay_password_fault(relay.password))
    return refuse("--relay-password-file", *fault);
  return relay;
}

Result<setup::Acme> read_acme(const InitOptions& options) {
  const InitFlags& flags = options.flags;
  setup::Acme acme;
  if (flags.acme_email.empty()) {
    for (const auto& [flag, is_given] :
         {std::pair{"--acme-directory", !flags.acme_directory.empty()},
          {"--acme-authority", !options.acme_authority.empty()},
          {"--acme-eab-key-id", !options.acme_eab_key_id.empty()},
          {"--acme-eab-key-file", !options.acme_eab_key_file.empty()}})
      if (is_given) return refuse(flag, "for whom? Add --acme EMAIL");
    return acme;
  }
  if (const auto fault = setup::find_email_fault(flags.acme_email))
    return refuse("--acme", fmt::format("\"{}\": {}", flags.acme_email, *fault));
  acme.email = flags.acme_email;
  acme.directory =
      flags.acme_directory.empty() ? "letsencrypt" : setup::meant_directory(flags.acme_directory);
  if (const auto fault = setup::find_directory_fault(acme.directory))
    return refuse("--acme-directory", fmt::format("\"{}\": {}", flags.acme_directory, *fault));
  if (options.acme_eab_key_id.empty() != options.acme_eab_key_file.empty())
    return refuse("--acme-eab-key-id", "it goes with --acme-eab-key-file");
  acme.are_terms_agreed = flags.yes;
  if (!flags.yes && !is_anybody_there())
    return refuse("--acme",
                  fmt::format("the authority's terms have to be agreed to: {}. --yes does",
                              setup::terms_of(acme.directory)));
  return acme;
}

}  // namespace

Result<setup::Answers> read_flags(const InitOptions& options) {
  setup::Answers answers;
  answers.hostname = options.hostname;
  answers.domains = options.domains;
  TRY(answers.account, read_account(options.flags, config::Config().maps.recipient_delimiter));
  TRY(answers.relay, read_relay(options.flags));
  TRY(answers.acme, read_acme(options));
  return answers;
}

Result<std::optional<Present>> find_present(const Path& folder) {
  Present present{.file = folder / "conf/posthorn.toml"};
  TRY(const auto text, read_file(present.file));
  if (!text) return std::nullopt;
  TRY(present.config, config::read_keys(*text, present.file));
  present.has_pgsql = maps::uses_pgsql(present.config);
  const auto keys = [](const Path& file) -> Result<std::vector<std::string>> {
    TRY(const auto table, read_file(file));
    std::vector<std::string> found;
    for (const maps::Entry& entry : maps::parse_text(table.value_or(""), file.native()).entries)
      found.push_back(entry.key);
    return found;
  };
  TRY(present.domains, keys(folder / "maps/domains"));
  TRY(const auto mailboxes, keys(folder / "maps/mailboxes"));
  present.has_accounts = present.has_pgsql || !mailboxes.empty();
  return present;
}

setup::Machine look_at_machine() {
  const auto text_of = [](const Path& path) {
    const auto text = read_file(path);
    return text && *text ? **text : std::string();
  };
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) name[0] = '\0';
  return {
      .name = name.data(), .hosts = text_of("/etc/hosts"), .mailname = text_of("/etc/mailname")};
}

}  // namespace posthorn::tools
