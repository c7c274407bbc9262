// web: the pages, /health and /metrics. It opens no mail and makes no connection of its own.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/make_role.h"
#include "auth/service.h"
#include "base/events.h"
#include "base/metrics.h"
#include "dns/mta_sts.h"
#include "net/line_channel.h"
#include "net/timer.h"
#include "net/tls.h"
#include "process/certificates.h"
#include "process/challenge_ways.h"
#include "process/generation.h"
#include "process/key_keeper.h"
#include "process/status_page.h"
#include "web/challenges.h"
#include "web/pages.h"

namespace posthorn::app {
namespace {

constexpr auto kFreshFor = 1s;  // answers of the roles are asked for no more often
constexpr auto kAnswerWithin = 3s;

// What certbot put down: a small file, and never what a link in its place points to.
Result<std::optional<std::string>> read_challenge(const Path& path) {
  constexpr std::size_t kSizeMax = 4096;
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.is_open()) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return fail_errno("open", path.native(), errno);
  }
  struct stat st{};
  if (::fstat(file.fd(), &st) != 0) return fail_errno("fstat", path.native(), errno);
  if (!S_ISREG(st.st_mode) || st.st_size > static_cast<off_t>(kSizeMax))
    return fail(ErrorKind::permanent, "it is no small file");
  std::string text(kSizeMax, '\0');
  TRY(const auto size, read_at(file, text, 0));
  text.resize(size);
  return text;
}

// web: the pages about this server, its health and its metrics. It opens no mail, knows no user and
// asks the other roles only how they are.
class WebRole final : public process::Role, private web::Backend {
 public:
  explicit WebRole(process::RoleSetup setup)
      : process::Role(process::RoleKind::web),
        setup_(std::move(setup)),
        scope_(setup_.executor, Clock::system()),
        stopped_(setup_.executor),
        polled_(setup_.executor),
        pages_(*this),
        limits_(limits()) {
    for (const auto& [role, number] : process::list_workers(setup_.config))
      if (role != process::RoleKind::web) add_source(role, number);
  }

  net::Task<> start() override {
    const config::Config& config = setup_.config;
    CO_TRY(exempt_, net::Networks::parse(config.limits.exempt));
    CO_TRY(operators_, net::Networks::parse(config.web.metrics_from));
    std::vector<net::FilePart*> parts = {&authority_};
    if (!config.listen.https.empty()) {
      certificates_ = std::make_unique<process::Certificates>(
          setup_.pool, config, process::Certificates::Told::elsewhere);
      certificates_->server().answer_challenges(challenges_);
      parts.push_back(certificates_.get());
    }
    files_ = std::make_unique<net::WatchedFiles>(scope_, setup_.pool, config.tls.reload_interval,
                                                 std::move(parts));
    (void)co_await files_->start();
    fill_settings();
    http_ = https_ = {.handshake_timeout = config.tls.handshake_timeout,
                      .request_timeout = config.web.request_timeout};
    https_.tls_start = net::TlsStart::at_once;
    services_ = std::make_unique<web::ServerServices>(
        web::ServerServices{.scope = scope_,
                            .site = pages_,
                            .tls = certificates_ ? &certificates_->server() : nullptr});
    for (const auto& [name, settings] : {std::pair{"http", &http_}, {"https", &https_}})
      listeners_.serve(scope_, {.name = name, .limits = &limits_},
                       [this, settings](net::StreamPtr stream) {
                         return web::serve(std::move(stream), *settings, *services_);
                       });
    scope_.spawn(watch_domains(this));
    listeners_.answer(scope_, "web-acme.sock",
                      [this](net::Message request) { return prove(std::move(request)); });
    process::serve_generation(scope_, listeners_, *this);
    co_return Result<>{};
  }

  net::WatchedFiles* files() override { return files_.get(); }
  const process::Report* report() const override { return &report_; }

  net::Awaitable<void> stop() override {
    listeners_.stop();
    stopped_.close();
    if (files_) files_->stop();
    polled_.close();
    for (const auto& source : sources_) source->channel.close();
    co_await scope_.shut_down(setup_.config.limits.drain);
    co_await scope_.join();
  }

 private:
  net::ConnectionLimits::Options limits() const {
    auto options = process::connection_limits(
        setup_.config.limits,
        [this](const std::string& address) { return exempt_.contains(address); });
    options.connections_max = 1000;
    return options;
  }

  // A process that is asked.
  struct Source {
    Source(net::Scope& scope, const config::Config& config, process::RoleKind r, std::size_t w)
        : role(r),
          worker(w),
          channel(scope, process::run_socket(config, process::web_socket(r, w))) {}
    process::RoleKind role;
    std::size_t worker;
    net::LineChannel channel;
    Result<process::Told> told = fail(ErrorKind::closed, "not asked yet");
    std::string pid;
    metrics::Snapshot last{};  // of that process
  };

  void add_source(process::RoleKind role, std::size_t worker) {
    sources_.push_back(std::make_unique<Source>(scope_, setup_.config, role, worker));
  }

  // The best of a protocol first.
  void fill_settings() {
    const config::Config& config = setup_.config;
    mail_.hostname = config.server.hostname;
    mail_.policy = dns::make_policy(config.mta_sts, config.server.hostname);
    const auto add = [&](std::string protocol, const std::vector<std::string>& addresses,
                         web::Security security) {
      for (const std::string& text : addresses) {
        const auto address = net::parse_address(text);
        if (!address) continue;
        const auto* tcp = std::get_if<net::TcpAddress>(&*address);
        if (tcp == nullptr) continue;
        mail_.services.push_back({std::move(protocol), tcp->port, security});
        return;
      }
    };
    add("imap", config.listen.imaps, web::Security::tls);
    add("imap", config.listen.imap, web::Security::starttls);
    add("pop3", config.listen.pop3s, web::Security::tls);
    add("pop3", config.listen.pop3, web::Security::starttls);
    add("smtp", config.listen.submissions, web::Security::tls);
    add("smtp", config.listen.submission, web::Security::starttls);
    if (config.auth.any_user == config::AnyUser::local_part) mail_.logins = web::Logins::local_part;
    if (config.auth.any_user == config::AnyUser::one_password)
      mail_.logins = web::Logins::one_password;
    mail_.has_plaintext_logins = config.auth.allow_plaintext;
    if (!config.server.default_domain.empty()) mail_.domains = {config.server.default_domain};
  }

  // The certificate that people are to trust, for the page that shows it. A fault is told of by
  // edge, which has the same files.
  class Authority final : public net::FilePart {
   public:
    explicit Authority(WebRole& role) : role_(role) {}
    std::string look() const override { return net::stamp_of_file(place()); }
    net::Awaitable<net::Prepared> prepare() override {
      auto read =
          co_await role_.setup_.pool.run([this] { return net::read_trust_anchor(place()); });
      if (read) {
        next_ = *std::move(read);
        co_return net::Prepared{};
      }
      next_.reset();
      co_return net::Prepared{
          .findings = {config::finding_of(read.error().what)}, .is_usable = true, .may_pass = true};
    }
    std::shared_ptr<const void> commit() override {
      if (!next_) return nullptr;
      const bool is_named = !role_.setup_.config.web.authority.empty();
      role_.mail_.authority_sha256 = next_->sha256;
      role_.mail_.authority_pem = is_named || next_->is_self_issued ? next_->pem : "";
      next_.reset();
      return nullptr;
    }

   private:
    Path place() const {
      return net::find_readable(file(), process::KeyKeeper::folder_of(role_.setup_.config));
    }
    Path file() const {
      const config::Config& config = role_.setup_.config;
      const Path got = config.paths.acme / (config.server.hostname + ".pem");
      std::error_code ignored;
      if (config.web.authority.empty() && process::has_acme(config) &&
          std::filesystem::is_regular_file(std::filesystem::symlink_status(got, ignored)))
        return got;
      return config.web.authority.empty() ? config.paths.certificate : config.web.authority;
    }
    WebRole& role_;
    std::optional<net::TrustAnchor> next_;
  };

  static net::Awaitable<void> watch_domains(WebRole* self) {
    while (!self->stopped_.is_closed()) {
      co_await self->learn_domains();
      co_await self->stopped_.wait_for(self->setup_.config.tls.reload_interval);
    }
  }

  net::Awaitable<void> learn_domains() {
    const auto lookup = std::ranges::find(sources_, process::RoleKind::lookup,
                                          [](const auto& source) { return source->role; });
    const auto answer = co_await (*lookup)->channel.ask(net::Message("domains"), kAnswerWithin);
    if (!answer || answer->verb != "ok") co_return;
    std::vector<std::string> domains;
    for (const std::string_view domain : answer->all("domain")) domains.emplace_back(domain);
    const std::string& first = setup_.config.server.default_domain;
    const auto own = std::ranges::find(domains, first);
    if (own != domains.end()) std::rotate(domains.begin(), own, std::next(own));
    mail_.domains = std::move(domains);
  }

  // Asks every role, all at once; whoever comes meanwhile waits for the same answers.
  net::Awaitable<void> refresh() {
    const auto is_fresh = [this] {
      return Clock::system().steady_now() - polled_at_ < kFreshFor && was_polled_;
    };
    while (is_polling_ && !polled_.is_closed()) co_await polled_.wait(SteadyTime::max());
    if (is_fresh() || polled_.is_closed()) co_return;
    is_polling_ = true;
    unanswered_ = sources_.size();
    for (const auto& source : sources_) scope_.spawn(ask(this, source.get()));
    while (unanswered_ > 0 && !polled_.is_closed()) co_await answered_.wait(SteadyTime::max());
    is_polling_ = false;
    was_polled_ = true;
    polled_at_ = Clock::system().steady_now();
    polled_.set();
  }

  static net::Awaitable<void> ask(WebRole* self, Source* source) {
    source->told =
        co_await process::ask_report(source->channel, Clock::system().steady_now() + kAnswerWithin);
    if (source->told) self->keep_counts(*source);
    --self->unanswered_;
    self->answered_.set();
  }

  // A process that was started anew counts from zero; what the one before had counted stays in
  // the sum, so that no counter goes back.
  void keep_counts(Source& source) {
    if (source.pid != source.told->pid && !source.pid.empty() &&
        std::ranges::find(gone_, source.pid) == gone_.end()) {
      gone_.push_back(source.pid);
      if (gone_.size() > sources_.size() * 2) gone_.erase(gone_.begin());
      metrics::keep_counters(source.last);
      metrics::merge(ended_, source.last);
    }
    source.pid = source.told->pid;
    source.last = source.told->metrics;
  }

  net::Awaitable<net::Message> prove(net::Message request) {
    net::Message answer = challenges_.answer(request);
    if (request.verb == "offer" && answer.verb == "ok")
      log_.info(event::http_challenge_offered,
                {{"name", request.get("name")}, {"type", request.get("type")}});
    co_return answer;
  }

  // Backend

  const web::MailSettings& settings() override { return mail_; }

  // The role acme's word is before what another program may have put down.
  net::Awaitable<std::optional<std::string>> challenge(const std::string& token) override {
    if (auto text = challenges_.find_text(token)) {
      log_.info(event::http_challenge_answered, {{"token", token}, {"type", "http-01"}});
      co_return text;
    }
    const Path file = setup_.config.web.webroot / ".well-known/acme-challenge" / token;
    const auto text = co_await setup_.pool.run([file] { return read_challenge(file); });
    if (!text) {
      log_.warn(event::http_challenge_unread,
                {{"file", file.native()}, {"error", text.error().what}});
      co_return std::nullopt;
    }
    co_return *text;
  }

  bool is_operator(const net::Peer& peer) override { return operators_.contains(peer.address); }

  // What this role knows of itself, which nobody asks over a socket here.
  net::Awaitable<process::Told> tell_own() {
    process::Told told;
    told.pid = std::to_string(getpid());
    told.metrics = metrics::read();
    told.facts = co_await tell_facts(this);
    told.findings = files_->findings();
    co_return told;
  }

  static net::Awaitable<health::Facts> tell_facts(WebRole* self) {
    if (!self->certificates_) co_return health::Facts{};
    co_return co_await self->certificates_->facts();
  }

  net::Awaitable<health::Page> health() override {
    co_await refresh();
    std::vector<process::Answer> answers;
    for (const auto& source : sources_)
      answers.push_back({.role = source->role, .worker = source->worker, .told = source->told});
    answers.push_back({.role = kind(), .worker = 0, .told = co_await tell_own()});
    const config::Config& config = setup_.config;
    auto page = co_await setup_.pool.run([&config, &answers]() -> Result<health::Page> {
      return process::make_page(config, answers);
    });
    if (!page) co_return health::Page{};  // the pool is at its end, and so is this server
    tell_changes(page->checks);
    co_return *std::move(page);
  }

  void tell_changes(const std::vector<health::Check>& checks) {
    std::string red;
    for (const health::Check& check : checks)
      if (check.state == "red") red += (red.empty() ? "" : ",") + check.name;
    if (red == red_) return;
    red_ = red;
    if (red.empty())
      log_.info(event::health_changed, {{"red", "-"}});
    else
      log_.warn(event::health_changed, {{"red", red}});
  }

  net::Awaitable<std::string> metrics() override {
    co_await refresh();
    metrics::Snapshot sum = ended_;
    std::vector<std::string> counted = {std::to_string(getpid())};
    for (const process::RoleKind role : process::kRoleKinds) {
      if (role == process::RoleKind::acme && !process::has_acme(setup_.config)) continue;
      const auto up = std::ranges::count_if(sources_, [&](const auto& source) {
        return source->role == role && source->told.has_value();
      });
      metrics::set(metric::role_up, up, to_string(role));
    }
    metrics::set(metric::role_up, 1, to_string(process::RoleKind::web));
    metrics::merge(sum, metrics::read());
    for (const auto& source : sources_) {
      // One that does not answer now has still counted what it had.
      metrics::Snapshot cells = source->last;
      if (!source->told) metrics::keep_counters(cells);
      if (std::ranges::find(counted, source->pid) != counted.end()) continue;
      counted.push_back(source->pid);
      metrics::merge(sum, cells);
    }
    std::string text = metrics::write_text(sum, POSTHORN_VERSION);
    // A role that is not wanted is not down.
    if (!process::has_acme(setup_.config)) {
      static constexpr std::string_view kSample = "posthorn_role_up{role=\"acme\"} 0\n";
      if (const std::size_t at = text.find(kSample); at != std::string::npos)
        text.erase(at, kSample.size());
    }
    co_return text;
  }

  process::RoleSetup setup_;
  net::Scope scope_;
  net::Event stopped_;
  net::Event polled_;
  net::Event answered_{setup_.executor};
  std::vector<std::unique_ptr<Source>> sources_;
  web::Pages pages_;
  net::Networks exempt_, operators_;
  net::ConnectionLimits limits_;
  Authority authority_{*this};
  web::Challenges challenges_{
      Clock::system(),
      {.http_01 = process::why_unanswerable(setup_.config, "http-01"),
       .tls_alpn_01 = process::why_unanswerable(setup_.config, "tls-alpn-01")}};
  std::unique_ptr<process::Certificates> certificates_;
  std::unique_ptr<net::WatchedFiles> files_;
  web::MailSettings mail_;
  web::ServerSettings http_, https_;
  std::unique_ptr<web::ServerServices> services_;
  process::Listeners listeners_{setup_.sockets};
  std::size_t unanswered_ = 0;
  bool is_polling_ = false;
  bool was_polled_ = false;
  SteadyTime polled_at_{};
  metrics::Snapshot ended_{};
  std::vector<std::string> gone_;
  std::string red_;
  const process::Report report_{.facts = [this] { return tell_facts(this); }};
  log::Logger log_;
};

}  // namespace

std::unique_ptr<process::Role> make_web(process::RoleSetup setup) {
  return std::make_unique<WebRole>(std::move(setup));
}

}  // namespace posthorn::app
