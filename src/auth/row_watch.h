// RowWatch: the rows of PostgreSQL's tables, looked at as `check` looks at them, beside the work of
// the running server: after the start, after a reload, when the database comes back, and when a
// table has changed. On a thread and a connection of its own, so many rows at most, and with a
// pause after each look that grows with what it took. What it finds is told once, and kept for
// `status`.
#pragma once

#include <atomic>

#include "base/log.h"
#include "config/config.h"
#include "config/finding.h"
#include "maps/pgsql.h"
#include "maps/pgsql_rows.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/timer.h"

namespace posthorn::auth {

// What is wrong with rows, in all tables that the configuration takes from there, and between them
// and the files. Blocks.
config::Findings look_at_user_rows(maps::PgsqlConnection& connection,
                                   const maps::PgsqlQueries& queries,
                                   const maps::RowBounds& bounds = {});
config::Findings look_at_rows(const config::Config& config, maps::PgsqlConnection& connection,
                              const maps::PgsqlQueries& queries, const maps::RowBounds& bounds);

class RowWatch {
 public:
  // The database lives longer.
  RowWatch(net::Scope& scope, const config::Config& config, maps::Pgsql& database);
  void start();
  void stop();
  const config::Findings& findings() const { return findings_; }

  static constexpr std::size_t kRowsMax = 100'000;  // of one table
  static constexpr std::size_t kFindingsMax = 200;

 private:
  static net::Awaitable<void> watch(RowWatch* self);
  void take(config::Findings found);

  net::Scope& scope_;
  const config::Config& config_;
  maps::Pgsql& database_;
  std::unique_ptr<net::BlockingPool> thread_;  // made by the first look
  net::Event stopped_;
  std::atomic<bool> is_stopped_ = false;
  config::Findings findings_;
  log::Logger log_;
};

}  // namespace posthorn::auth
