#include "maps/pgsql.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "base/metrics.h"
#include "base/utf8.h"

namespace posthorn::maps {
namespace {

constexpr std::size_t kWaitingMax = 10'000;
constexpr std::size_t kKeyMax = 2048;
constexpr std::size_t kFaultsMax = 16;  // told of until the next connection
constexpr auto kBackOffFirst = 250ms;
constexpr auto kHeartbeat = 10s;  // a listening connection that is silent is asked

// PostgreSQL's texts are UTF-8 without NUL: any other key is in no table, and is not asked for.
bool may_be_key(std::string_view key) {
  return !key.empty() && key.size() <= kKeyMax && key.find('\0') == std::string_view::npos &&
         is_utf8(key);
}

std::string cache_key(Question question, std::string_view key) {
  return static_cast<char>('a' + static_cast<int>(question)) + std::string(key);
}

// Who may log in or send as whom: an answer that a change made void is not kept even as the last
// good one, or who was shut out would come in again when the database is down.
bool decides_access(Question question) {
  return question == Question::users || question == Question::senders;
}

}  // namespace

// Counts one who waits, for as long as he does.
struct Pgsql::Leave {
  explicit Leave(std::size_t& count) : count_(count) { ++count_; }
  ~Leave() { --count_; }
  Leave(const Leave&) = delete;
  Leave& operator=(const Leave&) = delete;
  std::size_t& count_;
};

Pgsql::Pgsql(net::Scope& scope, const config::Pgsql& config, std::span<const Migration> migrations,
             const Clock& clock, PgsqlQueries queries)
    : scope_(scope),
      config_(config),
      migrations_(migrations),
      clock_(clock),
      queries_(std::move(queries)),
      threads_(config.connections + 1),
      stopped_(scope.executor()),
      freed_(scope.executor()),
      retry_(scope.executor()),
      changed_(scope.executor()),
      cache_(config.cache_size),
      back_off_(kBackOffFirst) {}

Pgsql::~Pgsql() {
  threads_.join();
}

net::Task<> Pgsql::start() {
  auto first = co_await listen_once(Listening::schema_only);
  if (!first && first.error().kind == ErrorKind::config) co_return first;
  scope_.spawn(listen(this));
  co_return Result<>{};
}

void Pgsql::stop() {
  stopping_ = true;
  stopped_.close();
  freed_.close();
  retry_.close();
  changed_.close();
  if (watch_ != nullptr) watch_->release();
}

net::Task<Found> Pgsql::find(Question question, std::string key) {
  if (!may_be_key(key)) co_return Found{};
  const std::string name = cache_key(question, key);
  const std::uint64_t generation = generations_[static_cast<std::size_t>(question)];
  const CachedAnswer* cached = cache_.find(name);
  if (cached != nullptr && listening_ && cached->generation == generation &&
      clock_.steady_now() - cached->asked < life_of(question)) {
    metrics::count(metric::database_answers, "kept");
    co_return Found{cached->value, Freshness::current, {nullptr, cached->row}};
  }
  auto query = queries_.find_query(question, std::move(key));
  if (!query) co_return Found{};
  auto rows = co_await ask(*std::move(query));
  auto found = rows ? queries_.read_found(question, *rows) : std::unexpected(rows.error());
  if (rows && !found) tell_fault(found.error().what);
  if (found) {
    metrics::count(metric::database_answers, "asked");
    Found answer;
    if (*found) answer = {std::move((*found)->value), Freshness::current, {nullptr, (*found)->id}};
    cache_.put(name, {answer.value, clock_.steady_now(), generation, answer.place.at});
    co_return answer;
  }
  cached = cache_.find(name);
  // "No such user" is said only by a database that says it now.
  if (cached == nullptr || clock_.steady_now() - cached->asked > config_.last_good ||
      (question == Question::users && !cached->value)) {
    metrics::count(metric::database_answers, "failed");
    co_return fail(ErrorKind::temporary, found.error().what);
  }
  metrics::count(metric::database_answers, "last_good");
  co_return Found{cached->value, Freshness::old, {nullptr, cached->row}};
}

net::Task<Found> Pgsql::find_first(Question question) {
  const auto query = queries_.first_query(question, 1);
  if (!query) co_return Found{};
  CO_TRY(const auto rows, co_await ask(*query));
  if (rows.empty() || rows.front().size() != 2) co_return Found{};
  co_return Found{rows.front().front(),
                  Freshness::current,
                  {nullptr, to_number<std::uint64_t>(rows.front()[1]).value_or(0)}};
}

net::Task<PgsqlRows> Pgsql::ask(PgsqlQuery query) {
  const SteadyTime deadline = scope_.after(config_.timeout);
  while (true) {
    auto acquired = co_await acquire(deadline);
    if (!acquired) {
      fault_ = acquired.error().what;
      co_return std::unexpected(acquired.error());
    }
    ConnectionPtr connection = *std::move(acquired);
    const bool used = connection->is_used();
    auto rows = co_await threads_.run(
        [raw = connection.get(), &query]() -> Result<PgsqlRows> { return raw->ask(query); });
    const bool broken = connection->is_broken();
    give_back(std::move(connection));
    if (rows) {
      mark_up();
      co_return rows;
    }
    // A connection from before the server's restart ends here; a new one is tried at once.
    if (broken && used && rows.error().kind != ErrorKind::timeout && !stopping_) {
      open_ -= idle_.size();
      idle_.clear();
      continue;
    }
    fault_ = rows.error().what;
    if (broken)
      mark_down(rows.error());
    else
      tell_fault(rows.error().what);
    co_return rows;
  }
}

net::Task<Pgsql::ConnectionPtr> Pgsql::acquire(SteadyTime deadline) {
  if (waiting_ >= kWaitingMax)
    co_return fail(ErrorKind::temporary, "PostgreSQL: too many questions wait");
  const Leave leave(waiting_);
  while (!stopping_) {
    if (!idle_.empty()) {
      ConnectionPtr connection = std::move(idle_.front());
      idle_.pop_front();
      co_return connection;
    }
    if (open_ < config_.connections && clock_.steady_now() >= retry_at_) {
      ++open_;
      auto opened = co_await open();
      if (opened) co_return *std::move(opened);
      --open_;
      freed_.set();
      retry_at_ = clock_.steady_now() + back_off_;
      back_off_ = std::min<std::chrono::milliseconds>(2 * back_off_, config_.retry_max);
      // Out of connections is not down: one of those that are held will come free.
      if (open_ == 0) {
        mark_down(opened.error());
        co_return std::unexpected(opened.error());
      }
    } else if (open_ == 0) {
      co_return fail(ErrorKind::temporary, "PostgreSQL cannot be reached; it is tried again soon");
    } else if (!co_await freed_.wait(deadline)) {
      co_return fail(ErrorKind::timeout,
                     fmt::format("PostgreSQL: all {} connections are at work", open_));
    }
  }
  co_return fail(ErrorKind::closed, "the server is stopping");
}

net::Task<Pgsql::ConnectionPtr> Pgsql::open() {
  co_return co_await threads_.run(
      [this] { return PgsqlConnection::open(config_, config_.timeout, queries_.session()); });
}

void Pgsql::give_back(ConnectionPtr connection) {
  if (connection->is_broken() || stopping_) {
    connection.reset();
    --open_;
  } else {
    idle_.push_back(std::move(connection));
  }
  freed_.set();
}

void Pgsql::mark_up() {
  retry_at_ = {};
  back_off_ = kBackOffFirst;
  if (!up_) {
    log_.info(event::maps_database_up, {});
    retry_.set();  // the listening connection need not wait for its turn
  }
  up_ = true;
  told_down_ = false;
  fault_.clear();
}

void Pgsql::mark_down(const Error& error) {
  if (up_ || !told_down_) log_.warn(event::maps_database_down, {{"error", error.what}});
  up_ = false;
  told_down_ = true;
  fault_ = error.what;
}

void Pgsql::tell_fault(const std::string& what) {
  fault_ = what;
  if (told_faults_.size() < kFaultsMax && told_faults_.insert(what).second)
    log_.error(event::maps_database_fault, {{"error", what}});
}

// Nobody tells of changes in tables that are not ours, unless their owner sends NOTIFY as well.
config::Duration Pgsql::life_of(Question question) const {
  return queries_.is_own(question) ? std::min(config_.cache, config_.queries_cache) : config_.cache;
}

void Pgsql::forget() {
  for (const PgsqlTableShape& shape : kPgsqlTables) begin_generation(shape.question);
}

net::Awaitable<void> Pgsql::wait_for_change() {
  (void)co_await changed_.wait(SteadyTime::max());
}

void Pgsql::begin_generation(Question question) {
  ++generations_[static_cast<std::size_t>(question)];
  ++changes_;
  changed_.set();
  if (decides_access(question)) cache_.erase_if_begins(cache_key(question, ""));
}

net::Awaitable<void> Pgsql::listen(Pgsql* self) {
  auto wait = kBackOffFirst;
  while (!self->stopping_) {
    const SteadyTime begun = self->scope_.clock().steady_now();
    const auto ended = co_await self->listen_once(Listening::on);
    self->listening_ = false;
    if (self->stopping_) break;
    if (!ended && ended.error().kind != ErrorKind::config) {
      self->mark_down(ended.error());
    } else if (!ended &&
               std::exchange(self->schema_fault_, ended.error().what) != ended.error().what) {
      // Told once; what the tables still answer counts.
      self->log_.error(event::maps_database_schema, {{"error", ended.error().what}});
    }
    const bool held = self->scope_.clock().steady_now() - begun > 2 * self->config_.timeout;
    wait = held ? kBackOffFirst
                : std::min<std::chrono::milliseconds>(2 * wait, self->config_.retry_max);
    co_await self->retry_.wait_for(wait);
  }
}

// schema_only: only looks whether the schema is right, and ends.
net::Task<> Pgsql::listen_once(Listening how) {
  auto opened = co_await open();
  if (!opened) {
    if (how == Listening::schema_only) mark_down(opened.error());
    co_return std::unexpected(opened.error());
  }
  const ConnectionPtr connection = *std::move(opened);
  CO_TRY_OK(co_await look(*connection));
  CO_TRY_OK(co_await take_domain_names(*connection));
  if (how == Listening::schema_only || stopping_) co_return Result<>{};
  CO_TRY_OK(
      co_await threads_.run([raw = connection.get()] { return raw->execute("LISTEN posthorn"); }));
  // What changed before this connection listened was not heard of.
  forget();
  told_faults_.clear();
  CO_TRY_OK(co_await take_domain_names(*connection));
  listening_ = true;
  mark_up();
  changed_.set();  // who waits for what changed can ask now
  auto ended = co_await follow(*connection);
  listening_ = false;
  co_return ended;
}

// A query that is only slow now is told of, and each question finds out anew.
net::Task<> Pgsql::look(PgsqlConnection& connection) {
  if (queries_.needs_schema()) {
    CO_TRY(const auto fault, co_await threads_.run([raw = &connection, this] {
      return find_schema_fault(*raw, migrations_);
    }));
    if (fault) co_return fail(ErrorKind::config, "PostgreSQL: " + *fault);
  }
  if (!queries_.has_own()) co_return Result<>{};
  CO_TRY(const auto troubles, co_await threads_.run([this] { return queries_.look(config_); }));
  for (const PgsqlQueries::Trouble& trouble : troubles)
    if (!trouble.may_pass) co_return fail(ErrorKind::config, trouble.finding.text());
  for (const PgsqlQueries::Trouble& trouble : troubles)
    log_.error(event::maps_database_fault, {{"error", trouble.finding.text()}});
  co_return Result<>{};
}

net::Task<> Pgsql::follow(PgsqlConnection& connection) {
  while (!stopping_) {
    Result<> heard;
    {
      net::SocketWatch watch(scope_.executor(), connection.socket());
      watch_ = &watch;
      heard = co_await watch.wait(net::SocketWatch::Want::read, scope_.after(kHeartbeat));
      watch_ = nullptr;
    }
    if (stopping_) break;
    if (!heard && heard.error().kind != ErrorKind::timeout) co_return heard;
    if (!heard) {
      CO_TRY_OK(
          co_await threads_.run([raw = &connection] { return raw->ask({"SELECT 1", {}, 1}); }));
      // Of a new domain in a table that is not ours nothing is heard.
      if (queries_.is_own(Question::domains)) CO_TRY_OK(co_await take_domain_names(connection));
    }
    CO_TRY_OK(co_await hear(connection));
  }
  co_return Result<>{};
}

net::Task<> Pgsql::hear(PgsqlConnection& connection) {
  CO_TRY(const auto tables,
         co_await threads_.run([raw = &connection] { return raw->take_notifications(); }));
  for (const std::string& table : tables)
    if (const auto question = find_question(table)) begin_generation(*question);
  if (std::ranges::find(tables, "domains") != tables.end())
    CO_TRY_OK(co_await take_domain_names(connection));
  co_return Result<>{};
}

net::Task<> Pgsql::take_domain_names(PgsqlConnection& connection) {
  const auto query = queries_.first_query(Question::domains, 2);
  if (!query) co_return Result<>{};
  CO_TRY(const auto rows,
         co_await threads_.run([raw = &connection, &query] { return raw->ask(*query); }));
  domain_names_.clear();
  for (const PgsqlRow& row : rows) domain_names_.push_back(row.front());
  co_return Result<>{};
}

net::Task<Found> PgsqlTable::find(std::string key) const {
  if (database_ == nullptr)
    co_return fail(ErrorKind::config, "pgsql: tables are asked by the running server only");
  CO_TRY(Found found, co_await database_->find(question_, std::move(key)));
  if (found.value) found.place.table = this;
  co_return found;
}

net::Task<Found> PgsqlTable::find_first() const {
  if (database_ == nullptr) co_return Found{};
  CO_TRY(Found found, co_await database_->find_first(question_));
  if (found.value) found.place.table = this;
  co_return found;
}

std::string PgsqlTable::name() const {
  return (database_ != nullptr ? database_->queries() : PgsqlQueries()).name_of(question_);
}

std::string PgsqlTable::place_of(std::uint64_t at) const {
  return at == 0 ? name() : fmt::format("{} row id={}", name(), at);
}

}  // namespace posthorn::maps
