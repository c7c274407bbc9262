#include "tools/variables.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/password.h"
#include "auth/user_file.h"
#include "base/ascii.h"
#include "maps/table.h"
#include "message/mailbox_address.h"
#include "tools/account_name.h"
#include "tools/table_store.h"

namespace posthorn::tools {
namespace {

constexpr std::string_view kSecretNames[] = {"SMTP_PASSWD", "IMAP_PASSWD", "RELAY_PASSWORD",
                                             "SRS_SECRET"};

std::string value_of(const config::Variables& variables, std::string_view name) {
  const auto found = variables.find(std::string(name));
  return found == variables.end() ? std::string() : found->second;
}

bool has_line_end(std::string_view text) {
  return text.find_first_of(std::string_view("\n\r\0", 3)) != std::string_view::npos;
}

// A file that the roles read; what is written keeps its owner and mode.
class EditedFile {
 public:
  static Result<EditedFile> open(const Path& path) {
    TRY(auto text, read_file(path));
    if (!text)
      return fail(ErrorKind::config, fmt::format("{}: there is no such file", path.native()));
    return EditedFile(path, *std::move(text));
  }
  const std::string& text() const { return text_; }
  void set(std::string text) { now_ = std::move(text); }

  // "key value" of a table; a key that stands there with another value is changed.
  void set_entry(const std::string& key, const std::string& value, bool keeps_value) {
    std::string out;
    std::string_view rest = now_;
    bool found = false;
    while (!rest.empty()) {
      const std::size_t lf = rest.find('\n');
      const std::string_view line = rest.substr(0, lf == std::string_view::npos ? lf : lf + 1);
      rest.remove_prefix(line.size());
      const bool is_it = message::to_lower(line.substr(0, line.find_first_of(" \t\r\n"))) == key;
      found |= is_it;
      if (is_it && !keeps_value)
        out += fmt::format("{} {}\n", key, value);
      else
        out += line;
    }
    if (!found && !out.empty() && !out.ends_with('\n')) out += '\n';
    if (!found) out += fmt::format("{} {}\n", key, value);
    now_ = std::move(out);
  }

  Result<> save() {
    if (now_ == text_) return {};
    struct stat st{};
    if (::stat(path_.c_str(), &st) != 0) return fail_errno("stat", path_.native(), errno);
    const Path made = path_.native() + ".edit";
    (void)Disk::real().remove(made);
    TRY_OK(replace_file(Disk::real(), made, now_, st.st_mode & 07777U));
    if (geteuid() == 0 && ::chown(made.c_str(), st.st_uid, st.st_gid) != 0)
      return fail_errno("chown", made.native(), errno);
    TRY_OK(Disk::real().rename(made, path_));
    return Disk::real().sync_folder(path_.parent_path());
  }

 private:
  EditedFile(Path path, std::string text) : path_(std::move(path)), text_(text), now_(text_) {}
  Path path_;
  std::string text_, now_;
};

// A line of a users file; one whose hash is of this password stays as it is.
Result<> set_user(const Path& path, const std::string& user, const std::string& password,
                  const std::string& scheme) {
  if (user.find_first_of(": \t\r\n") != std::string::npos)
    return fail(ErrorKind::config, fmt::format("\"{}\" is no user name", user));
  TRY(auto file, EditedFile::open(path));
  const auto hashes = auth::parse_users(file.text(), path.native()).hashes;
  if (const auto known = hashes.find(user); known != hashes.end())
    if (const auto same = auth::verify_password(known->second, password); same && *same) return {};
  TRY(const auto hash, auth::hash_password(scheme, password));
  file.set(*auth::edit_users(file.text(), user, &hash));
  return file.save();
}

Result<> apply_test_accounts(const config::Config& config, const config::Variables& variables) {
  const std::string smtp_user = value_of(variables, "SMTP_USER");
  const std::string smtp_password = value_of(variables, "SMTP_PASSWD");
  const std::string scheme(to_string(config.auth.default_scheme));
  if (!smtp_user.empty() && !smtp_password.empty())
    TRY_OK(set_user(config.paths.smtp_users.empty() ? config.paths.users : config.paths.smtp_users,
                    complete_account_name(config, smtp_user), smtp_password, scheme));
  const std::string password = value_of(variables, "IMAP_PASSWD");
  if (password.empty()) return {};
  if (config.auth.any_user == config::AnyUser::one_password)
    TRY_OK(set_user(config.paths.users, "*", password, scheme));
  for (const std::string_view name : {"IMAP_USER1", "IMAP_USER2"}) {
    const std::string user = value_of(variables, name);
    if (user.empty()) continue;
    const std::string address = complete_account_name(config, user);
    const auto parsed = message::parse_mailbox_address(address);
    if (!parsed || parsed->domain.empty())
      return fail(ErrorKind::config, fmt::format("{}: \"{}\" is no user name", name, user));
    TRY_OK(set_user(config.paths.users, address, password, scheme));
    if (!config.route.by_local_part) {
      TRY(auto mailboxes, EditedFile::open(config.paths.maps / "mailboxes"));
      mailboxes.set_entry(address, parsed->local, true);
      TRY_OK(mailboxes.save());
      continue;
    }
    TRY(auto vusers, EditedFile::open(config.paths.maps / "vusers"));
    vusers.set_entry(message::to_lower(parsed->local), "vmail", true);
    TRY_OK(vusers.save());
  }
  return {};
}

// docker-mailserver's: several are separated by commas, and the first one signs.
Result<> set_srs_secrets(const Path& path, std::string_view secrets) {
  if (has_line_end(secrets)) return fail(ErrorKind::config, "SRS_SECRET is one line");
  TRY(auto file, EditedFile::open(path));
  std::string text = "# Of SRS_SECRET, in the environment.\n";
  while (!secrets.empty()) {
    const std::size_t comma = std::min(secrets.find(','), secrets.size());
    if (const auto secret = trim(secrets.substr(0, comma)); !secret.empty())
      text += fmt::format("{}\n", secret);
    secrets.remove_prefix(std::min(comma + 1, secrets.size()));
  }
  file.set(std::move(text));
  return file.save();
}

bool is_given(const config::Variables& variables, std::string_view name) {
  for (const std::string_view suffix : {"", "__FILE", "_SECRET"})
    if (!value_of(variables, fmt::format("{}{}", name, suffix)).empty()) return true;
  return false;
}

}  // namespace

std::vector<std::string> find_variable_faults(const config::Config& config,
                                              const config::Variables& variables) {
  using maps::Question;
  std::vector<std::string> faults;
  const Stores stores(config);
  const auto expect_text = [&](std::string_view name, Question question, std::string_view key) {
    if (is_given(variables, name) && stores.backend_of(question) == Backend::pgsql)
      faults.push_back(
          fmt::format("{}: {} asks PostgreSQL, where the environment makes no "
                      "accounts; unset it and write the row there",
                      name, key));
  };
  if (!config.relay.relayhost.empty())
    expect_text("RELAY_USER", Question::relay_sasl, "maps.relay_sasl");
  if (config.server.profile != "test") return faults;
  if (config.paths.smtp_users.empty()) expect_text("SMTP_USER", Question::users, "auth.users");
  expect_text("IMAP_PASSWD", Question::users, "auth.users");
  for (const std::string_view name : {"IMAP_USER", "IMAP_USER1", "IMAP_USER2"})
    if (config.route.by_local_part)
      expect_text(name, Question::vusers, "maps.vusers");
    else
      expect_text(name, Question::mailboxes, "maps.mailboxes");
  return faults;
}

Result<> apply_accounts(const config::Config& config, const config::Variables& variables) {
  if (const auto faults = find_variable_faults(config, variables); !faults.empty())
    return fail(ErrorKind::config, faults.front());
  const std::string user = value_of(variables, "RELAY_USER");
  const std::string password = value_of(variables, "RELAY_PASSWORD");
  if (!user.empty() && !password.empty() && !config.relay.relayhost.empty()) {
    if (has_line_end(user + password) || user.find(':') != std::string::npos)
      return fail(ErrorKind::config, "RELAY_USER and RELAY_PASSWORD are one line, without a colon");
    TRY(auto logins, EditedFile::open(config.paths.maps / "relay-sasl"));
    logins.set_entry(message::to_lower(config.relay.relayhost), user + ":" + password, false);
    TRY_OK(logins.save());
  }
  if (const std::string secrets = value_of(variables, "SRS_SECRET");
      !secrets.empty() && !config.srs.domain.empty())
    TRY_OK(set_srs_secrets(config.srs.secret_file, secrets));
  // Names as common as these mean this server only where the profile says so.
  if (config.server.profile == "test") return apply_test_accounts(config, variables);
  return {};
}

Result<> take_accounts(const config::Config& config) {
  config::Variables variables = config::environment();
  for (const std::string_view prefix : {"RELAY_", "SRS_", "SMTP_", "IMAP_"})
    if (prefix == "RELAY_" || prefix == "SRS_" || config.server.profile == "test")
      TRY_OK(config::resolve_files(variables, prefix));
  if (config.server.profile == "test") TRY_OK(config::resolve_secrets(variables));
  TRY_OK(apply_accounts(config, variables));
  for (const std::string_view name : kSecretNames) variables.erase(std::string(name));
  config::adopt_environment(variables);
  return {};
}

std::vector<std::string> describe_variables(const config::Config& config,
                                            const config::Variables& variables) {
  std::vector<std::string> lines = config.from_environment;
  const auto tell = [&](std::string_view name, std::string_view what) {
    for (const std::string_view suffix : {"", "__FILE", "_SECRET"}) {
      const std::string full = fmt::format("{}{}", name, suffix);
      if (!value_of(variables, full).empty()) lines.push_back(fmt::format("{} {}", full, what));
    }
  };
  if (!config.srs.domain.empty())
    tell("SRS_SECRET", "is what rewritten senders are signed with, in srs.secret_file");
  tell("RELAY_USER", "and RELAY_PASSWORD are the relay's login in maps/relay-sasl");
  if (config.server.profile == "test") {
    tell("SMTP_USER", "and SMTP_PASSWD are the login for sending");
    for (const std::string_view name : {"IMAP_USER", "IMAP_USER1", "IMAP_USER2"})
      tell(name, "is an account for reading");
    tell("IMAP_PASSWD", "is the password for reading");
  }
  for (std::string& idle : config::find_idle_variables(variables)) lines.push_back(std::move(idle));
  return lines;
}

}  // namespace posthorn::tools
