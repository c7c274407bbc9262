// The after-queue spam stage: asks spamd (SPAMC protocol 1.5, HEADERS) over libcurl and gives the
// fields to put on top of the message. The message itself is never changed. spamd's answers are
// bounded, cleaned, and waited for only so long.
#pragma once

#include <deque>
#include <string>

#include "base/file.h"
#include "base/log.h"
#include "config/config.h"
#include "filter/spamd.h"
#include "filter/verdict.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/socket.h"
#include "net/timer.h"

namespace posthorn::filter {

struct Scan {
  Path file;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::string recipient;  // the User: header, where the configuration names none
};

class Scanner {
 public:
  virtual ~Scanner() = default;
  // An Error: it could not be asked; the caller tries again or passes the message on with
  // Filter::unscanned().
  virtual net::Task<Verdict> scan(Scan scan) = 0;
};

class Filter final : public Scanner {
 public:
  Filter(net::Scope& scope, net::BlockingPool& pool, const config::Filter& config,
         net::Address spamd);

  net::Task<Verdict> scan(Scan scan) override;
  static Verdict unscanned(Unscanned why);
  // Does spamd answer? One that is busy with our scans need not.
  net::Task<> ping(SteadyTime deadline);
  void stop();

 private:
  class FilePart;
  net::Task<Verdict> ask(const Scan& scan);

  net::Scope& scope_;
  net::BlockingPool& pool_;
  const config::Filter& config_;
  net::Address address_;
  Spamd spamd_;
  std::size_t running_ = 0;
  net::Event freed_;
  std::size_t failures_ = 0;
  SteadyTime open_again_{};
  bool stopped_ = false;
};

}  // namespace posthorn::filter
