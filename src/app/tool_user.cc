#include "app/tool_user.h"

#include <fmt/format.h>
#include <iostream>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "app/control.h"
#include "app/supervisor.h"
#include "auth/password.h"
#include "auth/user_file.h"
#include "maps/table.h"
#include "message/mailbox_address.h"
#include "store/mailbox_name.h"

namespace posthorn::app {
namespace {

int complain(std::string_view what) {
  fmt::print(stderr, "posthorn: {}\n", what);
  return 1;
}

std::string read_hidden(const char* prompt) {
  fmt::print(stderr, "{}", prompt);
  termios before{};
  const bool is_terminal = ::tcgetattr(STDIN_FILENO, &before) == 0;
  if (is_terminal) {
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  std::string line;
  std::getline(std::cin, line);
  if (is_terminal) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fmt::print(stderr, "\n");
  }
  return line;
}

Result<std::string> read_password(bool from_stdin) {
  std::string password;
  if (from_stdin) {
    std::getline(std::cin, password);
  } else {
    password = read_hidden("Password: ");
    if (read_hidden("Again: ") != password)
      return fail(ErrorKind::permanent, "the two passwords differ");
  }
  if (password.empty()) return fail(ErrorKind::permanent, "an empty password is not taken");
  return password;
}

class Users {
 public:
  explicit Users(const config::Config& config)
      : config_(config), mailboxes_(config.paths.maps / "mailboxes") {}

  Result<> add(const std::string& address, bool from_stdin, const std::string& scheme) {
    TRY_OK(check_address(address));
    TRY(const auto text, read(config_.paths.users));
    if (auth::parse_users(text, "").hashes.contains(address))
      return fail(ErrorKind::permanent, fmt::format("{} is there already", address));
    TRY_OK(set_password(text, address, from_stdin, scheme));
    return set_mailbox(address, true);
  }

  Result<> passwd(const std::string& address, bool from_stdin, const std::string& scheme) {
    TRY(const auto text, read(config_.paths.users));
    if (!auth::parse_users(text, "").hashes.contains(address))
      return fail(ErrorKind::permanent, fmt::format("there is no account {}", address));
    return set_password(text, address, from_stdin, scheme);
  }

  Result<> remove(const std::string& address) {
    TRY(const auto text, read(config_.paths.users));
    const auto edited = auth::edit_users(text, address, nullptr);
    if (!edited) return fail(ErrorKind::permanent, fmt::format("there is no account {}", address));
    TRY_OK(set_mailbox(address, false));
    TRY_OK(write(config_.paths.users, *edited));
    const auto path = store::account_path(config_.paths.mail, config_.store.location, address);
    fmt::print("{} is no account any more; its mail stays in {}\n", address,
               path ? path->native() : config_.paths.mail.native());
    return {};
  }

  Result<> list() {
    TRY(const auto text, read(config_.paths.users));
    for (const auto& [user, hash] : auth::parse_users(text, "").hashes) fmt::print("{}\n", user);
    return {};
  }

 private:
  Result<> check_address(const std::string& address) const {
    const auto parsed = message::parse_mailbox_address(address);
    if (!parsed || parsed->domain.empty())
      return fail(ErrorKind::permanent, fmt::format("\"{}\" is no address", address));
    // The name becomes a folder's.
    for (const char c : address)
      if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
          std::string_view("._+=-@").find(c) == std::string_view::npos)
        return fail(ErrorKind::permanent,
                    fmt::format("{}: letters, digits and . _ = - only", address));
    if (address.front() == '.' ||
        parsed->local.find_first_of(config_.maps.recipient_delimiter) != std::string::npos)
      return fail(ErrorKind::permanent,
                  fmt::format("{}: the name must not begin with a dot or hold the tag's delimiter",
                              address));
    TRY(const auto domains, read(config_.paths.maps / "domains"));
    for (const maps::Entry& entry : maps::parse_text(domains, "").entries)
      if (entry.key == parsed->domain) return {};
    return fail(ErrorKind::permanent, fmt::format("the domain {} is not in {}", parsed->domain,
                                                  (config_.paths.maps / "domains").native()));
  }

  static Result<std::string> read(const Path& path) {
    TRY(auto text, read_file(path));
    if (!text)
      return fail(ErrorKind::config, fmt::format("{}: there is no such file", path.native()));
    return *std::move(text);
  }

  // Keeps owner and mode: a role reads the file.
  static Result<> write(const Path& path, const std::string& text) {
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0) return fail_errno("stat", path.native(), errno);
    const Path made = path.native() + ".edit";
    (void)Disk::real().remove(made);
    TRY_OK(replace_file(Disk::real(), made, text, st.st_mode & 07777U));
    if (geteuid() == 0 && ::chown(made.c_str(), st.st_uid, st.st_gid) != 0)
      return fail_errno("chown", made.native(), errno);
    TRY_OK(Disk::real().rename(made, path));
    return Disk::real().sync_folder(path.parent_path());
  }

  Result<> set_password(const std::string& text, const std::string& address, bool from_stdin,
                        const std::string& scheme) {
    TRY(const auto password, read_password(from_stdin));
    TRY(const auto hash,
        auth::hash_password(scheme.empty() ? config_.auth.default_scheme : scheme, password));
    const auto edited = auth::edit_users(text, address, &hash);
    return write(config_.paths.users, *edited);
  }

  Result<> set_mailbox(const std::string& address, bool there) {
    TRY(std::string text, read(mailboxes_));
    std::string edited;
    bool found = false;
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::size_t lf = rest.find('\n');
      const std::string_view line = rest.substr(0, lf == std::string_view::npos ? lf : lf + 1);
      rest.remove_prefix(line.size());
      const bool is_it =
          message::to_lower(line.substr(0, line.find_first_of(" \t\r\n"))) == address;
      found |= is_it;
      if (!is_it || there) edited += line;
    }
    if (there && !found) {
      if (!edited.empty() && !edited.ends_with('\n')) edited += '\n';
      edited += fmt::format("{} {}\n", address, address.substr(0, address.rfind('@')));
    }
    return edited == text ? Result<>{} : write(mailboxes_, edited);
  }

  const config::Config& config_;
  Path mailboxes_;
};

}  // namespace

int run_user_tool(const config::Config& config, const UserOptions& options) {
  Users users(config);
  std::string address = message::to_lower(options.address);
  if (config.route.bare_names && !address.empty() && address.find('@') == std::string::npos &&
      !config.server.default_domain.empty())
    address += "@" + config.server.default_domain;
  Result<> done;
  switch (options.action) {
    case UserAction::add:
      done = users.add(address, options.password_stdin, options.scheme);
      break;
    case UserAction::passwd:
      done = users.passwd(address, options.password_stdin, options.scheme);
      break;
    case UserAction::remove:
      done = users.remove(address);
      break;
    case UserAction::list:
      done = users.list();
      break;
  }
  if (!done) return complain(done.error().what);
  if (options.action == UserAction::list) return 0;
  const auto running = find_instance(config);
  if (running && *running) return reload_server(config);
  return 0;
}

}  // namespace posthorn::app
