// lookup: the one role that reads tables, passwords and what a login may do; it answers the others
// over a socket each and talks to PostgreSQL. It sees no message.
#include <algorithm>

#include "app/make_role.h"
#include "auth/account_list.h"
#include "auth/limiter.h"
#include "auth/logins.h"
#include "auth/row_watch.h"
#include "auth/service.h"
#include "base/events.h"
#include "base/metrics.h"
#include "maps/lists.h"
#include "maps/migrations.h"
#include "maps/table_set.h"
#include "net/line_channel.h"
#include "process/generation.h"
#include "process/report.h"
#include "route/explainer.h"
#include "route/local_directory.h"
#include "route/room_directory.h"

namespace posthorn::app {
namespace {

// lookup: tables, logins, tokens. Each socket has one client role and answers only that role's
// questions.
class Lookup final : public process::Role {
 public:
  explicit Lookup(process::RoleSetup setup)
      : process::Role(process::RoleKind::lookup),
        setup_(std::move(setup)),
        scope_(setup_.executor, Clock::system()),
        database_(maps::uses_pgsql(setup_.config)
                      ? std::make_unique<maps::Pgsql>(scope_, setup_.config.pgsql,
                                                      maps::migrations(), Clock::system(),
                                                      maps::PgsqlQueries(setup_.config))
                      : nullptr),
        users_(database_.get(), maps::Question::users),
        quotas_(database_.get(), maps::Question::quotas),
        tables_(scope_, setup_.pool, setup_.config, nullptr, database_.get()),
        rewriter_(setup_.pool, setup_.config),
        logins_(setup_.pool, setup_.config, tables_),
        directory_(setup_.config, tables_, &rewriter_, setup_.own_addresses),
        rooms_(scope_, setup_.config, placement_, directory_,
               [this](std::string account) { return find_rules(this, std::move(account)); }),
        limits_(setup_.config.submission) {}

  net::Task<> start() override {
    CO_TRY(auto exempt, net::Networks::parse(setup_.config.limits.exempt));
    if (database_) CO_TRY_OK(co_await database_->start());
    auth_ = std::make_unique<auth::AuthService>(
        scope_, setup_.pool, setup_.config, std::move(exempt),
        [this] { return tables_.current()->local_domains(); }, Clock::system(),
        auth::Sources{setup_.config.auth.users == config::UserSource::pgsql ? &users_ : nullptr,
                      [this](std::string domain) { return has_domain(this, std::move(domain)); },
                      setup_.config.auth.users == config::UserSource::pgsql ? &quotas_ : nullptr});
    CO_TRY_OK(co_await auth_->start());
    logins_.watch(*auth_);
    files_ = std::make_unique<net::WatchedFiles>(
        scope_, setup_.pool, setup_.config.maps.poll_interval,
        std::vector<net::FilePart*>{&tables_, auth_.get(), &logins_, &rewriter_});
    (void)co_await files_->start();
    if (database_) {
      rows_ = std::make_unique<auth::RowWatch>(scope_, setup_.config, *database_);
      rows_->start();
    }
    listeners_.answer(scope_, "lookup-edge.sock", [this](net::Message request) {
      return answer_edge(this, std::move(request));
    });
    listeners_.answer(scope_, "lookup-queue.sock", [this](net::Message request) {
      return answer_queue(this, std::move(request));
    });
    listeners_.answer(scope_, "lookup-store.sock", [this](net::Message request) {
      return answer_store(this, std::move(request));
    });
    listeners_.answer(scope_, "lookup-control.sock", [this](net::Message request) {
      return answer_control(this, std::move(request));
    });
    if (process::has_acme(setup_.config))
      listeners_.answer(scope_, "lookup-acme.sock", [this](net::Message request) {
        return answer_acme(this, std::move(request));
      });
    process::serve_report(scope_, listeners_, *this);
    process::serve_generation(scope_, listeners_, *this);
    co_return Result<>{};
  }

  net::WatchedFiles* files() override { return files_.get(); }
  const process::Report* report() const override { return &report_; }
  config::Findings other_findings() const override {
    return rows_ ? rows_->findings() : config::Findings();
  }
  void reloaded() override {
    if (database_) database_->forget();
  }

  net::Awaitable<void> stop() override {
    listeners_.stop();
    if (files_) files_->stop();
    if (rows_) rows_->stop();
    if (database_) database_->stop();
    if (auth_) auth_->stop();
    co_await scope_.shut_down(setup_.config.limits.drain);
    rooms_.close();
    co_await scope_.join();
  }

 private:
  static net::Message not_for_you() {
    return net::Message("temporary").add("error", "not a question for this socket");
  }

  static net::Awaitable<net::Message> answer_edge(Lookup* self, net::Message request) {
    if (auto answer = co_await auth::answer_authenticate(*self->auth_, request))
      co_return *std::move(answer);
    auth::LoginLimiter limiter(*self->auth_, self->limits_);
    if (auto answer = co_await auth::answer_limit(limiter, request)) co_return *std::move(answer);
    if (request.verb == "plan") co_return not_for_you();  // it would tell the smarthost's password
    if (auto answer = co_await route::answer_directory(self->rooms_, request))
      co_return *std::move(answer);
    co_return not_for_you();
  }

  static net::Awaitable<net::Message> answer_queue(Lookup* self, net::Message request) {
    if (auto answer = co_await auth::answer_redeem_mail(
            *self->auth_,
            [self](std::string account, std::string sender) {
              return may_send(self, std::move(account), std::move(sender));
            },
            request))
      co_return *std::move(answer);
    // For programs of the machine, which the queue serves itself.
    if (auto answer = co_await auth::answer_limit(self->limits_, request))
      co_return *std::move(answer);
    if (auto answer = co_await route::answer_hops(self->directory_, request))
      co_return *std::move(answer);
    if (auto answer = co_await tell_domains(self, request)) co_return *std::move(answer);
    auto answer = co_await route::answer_directory(self->rooms_, request);
    co_return answer ? *std::move(answer) : not_for_you();
  }

  // As smtp/server asks at MAIL.
  static net::Task<bool> may_send(Lookup* self, std::string account, std::string sender) {
    const route::Client client{.account = std::move(account)};
    CO_TRY(const auto answer,
           co_await route::ask_sender(self->directory_, self->setup_.config.submission, client,
                                      {.account = {}, .address = std::move(sender)}));
    co_return answer.has_value();
  }

  static net::Awaitable<net::Message> answer_store(Lookup* self, net::Message request) {
    if (auto answer = co_await auth::answer_redeem(*self->auth_, request))
      co_return *std::move(answer);
    // Where a Sieve redirect goes, and as whom the user may answer.
    if (request.verb == "recipient" || request.verb == "sender") {
      auto answer = co_await route::answer_directory(self->directory_, request);
      co_return answer ? *std::move(answer) : not_for_you();
    }
    if (request.verb == "listed") {  // what a Sieve script asks
      auto answer = co_await maps::answer_listed(self->tables_.current(),
                                                 self->setup_.config.maps.recipient_delimiter,
                                                 std::move(request));
      if (!answer) co_return net::Message("temporary").add("error", answer.error().what);
      co_return *std::move(answer);
    }
    if (request.verb == "quota") {
      const auto rules =
          co_await self->auth_->find_quota_rules(std::string(request.get("account")));
      if (!rules) co_return net::Message("temporary").add("error", rules.error().what);
      co_return net::Message("ok").add("rules", *rules);
    }
    co_return not_for_you();
  }

  static net::Awaitable<net::Message> answer_control(Lookup* self, net::Message request) {
    if (auto answer = co_await auth::answer_accounts(*self->auth_, self->setup_.config,
                                                     self->setup_.pool, request))
      co_return *std::move(answer);
    if (auto answer = auth::answer_bans(*self->auth_, request)) co_return *std::move(answer);
    if (auto answer = co_await auth::answer_explain(*self->auth_, request)) {
      co_await add_alias(self, *answer);
      co_return *std::move(answer);
    }
    route::Explainer explainer(
        self->setup_.config,
        {.directory = self->rooms_,
         .find_ban = [self](const std::string& address) { return self->auth_->find_ban(address); },
         .find_login = [self](std::string name) { return find_login(self, std::move(name)); },
         .doubts = doubts(*self)});
    if (auto answer = co_await route::answer_explain(explainer, request))
      co_return *std::move(answer);
    co_return not_for_you();
  }

  // As `explain login` asks.
  static net::Task<std::expected<std::string, route::Explainer::NoLogin>> find_login(
      Lookup* self, std::string name) {
    using Out = std::expected<std::string, route::Explainer::NoLogin>;
    using Outcome = auth::LoginOutlook::Outcome;
    const auto outlook = co_await self->auth_->explain({.service = "smtp", .user = name});
    if (outlook.outcome == Outcome::ok) co_return Out(outlook.account);
    if (outlook.outcome == Outcome::unavailable)
      co_return fail(ErrorKind::temporary, outlook.reason);
    const auto no = std::ranges::find(outlook.steps, auth::Bearing::refuses, &auth::Step::bearing);
    co_return Out(std::unexpected(route::Explainer::NoLogin{
        .why = outlook.reason == "unknown user" ? "there is no login of that name" : outlook.reason,
        .basis = no == outlook.steps.end() ? "" : no->basis}));
  }

  // Lines are told as they were when the file had no fault.
  static std::vector<route::Explainer::Doubt> doubts(const Lookup& self) {
    std::vector<route::Explainer::Doubt> texts;
    for (const config::Finding& fault : config::faults_of(self.files_->findings()))
      texts.push_back(
          {fmt::format("a file has a fault, and counts as it was before: {}", fault.text()),
           fault.where});
    if (const maps::Pgsql* database = self.database_.get(); database && database->is_down())
      texts.push_back({fmt::format("PostgreSQL cannot be asked: {}", database->fault())});
    return texts;
  }

  // Who logs in with an alias is told whose login it is.
  static net::Awaitable<void> add_alias(Lookup* self, net::Message& answer) {
    const std::string account(answer.get("account"));
    if (answer.get("reason") != "unknown user" || account.empty()) co_return;
    const auto leads = co_await self->directory_.recipient({.address = account});
    if (!leads || !*leads || (*leads)->recipients.empty()) co_return;
    const std::string& to = (*leads)->recipients.front();
    if (to == account) co_return;
    answer.add("step", "account")
        .add("bearing", "tells")
        .add("text", fmt::format("mail to {} goes to {}: an alias is no login", account, to))
        .add("basis", (*leads)->by.empty() ? "maps.aliases" : (*leads)->by.front())
        .add("remedy",
             fmt::format("log in as {}; posthorn explain rcpt {} names the line", to, account));
  }

  static net::Task<std::string> find_rules(Lookup* self, std::string account) {
    return self->auth_->find_quota_rules(std::move(account));
  }

  static net::Task<bool> has_domain(Lookup* self, std::string domain) {
    const auto set = self->tables_.current();
    CO_TRY(const auto found, co_await set->domains.find(std::move(domain)));
    if (!found.value && found.freshness == maps::Freshness::old)
      co_return fail(ErrorKind::temporary, "PostgreSQL cannot be asked for the domain");
    co_return found.value.has_value();
  }

  static net::Awaitable<std::vector<health::Check>> check(Lookup* self) {
    std::vector<health::Check> checks = {process::check_files(*self->files_, "tables")};
    if (const maps::Pgsql* database = self->database_.get(); database && database->is_down())
      checks.push_back({"database", "red", database->fault().substr(0, 500)});
    else if (database)
      checks.push_back({"database", "ok", ""});
    if (const auto faults = config::faults_of(self->other_findings()); !faults.empty())
      checks.push_back({"rows", "warning", faults.front().text().substr(0, 500)});
    co_return checks;
  }
  static net::Awaitable<health::Facts> tell_facts(Lookup* self) {
    constexpr std::size_t kTablesMax = 100;  // an answer of the line protocol holds no more
    health::Facts facts;
    health::add(facts, health::Tables{self->tables_.generation(), self->files_->faults()});
    std::size_t told = 0;
    for (const auto& [path, file] : self->tables_.current()->files)
      if (++told <= kTablesMax) health::add(facts, health::Table{path, file.entries});
    health::add(facts, health::Auth{self->auth_->bans().size()});
    if (const maps::Pgsql* database = self->database_.get())
      health::add(facts, health::Database{database->is_down() ? "down" : "up",
                                          database->is_down() ? database->fault() : ""});
    co_return facts;
  }
  static net::Awaitable<void> measure(Lookup* self) {
    metrics::set(metric::tables_generation, static_cast<std::int64_t>(self->tables_.generation()));
    metrics::set(metric::tables_faults, static_cast<std::int64_t>(self->files_->faults()));
    metrics::set(metric::auth_banned, static_cast<std::int64_t>(self->auth_->bans().size()));
    metrics::set(metric::database_down, self->database_ && self->database_->is_down() ? 1 : 0);
    co_return;
  }
  // For the pages and the questions to the DNS: which domains are ours, as far as they stand in
  // tables that can be listed.
  static net::Awaitable<std::optional<net::Message>> tell_domains(Lookup* self,
                                                                  net::Message request) {
    if (request.verb != "domains") co_return std::nullopt;
    static constexpr std::size_t kToldMax = 100;
    net::Message answer("ok");
    std::size_t told = 0;
    for (const std::string& domain : self->tables_.current()->local_domains())
      if (++told <= kToldMax) answer.add("domain", domain);
    co_return answer;
  }

  static net::Awaitable<net::Message> answer_acme(Lookup* self, net::Message request) {
    auto answer = co_await tell_domains(self, std::move(request));
    if (answer) co_return *std::move(answer);
    co_return net::Message("error").add("error", "acme asks for the domains only");
  }

  process::RoleSetup setup_;
  net::Scope scope_;
  const process::LocalPlacement placement_{setup_.config};
  std::unique_ptr<maps::Pgsql> database_;
  maps::PgsqlTable users_, quotas_;
  maps::Reloader tables_;
  route::Rewriter rewriter_;
  auth::Logins logins_;
  route::LocalDirectory directory_;
  route::RoomDirectory rooms_;
  auth::SubmissionLimits limits_;
  std::unique_ptr<auth::AuthService> auth_;
  std::unique_ptr<net::WatchedFiles> files_;
  std::unique_ptr<auth::RowWatch> rows_;
  const process::Report report_{
      .checks = [this] { return check(this); },
      .facts = [this] { return tell_facts(this); },
      .measure = [this] { return measure(this); },
      .answer = [this](net::Message request) { return tell_domains(this, std::move(request)); }};
  process::Listeners listeners_{setup_.sockets};
};

}  // namespace

std::unique_ptr<process::Role> make_lookup(process::RoleSetup setup) {
  return std::make_unique<Lookup>(std::move(setup));
}

}  // namespace posthorn::app
