// Who may log in: passdb and userdb blocks, and the settings around logins. Passwd-files become
// accounts, and SQL is asked as before (pgsql_plan); of no other database is it known here whom it
// lets in. A block with conditions that these cannot express is left out whole: that closes, and
// never opens.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "takeover/dovecot_mapping.h"

namespace posthorn::takeover {
namespace {

constexpr std::string_view kNameLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@";
constexpr std::uint64_t kUsersMax = 64U << 20U;

// What other databases are, and what to do instead.
struct Driver {
  std::string_view name, instead;
};
constexpr Driver kDrivers[] = {
    {"pam", "accounts of the machine are none here: `posthorn user add NAME@DOMAIN` makes each"},
    {"shadow", "accounts of the machine are none here: `posthorn user add NAME@DOMAIN` makes each"},
    {"passwd", "accounts of the machine are none here: `posthorn user add NAME@DOMAIN` makes each"},
    {"bsdauth",
     "accounts of the machine are none here: `posthorn user add NAME@DOMAIN` makes each"},
    {"ldap", "there is no LDAP: write its accounts into conf/users, or into PostgreSQL"},
    {"sql",
     "its accounts are asked for in PostgreSQL with [pgsql] conninfo and a query of its own in "
     "[pgsql.queries] (migrations/README.md); those of MySQL and SQLite are to be written into "
     "conf/users"},
    {"static", "one password for every name lets in whoever knows it: it stays closed"},
    {"checkpassword", "no program is asked: write the accounts into conf/users"},
    {"dict", "there is no dict: write the accounts into conf/users"},
    {"imap", "no other server is asked: `posthorn user passwd` makes the passwords"},
    {"oauth2", "there are no tokens: `posthorn user passwd` makes the passwords"},
    {"lua", "no Lua is run: write the accounts into conf/users"},
    {"vpopmail", "there is no vpopmail: write the accounts into conf/users"},
};

// 2.4 names the driver as the block, 2.3 in a setting.
std::string driver_of(const DovecotBlock& block) {
  const std::string said = block.value_of("driver");
  return said.empty() ? block.name : said;
}

// "args = scheme=CRYPT username_format=%u /etc/dovecot/users", or 2.4's settings.
struct PasswdFileArgs {
  std::string path, scheme, format;
};
PasswdFileArgs args_of(const DovecotBlock& block) {
  PasswdFileArgs args;
  const std::string text = block.value_of("args");
  std::string_view rest = text;
  while (!rest.empty()) {
    rest = trim(rest);
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    if (word.starts_with("scheme="))
      args.scheme = word.substr(word.find('=') + 1);
    else if (word.starts_with("username_format="))
      args.format = word.substr(word.find('=') + 1);
    else {
      args.path = rest;  // it may have blanks in it
      break;
    }
    rest.remove_prefix(end);
  }
  for (const std::string_view name : {"passwd_file_path", "path"})
    if (args.path.empty()) args.path = block.value_of(name);
  for (const std::string_view name : {"default_password_scheme", "passdb_default_password_scheme"})
    if (args.scheme.empty()) args.scheme = block.value_of(name);
  if (args.format.empty()) args.format = block.value_of("auth_username_format");
  return args;
}

// "default_fields = uid=vmail gid=vmail", or 2.4's block fields.
std::vector<std::string> fields_of(const DovecotBlock& block, std::string_view name) {
  std::vector<std::string> fields;
  const std::string text = block.value_of(name);
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (end > 0) fields.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (name != "default_fields") return fields;
  if (const DovecotBlock* const inner = block.find_block("fields"))
    for (const DovecotSetting& field : inner->settings)
      fields.push_back(fmt::format("{}={}", field.name, field.value));
  return fields;
}
std::string field_of(const std::vector<std::string>& fields, std::string_view name) {
  for (const std::string& field : fields)
    if (field.starts_with(name) && field.substr(name.size()).starts_with('='))
      return field.substr(name.size() + 1);
  return "";
}

// What a passdb says that a line of conf/users cannot: why it is not taken; empty: nothing.
std::string find_condition(const DovecotBlock& block) {
  const auto differs = [&](std::string_view name, std::string_view usual) {
    const std::string value = block.value_of(name);
    return !value.empty() && value != usual;
  };
  if (is_yes(block.value_of("master")))
    return "master users log in to others' mailboxes, which nobody does here";
  if (is_yes(block.value_of("pass")) || differs("result_success", "return-ok") ||
      differs("result_failure", "continue") || differs("result_internalfail", "continue") ||
      differs("skip", "never"))
    return "whom it lets in depends on other passdbs, which a file of accounts cannot say";
  if (differs("username_filter", "*")) return "it holds for some names only (username_filter)";
  if (!words_of(block.value_of("mechanisms")).empty()) return "it holds for some mechanisms only";
  return "";
}

class Logins {
 public:
  explicit Logins(DovecotMapping& mapping) : m_(mapping) {}

  void map() {
    m_.uid = m_.root().value_of("mail_uid");
    read_rules();
    for (const DovecotBlock& block : m_.root().blocks)
      if (block.type == "userdb") read_userdb(block);
    for (const DovecotBlock& block : m_.root().blocks)
      if (block.type == "passdb" && is_yes(block.value_of("deny"))) read_deny(block);
    name_inner(m_.root());
    for (const DovecotBlock& block : m_.root().blocks)
      if (block.type == "passdb" && !is_yes(block.value_of("deny"))) read_passdb(block);
    tell_notes();
    add_accounts();
  }

 private:
  void read_rules() {
    const DovecotSetting* const format = m_.root().find("auth_username_format");
    const std::string written = format == nullptr ? "%Lu" : format->value;
    const bool is_lowered = written.starts_with("%L") || written.find("lower") != written.npos;
    const std::string form = short_variables(written);
    rules_.letters = is_lowered ? PasswdFileRules::Case::lowered : PasswdFileRules::Case::as_typed;
    if (form == "%n") rules_.key = PasswdFileRules::Key::local_part;
    is_form_known_ = form == "%u" || form == "%n" || written.empty();
    if (is_form_known_)
      m_.tell(format, form == "%n" ? Fate::taken : Fate::already_so,
              form == "%n" ? "the names of the users file are accounts of server.default_domain; "
                             "of no other domain do they log in here"
                           : "names are whole addresses, in lower case");
    else
      m_.tell(format, Fate::not_possible,
              "no name is changed here: no account is taken, for none would be found by its name");
    const DovecotSetting* const letters = m_.root().find("auth_username_chars");
    rules_.name_letters = letters == nullptr ? kNameLetters : letters->value;
    m_.tell(letters, Fate::taken, "names with other letters are not taken");
    const DovecotSetting* const realm = m_.root().find("auth_default_realm");
    if (realm != nullptr && !realm->value.empty()) {
      rules_.default_realm = to_lower(realm->value);
      m_.set("server.default_domain", rules_.default_realm);
      m_.tell(realm, Fate::taken,
              fmt::format("server.default_domain = \"{}\"", rules_.default_realm));
    }
  }

  // All files of a path with %d, each with its domain.
  struct Source {
    Path path;
    std::string domain;
  };
  static std::vector<Source> sources_of(const std::string& path) {
    const std::string form = short_variables(path);
    const std::size_t at = form.find("%d");
    if (form.empty() || form.find('%') == form.npos) return {{form, ""}};
    if (at == form.npos || form.find('%', at + 2) != form.npos || form.find('%') != at) return {};
    const std::size_t slash = form.rfind('/', at);
    const std::size_t end = std::min(form.find('/', at), form.size());
    if (slash == form.npos) return {};
    const std::string before = form.substr(slash + 1, at - slash - 1);
    const std::string behind = form.substr(at + 2, end - at - 2);
    std::vector<Source> sources;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(form.substr(0, slash), error)) {
      const std::string name = entry.path().filename().native();
      if (name.size() <= before.size() + behind.size() || !name.starts_with(before) ||
          !name.ends_with(behind))
        continue;
      const std::string domain =
          name.substr(before.size(), name.size() - before.size() - behind.size());
      const Path file = entry.path().native() + form.substr(end);
      if (std::filesystem::exists(file, error)) sources.push_back({file, domain});
    }
    std::ranges::sort(sources, {}, &Source::path);
    return sources;
  }

  // The accounts of the files that a block names. why: what was wrong, empty: nothing.
  std::vector<PasswdAccount> read_files(const DovecotBlock& block, PasswdFileRules rules,
                                        std::string& why, std::string& names) {
    const PasswdFileArgs args = args_of(block);
    if (!args.scheme.empty()) rules.default_scheme = args.scheme;
    const std::string form = args.format.empty() ? "%u" : short_variables(args.format);
    if (form == "%n")
      rules.key = PasswdFileRules::Key::local_part;
    else if (form != "%u")
      why = fmt::format("username_format={} has no counterpart", args.format);
    const std::vector<Source> sources = sources_of(args.path);
    if (args.path.empty()) why = "it names no file";
    if (sources.empty() && why.empty()) why = fmt::format("no file is found by {}", args.path);
    std::vector<PasswdAccount> accounts;
    if (!why.empty()) return accounts;
    for (const Source& source : sources) {
      const auto text = read_file(source.path, kUsersMax);
      if (!text || !*text) {
        why = text ? fmt::format("there is no file {}", source.path.native()) : text.error().what;
        return {};
      }
      names += (names.empty() ? "" : ", ") + source.path.native();
      rules.domain = source.domain;
      const PasswdFile file = read_passwd_file(**text, rules);
      notes_.emplace_back(source.path, file);
      accounts.insert(accounts.end(), file.accounts.begin(), file.accounts.end());
    }
    return accounts;
  }

  // A file that both blocks name is told of once, and as the passdb has it, which came last: the
  // userdb does not say in which scheme its passwords are.
  void tell_notes() {
    std::set<Path> told;
    for (auto note = notes_.rbegin(); note != notes_.rend(); ++note)
      if (told.insert(note->first).second) tell_notes(note->first, note->second);
  }
  void tell_notes(const Path& path, const PasswdFile& file) {
    for (const PasswdFileNote& note : file.left_out)
      m_.tell_at(path.native(), note.line, note.what, Fate::not_possible, note.reason);
    for (const PasswdFileNote& note : file.unused)
      m_.tell_at(path.native(), note.line, note.what, Fate::not_possible,
                 note.reason + " (so in each line that has it)");
  }

  void read_userdb(const DovecotBlock& block) {
    const std::string driver = driver_of(block);
    const auto args = fields_of(block, "args");
    const auto defaults = fields_of(block, "default_fields");
    const auto overrides = fields_of(block, "override_fields");
    const auto field = [&](std::string_view name) {
      for (const auto* list : {&overrides, &args, &defaults})
        if (std::string value = field_of(*list, name); !value.empty()) return value;
      return std::string();
    };
    if (m_.home.empty()) m_.home = field("home");
    if (m_.uid.empty()) m_.uid = field("uid");
    for (const auto* list : {&defaults, &overrides, &args})
      for (const std::string& word : *list)
        if (const std::string rule = quota_field(word); !rule.empty())
          (list == &overrides ? rules_.override_fields : rules_.default_fields).push_back(rule);
    if (driver == "passwd-file") {
      std::string why, names;
      const auto found = read_files(block, rules_, why, names);
      if (why.empty()) users_.insert(users_.end(), found.begin(), found.end());
      has_user_files_ = true;
      return m_.tell_all(block, why.empty() ? Fate::taken : Fate::not_possible,
                         why.empty() ? "whom its file names has mail; homes are read from it"
                                     : "nobody is taken: " + why);
    }
    if (driver == "static" || driver == "prefetch") {
      has_other_users_ = knows_all_ = true;
      return m_.tell_all(block, Fate::taken,
                         "each account has the same place below paths.mail: see mail_location");
    }
    has_other_users_ = true;
    if (driver == "sql") return read_sql_userdb(block);
    if (driver == "passwd") {
      if (m_.home.empty()) m_.home = "/home/%n";
      if (m_.uid.empty()) m_.why_not_in_place = "the mail belongs to the machine's accounts";
    }
    m_.tell_all(block, Fate::not_possible, instead_of(driver));
  }
  static std::string instead_of(std::string_view driver) {
    const auto* const known = std::ranges::find(kDrivers, driver, &Driver::name);
    return known == std::end(kDrivers)
               ? fmt::format("\"{}\" is not known: write its accounts into conf/users", driver)
               : std::string(known->instead);
  }

  void read_deny(const DovecotBlock& block) {
    std::string why, names;
    if (driver_of(block) != "passwd-file") why = "only a file of names is understood";
    std::vector<PasswdAccount> found;
    if (why.empty()) found = read_files(block, rules_, why, names);
    for (const PasswdAccount& one : found) denied_.push_back(one.name);
    if (!why.empty()) closed_ = why;
    m_.tell_all(block, why.empty() ? Fate::taken : Fate::not_possible,
                why.empty() ? fmt::format("who stands in {} has `nologin`", names)
                            : "no account is taken, for whom this shuts out is not known: " + why);
  }

  void read_passdb(const DovecotBlock& block) {
    const std::string driver = driver_of(block);
    std::string why = find_condition(block);
    if (why.empty() && driver != "passwd-file" && driver != "sql") why = instead_of(driver);
    if (why.empty() && !closed_.empty())
      why = "a passdb with deny = yes was not understood, and this one is not taken without it";
    if (why.empty() && !is_form_known_) why = "auth_username_format has no counterpart";
    if (driver == "sql") return read_sql(block, why);
    if (!why.empty()) return m_.tell_all(block, Fate::not_possible, why);
    PasswdFileRules rules = rules_;
    for (const auto& field : fields_of(block, "default_fields"))
      rules.default_fields.push_back(field);
    for (const auto& field : fields_of(block, "override_fields"))
      rules.override_fields.push_back(field);
    std::string names;
    auto found = read_files(block, rules, why, names);
    if (!why.empty()) return m_.tell_all(block, Fate::not_possible, "nobody is taken: " + why);
    std::size_t count = 0;
    for (PasswdAccount& account : found) {
      if (std::ranges::find(m_.accounts, account.name, &PasswdAccount::name) != m_.accounts.end())
        continue;  // the first passdb that knows a name has spoken
      ++count;
      m_.accounts.push_back(std::move(account));
    }
    m_.tell_all(block, Fate::taken,
                fmt::format("conf/users: {} account{} of {}", count, count == 1 ? "" : "s", names));
  }

  // dovecot-sql.conf.ext, whose query is asked as before; map_queries tells of it.
  void read_sql(const DovecotBlock& block, std::string why) {
    if (why.empty() && rules_.key == PasswdFileRules::Key::local_part)
      why =
          "auth_username_format takes the domain off before it asks: write pgsql.queries.users "
          "with $2";
    if (why.empty() && !denied_.empty())
      why =
          "whom a passdb with deny = yes shuts out, its query has to leave out: write "
          "pgsql.queries.users so";
    for (const std::string_view list : {"default_fields", "override_fields"})
      for (const std::string& field : fields_of(block, list))
        if (why.empty() && !field.starts_with("userdb_"))
          why = fmt::format(
              "{} holds for all of it, and no query says that: write "
              "pgsql.queries.users with who may log in",
              field);
    const auto text = text_of(block);
    if (why.empty() && !text) why = instead_of("sql");
    if (!why.empty()) return m_.tell_all(block, Fate::not_possible, why);
    m_.plan().add_query("users", *text, args_of(block).path);
    m_.tell_all(block, Fate::taken, "what became of its password_query stands beside its file");
  }
  void read_sql_userdb(const DovecotBlock& block) {
    const bool is_asked = std::ranges::any_of(m_.root().blocks, [](const DovecotBlock& one) {
      return one.type == "passdb" && driver_of(one) == "sql";
    });
    const auto text = text_of(block);
    if (!text || !is_asked) return m_.tell_all(block, Fate::not_possible, instead_of("sql"));
    if (!knows_all_) m_.plan().add_query("userdb", *text, args_of(block).path);
    m_.tell_all(block, Fate::taken,
                knows_all_ ? "an earlier userdb knows everybody already"
                           : "whom its user_query does not find is not let in");
  }
  static std::optional<std::string> text_of(const DovecotBlock& block) {
    const Path file = args_of(block).path;
    if (!file.is_absolute()) return std::nullopt;
    const auto text = read_file(file, kUsersMax);
    return text ? *text : std::nullopt;
  }

  // passdb within "protocol imap { … }" holds for that protocol only.
  void name_inner(const DovecotBlock& block) {
    for (const DovecotBlock& inner : block.blocks) {
      const bool is_within = &block != &m_.root();
      // Whom it shuts out there would come in by the others here.
      if (is_within && inner.type == "passdb" && is_yes(inner.value_of("deny")))
        closed_ = "it shuts out some for one protocol alone";
      if (is_within && (inner.type == "passdb" || inner.type == "userdb"))
        m_.tell_all(inner, Fate::not_possible,
                    "accounts are the same for every protocol: what holds for one alone is closed");
      name_inner(inner);
    }
  }

  void close(PasswdAccount& account, std::string_view why) {
    account.fields.emplace_back("nologin");
    m_.tell_at("", 0, account.name, Fate::not_possible,
               fmt::format("{}, and so Dovecot does not let it in: it has `nologin` in conf/users, "
                           "to be taken away there",
                           why));
  }

  // Where the MTA's tables were read they say which addresses there are, and nothing is added.
  void add_address(const std::string& name) {
    const std::size_t at = name.rfind('@');
    if (at == name.npos || has_tables_) return;
    m_.plan().add("domains", {name.substr(at + 1), ".", ""});
    m_.plan().add("mailboxes", {name, name.substr(0, at), ""});
  }

  void add_accounts() {
    const Plan& plan = m_.plan();
    has_tables_ = plan.tables().contains("domains") || plan.tables().contains("mailboxes") ||
                  plan.settings().contains("maps.domains");
    for (PasswdAccount& account : m_.accounts) {
      if (std::ranges::find(denied_, account.name) != denied_.end())
        account.fields.emplace_back("nologin");
      const auto user = std::ranges::find(users_, account.name, &PasswdAccount::name);
      if (user != users_.end()) {
        account.uid = user->uid;
        account.home = user->home;
        if (account.mail.empty()) account.mail = user->mail;
        for (const std::string& field : user->fields)
          if (field.starts_with("userdb_") && !holds(account.fields, field))
            account.fields.push_back(field);
        if (account.uid.empty() && m_.uid.empty()) close(account, "its line names no uid");
      } else if (has_user_files_ && !has_other_users_) {
        close(account, "no userdb names this account");
      }
      m_.plan().add_account(account.name, account.rest());
      add_address(account.name);
    }
  }

  DovecotMapping& m_;
  PasswdFileRules rules_;
  bool has_tables_ = false;
  bool is_form_known_ = true, has_user_files_ = false, has_other_users_ = false, knows_all_ = false;
  std::string closed_;  // why no passdb is taken
  std::vector<std::string> denied_;
  std::vector<PasswdAccount> users_;
  std::vector<std::pair<Path, PasswdFile>> notes_;
};

void map_login_settings(DovecotMapping& m) {
  const DovecotBlock& root = m.root();
  const DovecotSetting* const plain = root.find("disable_plaintext_auth");
  const DovecotSetting* const cleartext = root.find("auth_allow_cleartext");  // 2.4
  const bool is_open = (plain != nullptr && !is_yes(plain->value)) ||
                       (cleartext != nullptr && is_yes(cleartext->value));
  for (const DovecotSetting* one : {plain, cleartext})
    m.tell(one, is_open ? Fate::not_possible : Fate::already_so,
           is_open ? "logins without TLS stay closed: they would be open for every protocol; "
                     "`auth.allow_plaintext = true` opens them"
                   : "nobody logs in without TLS");
  if (const DovecotSetting* const mechanisms = root.find("auth_mechanisms")) {
    std::vector<std::string> others;
    for (const std::string& name : words_of(to_lower(mechanisms->value)))
      if (name != "plain" && name != "login") others.push_back(name);
    const bool has_anonymous = holds(others, "anonymous");
    m.tell(mechanisms, others.empty() ? Fate::already_so : Fate::not_possible,
           others.empty()
               ? "PLAIN and LOGIN, under TLS"
               : fmt::format("PLAIN and LOGIN are offered, under TLS; not: {}{}",
                             fmt::join(others, ", "),
                             has_anonymous ? " (nobody is let in without a password)" : ""));
  }
  if (const DovecotSetting* const cert = root.find("auth_ssl_require_client_cert");
      cert != nullptr && is_yes(cert->value)) {
    m.why_no_logins = "auth_ssl_require_client_cert asks each client for a certificate";
    m.tell(cert, Fate::not_possible,
           "no client is asked for a certificate here: the ports of IMAP, POP3 and ManageSieve "
           "stay closed, `listen.imaps` and the others open them to passwords alone");
  }
}

}  // namespace

void map_logins(DovecotMapping& mapping) {
  map_login_settings(mapping);
  Logins(mapping).map();
}

}  // namespace posthorn::takeover
