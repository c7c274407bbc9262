// acme: gets certificates and renews them (RFC 8555). Speaks to the authority's directory and to
// the DNS, writes below paths.acme, and reads no mail and no other role's files. What it does and
// when, acme/renewals.h decides; here it is told which names there are, and tells others of it.
//
//   acme-control.sock
//     status                   ok directory=, then of each: certificate= names= issuer= ends=
//                              issued= next= reason= attempted= error= remedy= state=
//                              times: milliseconds since 1970
//     renew [name=]            ok asked=, and begun= of one, or of all: each is done when attempted
//                              is not before asked and its state is neither busy nor waiting
//     revoke name= [reason=]   ok; another is got at once. reason: key_compromise, superseded
#include <algorithm>
#include <deque>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "acme/renewals.h"
#include "app/acme_world.h"
#include "app/make_role.h"
#include "base/events.h"
#include "net/timer.h"
#include "process/generation.h"
#include "process/report.h"

namespace posthorn::app {
namespace {

constexpr auto kDomainsEvery = 1min;  // lookup is asked which domains there are
constexpr auto kAddressesEvery = 1h;  // and the DNS where their web names lead
constexpr auto kLookLater = 2s;       // the roles start beside each other
constexpr auto kLongestPause = 30s;
constexpr auto kAnswerWithin = 10s;
constexpr std::size_t kRevocationsMax = 10;
constexpr std::size_t kStatusMax = 50'000;  // bytes of an answer (net::kLineMax)

std::string number_text(WallTime time) {
  return std::to_string(time.time_since_epoch().count());
}

class AcmeRole final : public process::Role {
 public:
  explicit AcmeRole(process::RoleSetup setup)
      : process::Role(process::RoleKind::acme),
        setup_(std::move(setup)),
        scope_(setup_.executor, Clock::system()),
        stopped_(setup_.executor),
        wanted_(setup_.executor),
        revoked_(setup_.executor),
        lookup_(scope_, process::run_socket(setup_.config, "lookup-acme.sock")),
        queue_(scope_, process::run_socket(setup_.config, "queue-acme.sock")),
        prover_(scope_, setup_.config) {}

  net::Task<> start() override {
    const config::Config& config = setup_.config;
    CO_TRY(resolver_, net::Resolver::make(setup_.executor, {.servers = config.relay.resolver}));
    wire_ = std::make_unique<AcmeWire>(scope_, *resolver_, config);
    CO_TRY(folder_,
           co_await setup_.pool.run([&config] { return acme::Folder::open(config.paths.acme); }));
    reason_ = co_await prepare();
    listeners_.answer(scope_, "acme-control.sock",
                      [this](net::Message request) { return answer(this, std::move(request)); });
    process::serve_report(scope_, listeners_, *this);
    process::serve_generation(scope_, listeners_, *this);
    if (!reason_.empty())
      log_.warn(event::acme_waiting, {{"reason", reason_}});
    else
      scope_.spawn(run(this));
    co_return Result<>{};
  }

  net::WatchedFiles* files() override { return nullptr; }
  const process::Report* report() const override { return &report_; }

  net::Awaitable<void> stop() override {
    listeners_.stop();
    is_stopping_ = true;
    stopped_.close();
    wanted_.close();
    revoked_.close();
    wire_->stop();
    prover_.stop();
    lookup_.close();
    queue_.close();
    co_await scope_.shut_down(setup_.config.limits.drain);
    co_await scope_.join();
  }

 private:
  // Why nothing can be got with these settings; empty: it can.
  net::Awaitable<std::string> prepare() {
    const config::Acme& settings = setup_.config.acme;
    const std::string directory = acme::directory_url(settings.directory);
    if (!directory.starts_with("https://"))
      co_return fmt::format(
          "acme.directory = \"{}\" is neither letsencrypt, letsencrypt-staging nor an https:// URL",
          settings.directory);
    if (!settings.agree_terms)
      co_return "acme.agree_terms is false: read the authority's terms of service, and set it";
    auto binding = co_await setup_.pool.run([&settings] { return read_binding(settings); });
    if (!binding) co_return binding.error().what;
    renewals_ = std::make_unique<acme::Renewals>(
        acme::Renewals::Parts{*folder_, setup_.pool, *wire_, prover_},
        acme::Renewals::Settings{.client = {.directory = directory,
                                            .email = settings.email,
                                            .challenges = settings.challenges,
                                            .binding = *std::move(binding)},
                                 .key = settings.key,
                                 .keep_key = settings.keep_key,
                                 .find_tlsa = [this](std::vector<std::string> names) {
                                   return look_up_tlsa(*resolver_, scope_.clock(),
                                                       std::move(names));
                                 }});
    if (const auto loaded = co_await renewals_->load(); !loaded) co_return loaded.error().what;
    co_return std::string();
  }

  static net::Awaitable<void> run(AcmeRole* self) {
    while (!self->is_stopping_) {
      const bool knows = co_await self->learn();
      if (!knows) {
        co_await self->stopped_.wait_for(kLookLater);
        continue;
      }
      co_await self->serve_revocations();
      co_await self->renewals_->ask_windows();
      while (!self->is_stopping_) {
        const auto next = self->renewals_->find_next(self->scope_.clock().now());
        if (!next) break;
        co_await self->attempt(*next);
        co_await self->serve_revocations();
      }
      if (!self->is_stopping_ && self->revocations_.empty())
        co_await self->wanted_.wait_for(self->pause());
    }
  }

  std::chrono::milliseconds pause() const {
    const WallTime now = scope_.clock().now();
    std::chrono::milliseconds pause = kLongestPause;
    for (const auto& one : renewals_->all())
      if (one.due.at > now) pause = std::min(pause, one.due.at - now + 1ms);
    return pause;
  }

  net::Awaitable<void> attempt(std::string name) {
    const auto result = co_await renewals_->attempt(name);
    if (result != acme::Renewals::Result::failed || is_stopping_) co_return;
    for (const auto& one : renewals_->all()) {
      if (one.entry.name != name) continue;
      const bool has_one = one.entry.ends != WallTime{};
      (void)co_await queue_.ask(net::Message("notice")
                                    .add("name", name)
                                    .add("error", one.entry.error)
                                    .add("remedy", one.entry.remedy)
                                    .add("ends", has_one ? format_log_time(one.entry.ends) : ""),
                                kAnswerWithin);
    }
  }

  // Which certificates are wanted; false: nobody has said yet which domains there are.
  net::Awaitable<bool> learn() {
    const config::Config& config = setup_.config;
    const SteadyTime now = scope_.clock().steady_now();
    if (domains_ && now - learned_ < kDomainsEvery) co_return true;
    const auto answer = co_await lookup_.ask(net::Message("domains"), kAnswerWithin);
    if (!answer || answer->verb != "ok") {
      if (!std::exchange(is_untold_, true))
        log_.warn(event::acme_waiting,
                  {{"socket", "lookup-acme.sock"},
                   {"reason", !answer ? answer.error().what : std::string(answer->get("error"))}});
      co_return domains_.has_value();
    }
    is_untold_ = false;
    std::vector<std::string> domains;
    for (const std::string_view domain : answer->all("domain")) domains.emplace_back(domain);
    learned_ = now;
    const bool is_old = now - looked_up_ >= kAddressesEvery;
    if (domains_ && *domains_ == domains && !is_old) co_return true;
    domains_ = std::move(domains);
    const acme::Place place{
        .hostname = config.server.hostname,
        .names = config.acme.names,
        .domains = *domains_,
        .web_names = config.acme.web_names ? acme::WebNames::that_lead_here : acme::WebNames::none,
        .own_addresses = setup_.own_addresses};
    const acme::Addresses addresses =
        co_await look_up(*resolver_, scope_.clock(), acme::names_to_look_up(place));
    looked_up_ = now;
    co_await renewals_->want(acme::find_wanted(place, addresses, renewals_->wanted()));
    for (const std::string& name : unfit_names(place)) {
      if (std::ranges::find(told_unfit_, name) != told_unfit_.end()) continue;
      told_unfit_.push_back(name);
      log_.warn(event::acme_waiting, {{"name", name}, {"reason", acme::why_not(name)}});
    }
    co_return true;
  }

  static std::vector<std::string> unfit_names(const acme::Place& place) {
    std::vector<std::string> names = {place.hostname};
    names.insert(names.end(), place.names.begin(), place.names.end());
    std::erase_if(names, [](const std::string& name) { return acme::why_not(name).empty(); });
    return names;
  }

  // Asked for on the control socket and done between attempts, which have the account.
  struct Revocation {
    std::string name;
    acme::Reason reason;
    std::optional<acme::Attempt<>> result = {};
  };
  net::Awaitable<void> serve_revocations() {
    while (!revocations_.empty() && !is_stopping_) {
      const std::shared_ptr<Revocation> one = revocations_.front();
      revocations_.pop_front();
      one->result = co_await renewals_->revoke(one->name, one->reason);
      revoked_.set();
    }
  }

  static net::Awaitable<net::Message> answer(AcmeRole* self, net::Message request) {
    if (request.verb == "status") co_return self->tell_status();
    if (request.verb != "renew" && request.verb != "revoke")
      co_return net::Message("error").add("error", "nobody answers " + request.verb);
    if (!self->reason_.empty()) co_return net::Message("error").add("error", self->reason_);
    if (request.verb == "renew") co_return self->renew(request);
    co_return co_await self->revoke(std::move(request));
  }

  net::Message renew(const net::Message& request) {
    const std::string name(request.get("name"));
    net::Message answer("ok");
    answer.add("asked", number_text(scope_.clock().now()));
    bool any = false;
    for (const auto& one : renewals_->all()) {
      if (!name.empty() && one.entry.name != name) continue;
      any = renewals_->hasten(one.entry.name) || any;
      answer.add("begun", one.entry.name);
    }
    wanted_.set();
    if (any) return answer;
    return net::Message("error").add(
        "error", name.empty() ? "no certificate is wanted yet"
                              : fmt::format("no certificate is called {}", name));
  }

  net::Awaitable<net::Message> revoke(net::Message request) {
    const std::string_view reason = request.get("reason");
    const auto one = std::make_shared<Revocation>();
    one->name = request.get("name");
    one->reason = reason == "key_compromise" ? acme::Reason::key_compromise
                  : reason == "superseded"   ? acme::Reason::superseded
                                             : acme::Reason::unspecified;
    if (revocations_.size() >= kRevocationsMax)
      co_return net::Message("temporary").add("error", "too many wait for it already");
    revocations_.push_back(one);
    wanted_.set();
    while (!one->result && !is_stopping_) co_await revoked_.wait(SteadyTime::max());
    if (one->result && *one->result) co_return net::Message("ok");
    if (!one->result) co_return net::Message("temporary").add("error", "the server is stopping");
    co_return net::Message("error")
        .add("error", one->result->error().what)
        .add("remedy", one->result->error().remedy);
  }

  net::Message tell_status() const {
    net::Message answer("ok");
    answer.add("directory", setup_.config.acme.directory);
    if (!reason_.empty()) answer.add("off", reason_);
    if (!renewals_) return answer;
    std::size_t size = 0;
    for (const auto& one : renewals_->all()) {
      const acme::Entry& entry = one.entry;
      const std::string names = fmt::format("{}", fmt::join(entry.names, " "));
      size += names.size() + entry.error.size() + entry.remedy.size() + 400;
      if (size > kStatusMax) break;
      answer.add("certificate", entry.name)
          .add("names", names)
          .add("issuer", entry.issuer)
          .add("ends", number_text(entry.ends))
          .add("issued", number_text(entry.issued))
          .add("next", number_text(one.due.at))
          .add("reason", one.due.reason)
          .add("attempted", number_text(entry.attempted))
          .add("error", one.is_busy ? "" : entry.error)
          .add("remedy", one.is_busy ? "" : entry.remedy)
          .add("state", state_of(one));
    }
    return answer;
  }

  static std::string_view state_of(const acme::Renewals::Shown& one) {
    if (one.is_busy) return "busy";
    if (one.is_hastened) return "waiting";
    if (!one.entry.error.empty()) return "failed";
    return one.entry.ends == WallTime{} ? "none" : "good";
  }

  static net::Awaitable<health::Facts> tell_facts(AcmeRole* self) {
    health::Facts facts;
    health::add(facts, health::Acme{.state = self->reason_.empty() ? "on" : "off",
                                    .directory = self->setup_.config.acme.directory,
                                    .reason = self->reason_});
    if (!self->renewals_) co_return facts;
    for (const auto& one : self->renewals_->all()) {
      const bool has_failed = !one.is_busy && !one.entry.error.empty();
      health::add(facts,
                  health::AcmeCertificate{.name = one.entry.name,
                                          .names = one.entry.names,
                                          .ends = one.entry.ends,
                                          .renewed = one.entry.issued,
                                          .next = one.due.at,
                                          .error = has_failed ? one.entry.error : "",
                                          .failed = has_failed ? one.entry.attempted : WallTime{},
                                          .remedy = has_failed ? one.entry.remedy : ""});
    }
    co_return facts;
  }

  process::RoleSetup setup_;
  net::Scope scope_;
  net::Event stopped_;
  net::Event wanted_;  // by somebody who asks now
  net::Event revoked_;
  net::LineChannel lookup_;
  net::LineChannel queue_;
  AcmeProver prover_;
  std::unique_ptr<net::Resolver> resolver_;
  std::unique_ptr<AcmeWire> wire_;
  std::unique_ptr<acme::Folder> folder_;
  std::unique_ptr<acme::Renewals> renewals_;
  std::deque<std::shared_ptr<Revocation>> revocations_;
  std::optional<std::vector<std::string>> domains_;
  SteadyTime learned_{}, looked_up_{};
  std::vector<std::string> told_unfit_;
  bool is_untold_ = false;  // which domains there are, as the log says once
  std::string reason_;      // why nothing is got
  bool is_stopping_ = false;
  const process::Report report_{.facts = [this] { return tell_facts(this); }};
  process::Listeners listeners_{setup_.sockets};
  log::Logger log_;
};

}  // namespace

std::unique_ptr<process::Role> make_acme(process::RoleSetup setup) {
  return std::make_unique<AcmeRole>(std::move(setup));
}

}  // namespace posthorn::app
