#include "takeover/dovecot_sql.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

#include "auth/password.h"
#include "base/ascii.h"

namespace posthorn::takeover {
namespace {

using Names = std::vector<std::string>;

bool is_letter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// "u.password", "x AS \"password\"", "password::text": password. A function's own name is none.
std::string name_of(std::string_view item) {
  item = trim(item, " \t\r\n");
  if (const std::size_t cast = item.rfind("::");
      cast != std::string_view::npos && std::ranges::all_of(item.substr(cast + 2), is_letter))
    item = item.substr(0, cast);
  if (item.ends_with('"')) {
    item.remove_suffix(1);
    const std::size_t begin = item.rfind('"');
    return begin == std::string_view::npos ? "" : std::string(item.substr(begin + 1));
  }
  std::size_t begin = item.size();
  while (begin > 0 && is_letter(item[begin - 1])) --begin;
  return to_lower(item.substr(begin));
}

// What a SELECT gives its columns as names.
class Columns {
 public:
  explicit Columns(std::string_view sql) : sql_(trim(sql, " \t\r\n")) {}

  std::expected<Names, std::string> read() {
    if (sql_.find("/*") != std::string_view::npos || sql_.find("--") != std::string_view::npos)
      return std::unexpected("a comment stands in it: take it out");
    if (word_at(0) != "select")
      return std::unexpected("it does not begin with SELECT: write one, with a column password");
    std::size_t begin = std::string_view("select").size();
    for (std::size_t at = begin; at <= sql_.size(); ++at) {
      const bool is_end = at == sql_.size() || (depth_ == 0 && !quote_ && word_at(at) == "from");
      if (is_end || (depth_ == 0 && !quote_ && sql_[at] == ',')) {
        const std::string_view item = trim(sql_.substr(begin, at - begin), " \t\r\n");
        if (item.ends_with('*'))
          return std::unexpected("it asks for all columns (*): name those that are meant");
        names_.push_back(name_of(item));
        begin = at + 1;
      }
      if (is_end) break;
      pass(sql_[at]);
    }
    return names_;
  }

 private:
  // The word that begins here, in lower case; empty: none begins.
  std::string word_at(std::size_t at) const {
    if (at > 0 && is_letter(sql_[at - 1])) return "";
    std::size_t end = at;
    while (end < sql_.size() && is_letter(sql_[end])) ++end;
    return to_lower(sql_.substr(at, end - at));
  }
  void pass(char c) {
    if (quote_) {
      if (c == quote_) quote_ = '\0';
    } else if (c == '\'' || c == '"') {
      quote_ = c;
    } else if (c == '(') {
      ++depth_;
    } else if (c == ')') {
      --depth_;
    }
  }

  std::string_view sql_;
  Names names_;
  int depth_ = 0;
  char quote_ = '\0';
};

bool has(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// A hash with its scheme in front, where none stands there; an empty one is nobody's password.
std::expected<std::string, std::string> with_scheme(std::string_view scheme) {
  const std::string name = to_upper(scheme);
  if (name == "CRYPT") return "password";
  // Dovecot's MD5 is crypt's or the plain one, whichever a hash looks like.
  if (name == "MD5")
    return "CASE WHEN password LIKE '{%' OR password LIKE '$%' THEN password "
           "ELSE '{PLAIN-MD5}' || NULLIF(password, '') END";
  const auto fault = auth::find_hash_fault(fmt::format("{{{}}}", name));
  if (name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != std::string::npos ||
      (fault && fault->find("unknown password scheme") != std::string::npos))
    return std::unexpected(
        fmt::format("default_pass_scheme = {} is none that can be checked here: make new passwords "
                    "(posthorn user passwd), and write pgsql.queries.users then",
                    scheme));
  return fmt::format(
      "CASE WHEN password LIKE '{{%' THEN password ELSE '{{{}}}' || NULLIF(password, '') END",
      name);
}

}  // namespace

std::expected<SqlLogins, std::string> logins_of(std::string_view password_query,
                                                std::string_view scheme) {
  const auto names = Columns(password_query).read();
  if (!names) return std::unexpected(names.error());
  if (!has(*names, "password"))
    return std::unexpected("none of its columns is called password: name one so (AS password)");
  const auto password = with_scheme(scheme);
  if (!password) return std::unexpected(password.error());
  Names conditions, shut_out;
  for (const std::string_view name : {"nologin", "allow_nets", "allow_real_nets"})
    if (has(*names, name)) {
      conditions.push_back(fmt::format("{} IS NULL", name));
      shut_out.emplace_back(name);
    }
  // A login is that of the name which was typed.
  for (const std::string_view name : {"user", "username"})
    if (has(*names, name))
      conditions.push_back(
          fmt::format("lower(old.\"{}\") IN ($1::text, split_part($1::text, '@', 1))", name));
  return SqlLogins{fmt::format("SELECT {} FROM ({}) AS old{}{}", *password, password_query,
                               conditions.empty() ? "" : " WHERE ", fmt::join(conditions, " AND ")),
                   shut_out.empty()
                       ? ""
                       : fmt::format("; who has {} is not let in, for these bounds cannot be asked "
                                     "for here",
                                     fmt::join(shut_out, " or "))};
}

std::string only_known(std::string_view logins, std::string_view user_query) {
  return fmt::format("SELECT * FROM ({}) AS logins WHERE EXISTS (SELECT 1 FROM ({}) AS known)",
                     logins, user_query);
}

}  // namespace posthorn::takeover
