// queue: the spool, the filter and all deliveries, to the store by LMTP and to others by SMTP.
// Takes mail from edge and from this machine's programs, and holds the DKIM keys.
#include <cerrno>
#include <unistd.h>

#include "app/acme_notices.h"
#include "app/dns_watch.h"
#include "app/make_role.h"
#include "app/relay_trials.h"
#include "app/sinks.h"
#include "auth/limiter.h"
#include "base/events.h"
#include "base/metrics.h"
#include "deliver/dkim_key.h"
#include "deliver/transports.h"
#include "filter/filter.h"
#include "net/client_name.h"
#include "process/generation.h"
#include "process/login_names.h"
#include "process/report.h"
#include "process/sandbox.h"
#include "queue/queue.h"
#include "route/local_directory.h"
#include "smtp/server/session.h"
#include "tap/hub.h"

namespace posthorn::app {
namespace {

// Connections of programs of this machine at once. Whoever has a shell may make them, and what they
// take is taken from the queue.
constexpr std::size_t kProgramsMax = 200, kProgramsOfAccountMax = 20;

// queue: takes messages by LMTP from edge and store, and from programs of this machine, into the
// spool, has them scanned, and delivers them.
class QueueRole final : public process::Role {
 public:
  explicit QueueRole(process::RoleSetup setup)
      : process::Role(process::RoleKind::queue),
        setup_(std::move(setup)),
        scope_(setup_.executor, Clock::system()),
        hub_(scope_),
        lookup_(scope_, process::run_socket(setup_.config, "lookup-queue.sock")),
        directory_(lookup_),
        limiter_(lookup_),
        limits_({.connections_max = kProgramsMax,
                 .per_address_max = kProgramsOfAccountMax,
                 .loopback_exempt = false}) {}

  net::Task<> start() override {
    const config::Config& config = setup_.config;
    CO_TRY(relay_from_, net::Networks::parse(config.smtp.relay_from));
    CO_TRY(resolver_, net::Resolver::make(setup_.executor, {.servers = config.relay.resolver}));
    if (!config.relay.source_address.empty())
      CO_TRY_OK(net::check_literal(config.relay.source_address));
    CO_TRY(auto verifying,
           net::TlsClient::make(net::TlsClient::Verify::required, config.relay.trust_file));
    CO_TRY(auto trusting, net::TlsClient::make(net::TlsClient::Verify::none));
    transports_ = std::make_unique<deliver::Transports>(scope_, setup_.pool, config, *resolver_,
                                                        std::move(verifying), std::move(trusting),
                                                        placement_);
    transports_->set_watch([this](net::StreamPtr stream, const deliver::Transports::Whose& whose) {
      return hub_.wrap_client(std::move(stream), whose.service, whose.queue_id, whose.sender);
    });
    listeners_.serve(scope_, {.name = "tap-queue.sock"},
                     [this](net::StreamPtr stream) { return hub_.serve(std::move(stream)); });
    trials_ = std::make_unique<RelayTrials>(config, directory_, *transports_);
    if (!config.filter.spamd.empty()) {
      CO_TRY(auto spamd, net::parse_address(config.filter.spamd));
      if (process::has_lessons(config))
        teacher_ = std::make_unique<filter::Teacher>(scope_, config.filter, spamd);
      filter_ =
          std::make_unique<filter::Filter>(scope_, setup_.pool, config.filter, std::move(spamd));
    }
    queue_ = std::make_unique<queue::Queue>(
        queue::Queue::Parts{.scope = scope_,
                            .pool = setup_.pool,
                            .config = config,
                            .disk = Disk::real(),
                            .clock = scope_.clock(),
                            .directory = directory_,
                            .transport = *transports_,
                            .filter = filter_.get(),
                            .is_trusted = [this](const std::string& address) {
                              return relay_from_.contains(address);
                            }});
    (void)co_await files_.start();
    CO_TRY_OK(co_await queue_->start());
    settings_ = {.protocol = smtp::Protocol::lmtp,
                 .hostname = config.server.hostname,
                 .peers = smtp::Peers::roles,
                 .smtp = config.smtp,
                 .submission = config.submission};
    settings_.smtp.recipients_max = config.smtp.recipients_max * config.maps.expansion_max;
    settings_.smtp.message_max += 1U << 20U;  // what edge adds on top
    lesson_settings_ = settings_;
    lesson_settings_.smtp.message_max = config.filter.message_max;
    serve_role("queue-edge.lmtp.sock", Door::edge);
    serve_role("queue-store.lmtp.sock", Door::store);
    if (teacher_) serve_lessons();
    if (config.submission.programs != config::Programs::off) serve_programs();
    if (config.smtp.client_names) {
      CO_TRY(name_resolver_, net::Resolver::make(setup_.executor, {.servers = config.relay.resolver,
                                                                   .try_timeout = 1s}));
      client_names_.emplace(*name_resolver_, scope_.clock());
    }
    listeners_.answer(scope_, "queue-edge.names.sock", [this](net::Message request) {
      return name_client(this, std::move(request));
    });
    listeners_.answer(scope_, "queue-control.sock",
                      [this](net::Message request) { return answer_control(std::move(request)); });
    if (process::has_acme(config)) serve_acme();
    CO_TRY_OK(dns_.start());
    process::serve_report(scope_, listeners_, *this);
    process::serve_generation(scope_, listeners_, *this);
    co_return Result<>{};
  }

  net::WatchedFiles* files() override { return &files_; }
  const process::Report* report() const override { return &report_; }

  net::Awaitable<void> stop() override {
    listeners_.stop();
    files_.stop();
    dns_.stop();
    if (queue_) queue_->stop();
    if (filter_) filter_->stop();
    if (teacher_) teacher_->stop();
    co_await scope_.shut_down(setup_.config.limits.drain);
    lookup_.close();
    co_await scope_.join();
  }

 private:
  net::Awaitable<net::Message> answer_control(net::Message request) {
    if (request.verb == "dns") return dns_.refresh();
    return RelayTrials::is_asked(request) ? trials_->answer(std::move(request))
                                          : queue_->answer(std::move(request));
  }
  // Edge may not ask DNS itself.
  static net::Awaitable<net::Message> name_client(QueueRole* self, net::Message request) {
    if (!self->client_names_)
      co_return net::Message("temporary").add("error", "smtp.client_names is off");
    co_return co_await self->client_names_->answer(std::move(request));
  }

  // What comes by a door, and how it is served.
  struct Entrance {
    Entrance(net::Scope& scope, SpoolSinkFactory::Parts parts, Door door)
        : sinks(parts, door), services{.scope = scope, .sinks = sinks} {}
    SpoolSinkFactory sinks;
    smtp::ServerServices services;
  };
  Entrance& add_entrance(Door door) {
    return *entrances_.emplace_back(std::make_unique<Entrance>(
        scope_,
        SpoolSinkFactory::Parts{.queue = *queue_, .lookup = lookup_, .relay_from = relay_from_},
        door));
  }
  void serve_role(const std::string& name, Door door) {
    const smtp::ServerServices& services = add_entrance(door).services;
    listeners_.serve(scope_, {.name = name}, [this, &services](net::StreamPtr stream) {
      return smtp::serve(std::move(stream), settings_, services);
    });
  }
  void serve_acme() {
    notices_.emplace(*queue_, scope_.clock());
    listeners_.answer(scope_, "queue-acme.sock", [this](net::Message request) {
      return notices_->answer(std::move(request));
    });
  }
  void serve_lessons() {
    lessons_ = std::make_unique<LessonSinkFactory>(*teacher_, setup_.config.filter);
    lesson_services_ = std::make_unique<smtp::ServerServices>(
        smtp::ServerServices{.scope = scope_, .sinks = *lessons_});
    listeners_.serve(scope_, {.name = "queue-learn.lmtp.sock"}, [this](net::StreamPtr stream) {
      return smtp::serve(std::move(stream), lesson_settings_, *lesson_services_);
    });
  }
  // Programs of this machine are served here and not at the edge: the kernel tells whose process
  // has connected, and nobody in between could say otherwise.
  void serve_programs() {
    const config::Config& config = setup_.config;
    programs_ = {.protocol = smtp::Protocol::submission,
                 .hostname = config.server.hostname,
                 .peers = smtp::Peers::programs,
                 .smtp = config.smtp,
                 .submission = config.submission,
                 .local_domain = config.server.default_domain.empty()
                                     ? config.server.hostname
                                     : config.server.default_domain};
    smtp::ServerServices& services = add_entrance(Door::programs).services;
    services.directory = &directory_;
    services.limiter = &program_limiter_;
    services.login_name = [this](std::uint32_t uid) { return login_names_.find(uid); };
    const std::string name = "submit.sock";
    listeners_.serve(
        scope_, {.name = name, .refusal = "421 4.7.0 Too many connections\r\n", .limits = &limits_},
        [this, name, &services](net::StreamPtr stream) {
          return smtp::serve(hub_.wrap(std::move(stream), tap::protocol_of(name), name), programs_,
                             services);
        });
  }

  // The keys are read for each message; here they are looked at as a whole.
  class DkimKeys final : public net::FilePart {
   public:
    DkimKeys(net::BlockingPool& pool, const config::Config& config)
        : pool_(pool), config_(config) {}
    std::string look() const override {
      std::string text;
      std::size_t files = 0;
      std::error_code error;
      for (std::filesystem::recursive_directory_iterator at(config_.dkim.folder, error), end;
           !error && at != end && ++files < 10'000; at.increment(error))
        text += net::stamp_of_file(at->path()) + ";";
      return text;
    }
    net::Awaitable<net::Prepared> prepare() override {
      net::Prepared prepared;
      auto found = co_await pool_.run([this]() -> Result<config::Findings> {
        config::Findings findings;
        for (const std::string& fault : deliver::find_dkim_faults(config_.dkim.folder))
          findings.push_back(config::finding_of(fault));
        std::ranges::move(deliver::find_dkim_doubts(config_.dkim.folder),
                          std::back_inserter(findings));
        return findings;
      });
      if (!found) co_return prepared;
      prepared.findings = *std::move(found);
      prepared.may_pass = config::has_fault(prepared.findings);
      co_return prepared;
    }
    std::shared_ptr<const void> commit() override { return nullptr; }
    void tell(const config::Finding& finding) const override {
      if (finding.weight == config::Weight::fault)
        log::Logger{}.error(event::dkim_failed, {{"error", finding.text()}});
      else
        log::Logger{}.warn(event::files_warning, {{"error", finding.text()}});
    }

   private:
    net::BlockingPool& pool_;
    const config::Config& config_;
  };

  static net::Awaitable<std::vector<health::Check>> check(QueueRole* self) {
    std::vector<health::Check> checks;
    const bool is_full = self->queue_->is_full();
    const Path& spool = self->setup_.config.paths.spool;
    const auto looked = co_await self->setup_.pool.run([&spool]() -> Result<> {
      if (::access((spool / "incoming").c_str(), R_OK | W_OK | X_OK) != 0)
        return fail_errno("access", (spool / "incoming").native(), errno);
      return {};
    });
    checks.push_back({"spool", is_full || !looked ? "red" : "ok",
                      is_full  ? "full: queue.messages_max or queue.free_min is reached"
                      : looked ? ""
                               : looked.error().what});
    if (self->filter_) {
      const auto alive = co_await self->filter_->ping(Clock::system().steady_now() + 2s);
      const bool is_needed = self->setup_.config.filter.when_down == config::WhenDown::wait;
      checks.push_back({"spamd",
                        alive       ? "ok"
                        : is_needed ? "red"
                                    : "warning",
                        alive ? "" : alive.error().what});
    }
    if (auto keys = process::check_files(self->files_, "dkim"); keys.state != "ok")
      checks.push_back(std::move(keys));
    co_return checks;
  }
  static net::Awaitable<health::Facts> tell_facts(QueueRole* self) {
    health::Facts facts;
    const queue::Queue::Census census = self->queue_->census();
    health::add(
        facts,
        health::Queue{.messages = census.active + census.deferred + census.held,
                      .deferred = census.deferred,
                      .held = census.held,
                      .oldest_seconds = static_cast<std::uint64_t>(
                          std::chrono::duration_cast<std::chrono::seconds>(census.oldest).count()),
                      .oldest_id = census.oldest_id,
                      .oldest_reason = census.oldest_reason});
    for (const auto& [relay, fault] : self->queue_->relay_faults())
      health::add(facts, health::RelayFault{relay, std::string(fault.state), fault.reason});
    const config::Config& config = self->setup_.config;
    (void)co_await self->setup_.pool.run([&]() -> Result<> {
      process::add_disk(facts, "spool", config.paths.spool, config.queue.free_min);
      return {};
    });
    self->dns_.add_facts(facts);
    co_return facts;
  }
  static net::Awaitable<void> measure(QueueRole* self) {
    const queue::Queue::Census census = self->queue_->census();
    metrics::set(metric::queue_messages, static_cast<std::int64_t>(census.active), "active");
    metrics::set(metric::queue_messages, static_cast<std::int64_t>(census.deferred), "deferred");
    metrics::set(metric::queue_messages, static_cast<std::int64_t>(census.held), "held");
    metrics::set(metric::queue_oldest,
                 std::chrono::duration_cast<std::chrono::seconds>(census.oldest).count());
    const Path corrupt = self->setup_.config.paths.spool / "corrupt";
    const auto counted = co_await self->setup_.pool.run([&corrupt]() -> Result<std::int64_t> {
      std::int64_t messages = 0;
      std::error_code error;
      for (const auto& entry : std::filesystem::directory_iterator(corrupt, error))
        if (entry.path().extension() != ".log") ++messages;
      return messages;
    });
    if (counted) metrics::set(metric::queue_messages, *counted, "corrupt");
  }

  process::RoleSetup setup_;
  net::Scope scope_;
  const process::LocalPlacement placement_{setup_.config};
  tap::Hub hub_;
  net::LineChannel lookup_;
  net::Networks relay_from_;
  route::RemoteDirectory directory_;
  auth::RemoteLimiter limiter_;
  auth::ProgramLimiter program_limiter_{setup_.config.submission, limiter_};
  process::LoginNames login_names_{scope_, setup_.pool, process::find_login_name};
  net::ConnectionLimits limits_;  // of programs
  std::unique_ptr<net::Resolver> resolver_, name_resolver_;
  std::optional<net::ClientNames> client_names_;
  std::unique_ptr<deliver::Transports> transports_;
  std::unique_ptr<RelayTrials> trials_;
  std::unique_ptr<filter::Filter> filter_;
  std::unique_ptr<filter::Teacher> teacher_;
  std::unique_ptr<LessonSinkFactory> lessons_;
  std::unique_ptr<smtp::ServerServices> lesson_services_;
  std::unique_ptr<queue::Queue> queue_;
  std::optional<AcmeNotices> notices_;
  DnsWatch dns_{{.scope = scope_,
                 .pool = setup_.pool,
                 .config = setup_.config,
                 .lookup = lookup_,
                 .own_addresses = setup_.own_addresses}};
  std::vector<std::unique_ptr<Entrance>> entrances_;
  smtp::ServerSettings settings_, programs_, lesson_settings_;
  const process::Report report_{.checks = [this] { return check(this); },
                                .facts = [this] { return tell_facts(this); },
                                .measure = [this] { return measure(this); }};
  DkimKeys dkim_keys_{setup_.pool, setup_.config};
  net::WatchedFiles files_{scope_, setup_.pool, setup_.config.maps.poll_interval, {&dkim_keys_}};
  process::Listeners listeners_{setup_.sockets};
};

}  // namespace

std::unique_ptr<process::Role> make_queue(process::RoleSetup setup) {
  return std::make_unique<QueueRole>(std::move(setup));
}

}  // namespace posthorn::app
