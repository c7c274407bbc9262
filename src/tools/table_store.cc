#include "tools/table_store.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <unordered_map>

#include "auth/user_file.h"
#include "maps/migrations.h"
#include "maps/table.h"
#include "tools/query_store.h"

namespace posthorn::tools {
namespace {

using maps::Question;

constexpr std::size_t kRowsMax = 10'000'000;
constexpr auto kToolTime = 10min;

// What makes one list of rows another.
std::vector<maps::TextChange> changes_between(const std::vector<KeyValue>& from,
                                              const std::vector<KeyValue>& to) {
  std::unordered_map<std::string, std::string> had(from.begin(), from.end());
  std::set<std::string> kept;
  std::vector<maps::TextChange> changes;
  for (const auto& [key, value] : to) {
    kept.insert(key);
    const auto found = had.find(key);
    if (found == had.end() || found->second != value) changes.push_back({key, value});
  }
  for (const auto& [key, value] : from)
    if (!kept.contains(key)) changes.push_back({key, std::nullopt});
  return changes;
}

std::string first_fault(const std::vector<maps::Finding>& faults) {
  return faults.front().text();
}

// A table in a file: it is edited in memory, whole.
class FileStore : public TableStore {
 public:
  FileStore(TableEdits& edits, const Path& path) : edits_(edits), file_(edits.file(path)) {}
  std::string place() const final { return file_.path().native(); }
  bool is_text() const final { return true; }

  Result<> change(const std::vector<maps::TextChange>& changes) final {
    TRY(const std::string* text, file_.text());
    TRY(std::string edited, edit(*text, changes));
    if (edited != *text) edits_.change(file_, std::move(edited));
    return {};
  }
  Result<> replace_all(const std::vector<KeyValue>& rows) final {
    TRY(const auto before, list());
    return change(changes_between(before, rows));
  }

 protected:
  Result<const std::string*> text() { return file_.text(); }
  // The file's text with the changes in it.
  virtual Result<std::string> edit(const std::string& text,
                                   const std::vector<maps::TextChange>& changes) const = 0;

 private:
  TableEdits& edits_;
  EditedText& file_;
};

class TextStore final : public FileStore {
 public:
  using FileStore::FileStore;

  Result<std::vector<KeyValue>> list() override {
    TRY(const std::string* text, this->text());
    auto file = maps::parse_text(*text, place());
    if (!file.faults.empty()) return fail(ErrorKind::config, first_fault(file.faults));
    std::vector<KeyValue> rows;
    for (maps::Entry& entry : file.entries)
      rows.emplace_back(std::move(entry.key), std::move(entry.value));
    return rows;
  }
  Result<std::optional<std::string>> find(const std::string& key) override {
    TRY(const auto rows, list());
    for (const auto& [name, value] : rows)
      if (name == key) return value;
    return std::nullopt;
  }
  Result<std::vector<Placed>> list_places() override {
    TRY(const std::string* text, this->text());
    std::vector<Placed> rows;
    for (maps::Entry& entry : maps::parse_text(*text, place()).entries)
      rows.push_back({std::move(entry.key), std::move(entry.value),
                      fmt::format("{}:{}", place(), entry.line)});
    return rows;
  }

 private:
  Result<std::string> edit(const std::string& text,
                           const std::vector<maps::TextChange>& changes) const override {
    return maps::edit_text(text, changes);
  }
};

// conf/users.
class UserStore final : public FileStore {
 public:
  using FileStore::FileStore;

  Result<std::vector<KeyValue>> list() override {
    TRY(const std::string* text, this->text());
    const auto file = auth::parse_users(*text, place());
    if (!file.faults.empty()) return fail(ErrorKind::config, file.faults.front());
    return std::vector<KeyValue>(file.hashes.begin(), file.hashes.end());
  }
  Result<std::optional<std::string>> find(const std::string& key) override {
    TRY(const std::string* text, this->text());
    const auto hashes = auth::parse_users(*text, place()).hashes;
    const auto found = hashes.find(key);
    if (found == hashes.end()) return std::nullopt;
    return found->second;
  }

 private:
  Result<std::string> edit(const std::string& text,
                           const std::vector<maps::TextChange>& changes) const override {
    std::string edited = text;
    for (const maps::TextChange& change : changes) {
      // A field ends at a colon, a line at its end: such a login could not be read back.
      if (change.key.empty() || change.key.starts_with('#') ||
          change.key.find_first_of(std::string_view(": \t\r\n\0", 6)) != std::string::npos ||
          (change.value &&
           change.value->find_first_of(std::string_view(":\r\n\0", 4)) != std::string::npos))
        return fail(ErrorKind::permanent, fmt::format("\"{}\": the users file cannot hold it",
                                                      change.key.substr(0, 200)));
      if (auto next = auth::edit_users(edited, change.key, change.value ? &*change.value : nullptr))
        edited = *std::move(next);
    }
    return edited;
  }
};

// The quota rules in conf/users, by user.
class QuotaStore final : public FileStore {
 public:
  using FileStore::FileStore;

  Result<std::vector<KeyValue>> list() override {
    TRY(const auto rules, rules_of());
    return std::vector<KeyValue>(rules.begin(), rules.end());
  }
  Result<std::optional<std::string>> find(const std::string& key) override {
    TRY(const auto rules, rules_of());
    const auto found = rules.find(key);
    if (found == rules.end()) return std::nullopt;
    return found->second;
  }

 private:
  Result<std::map<std::string, std::string>> rules_of() {
    TRY(const std::string* text, this->text());
    auto file = auth::parse_users(*text, place());
    if (!file.faults.empty()) return fail(ErrorKind::config, file.faults.front());
    return std::move(file.quota_rules);
  }
  Result<std::string> edit(const std::string& text,
                           const std::vector<maps::TextChange>& changes) const override {
    std::string edited = text;
    for (const maps::TextChange& change : changes) {
      const std::string rules = change.value.value_or("");
      if (rules.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
        return fail(ErrorKind::permanent, "the users file cannot hold these rules");
      auto next = auth::edit_quota_rules(edited, change.key, rules);
      if (!next)
        return fail(ErrorKind::permanent, fmt::format("there is no account {}", change.key));
      edited = *std::move(next);
    }
    return edited;
  }
};

class PgsqlStore final : public TableStore {
 public:
  PgsqlStore(maps::PgsqlConnection& connection, Question question)
      : connection_(connection), shape_(maps::shape_of(question)), question_(question) {}
  std::string place() const override { return fmt::format("posthorn.{}", shape_.name); }
  bool is_text() const override { return false; }

  Result<std::vector<KeyValue>> list() override {
    TRY(auto rows,
        connection_.ask({sql("SELECT {1}, {2} FROM posthorn.{0} ORDER BY id"), {}, kRowsMax}));
    std::vector<KeyValue> found;
    found.reserve(rows.size());
    for (maps::PgsqlRow& row : rows) found.emplace_back(std::move(row[0]), std::move(row[1]));
    return found;
  }
  Result<std::optional<std::string>> find(const std::string& key) override {
    TRY(const auto rows, connection_.ask(maps::find_query(question_, key)));
    TRY(auto found, maps::read_found(question_, rows));
    if (!found) return std::nullopt;
    return std::move(found->value);
  }
  Result<> change(const std::vector<maps::TextChange>& changes) override {
    for (const maps::TextChange& one : changes) {
      if (one.value) {
        TRY_OK(connection_.ask({sql("INSERT INTO posthorn.{0} ({1}, {2}) VALUES ($1, $2) "
                                    "ON CONFLICT ({1}) DO UPDATE SET {2} = excluded.{2}"),
                                {one.key, *one.value},
                                0}));
      } else {
        TRY_OK(connection_.ask({sql("DELETE FROM posthorn.{0} WHERE {1} = $1"), {one.key}, 0}));
      }
    }
    return {};
  }
  Result<> replace_all(const std::vector<KeyValue>& rows) override {
    TRY_OK(connection_.execute(sql("DELETE FROM posthorn.{0}")));
    return connection_.copy_in(sql("COPY posthorn.{0} ({1}, {2}) FROM STDIN"), rows);
  }

 private:
  std::string sql(fmt::string_view form) const {
    return fmt::format(fmt::runtime(form), shape_.name, shape_.key, shape_.value);
  }

  maps::PgsqlConnection& connection_;
  const maps::PgsqlTableShape& shape_;
  Question question_;
};

std::vector<std::string> names_of(const config::Config& config, Question question) {
  switch (question) {
    case Question::domains:
      return config.maps.domains;
    case Question::mailboxes:
      return config.maps.mailboxes;
    case Question::aliases:
      return config.maps.aliases;
    case Question::senders:
      return config.maps.senders;
    case Question::transport:
      return config.maps.transport;
    case Question::sender_relays:
      return config.maps.sender_relays;
    case Question::relay_sasl:
      return {config.maps.relay_sasl};
    case Question::vusers:
      return config.maps.vusers;
    case Question::users:
    case Question::quotas:
      return {fmt::format("{}:users", to_string(config.auth.users))};
  }
  return {};
}

}  // namespace

Result<std::vector<Placed>> TableStore::list_places() {
  TRY(auto rows, list());
  std::vector<Placed> placed;
  for (auto& [key, value] : rows) placed.push_back({std::move(key), std::move(value), place()});
  return placed;
}

Result<bool> TableStore::remove(const std::string& key) {
  TRY(const auto there, find(key));
  if (!there) return false;
  TRY_OK(change({{key, std::nullopt}}));
  return true;
}

Result<std::unique_ptr<maps::PgsqlConnection>> open_for_tool(const config::Config& config,
                                                             Schema schema,
                                                             maps::PgsqlSession session) {
  if (config.pgsql.conninfo.empty() && !maps::uses_pgsql(config))
    return fail(ErrorKind::config,
                fmt::format("{}: pgsql.conninfo says nothing of where PostgreSQL is",
                            config::place_of(config, "pgsql", "conninfo")));
  TRY(auto connection,
      maps::PgsqlConnection::open(config.pgsql,
                                  std::max<config::Duration>(config.pgsql.timeout, 10s), session));
  connection->set_time(kToolTime);
  TRY_OK(connection->execute("SET statement_timeout = 0"));
  if (schema == Schema::any || !maps::PgsqlQueries(config).needs_schema()) return connection;
  TRY(const auto fault, maps::find_schema_fault(*connection, maps::migrations()));
  if (fault) return fail(ErrorKind::config, *fault);
  return connection;
}

Backend Stores::backend_of(Question question) const {
  for (const std::string& name : names_of(config_, question)) {
    if (name.starts_with("pgsql:")) return Backend::pgsql;
    if (const auto parsed = maps::parse_table_name(name); parsed && parsed->type == "text")
      return Backend::text;
  }
  return Backend::text;
}

Result<std::unique_ptr<TableStore>> Stores::open(Question question) {
  return open(question, backend_of(question));
}

Result<std::unique_ptr<TableStore>> Stores::open(Question question, Backend backend) {
  std::unique_ptr<TableStore> made;
  if (backend == Backend::pgsql && (queries_.is_own(question) || !queries_.is_there(question))) {
    TRY(maps::PgsqlConnection * used, own_connection());
    made = std::make_unique<QueryStore>(*used, queries_, question);
    return made;
  }
  if (backend == Backend::pgsql) {
    TRY(maps::PgsqlConnection * used, connection());
    made = std::make_unique<PgsqlStore>(*used, question);
    return made;
  }
  has_text_ = true;
  if (question == Question::users) {
    made = std::make_unique<UserStore>(edits_, config_.paths.users);
    return made;
  }
  if (question == Question::quotas) {
    made = std::make_unique<QuotaStore>(edits_, config_.paths.users);
    return made;
  }
  // Of several files the first; where none is named, the one of the usual name.
  Path path = config_.paths.maps / maps::shape_of(question).file;
  for (const std::string& name : names_of(config_, question))
    if (const auto parsed = maps::parse_table_name(name); parsed && parsed->type == "text") {
      path = config_.paths.maps / parsed->rest;
      break;
    }
  made = std::make_unique<TextStore>(edits_, path);
  return made;
}

Result<maps::PgsqlConnection*> Stores::connection() {
  if (!connection_) {
    TRY(connection_, open_for_tool(config_, Schema::checked));
    TRY_OK(connection_->execute("BEGIN"));
  }
  return connection_.get();
}

Result<maps::PgsqlConnection*> Stores::own_connection() {
  if (!own_connection_) {
    TRY(own_connection_, open_for_tool(config_, Schema::any, maps::PgsqlSession::own_queries));
  }
  return own_connection_.get();
}

Result<std::vector<std::unique_ptr<TableStore>>> Stores::open_all(Question question) {
  std::vector<std::unique_ptr<TableStore>> all;
  TRY(all.emplace_back(), open(question));
  const std::string first = all.front()->place();
  for (const std::string& name : names_of(config_, question)) {
    const auto parsed = maps::parse_table_name(name);
    if (!parsed || (parsed->type != "text" && parsed->type != "pgsql")) continue;
    std::unique_ptr<TableStore> made;
    if (parsed->type == "pgsql") {
      TRY(made, open(question, Backend::pgsql));
    } else {
      has_text_ = true;
      made = std::make_unique<TextStore>(edits_, config_.paths.maps / parsed->rest);
    }
    if (made->place() != first) all.push_back(std::move(made));
  }
  return all;
}

std::vector<Path> Stores::pattern_files(Question question) const {
  std::vector<Path> files;
  for (const std::string& name : names_of(config_, question))
    if (const auto parsed = maps::parse_table_name(name); parsed && parsed->has_patterns())
      files.push_back(config_.paths.maps / parsed->rest);
  return files;
}

// A file that cannot be written leaves PostgreSQL as it was, and the other way about a file is only
// written: what is left then is said.
Result<> Stores::commit() {
  TRY_OK(edits_.check());
  TRY_OK(edits_.write());
  return connection_ ? connection_->execute("COMMIT; BEGIN") : Result<>{};
}

}  // namespace posthorn::tools
