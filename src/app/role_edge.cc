// edge: SMTP, submission, and the logins of IMAP, POP3 and ManageSieve, for everybody. It reads no
// mail folder, no table and no password, opens no connection (its dialer does), and hands a session
// over to the store once lookup has said who it is.
#include <fmt/format.h>

#include "app/make_role.h"
#include "app/sinks.h"
#include "auth/service.h"
#include "base/events.h"
#include "base/metrics.h"
#include "imap/login/session.h"
#include "managesieve/login/session.h"
#include "net/client_name.h"
#include "net/timer.h"
#include "net/tls.h"
#include "pop3/login/session.h"
#include "process/certificates.h"
#include "process/generation.h"
#include "process/report.h"
#include "route/local_directory.h"
#include "smtp/server/session.h"
#include "tap/hub.h"

namespace posthorn::app {
namespace {

// edge: TLS and everything strangers say, up to an accepted message or a login. It owns no mail and
// no password.
class Edge final : public process::Role {
 public:
  explicit Edge(process::RoleSetup setup)
      : process::Role(process::RoleKind::edge),
        setup_(std::move(setup)),
        scope_(setup_.executor, Clock::system()),
        lookup_(scope_, process::run_socket(setup_.config, "lookup-edge.sock")),
        directory_(lookup_),
        authenticator_(lookup_),
        limiter_(lookup_),
        names_(scope_, process::run_socket(setup_.config, "queue-edge.names.sock")),
        hub_(scope_),
        sinks_(scope_, setup_.config, "queue-edge.lmtp.sock", &hub_),
        limits_(limits()) {}

  net::Task<> start() override {
    const config::Config& config = setup_.config;
    CO_TRY(exempt_, net::Networks::parse(config.limits.exempt));
    CO_TRY(relay_from_, net::Networks::parse(config.smtp.relay_from));
    CO_TRY(bare_line_feed_exempt_, net::Networks::parse(config.smtp.bare_line_feed_exempt));
    (void)co_await files_.start();
    const smtp::ServerSettings common{.hostname = config.server.hostname,
                                      .smtp = config.smtp,
                                      .submission = config.submission,
                                      .plaintext_login = plaintext_login(),
                                      .handshake_timeout = config.tls.handshake_timeout,
                                      .first_command_timeout = config.limits.first_command_timeout};
    smtp_ = submission_ = submissions_ = lmtp_ = common;
    smtp_.protocol = smtp::Protocol::smtp;
    submission_.protocol = submissions_.protocol = smtp::Protocol::submission;
    submissions_.tls_start = net::TlsStart::at_once;
    lmtp_.protocol = smtp::Protocol::lmtp;
    services_ = std::make_unique<smtp::ServerServices>(smtp::ServerServices{
        .scope = scope_,
        .sinks = sinks_,
        .directory = &directory_,
        .authenticator = &authenticator_,
        .tls = &tls(),
        .limiter = &limiter_,
        .login_name = {},
        .may_relay = [this](const std::string& address) { return relay_from_.contains(address); },
        .may_send_bare_line_ends =
            [this](const std::string& address) {
              return bare_line_feed_exempt_.contains(address);
            }});
    // DNS is outside, where this role may not go: queue asks it.
    if (config.smtp.client_names)
      services_->client_name = [this](std::string address, SteadyTime deadline) {
        return net::ask_client_name(names_, std::move(address), deadline);
      };
    const std::string taps = fmt::format("tap-{}.sock", setup_.worker);
    listeners_.serve(scope_, {.name = taps},
                     [this](net::StreamPtr stream) { return hub_.serve(std::move(stream)); });
    serve_smtp("smtp", smtp_);
    serve_smtp("submission", submission_);
    serve_smtp("submissions", submissions_);
    serve_smtp("lmtp", lmtp_);
    login_services_ = std::make_unique<auth::LoginServices>(auth::LoginServices{
        .scope = scope_, .authenticator = authenticator_, .placement = placement_, .tls = &tls()});
    imap_ = login_settings(config.imap.login_line_max);
    pop3_ = login_settings(config.pop3.line_max);
    serve_logins({"imap", "imaps"}, imap_, imap::serve_login, "* BYE Too many connections\r\n");
    serve_logins({"pop3", "pop3s"}, pop3_, pop3::serve_login,
                 "-ERR [SYS/TEMP] Too many connections\r\n");
    managesieve_ = login_settings(config.managesieve.line_max);
    listen("managesieve", "BYE (TRYLATER) \"Too many connections\"\r\n",
           [this](net::StreamPtr stream) {
             return managesieve::serve_login(std::move(stream), managesieve_.plain,
                                             *login_services_);
           });
    process::serve_report(scope_, listeners_, *this);
    process::serve_generation(scope_, listeners_, *this);
    co_return Result<>{};
  }

  net::WatchedFiles* files() override { return &files_; }
  const process::Report* report() const override { return &report_; }

  net::Awaitable<void> stop() override {
    listeners_.stop();
    files_.stop();
    co_await scope_.shut_down(setup_.config.limits.drain);
    lookup_.close();
    names_.close();
    co_await scope_.join();
  }

 private:
  auth::PlaintextLogin plaintext_login() const {
    return setup_.config.auth.allow_plaintext ? auth::PlaintextLogin::allowed
                                              : auth::PlaintextLogin::refused;
  }
  net::ConnectionLimits::Options limits() const {
    const config::Limits& limits = setup_.config.limits;
    auto options = process::connection_limits(
        limits, [this](const std::string& address) { return exempt_.contains(address); });
    options.connections_max = limits.connections_max;
    options.per_service_max = limits.connections_per_service_max;
    return options;
  }
  void listen(const std::string& name, const std::string& refusal,
              const net::Listener::Session& session) {
    listeners_.serve(scope_, {.name = name, .refusal = refusal, .limits = &limits_},
                     [this, name, session](net::StreamPtr stream) {
                       return session(hub_.wrap(std::move(stream), tap::protocol_of(name), name));
                     });
  }
  void serve_smtp(const std::string& name, const smtp::ServerSettings& settings) {
    listen(name,
           settings.tls_start == net::TlsStart::at_once ? "" : "421 4.7.0 Too many connections\r\n",
           [this, &settings](net::StreamPtr stream) {
             return smtp::serve(std::move(stream), settings, *services_);
           });
  }

  // A protocol with a login on its two ports; the second one begins with TLS.
  struct LoginPorts {
    auth::LoginSettings plain, tls;
  };
  LoginPorts login_settings(std::size_t line_max) const {
    const config::Config& config = setup_.config;
    LoginPorts ports;
    ports.plain = {.tls_start = net::TlsStart::by_command,
                   .plaintext_login = plaintext_login(),
                   .line_max = line_max,
                   .first_command_timeout = config.limits.first_command_timeout,
                   .login_timeout = config.limits.login_timeout,
                   .handshake_timeout = config.tls.handshake_timeout};
    ports.tls = ports.plain;
    ports.tls.tls_start = net::TlsStart::at_once;
    return ports;
  }
  using ServeLogin = net::Awaitable<void> (*)(net::StreamPtr, const auth::LoginSettings&,
                                              const auth::LoginServices&);
  void serve_logins(const std::pair<std::string, std::string>& names, const LoginPorts& ports,
                    ServeLogin serve, const std::string& refusal) {
    listen(names.first, refusal, [this, &ports, serve](net::StreamPtr stream) {
      return serve(std::move(stream), ports.plain, *login_services_);
    });
    listen(names.second, "", [this, &ports, serve](net::StreamPtr stream) {
      return serve(std::move(stream), ports.tls, *login_services_);
    });
  }

  // The default one is "certificate"; one of tls.folder has the name of its folder behind it.
  static net::Awaitable<std::vector<health::Check>> check(Edge* self) {
    std::vector<health::Check> checks;
    const health::Check files = process::check_files(self->files_, "certificates");
    for (const auto& [file, info] : self->tls().certificates()) {
      const auto left = info.not_after - Clock::system().now();
      checks.push_back(
          {checks.empty() ? "certificate" : "certificate." + file.parent_path().filename().native(),
           left <= 0ms                                     ? "red"
           : left < self->setup_.config.tls.expiry_warning ? "warning"
                                                           : "ok",
           "it ends at " + format_log_time(info.not_after) +
               (info.is_of_own_authority && left < self->setup_.config.tls.expiry_warning
                    ? "; posthorn certificate renew"
                    : "")});
    }
    if (files.state != "ok") checks.push_back(files);
    co_return checks;
  }
  static net::Awaitable<void> measure(Edge* self) {
    WallTime first = self->tls().info().not_after;
    for (const auto& [file, info] : self->tls().certificates())
      first = std::min(first, info.not_after);
    metrics::set(
        metric::certificate_not_after,
        std::chrono::duration_cast<std::chrono::seconds>(first.time_since_epoch()).count());
    co_return;
  }

  net::TlsServer& tls() { return certificates_.server(); }

  process::RoleSetup setup_;
  net::Scope scope_;
  const process::LocalPlacement placement_{setup_.config};
  net::LineChannel lookup_;
  route::RemoteDirectory directory_;
  auth::RemoteAuthenticator authenticator_;
  auth::RemoteLimiter limiter_;
  net::Networks exempt_, relay_from_, bare_line_feed_exempt_;
  net::LineChannel names_;
  tap::Hub hub_;
  QueueSinkFactory sinks_;
  net::ConnectionLimits limits_;
  process::Certificates certificates_{setup_.pool, setup_.config,
                                      process::Certificates::Told::by_log};
  net::WatchedFiles files_{
      scope_, setup_.pool, setup_.config.tls.reload_interval, {&certificates_}};
  smtp::ServerSettings smtp_, submission_, submissions_, lmtp_;
  std::unique_ptr<smtp::ServerServices> services_;
  LoginPorts imap_, pop3_, managesieve_;
  std::unique_ptr<auth::LoginServices> login_services_;
  const process::Report report_{.checks = [this] { return check(this); },
                                .facts = [this] { return certificates_.facts(); },
                                .measure = [this] { return measure(this); }};
  process::Listeners listeners_{setup_.sockets};
  log::Logger log_;
};

}  // namespace

std::unique_ptr<process::Role> make_edge(process::RoleSetup setup) {
  return std::make_unique<Edge>(std::move(setup));
}

}  // namespace posthorn::app
