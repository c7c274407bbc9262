#include "auth/row_watch.h"

#include <algorithm>
#include <fmt/format.h>

#include "auth/password.h"
#include "base/events.h"
#include "maps/table_set.h"

namespace posthorn::auth {
namespace {

constexpr std::string_view kMark = "pgsql:";
constexpr auto kSettle = 1s;         // who edits rows edits several
constexpr auto kPauseMin = 10s;      // between two looks
constexpr auto kRetry = 30s;         // after one that could not be ended
constexpr std::size_t kPauses = 20;  // of each hour three minutes are looked at most

}  // namespace

// The rows of users, as the lines of conf/users are.
config::Findings look_at_user_rows(maps::PgsqlConnection& connection,
                                   const maps::PgsqlQueries& queries,
                                   const maps::RowBounds& bounds) {
  config::Findings findings;
  const auto rows = maps::read_rows(connection, queries, maps::Question::users, bounds);
  if (!rows) findings.push_back(config::finding_of(rows.error().what));
  for (const maps::Entry& row : rows ? rows->entries : std::vector<maps::Entry>()) {
    const std::string where = fmt::format("pgsql:users:{}", row.line);
    if (const auto fault = maps::fault_of_row(row))
      findings.push_back({where, *fault, "", rows->weight});
    else if (const auto why = find_hash_fault(row.value))
      findings.push_back({where, fmt::format("nobody can log in as {}: {}", row.key, *why),
                          queries.is_own(maps::Question::users)
                              ? "set the password anew with the program that writes the rows"
                              : "`posthorn user passwd` makes a hash that works",
                          config::Weight::warning});
  }
  return findings;
}

config::Findings look_at_rows(const config::Config& config, maps::PgsqlConnection& connection,
                              const maps::PgsqlQueries& queries, const maps::RowBounds& bounds) {
  maps::LoadParts parts{.rows = [&](maps::Question question) {
    return maps::read_rows(connection, queries, question, bounds);
  }};
  maps::Loaded tables = maps::load_tables(config, parts);
  config::Findings findings = std::move(tables.faults);
  for (config::Finding& finding : tables.warnings) {
    if (finding.weight == config::Weight::fault) finding.weight = config::Weight::warning;
    findings.push_back(std::move(finding));
  }
  // What stands in files is told of by those who watch them.
  std::erase_if(findings, [](const config::Finding& one) { return !one.where.starts_with(kMark); });
  if (config.auth.users == config::UserSource::pgsql)
    std::ranges::move(look_at_user_rows(connection, queries, bounds), std::back_inserter(findings));
  return findings;
}

RowWatch::RowWatch(net::Scope& scope, const config::Config& config, maps::Pgsql& database)
    : scope_(scope), config_(config), database_(database), stopped_(scope.executor()) {}

void RowWatch::start() {
  scope_.spawn(watch(this));
}

void RowWatch::stop() {
  is_stopped_ = true;
  stopped_.close();
}

net::Awaitable<void> RowWatch::watch(RowWatch* self) {
  std::uint64_t looked = 0;
  while (!self->is_stopped_) {
    if (self->database_.changes() == looked || !self->database_.is_listening())
      co_await self->database_.wait_for_change();
    co_await self->stopped_.wait_for(kSettle);
    if (self->is_stopped_ || !self->database_.is_listening()) continue;
    if (!self->thread_) {
      auto made = net::BlockingPool::make(1);
      if (!made) {
        co_await self->stopped_.wait_for(kRetry);
        continue;
      }
      self->thread_ = *std::move(made);
    }
    looked = self->database_.changes();
    const SteadyTime begun = self->scope_.clock().steady_now();
    auto found = co_await self->thread_->run([self]() -> Result<config::Findings> {
      const maps::PgsqlQueries& queries = self->database_.queries();
      TRY(const auto connection,
          maps::PgsqlConnection::open(self->config_.pgsql, self->config_.pgsql.timeout,
                                      queries.session()));
      const maps::RowBounds bounds{kRowsMax, &self->is_stopped_};
      config::Findings findings = look_at_rows(self->config_, *connection, queries, bounds);
      if (connection->is_broken()) return fail(ErrorKind::temporary, "PostgreSQL went away");
      return findings;
    });
    if (self->is_stopped_) break;
    const SteadyTime now = self->scope_.clock().steady_now();
    if (found)
      self->take(*std::move(found));
    else
      looked = 0;  // that the database is away is told of elsewhere
    const auto pause = found ? std::max<SteadyTime::duration>(kPauseMin, kPauses * (now - begun))
                             : SteadyTime::duration(kRetry);
    co_await self->stopped_.wait(now + pause);
  }
}

void RowWatch::take(config::Findings found) {
  if (found.size() > kFindingsMax) {
    const std::size_t more = found.size() - kFindingsMax;
    config::Findings kept = config::faults_of(found);
    for (config::Finding& finding : found)
      if (finding.weight != config::Weight::fault) kept.push_back(std::move(finding));
    found = std::move(kept);
    found.resize(kFindingsMax);
    found.push_back({"pgsql:", fmt::format("{} further rows have something wrong", more),
                     "`posthorn check` names them all", config::Weight::warning});
  }
  for (const config::Finding& finding : found) {
    if (std::ranges::find(findings_, finding) != findings_.end()) continue;
    if (finding.weight == config::Weight::fault)
      log_.error(event::maps_warning, {{"error", finding.text()}});
    else
      log_.warn(event::maps_warning, {{"error", finding.text()}});
  }
  findings_ = std::move(found);
}

}  // namespace posthorn::auth
