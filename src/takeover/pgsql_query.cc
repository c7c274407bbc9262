#include "takeover/pgsql_query.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <optional>

#include "base/ascii.h"
#include "maps/pgsql_statement.h"
#include "takeover/dovecot_sql.h"

namespace posthorn::takeover {
namespace {

using Settings = std::map<std::string, std::string>;
using Sql = std::expected<std::string, std::string>;

// "name = value"; a line that begins with a blank, and one after a backslash, goes on with the one
// before.
Settings read_settings(std::string_view text) {
  Settings settings;
  std::string* last = nullptr;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (line.ends_with('\r')) line.remove_suffix(1);
    const std::string_view words = trim(line);
    if (words.empty() || words.starts_with('#')) continue;
    if (last != nullptr && (last->ends_with('\\') || line.front() == ' ' || line.front() == '\t')) {
      if (last->ends_with('\\')) last->pop_back();
      *last += fmt::format(" {}", words);
      continue;
    }
    const std::size_t equals = words.find('=');
    if (equals == std::string_view::npos) continue;
    last = &settings[std::string(trim(words.substr(0, equals)))];
    *last = trim(words.substr(equals + 1));
  }
  return settings;
}

std::string get(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() ? "" : found->second;
}

// What stands for a %-word of a query.
struct Words {
  std::string key, local, domain;
  bool has_local = false, has_domain = false;  // which were used
};
// nullopt: not a word of these. length: of the word behind the %.
using Reader = std::optional<std::string> (*)(std::string_view rest, std::size_t& length,
                                              Words& words);

// pgsql_table(5).
std::optional<std::string> read_postfix_word(std::string_view rest, std::size_t& length,
                                             Words& words) {
  length = 1;
  const char c = rest.empty() ? '\0' : rest.front();
  if (c == 's' || c == 'S') return words.key;
  if (c == 'u' || c == 'U') {
    words.has_local = true;
    return words.local;
  }
  if (c != 'd' && c != 'D') return std::nullopt;
  words.has_domain = true;
  return words.domain;
}

// Dovecot's config variables; keys are in lower case here, as %L makes them. 2.4 has them long.
std::optional<std::string> read_dovecot_word(std::string_view rest, std::size_t& length,
                                             Words& words) {
  const std::size_t begin = rest.starts_with('L') ? 1 : 0;
  std::string name(rest.substr(begin, 1));
  length = begin + 1;
  if (rest.substr(begin).starts_with('{')) {
    const std::size_t end = rest.find('}');
    if (end == std::string_view::npos) return std::nullopt;
    name.clear();
    for (const char c : rest.substr(begin + 1, end - begin - 1))
      if (c != ' ') name += c;
    length = end + 1;
    if (name == "user|lower") name = "user";
  }
  if (name == "u" || name == "user") return words.key;
  if (name == "n" || name == "username" || name == "user|username") return words.local;
  if (name == "d" || name == "domain" || name == "user|domain") return words.domain;
  return std::nullopt;
}

// The statement with its %-words as parameters: in quotes they are joined with what stands around.
class Translator {
 public:
  Translator(std::string_view text, Reader read, Words& words)
      : text_(text), read_(read), words_(words) {}

  Sql translate() {
    while (at_ < text_.size() && fault_.empty()) {
      const char c = text_[at_];
      if (c == '\'')
        take_quoted();
      else if (c == '%')
        out_ += word();
      else
        out_ += text_[at_++];
    }
    if (!fault_.empty()) return std::unexpected(fault_);
    return out_;
  }

 private:
  std::string word() {
    std::size_t length = 0;
    const std::string_view rest = text_.substr(at_ + 1);
    if (rest.starts_with('%')) {
      at_ += 2;
      return "%";
    }
    const auto found = read_(rest, length, words_);
    if (!found) {
      fault_ = fmt::format("it has %{}, which is not known here; write the query with $1, $2, $3",
                           rest.substr(0, std::max<std::size_t>(length, 1)));
      return "";
    }
    at_ += 1 + length;
    return *found;
  }

  void take_quoted() {
    std::vector<std::string> parts;
    std::string literal;
    const auto end_literal = [&] {
      if (!literal.empty()) parts.push_back("'" + std::exchange(literal, {}) + "'");
    };
    for (++at_; fault_.empty();) {
      if (at_ >= text_.size()) {
        fault_ = "a text in it has no closing quote; mend the query";
      } else if (text_[at_] == '\'' && at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
        literal += "''";
        at_ += 2;
      } else if (text_[at_] == '\'') {
        ++at_;
        break;
      } else if (text_.substr(at_).starts_with("%%")) {
        literal += '%';
        at_ += 2;
      } else if (text_[at_] == '%') {
        end_literal();
        parts.push_back(word());
      } else {
        literal += text_[at_++];
      }
    }
    end_literal();
    if (parts.empty())
      out_ += "''";
    else if (parts.size() == 1)
      out_ += parts.front();
    else
      out_ += fmt::format("({})", fmt::join(parts, " || "));
  }

  std::string_view text_;
  Reader read_;
  Words& words_;
  std::size_t at_ = 0;
  std::string out_, fault_;
};

Words plain_words() {
  return {.key = "$1", .local = "$2", .domain = "$3"};
}

std::string as_literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

// A connection string's value (libpq: "Connection Strings").
std::string as_value(std::string_view text) {
  if (!text.empty() && text.find_first_of(" '\\") == std::string_view::npos)
    return std::string(text);
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// "host=a dbname=b password='c d'": its words, without the password.
OldDatabase read_connect(std::string_view text) {
  OldDatabase database;
  std::size_t at = 0;
  while (at < text.size()) {
    while (at < text.size() && text[at] == ' ') ++at;
    const std::size_t begin = at;
    bool is_quoted = false;
    for (; at < text.size() && (is_quoted || text[at] != ' '); ++at) {
      if (text[at] == '\\' && at + 1 < text.size())
        ++at;
      else if (text[at] == '\'')
        is_quoted = !is_quoted;
    }
    const std::string_view word = text.substr(begin, at - begin);
    if (word.starts_with("password=")) {
      for (const char c : word.substr(9))
        if (c != '\'' && c != '\\') database.password += c;
    } else if (!word.empty() && !word.starts_with("maxconns=")) {
      database.conninfo += (database.conninfo.empty() ? "" : " ") + std::string(word);
    }
  }
  return database;
}

// "hosts = unix:/run/postgresql, 127.0.0.1:5433"
OldDatabase read_hosts(const Settings& settings) {
  OldDatabase database{.conninfo = "", .password = get(settings, "password")};
  const std::string hosts = get(settings, "hosts");
  if (hosts.find("://") != std::string::npos) {  // "postgresql://…", as libpq has it
    database.conninfo = hosts;
    return database;
  }
  std::string names, ports;
  bool has_port = false;
  std::string_view rest = hosts;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(" ,\t"), rest.size());
    std::string host(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (host.empty()) continue;
    std::string port;
    for (const std::string_view front : {"unix:", "inet:"})
      if (host.starts_with(front)) host.erase(0, front.size());
    if (const std::size_t colon = host.rfind(':'); colon != std::string::npos && host[0] != '/') {
      port = host.substr(colon + 1);
      has_port = true;
      host.erase(colon);
    }
    names += (names.empty() ? "" : ",") + host;
    ports += (ports.empty() ? "" : ",") + (port.empty() ? "5432" : port);
  }
  const auto add = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    database.conninfo +=
        fmt::format("{}{}={}", database.conninfo.empty() ? "" : " ", name, as_value(value));
  };
  add("host", names.empty() ? "localhost" : names);
  if (has_port) add("port", ports);
  add("dbname", get(settings, "dbname"));
  add("user", get(settings, "user"));
  return database;
}

// "smtp:[%s]": text around each value.
Sql with_format(std::string sql, const std::string& format) {
  if (format.empty() || format == "%s") return sql;
  const std::size_t at = format.find("%s");
  if (at == std::string::npos || format.find('%', at + 1) != std::string::npos ||
      format.find('%') != at)
    return std::unexpected(
        fmt::format("its result_format {} is not known here; write it into the query", format));
  return fmt::format("SELECT {} || value || {} FROM ({}) AS old (value)",
                     as_literal(format.substr(0, at)), as_literal(format.substr(at + 2)), sql);
}

bool has_value(std::string_view table) {
  return table != "domains" && table != "mailboxes";
}

}  // namespace

std::expected<OldQuery, std::string> read_postfix_query(std::string_view text,
                                                        std::string_view table) {
  const Settings settings = read_settings(text);
  std::string query = get(settings, "query");
  if (query.empty() && !get(settings, "table").empty())
    query = fmt::format("SELECT {} FROM {} WHERE {} = '%s' {}", get(settings, "select_field"),
                        get(settings, "table"), get(settings, "where_field"),
                        get(settings, "additional_conditions"));
  if (query.empty() && !get(settings, "select_function").empty())
    query = fmt::format("SELECT {}('%s')", get(settings, "select_function"));
  if (query.empty()) return std::unexpected("it has no query; write one into the file");
  Words words = plain_words();
  auto sql = Translator(query, read_postfix_word, words).translate();
  if (sql && has_value(table)) sql = with_format(*std::move(sql), get(settings, "result_format"));
  if (!sql) return std::unexpected(sql.error());
  if (const std::string domains = get(settings, "domain"); !domains.empty()) {
    if (domains.find(':') != std::string::npos)
      return std::unexpected("its domain names a table; write the domains into the query");
    std::string list;
    for (std::string_view rest = domains; !rest.empty();) {
      const std::size_t end = std::min(rest.find_first_of(" ,\t"), rest.size());
      if (end > 0) list += (list.empty() ? "" : ", ") + as_literal(to_lower(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    sql = fmt::format("SELECT value FROM ({}) AS old (value) WHERE $3 IN ({})", *sql, list);
  }
  const auto statement = maps::read_statement(*sql);
  if (!statement) return std::unexpected(statement.error());
  return OldQuery{statement->sql, read_hosts(settings)};
}

std::expected<OldAccounts, std::string> read_dovecot_queries(std::string_view text) {
  const Settings settings = read_settings(text);
  if (const std::string driver = get(settings, "driver"); driver != "pgsql")
    return std::unexpected(
        fmt::format("it asks {}; write the accounts into conf/users, or into PostgreSQL",
                    driver.empty() ? "a database that it does not name" : driver));
  const std::string password_query = get(settings, "password_query");
  if (password_query.empty()) return std::unexpected("it has no password_query; write one");
  Words words = plain_words();
  const auto sql = Translator(password_query, read_dovecot_word, words).translate();
  if (!sql) return std::unexpected("password_query: " + sql.error());
  // MD5 is what a file without the setting has (Dovecot 2.3).
  const std::string scheme = get(settings, "default_pass_scheme");
  const auto logins = logins_of(*sql, scheme.empty() ? "MD5" : scheme);
  if (!logins) return std::unexpected("password_query: " + logins.error());
  OldAccounts accounts{.users = logins->sql,
                       .quotas = "",
                       .note = logins->note,
                       .database = read_connect(get(settings, "connect"))};
  const std::string user_query = get(settings, "user_query");
  if (to_lower(user_query).find("quota_rule") == std::string::npos) return accounts;
  const auto quotas = Translator(user_query, read_dovecot_word, words).translate();
  if (!quotas) return std::unexpected("user_query: " + quotas.error());
  accounts.quotas = fmt::format("SELECT quota_rule FROM ({}) AS old", *quotas);
  return accounts;
}

std::expected<OldQuery, std::string> read_dovecot_userdb(std::string_view text) {
  const Settings settings = read_settings(text);
  const std::string user_query = get(settings, "user_query");
  if (user_query.empty())
    return std::unexpected("the userdb has no user_query: write it into its file");
  Words words = plain_words();
  const auto sql = Translator(user_query, read_dovecot_word, words).translate();
  if (!sql) return std::unexpected("user_query: " + sql.error());
  return OldQuery{*sql, read_connect(get(settings, "connect"))};
}

}  // namespace posthorn::takeover
