// The schema "posthorn" in PostgreSQL: its tables as questions, and the migrations that make it.
// Migrations only go forward; each runs in a transaction of its own, all under one advisory lock,
// and posthorn.migrations says which have been applied.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "maps/pgsql_connection.h"

namespace posthorn::maps {

enum class Question {
  domains,
  mailboxes,
  aliases,
  senders,
  transport,
  sender_relays,
  relay_sasl,
  vusers,
  users,
  quotas
};
constexpr std::size_t kQuestions = 10;

struct PgsqlTableShape {
  Question question;
  std::string_view name, key, value;  // the table and its two columns
  std::string_view file;              // the text file that holds the same
};
constexpr std::array<PgsqlTableShape, kQuestions> kPgsqlTables = {{
    {Question::domains, "domains", "name", "note", "domains"},
    {Question::mailboxes, "mailboxes", "address", "note", "mailboxes"},
    {Question::aliases, "aliases", "address", "targets", "aliases"},
    {Question::senders, "senders", "address", "accounts", "senders"},
    {Question::transport, "transport", "pattern", "nexthop", "transport"},
    {Question::sender_relays, "sender_relays", "sender", "nexthop", "sender-relays"},
    {Question::relay_sasl, "relay_sasl", "nexthop", "login", "relay-sasl"},
    {Question::vusers, "vusers", "name", "account", "vusers"},
    {Question::users, "users", "name", "hash", "users"},
    {Question::quotas, "quotas", "name", "rules", "quotas"},  // in the file of the users
}};
constexpr const PgsqlTableShape& shape_of(Question question) {
  return kPgsqlTables[static_cast<std::size_t>(question)];
}
std::optional<Question> find_question(std::string_view table);

constexpr std::size_t kPgsqlValueMax = 1U << 20U;  // a longer value is a fault, and is not fetched

struct RowFound {
  std::string value;
  std::uint64_t id = 0;
};
PgsqlQuery find_query(Question question, std::string key);
Result<std::optional<RowFound>> read_found(Question question, const PgsqlRows& rows);
// The keys that were written first, each with its row's id.
PgsqlQuery first_query(Question question, std::size_t count);

struct Migration {
  int number;
  std::string_view name;  // "0001_tables"
  std::string_view sql;
};

// What the server must know before it asks: nullopt: the schema is the one these migrations make.
// Else what is wrong, and what to do.
Result<std::optional<std::string>> find_schema_fault(PgsqlConnection& connection,
                                                     std::span<const Migration> migrations);
// Applies what is missing; told is called for each that was applied. Two at once: one waits for the
// other. An Error names the migration; those before it stay.
Result<> migrate(PgsqlConnection& connection, std::span<const Migration> migrations,
                 const std::function<void(const Migration&)>& told);

}  // namespace posthorn::maps
