// Transports: the real one. LMTP to where an account lives, SMTP to the smarthost or to MX hosts.
#pragma once

#include <functional>
#include <memory>

#include "base/log.h"
#include "config/config.h"
#include "deliver/attempt.h"
#include "deliver/probe.h"
#include "message/refit.h"
#include "net/blocking_pool.h"
#include "net/placement.h"
#include "net/resolver.h"
#include "net/scope.h"
#include "net/socket.h"
#include "net/tls.h"
#include "smtp/client/client.h"

namespace posthorn::deliver {

class Transports final : public Transport {
 public:
  // placement: of the accounts; it outlives this.
  Transports(net::Scope& scope, net::BlockingPool& pool, const config::Config& config,
             net::Resolver& resolver, std::unique_ptr<net::TlsClient> verifying,
             std::unique_ptr<net::TlsClient> trusting, const net::Placement& placement);

  // Whose connection it is: a queue id and the sender.
  struct Whose {
    std::string service;  // "lmtp", "relay", "mx"
    std::string queue_id, sender;
    std::string session = {};
  };
  using Watch = std::function<net::StreamPtr(net::StreamPtr stream, const Whose& whose)>;
  // Puts something around every connection that looks on.
  void set_watch(Watch watch) { watch_ = std::move(watch); }

  net::Awaitable<Attempted> attempt(route::Plan plan, message::Envelope envelope, Body body,
                                    std::string queue_id) override;
  // plan: no local one; its fallbacks are not asked. envelope: without recipients none is named.
  net::Awaitable<Probe> probe(route::Plan plan, message::Envelope envelope);

 private:
  struct Host {
    std::string name;     // for TLS and logs
    std::string address;  // literal
    std::uint16_t port = 25;
  };
  struct Way {
    std::vector<Host> hosts;
    config::TlsPolicy tls = config::TlsPolicy::verify;
    std::string user, password;
    Whose whose = {};
    tap::Recording* recording = nullptr;  // of the connection that is made next
  };

  net::Awaitable<Attempted> deliver_local(const route::LocalPlan& plan, message::Envelope& envelope,
                                          const Body& body, Whose whose);
  // What has become of an attempt so far, and which recipients the next host may take.
  struct Progress {
    explicit Progress(std::size_t recipients);
    void take(const std::vector<Outcome>& outcomes);
    enum class Then { over, next_hop };  // next_hop: another one is tried
    void take_for_all(const Outcome& outcome, Then then = Then::over);
    Attempted attempted;
    std::vector<std::size_t> open;
    // Of who is open still, since a host was asked last.
    std::vector<std::pair<std::size_t, Outcome>> put_off;
    bool was_answered = false;  // a host came as far as the envelope
  };

  net::Awaitable<Attempted> deliver_remote(const route::Plan& plan, message::Envelope& envelope,
                                           const Body& body, Whose whose);
  net::Awaitable<void> try_way(const Way& way, const message::Envelope& envelope, const Body& body,
                               Progress& progress);
  void tell_passed_on(Progress& progress, const message::Envelope& envelope,
                      const Whose& whose) const;
  static std::string name_of(const Host& host);
  // Why there is no host to ask.
  struct NoWay {
    enum class Reason {
      no_such_domain,  // as far as is known here; a server elsewhere may know better
      refused          // a domain's own word, or a loop
    };
    Reason reason;
    Outcome outcome;
  };
  net::Task<std::expected<Way, NoWay>> find_way(const route::Plan& plan);
  net::Task<std::expected<std::vector<Host>, NoWay>> mx_hosts(std::string domain,
                                                              std::uint16_t port);
  struct Found {
    std::vector<Host> hosts;
    std::optional<Error> unknown;  // one of them could not be asked for
  };
  net::Awaitable<Found> addresses_of(const std::vector<net::MxRecord>& records, std::uint16_t port);
  net::Task<std::vector<Host>> host_addresses(std::string name, std::uint16_t port);
  // no_tls: the handshake failed; no_login: the login was refused.
  enum class Tried { done, failed, no_tls, no_login };
  net::Awaitable<Tried> try_host(const Way& way, const Host& host,
                                 const message::Envelope& envelope, const Body& body,
                                 Progress& progress);
  // Who asks the hosts of a way, one after the other.
  struct Visit {
    std::function<bool()> is_over;
    std::function<void(const Host&)> pass_over;  // not reachable from relay.source_address
    std::function<net::Awaitable<Tried>(const Way&, const Host&)> try_host;
  };
  // How far the way to the envelope went.
  struct Reached {
    Stage stage = Stage::greeting;
    smtp::Reply reply;  // where it ended there by one
    bool has_sent_login = false;
    bool is_login_refused = false;
  };
  net::Awaitable<void> visit_hosts(const Way& way, const Visit& visit);
  static Tried why_not(const smtp::Client& client, const Reached& reached);
  net::Task<net::StreamPtr> dial(const Way& way, const Host& host);
  net::Task<std::expected<void, Outcome>> prepare(smtp::Client& client, const Way& way,
                                                  const Host& host, Reached& reached);
  net::Awaitable<Tried> probe_host(const Way& way, const Host& host,
                                   const message::Envelope& envelope, HostProbe& probe);
  net::Awaitable<void> probe_envelope(smtp::Client& client, const message::Envelope& envelope,
                                      HostProbe& probe);
  enum class Speech { smtp, lmtp };
  net::Awaitable<std::vector<Outcome>> send(smtp::Client& client, message::Envelope& envelope,
                                            const Body& body, const std::string& remote,
                                            Speech speech);
  net::Awaitable<std::expected<message::RefitPlan, Outcome>> fit(const smtp::Extensions& offered,
                                                                 message::Envelope& envelope,
                                                                 const Body& body,
                                                                 const std::string& remote);
  net::Awaitable<std::expected<std::string, Outcome>> sign(const Body& body,
                                                           const message::RefitPlan& plan,
                                                           const std::string& remote);
  net::Task<> send_body(smtp::Client& client, const Body& body, const message::RefitPlan& plan);
  smtp::ClientOptions client_options(Speech speech) const;

  net::Scope& scope_;
  net::BlockingPool& pool_;
  const config::Config& config_;
  net::Resolver& resolver_;
  std::unique_ptr<net::TlsClient> verifying_, trusting_;
  const net::Placement& placement_;
  Watch watch_;
  log::Logger log_;
};

}  // namespace posthorn::deliver
