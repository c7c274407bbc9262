// Certificates: the server's pairs as a part of a role's generation (edge, and web with https).
#pragma once

#include "base/log.h"
#include "config/config.h"
#include "health/page.h"
#include "net/blocking_pool.h"
#include "net/tls.h"
#include "net/watched_files.h"

namespace posthorn::process {

class Certificates final : public net::FilePart {
 public:
  // Only one role tells what it finds: they all have the same files.
  enum class Told { by_log, elsewhere };
  Certificates(net::BlockingPool& pool, const config::Config& config, Told told);

  net::TlsServer& server() { return *server_; }
  std::string look() const override { return server_->look(); }
  net::Awaitable<net::Prepared> prepare() override;
  std::shared_ptr<const void> commit() override;
  void tell(const config::Finding& finding) const override;
  // The ones that are shown, for the status page: each beside the one that lies on disk now.
  net::Awaitable<health::Facts> facts() const;

 private:
  bool is_by_acme(const Path& file) const;

  net::BlockingPool& pool_;
  const config::Config& config_;
  const Told told_;
  std::unique_ptr<net::TlsServer> server_;
  net::TlsServer::Next next_;
  log::Logger log_;
};

}  // namespace posthorn::process
