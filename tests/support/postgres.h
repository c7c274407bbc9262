// A real PostgreSQL (Debian's) in a temporary folder, on a Unix socket and a loopback port. It can
// be stopped, started again, frozen (it takes connections and answers nothing) and thawed. Run by
// root it works as the account postgres.
#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>
#include <vector>

#include "config/config.h"

namespace posthorn::test {

class Postgres {
 public:
  explicit Postgres(std::size_t connections_max = 30);
  ~Postgres();
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  void start();
  void stop();  // connections are cut
  void freeze();
  void thaw();
  // Runs a script with psql as the superuser; its output, or on a fault "ERROR…".
  std::string sql(const std::string& text, const std::string& database = "mail") const;
  // A database of its own, owned by the account mail.
  config::Pgsql make_database(const std::string& name) const;
  std::uint16_t port() const { return port_; }
  const Path& folder() const { return folder_; }

 private:
  std::string conninfo(const std::string& user, const std::string& database) const;
  pid_t spawn(const std::vector<std::string>& command, int out) const;
  std::string run(const std::vector<std::string>& command) const;

  Path folder_, programs_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
  std::vector<pid_t> frozen_;
};

}  // namespace posthorn::test
