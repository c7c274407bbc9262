// The world as src/acme sees it, made of this process's: the directory over HTTP, challenges that
// the web role answers, and what the DNS says of names.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "acme/client.h"
#include "acme/pair.h"
#include "acme/wanted.h"
#include "config/config.h"
#include "net/http_client.h"
#include "net/line_channel.h"
#include "net/resolver.h"
#include "net/timer.h"

namespace posthorn::app {

class AcmeWire final : public acme::Wire {
 public:
  AcmeWire(net::Scope& scope, net::Resolver& resolver, const config::Config& config);
  net::Task<net::HttpAnswer> ask(net::HttpRequest request) override;
  net::Awaitable<void> wait(std::chrono::milliseconds time) override;
  WallTime now() const override;
  void stop();

 private:
  net::Scope& scope_;
  net::HttpClient http_;
  net::Event stopped_;
};

class AcmeProver final : public acme::Prover {
 public:
  AcmeProver(net::Scope& scope, const config::Config& config);
  net::Task<> offer(acme::Proof proof) override;
  net::Awaitable<void> forget(acme::Proof proof) override;
  void stop();

 private:
  std::unique_ptr<net::LineChannel> web_;  // nullptr: there is no web role
  log::Logger log_;
};

// One after the other, for there is no hurry; what cannot be asked is nullopt.
net::Awaitable<acme::Addresses> look_up(net::Resolver& resolver, const Clock& clock,
                                        std::vector<std::string> names);
net::Awaitable<std::optional<std::vector<acme::Tlsa>>> look_up_tlsa(net::Resolver& resolver,
                                                                    const Clock& clock,
                                                                    std::vector<std::string> names);

// acme.eab_key_id with the key of its file; nullopt: there is none. Blocks.
Result<std::optional<acme::Binding>> read_binding(const config::Acme& settings);

}  // namespace posthorn::app
