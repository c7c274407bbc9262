#include "tools/user.h"

#include <algorithm>
#include <fmt/format.h>
#include <iostream>

#include "auth/password.h"
#include "base/ascii.h"
#include "config/account_path.h"
#include "maps/table_set.h"
#include "setup/names.h"
#include "tools/account_list.h"
#include "tools/complain.h"
#include "tools/control.h"
#include "tools/references.h"
#include "tools/table_store.h"
#include "tools/terminal.h"

namespace posthorn::tools {
namespace {

// The line ends at LF or CR LF, whichever program wrote it: a CR is nobody's password's end.
std::string read_line() {
  std::string line;
  std::getline(std::cin, line);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

Result<std::string> read_password(const UserOptions& options) {
  if (options.password) return *options.password;
  std::string password;
  if (options.password_stdin) {
    password = read_line();
  } else {
    TRY(password, ask_line("Password: ", Echo::hidden));
    TRY(const std::string again, ask_line("Again: ", Echo::hidden));
    if (again != password) return fail(ErrorKind::permanent, "the two passwords differ");
  }
  if (password.empty()) return fail(ErrorKind::permanent, "an empty password is not taken");
  return password;
}

class Users {
 public:
  explicit Users(const config::Config& config) : config_(config), stores_(config) {}

  // The login before the mailbox: without one, mail is refused as before.
  Result<> add(const std::string& address, const UserOptions& options) {
    TRY_OK(open());
    TRY_OK(check_address(address));
    TRY(const auto known, users_->find(address));
    if (known) return fail(ErrorKind::permanent, fmt::format("{} is there already", address));
    TRY_OK(set_password(address, options));
    TRY(const auto mailbox, mailboxes_->find(address));
    if (!mailbox) TRY_OK(mailboxes_->set(address, address.substr(0, address.rfind('@'))));
    TRY_OK(stores_.commit());
    fmt::print("{} has a mailbox and may log in\n", address);
    return tell_of_alias(address);
  }

  Result<> passwd(const std::string& address, const UserOptions& options) {
    TRY_OK(open());
    TRY(const auto known, users_->find(address));
    if (!known) return fail(ErrorKind::permanent, fmt::format("there is no account {}", address));
    TRY_OK(set_password(address, options));
    return stores_.commit();
  }

  // What names the mailbox goes before it, the mailbox before the login: between two of the writes
  // mail is refused as it is afterwards, and nothing leads into the void.
  Result<> remove(const std::string& address, bool with_references) {
    TRY_OK(open());
    TRY(const auto known, users_->find(address));
    if (!known) return fail(ErrorKind::permanent, fmt::format("there is no account {}", address));
    References references(config_, stores_);
    TRY_OK(references.find({address, Departure::Kind::account}));
    if (!references.is_empty() && !with_references) return references.refuse(address);
    TRY_OK(references.take_out());
    TRY_OK(mailboxes_->remove(address));
    TRY_OK(users_->remove(address));
    TRY_OK(stores_.commit());
    for (const std::string& line : references.taken_out()) fmt::print("{}\n", line);
    const auto path = config::account_path(config_.paths.mail, config_.store.location, address);
    fmt::print("{} is no account any more; its mail stays in {}\n", address,
               path ? path->native() : config_.paths.mail.native());
    return {};
  }

  Result<> list() {
    TRY(auto accounts, list_accounts(config_));
    std::ranges::sort(accounts, {}, &KnownAccount::name);
    for (const KnownAccount& account : accounts) fmt::print("{}\n", account.name);
    return {};
  }

  bool has_text() const { return stores_.has_text(); }

 private:
  // An alias of the same name is asked first (virtual(5)).
  Result<> tell_of_alias(const std::string& address) {
    TRY(const auto tables, stores_.open_all(maps::Question::aliases));
    for (const auto& table : tables) {
      if (!table->can_list()) continue;
      TRY(const auto rows, table->list_places());
      const auto found = std::ranges::find(rows, address, &Placed::key);
      if (found == rows.end()) continue;
      const auto targets = maps::split_list(found->value);
      if (std::ranges::find(targets, address) == targets.end())
        fmt::print(stderr, "warning: {}: mail for {} goes to {}, and not into the mailbox\n",
                   found->place, address, found->value);
      break;
    }
    return {};
  }

  Result<> open() {
    TRY(users_, stores_.open(maps::Question::users));
    TRY(mailboxes_, stores_.open(maps::Question::mailboxes));
    return {};
  }

  Result<> check_address(const std::string& address) {
    if (const auto fault = setup::find_account_fault(address, config_.maps.recipient_delimiter))
      return fail(ErrorKind::permanent, fmt::format("{}: {}", address, *fault));
    const std::string domain_name = address.substr(address.rfind('@') + 1);
    TRY(const auto domains, stores_.open(maps::Question::domains));
    TRY(const auto domain, domains->find(domain_name));
    if (domain) return {};
    return fail(ErrorKind::permanent,
                fmt::format("the domain {} is not in {}", domain_name, domains->place()));
  }

  Result<> set_password(const std::string& address, const UserOptions& options) {
    TRY(const auto password, read_password(options));
    TRY(const auto hash,
        auth::hash_password(options.scheme.empty()
                                ? std::string(to_string(config_.auth.default_scheme))
                                : options.scheme,
                            password));
    return users_->set(address, hash);
  }

  const config::Config& config_;
  Stores stores_;
  std::unique_ptr<TableStore> users_, mailboxes_;
};

}  // namespace

int run_user_tool(const config::Config& config, const UserOptions& options) {
  Users users(config);
  std::string address = to_lower(options.address);
  if (config.route.bare_names && !address.empty() && address.find('@') == std::string::npos &&
      !config.server.default_domain.empty())
    address += "@" + config.server.default_domain;
  Result<> done;
  switch (options.action) {
    case UserAction::add:
      done = users.add(address, options);
      break;
    case UserAction::passwd:
      done = users.passwd(address, options);
      break;
    case UserAction::remove:
      done = users.remove(address, options.with_references);
      break;
    case UserAction::list:
      done = users.list();
      break;
  }
  if (!done) return complain(done.error().what);
  // PostgreSQL tells the server itself.
  if (options.action == UserAction::list || !users.has_text()) return 0;
  return make_live(config);
}

}  // namespace posthorn::tools
