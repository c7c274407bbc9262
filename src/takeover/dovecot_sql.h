// What Dovecot makes of a row that its password_query found, said in SQL: the scheme of a hash that
// names none, fields that shut out, the name that the login becomes. What a row of ours cannot say
// closes. Sans-I/O.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace posthorn::takeover {

struct SqlLogins {
  std::string sql;
  std::string note;  // ": who has allow_nets is not let in …"; empty: all are as before
};
// password_query with its parameters already in it; scheme: default_pass_scheme. The Error says
// what to do.
std::expected<SqlLogins, std::string> logins_of(std::string_view password_query,
                                                std::string_view scheme);
// Those of the logins for whom user_query has a row.
std::string only_known(std::string_view logins, std::string_view user_query);

}  // namespace posthorn::takeover
