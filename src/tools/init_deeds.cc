#include "tools/init_deeds.h"

#include <algorithm>
#include <fmt/format.h>

#include "deliver/dkim_key.h"
#include "maps/migrations.h"
#include "net/tls.h"
#include "tools/account_list.h"
#include "tools/address.h"
#include "tools/certificate.h"
#include "tools/control.h"
#include "tools/dkim.h"
#include "tools/table_store.h"
#include "tools/user.h"

namespace posthorn::tools {
namespace {

Result<> make_account(const config::Config& config, const setup::Account& account) {
  if (account.address.empty()) return {};
  if (maps::uses_pgsql(config)) {
    fmt::print("not made: {}: `posthorn migrate` makes its table first\n", account.address);
    return {};
  }
  TRY(const auto known, list_accounts(config));
  if (std::ranges::find(known, account.address, &KnownAccount::name) != known.end()) {
    fmt::print("kept     the account {} with its password\n", account.address);
    return {};
  }
  UserOptions options;
  options.action = UserAction::add;
  options.address = account.address;
  options.password = account.password;
  if (run_user_tool(config, options) != 0)
    return fail(ErrorKind::permanent,
                fmt::format("{} was not made; `posthorn user add` makes it, or init run again",
                            account.address));
  // To whoever sits there, and into no log.
  if (account.is_made)
    fmt::print(stderr, "\nThe password of {}: {}\nTake it down now: it is shown this once.\n\n",
               account.address, account.password);
  return {};
}

Result<> keep_relay_login(const config::Config& config, const setup::Relay& relay) {
  if (relay.login.empty()) return {};
  Stores stores(config);
  TRY(const auto table, stores.open(maps::Question::relay_sasl));
  const std::string line = fmt::format("{}:{}", relay.login, relay.password);
  TRY(const auto known, table->find(relay.hop));
  if (known && *known == line) return {};
  TRY_OK(table->set(relay.hop, line));
  TRY_OK(stores.commit());
  fmt::print("{}     the login {} of {} in {}\n", known ? "changed" : "made", relay.login,
             relay.hop, table->place());
  return {};
}

Result<> make_dkim_keys(const config::Config& config, const std::vector<std::string>& domains) {
  constexpr unsigned kBits = 2048;  // RFC 8301 section 3.2
  for (const std::string& domain : domains) {
    TRY(const auto keys, deliver::find_dkim_keys(config.dkim.folder, domain));
    if (!keys.empty()) continue;
    TRY(const auto key, deliver::DkimKey::make_rsa(kBits));
    TRY(const auto pem, key.to_pem());
    TRY(const Path file, write_dkim_key(config, domain, "mail", pem));
    fmt::print("made     {}\n", file.native());
  }
  return {};
}

}  // namespace

Result<> edit_present(const Present& present, const std::vector<setup::Change>& changes,
                      const std::vector<std::string>& domains) {
  if (!changes.empty()) {
    EditedText file(present.file);
    TRY(const std::string* text, file.text());
    TRY(std::string edited, setup::edit_settings(*text, changes, present.file));
    file.set(std::move(edited), 1);
    TRY_OK(file.prepare());
    TRY_OK(file.put_in_place());
    for (const setup::Change& change : changes)
      fmt::print("changed  {}: {}.{} is {} now\n", present.file.native(), change.section,
                 change.key, change.shall);
  }
  if (domains.empty()) return {};
  TRY(const auto config, config::load(present.file));
  for (const std::string& domain : domains)
    if (run_address_tool(config, {.action = AddressAction::domain_add, .name = domain}) != 0)
      return fail(ErrorKind::permanent,
                  fmt::format("{} was not added; `posthorn domain add {}` does", domain, domain));
  return {};
}

Result<> do_deeds(const config::Config& config, const setup::Answers& answers, Renamed renamed) {
  if (renamed == Renamed::yes) {
    const auto own = net::TlsServer::load({{config.paths.certificate, config.paths.key}});
    if (own && (*own)->info().is_of_own_authority && renew_certificate(config) != 0)
      return fail(ErrorKind::permanent, "the certificate is still for the old name");
  }
  TRY_OK(keep_relay_login(config, answers.relay));
  TRY_OK(make_dkim_keys(config, answers.domains));
  TRY_OK(make_account(config, answers.account));
  if (make_live(config) != 0)
    return fail(ErrorKind::permanent, "the server that runs did not take it; see its log");
  return {};
}

}  // namespace posthorn::tools
