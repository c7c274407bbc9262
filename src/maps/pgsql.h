// Pgsql: the questions of tables and logins, answered by PostgreSQL. Lives on a role's own thread;
// the connections work on threads of their own, a bounded number of them. While a listening
// connection holds, answers are kept and a changed table makes its answers void at once
// (NOTIFY). While the database cannot be asked, the last good answers count for a set time, and
// what is not among them is a temporary Error, never "not there".
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <set>
#include <span>

#include "base/log.h"
#include "maps/answer_cache.h"
#include "maps/pgsql_connection.h"
#include "maps/pgsql_queries.h"
#include "maps/pgsql_schema.h"
#include "maps/table.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/socket_wait.h"
#include "net/timer.h"

namespace posthorn::maps {

class Pgsql {
 public:
  Pgsql(net::Scope& scope, const config::Pgsql& config, std::span<const Migration> migrations,
        const Clock& clock = Clock::system(), PgsqlQueries queries = {});
  ~Pgsql();

  // A database that is down is waited for; one with another schema, or to which a query of the
  // administrator's means nothing, is a config Error.
  net::Task<> start();
  void stop();
  // Every answer is asked for anew, as after a change in every table.
  void forget();

  // The place is the row's id alone.
  net::Task<Found> find(Question question, std::string key);
  net::Task<Found> find_first(Question question);

  // The first two domains, as far as known.
  const std::vector<std::string>& domain_names() const { return domain_names_; }
  // Grows when a table has changed, or may have while nobody listened.
  std::uint64_t changes() const { return changes_; }
  // Until then, or the end.
  net::Awaitable<void> wait_for_change();
  bool is_up() const { return up_; }
  bool is_down() const { return !up_ || !fault_.empty(); }
  // Why the last question failed; empty: it did not.
  const std::string& fault() const { return fault_; }
  bool is_listening() const { return listening_; }
  std::size_t connections() const { return open_; }
  const AnswerCache& cache() const { return cache_; }
  const PgsqlQueries& queries() const { return queries_; }

 private:
  using ConnectionPtr = std::unique_ptr<PgsqlConnection>;
  struct Leave;

  net::Task<PgsqlRows> ask(PgsqlQuery query);
  net::Task<ConnectionPtr> acquire(SteadyTime deadline);
  net::Task<ConnectionPtr> open();
  void give_back(ConnectionPtr connection);
  void mark_up();
  void mark_down(const Error& error);
  void tell_fault(const std::string& what);
  config::Duration life_of(Question question) const;
  void begin_generation(Question question);
  static net::Awaitable<void> listen(Pgsql* self);
  enum class Listening { schema_only, on };
  net::Task<> listen_once(Listening how);
  net::Task<> look(PgsqlConnection& connection);
  net::Task<> follow(PgsqlConnection& connection);
  net::Task<> take_domain_names(PgsqlConnection& connection);
  net::Task<> hear(PgsqlConnection& connection);

  net::Scope& scope_;
  const config::Pgsql& config_;
  std::span<const Migration> migrations_;
  const Clock& clock_;
  const PgsqlQueries queries_;
  net::BlockingPool threads_;
  net::Event stopped_, freed_, retry_, changed_;
  AnswerCache cache_;
  std::array<std::uint64_t, kQuestions> generations_{};
  std::deque<ConnectionPtr> idle_;
  std::size_t open_ = 0;     // idle, at work, being opened
  std::size_t waiting_ = 0;  // for a connection
  SteadyTime retry_at_{};    // before it no connection is tried
  std::chrono::milliseconds back_off_;
  net::SocketWatch* watch_ = nullptr;
  std::vector<std::string> domain_names_;
  std::string schema_fault_, fault_;
  std::set<std::string> told_faults_;
  std::uint64_t changes_ = 0;
  bool up_ = false, told_down_ = false, listening_ = false, stopping_ = false;
  log::Logger log_;
};

// One of them, as a table. database: lives longer; nullptr: cannot be asked.
class PgsqlTable final : public Table {
 public:
  PgsqlTable(Pgsql* database, Question question) : database_(database), question_(question) {}
  net::Task<Found> find(std::string key) const override;
  net::Task<Found> find_first() const override;
  bool is_foreign() const override {
    return database_ != nullptr && database_->queries().is_own(question_);
  }
  std::string name() const override;
  std::string place_of(std::uint64_t at) const override;

 private:
  Pgsql* database_;
  Question question_;
};

}  // namespace posthorn::maps
