// store: the maildirs of its share of the accounts. LMTP with Sieve in; IMAP, POP3 and ManageSieve
// sessions, which edge has handed over, out. Nobody else opens a mail folder.
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "app/make_role.h"
#include "app/sinks.h"
#include "auth/service.h"
#include "base/events.h"
#include "base/metrics.h"
#include "imap/server/session.h"
#include "lda/home_scripts.h"
#include "lda/imap_events.h"
#include "lda/sink.h"
#include "learn/learner.h"
#include "managesieve/server/session.h"
#include "maps/lists.h"
#include "pop3/server/session.h"
#include "process/generation.h"
#include "process/report.h"
#include "route/local_directory.h"
#include "smtp/server/session.h"
#include "store/account.h"
#include "store/room.h"
#include "store/transfer_desk.h"

namespace posthorn::app {
namespace {

// store: owns the maildirs of its accounts. Takes messages by LMTP from the queue and sessions from
// edge.
class StoreRole final : public process::Role {
 public:
  explicit StoreRole(process::RoleSetup setup)
      : process::Role(process::RoleKind::store),
        setup_(std::move(setup)),
        scope_(setup_.executor, Clock::system()),
        sessions_(setup_.executor, Clock::system()),
        lookup_(scope_, process::run_socket(setup_.config, "lookup-store.sock")),
        redeemer_(lookup_),
        quota_(lookup_, setup_.config.store),
        accounts_(scope_, setup_.pool,
                  {.store = setup_.config.store,
                   .mail = setup_.config.paths.mail,
                   .hostname = setup_.config.server.hostname,
                   .quota = &quota_}),
        imap_(redeemer_, "imap", setup_.config.imap.connections_per_user_max),
        pop3_(redeemer_, "pop3", setup_.config.pop3.connections_per_user_max),
        managesieve_(redeemer_, "managesieve", setup_.config.managesieve.connections_per_user_max),
        directory_(lookup_),
        queue_(scope_, setup_.config, "queue-store.lmtp.sock"),
        redirector_({.directory = directory_, .queue = queue_, .pool = setup_.pool}),
        sinks_({.config = setup_.config,
                .accounts = accounts_,
                .scripts = scripts_,
                .own = own_scripts_,
                .redirector = redirector_,
                .replies = replies_,
                .ask_list = [this](std::string list, std::string value) {
                  return maps::ask_listed(lookup_, std::move(list), std::move(value));
                }}) {}

  net::Task<> start() override {
    const config::Config& config = setup_.config;
    (void)co_await files_.start();
    // Told at once: else the first mail or login would be the one to find it out.
    const Path& mail = setup_.config.paths.mail;
    if (::access(mail.c_str(), R_OK | W_OK | X_OK) != 0)
      log_.error(event::store_failed,
                 {{"error", fail_errno("access", mail.native(), errno).error().what}});
    accounts_.start();
    lmtp_ = {.protocol = smtp::Protocol::lmtp,
             .hostname = config.server.hostname,
             .peers = smtp::Peers::roles,
             .smtp = config.smtp,
             .submission = config.submission};
    lmtp_.smtp.message_max += 2U << 20U;
    lmtp_services_ = std::make_unique<smtp::ServerServices>(
        smtp::ServerServices{.scope = scope_, .sinks = sinks_});
    if (process::has_lessons(config))
      co_await start_learning();
    else if (setup_.worker == 0)
      co_await forget_lessons();
    imap_services_ =
        std::make_unique<imap::ServerServices>(imap::ServerServices{.scope = sessions_,
                                                                    .pool = setup_.pool,
                                                                    .accounts = accounts_,
                                                                    .admission = imap_,
                                                                    .config = config});
    if (learner_) imap_services_->observers.push_back(&*learner_);
    imap_services_->observers.push_back(&events_);
    pop3_services_ =
        std::make_unique<pop3::ServerServices>(pop3::ServerServices{.scope = sessions_,
                                                                    .pool = setup_.pool,
                                                                    .accounts = accounts_,
                                                                    .admission = pop3_,
                                                                    .config = config.pop3});
    managesieve_services_ = std::make_unique<managesieve::ServerServices>(
        managesieve::ServerServices{.scope = sessions_,
                                    .pool = setup_.pool,
                                    .accounts = accounts_,
                                    .admission = managesieve_,
                                    .config = config});
    const std::string own = fmt::format("store-{}", setup_.worker);
    listeners_.serve(scope_, {.name = own + ".lmtp.sock"}, [this](net::StreamPtr stream) {
      return smtp::serve(std::move(stream), lmtp_, *lmtp_services_);
    });
    listeners_.serve(sessions_, {.name = own + ".imap.sock"}, [this](net::StreamPtr stream) {
      return imap::serve(std::move(stream), *imap_services_);
    });
    listeners_.serve(sessions_, {.name = own + ".pop3.sock"}, [this](net::StreamPtr stream) {
      return pop3::serve(std::move(stream), *pop3_services_);
    });
    listeners_.serve(sessions_, {.name = own + ".managesieve.sock"}, [this](net::StreamPtr stream) {
      return managesieve::serve(std::move(stream), *managesieve_services_);
    });
    listeners_.answer(scope_, own + ".quota.sock",
                      [this](net::Message request) { return tell_room(this, std::move(request)); });
    listeners_.serve_desk(
        scope_, own + ".control.sock", [this](net::StreamPtr stream, net::LineGate gate) {
          return store::serve_desk(accounts_, scope_, std::move(stream), std::move(gate));
        });
    process::serve_report(scope_, listeners_, *this);
    process::serve_generation(scope_, listeners_, *this);
    co_return Result<>{};
  }

  net::WatchedFiles* files() override { return &files_; }
  const process::Report* report() const override { return &report_; }

  // The edge only carries their bytes and cannot say goodbye for them.
  void end_sessions() override { scope_.spawn(end_sessions(this)); }

  net::Awaitable<void> stop() override {
    listeners_.stop();
    files_.stop();
    accounts_.stop();
    if (learner_) learner_->stop();
    co_await sessions_.shut_down(setup_.config.limits.drain);
    co_await scope_.shut_down(setup_.config.limits.drain);
    co_await accounts_.close();
    lookup_.close();
    co_await sessions_.join();
    co_await scope_.join();
  }

 private:
  // Where nothing can be kept nothing is taught; mail goes its way.
  net::Awaitable<void> start_learning() {
    const config::Config& config = setup_.config;
    const Path state = config.paths.state / "store";
    learner_.emplace(learn::Learner::Parts{.scope = scope_,
                                           .pool = setup_.pool,
                                           .config = config,
                                           .courier = courier_,
                                           .folder = learn::notebook_folder(state, setup_.worker)});
    Result<> ready;
    if (setup_.worker == 0)
      ready = co_await setup_.pool.run(
          [&] { return learn::adopt_pages(Disk::real(), state, config.store.workers); });
    if (ready) ready = co_await learner_->start();
    if (!ready) log_.error(event::lesson_failed, {{"error", ready.error().what}});
  }

  // What was kept while filter.learn was on.
  net::Awaitable<void> forget_lessons() {
    const auto forgotten = co_await setup_.pool.run(
        [this] { return learn::forget_pages(Disk::real(), setup_.config.paths.state / "store"); });
    if (!forgotten) log_.error(event::lesson_failed, {{"error", forgotten.error().what}});
  }

  static net::Awaitable<void> end_sessions(StoreRole* self) {
    co_await self->sessions_.shut_down(self->setup_.config.limits.drain);
  }

  static net::Awaitable<net::Message> tell_room(StoreRole* self, net::Message request) {
    if (request.verb != "room")
      co_return net::Message("temporary").add("error", "not a question for this socket");
    auto answer = co_await store::answer_room(self->accounts_, request);
    if (!answer) co_return net::Message("temporary").add("error", answer.error().what);
    co_return *std::move(answer);
  }

  static net::Awaitable<std::vector<health::Check>> check(StoreRole* self) {
    const config::Config& config = self->setup_.config;
    const auto looked = co_await self->setup_.pool.run([&config]() -> Result<> {
      const Path& mail = config.paths.mail;
      if (::access(mail.c_str(), R_OK | W_OK | X_OK) != 0)
        return fail_errno("access", mail.native(), errno);
      std::error_code error;
      const auto room = std::filesystem::space(mail, error);
      if (!error && room.available < config.queue.free_min)
        return fail(ErrorKind::temporary,
                    "full: fewer bytes are free on " + mail.native() + " than queue.free_min");
      return {};
    });
    std::vector<health::Check> checks = {process::check_files(self->files_, "scripts")};
    if (looked)
      checks.push_back({"mail", "ok", ""});
    else
      checks.push_back({"mail", "red", looked.error().what});
    co_return checks;
  }
  static net::Awaitable<health::Facts> tell_facts(StoreRole* self) {
    health::Facts facts;
    const config::Config& config = self->setup_.config;
    (void)co_await self->setup_.pool.run([&]() -> Result<> {
      process::add_disk(facts, "mail", config.paths.mail, config.queue.free_min);
      process::add_disk(facts, "state", config.paths.state / "store", 0);
      return {};
    });
    co_return facts;
  }
  static net::Awaitable<void> measure(StoreRole* self) {
    if (self->learner_)
      metrics::set(metric::lessons_waiting, static_cast<std::int64_t>(self->learner_->waiting()));
    metrics::set(metric::store_accounts, static_cast<std::int64_t>(self->accounts_.size()));
    metrics::set(metric::store_mailboxes,
                 static_cast<std::int64_t>(self->accounts_.mailboxes_open()));
    co_return;
  }

  process::RoleSetup setup_;
  net::Scope scope_;
  net::Scope sessions_;  // users', which end before mail does
  net::LineChannel lookup_;
  auth::RemoteRedeemer redeemer_;
  store::RemoteQuota quota_;
  store::Accounts accounts_;
  lda::SiteScripts scripts_{scope_, setup_.pool, setup_.config};
  net::WatchedFiles files_{scope_, setup_.pool, setup_.config.maps.poll_interval, {&scripts_}};
  auth::Admission imap_, pop3_, managesieve_;
  route::RemoteDirectory directory_;
  QueueSinkFactory queue_;
  lda::Redirector redirector_;
  lda::Memories memories_{{scope_, setup_.pool, setup_.config}};
  lda::Outbox outbox_{{directory_, queue_}};
  lda::Replies replies_{{setup_.config, memories_, outbox_}};
  lda::HomeScripts homes_{setup_.config};
  lda::UserScripts own_scripts_{{setup_.pool, setup_.config, homes_}};
  lda::StoreSinkFactory sinks_;
  learn::LmtpCourier courier_{scope_, setup_.config,
                              process::run_socket(setup_.config, "queue-learn.lmtp.sock")};
  std::optional<learn::Learner> learner_;
  lda::ImapEvents events_{
      {.config = setup_.config, .scripts = scripts_, .redirector = redirector_}};
  smtp::ServerSettings lmtp_;
  std::unique_ptr<smtp::ServerServices> lmtp_services_;
  std::unique_ptr<imap::ServerServices> imap_services_;
  std::unique_ptr<pop3::ServerServices> pop3_services_;
  std::unique_ptr<managesieve::ServerServices> managesieve_services_;
  const process::Report report_{.checks = [this] { return check(this); },
                                .facts = [this] { return tell_facts(this); },
                                .measure = [this] { return measure(this); }};
  process::Listeners listeners_{setup_.sockets};
  log::Logger log_;
};

}  // namespace

std::unique_ptr<process::Role> make_store(process::RoleSetup setup) {
  return std::make_unique<StoreRole>(std::move(setup));
}

}  // namespace posthorn::app
