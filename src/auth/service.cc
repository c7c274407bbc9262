#include "auth/service.h"

#include <algorithm>
#include <fmt/format.h>

#include "auth/password.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/metrics.h"

namespace posthorn::auth {
namespace {

constexpr std::size_t kTableMax = 100'000;
constexpr auto kTryWaitMax = 20s;  // for others of the same address to be checked

}  // namespace

AuthService::AuthService(net::Scope& scope, net::BlockingPool& pool, const config::Config& config,
                         net::Networks exempt,
                         std::function<std::vector<std::string>()> domain_names, const Clock& clock,
                         Sources sources)
    : scope_(scope),
      pool_(pool),
      config_(config),
      exempt_(std::move(exempt)),
      domain_names_(std::move(domain_names)),
      clock_(clock),
      sources_(std::move(sources)),
      stopped_(scope.executor()),
      users_(std::make_shared<const Users>()),
      keeper_(scope, pool, config.paths.state / "lookup"),
      throttle_(config.auth, clock),
      try_ended_(scope.executor()),
      secret_(random_bytes(32)),
      proof_secret_(random_bytes(32)) {}

net::Task<> AuthService::start() {
  if (sources_.users != nullptr) {
    CO_TRY(stand_in_,
           co_await pool_.run([scheme = std::string(to_string(config_.auth.default_scheme))] {
             return hash_password(scheme, random_hex(16));
           }));
  }
  scope_.spawn(sweep(this));
  co_return Result<>{};
}

void AuthService::stop() {
  stopped_.close();
  try_ended_.close();
}

std::string AuthService::look() const {
  std::string text;
  if (sources_.users == nullptr) text += net::stamp_of_file(config_.paths.users) + ";";
  if (!config_.paths.smtp_users.empty()) text += net::stamp_of_file(config_.paths.smtp_users);
  return text;
}

net::Awaitable<void> AuthService::sweep(AuthService* self) {
  while (!self->stopped_.is_closed()) {
    co_await self->stopped_.wait_for(self->config_.maps.poll_interval);
    const SteadyTime time = self->clock_.steady_now();
    std::erase_if(self->tokens_, [&](const auto& item) { return item.second.expires < time; });
    std::erase_if(self->cache_, [&](const auto& item) { return item.second < time; });
  }
}

AuthService::UsersPtr AuthService::parse(const std::string& text, const Path& path) {
  auto users = std::make_shared<Users>();
  users->file = parse_users(text, path.native());
  for (const auto& [name, hash] : users->file.hashes) users->hashes.push_back(&hash);
  for (const std::string& name : users->file.faulty_names) users->faulty_names.insert(name);
  return users;
}

// Blocks. A file with a fault: as it was before, as its copy has it, or as far as it goes.
AuthService::Read AuthService::read_users(const Path& path, const UsersPtr& before) const {
  Read read;
  const auto wrong = [&](std::string why, std::string remedy = "") {
    read.outcome.findings.push_back({path.native() + ":1", std::move(why), std::move(remedy)});
  };
  const bool has_before = before && before->is_whole() && !before->hashes.empty();
  const auto copy = has_before ? std::nullopt : keeper_.kept().read(path);
  const auto text = read_file(path);
  UsersPtr found;
  if (!text || !*text) {
    wrong(text ? "there is no such file" : text.error().what,
          text ? fmt::format("put it back; if nobody is to log in: touch {}", path.native()) : "");
    read.outcome.may_pass = true;
  } else if ((*text)->empty() && (has_before || (copy && !copy->empty()))) {
    // What an editor or a full disk leaves for a moment; it would refuse every login.
    wrong("the file has become empty", "a comment in it makes that meant");
  } else {
    found = parse(**text, path);
    for (const std::string& fault : found->file.faults)
      read.outcome.findings.push_back(config::finding_of(fault));
    for (const std::string& warning : found->file.warnings)
      read.outcome.findings.push_back(config::finding_of(warning, config::Weight::warning));
    for (const std::string& note : found->file.notes)
      read.outcome.findings.push_back(config::finding_of(note, config::Weight::note));
    if (found->is_whole()) {
      read.users = std::move(found);
      read.good = std::make_shared<const std::string>(**text);
      return read;
    }
  }
  if (has_before) {
    read.users = before;
    return read;
  }
  if (copy)
    if (auto old = parse(*copy, path); old->is_whole()) {
      read.users = std::move(old);
      read.is_stale = true;
      return read;
    }
  if (!found || !found->file.is_text) {
    auto none = std::make_shared<Users>();
    none->unread = read.outcome.findings.front().text();
    found = std::move(none);
  }
  read.users = std::move(found);
  return read;
}

net::Awaitable<net::Prepared> AuthService::prepare() {
  next_users_ = next_smtp_users_ = {};
  next_users_.users = users_;
  const auto done =
      co_await pool_.run([this, users = users_, smtp_users = smtp_users_]() -> Result<> {
        if (sources_.users == nullptr) next_users_ = read_users(config_.paths.users, users);
        if (!config_.paths.smtp_users.empty())
          next_smtp_users_ = read_users(config_.paths.smtp_users, smtp_users);
        return {};
      });
  net::Prepared prepared;
  if (!done) {
    prepared = {.findings = {{config_.paths.users.native() + ":1", done.error().what}},
                .is_usable = false,
                .may_pass = true};
    co_return prepared;
  }
  for (const Read* read : {&next_users_, &next_smtp_users_}) {
    std::ranges::copy(read->outcome.findings, std::back_inserter(prepared.findings));
    prepared.may_pass = prepared.may_pass || read->outcome.may_pass;
  }
  co_return prepared;
}

std::pair<AuthService::UserFilePtr, AuthService::UserFilePtr> AuthService::prepared() const {
  const auto file_of = [](const UsersPtr& users) {
    return users && users->unread.empty() ? UserFilePtr(users, &users->file) : nullptr;
  };
  return {sources_.users == nullptr ? file_of(next_users_.users) : nullptr,
          file_of(next_smtp_users_.users)};
}

std::shared_ptr<const void> AuthService::commit() {
  auto old = std::make_shared<const std::pair<UsersPtr, UsersPtr>>(users_, smtp_users_);
  if (next_users_.users != users_ || next_smtp_users_.users != smtp_users_) cache_.clear();
  for (Read* read : {&next_users_, &next_smtp_users_}) {
    if (!read->users) continue;
    const Path& path = read == &next_users_ ? config_.paths.users : config_.paths.smtp_users;
    if (read->is_stale)
      log_.error(event::files_stale,
                 {{"error", path.native() + " serves as it was kept in paths.state"}});
    else if (!read->users->is_whole())
      log_.error(event::files_stale,
                 {{"error", fmt::format("{}: who stands on a faulty line, or all if it cannot be "
                                        "read, cannot log in for now",
                                        path.native())}});
    if (read->good) keeper_.keep({{path, std::move(read->good)}});
  }
  users_ = std::move(next_users_.users);
  smtp_users_ = std::move(next_smtp_users_.users);
  next_users_ = next_smtp_users_ = {};
  return old;
}

void AuthService::tell(const config::Finding& finding) const {
  if (finding.weight == config::Weight::fault)
    log_.error(event::maps_refused, {{"error", finding.text()}});
  else if (finding.weight == config::Weight::note)
    log_.info(event::maps_warning, {{"error", finding.text()}});
  else
    log_.warn(event::maps_warning, {{"error", finding.text()}});
}

net::Task<Verdict> AuthService::authenticate(Attempt attempt) {
  const std::string service = attempt.service == "submission" ? "smtp" : attempt.service;
  auto verdict = co_await judge(std::move(attempt));
  metrics::count(metric::authentications, service,
                 !verdict                                       ? "unavailable"
                 : verdict->outcome == Verdict::Outcome::ok     ? "ok"
                 : verdict->outcome == Verdict::Outcome::banned ? "banned"
                                                                : "refused");
  if (verdict && verdict->outcome == Verdict::Outcome::banned)
    metrics::count(metric::limits_hit, "login_failures");
  co_return verdict;
}

// nullopt: banned. As many wait as there are connections, and each for as long as the checks before
// its own take; a whole office that connects at once gets in, a burst of guesses gets its limit.
net::Task<std::optional<Throttle::Try>> AuthService::begin_try(Throttle::Who who) {
  const SteadyTime deadline = scope_.after(kTryWaitMax);
  while (!throttle_.is_banned(who)) {
    if (auto begun = throttle_.begin(who)) co_return begun;
    if (waiting_ >= 64 * pool_.threads() || try_ended_.is_closed())
      co_return fail(ErrorKind::temporary, "too many logins at once");
    ++waiting_;
    const bool is_woken = co_await try_ended_.wait(deadline);
    --waiting_;
    if (!is_woken) co_return fail(ErrorKind::temporary, "too many logins at once");
  }
  co_return std::nullopt;
}

// account: who is meant, as far as somebody can be: under that name it is looked for.
void AuthService::tell_failure(const log::Logger& log, const Attempt& attempt,
                               std::string_view account, std::string_view reason) {
  log.warn(event::auth_failed, {{"user", attempt.user},
                                {"account", account},
                                {"service", attempt.service},
                                {"mechanism", attempt.mechanism},
                                {"address", attempt.address},
                                {"reason", reason}});
}

net::Task<Verdict> AuthService::judge(Attempt attempt) {
  const log::Logger log = log_.with_session(attempt.session);
  const auto account = account_of(attempt.user);
  const Throttle::Who key{attempt.address, account.value_or(attempt.user)};
  const bool throttled = !exempt_.contains(attempt.address);
  const auto refuse = [&](std::string_view reason) {
    tell_failure(log, attempt, account.value_or(""), reason);
  };
  bool is_banned = is_shut_out(key);
  std::optional<Throttle::Try> begun;
  if (throttled && !is_banned) {
    CO_TRY(begun, co_await begin_try(key));
    is_banned = !begun;
  }
  if (is_banned) {
    refuse("banned");
    co_return Verdict{.outcome = Verdict::Outcome::banned, .account = {}, .token = {}};
  }
  std::optional<std::string> password(std::move(attempt.password));
  const auto judged = co_await weigh(attempt, account, std::move(password));
  const auto ended = [&] {  // only when its outcome counts, so that no other slips in between
    if (begun) begun->end();
    try_ended_.set();
  };
  if (!judged) {
    ended();
    co_return std::unexpected(judged.error());
  }
  if (judged->is_good) {
    if (throttled) throttle_.succeed(key);
    ended();
    log.info(event::auth_succeeded, {{"account", *account},
                                     {"service", attempt.service},
                                     {"mechanism", attempt.mechanism},
                                     {"address", attempt.address}});
    co_return Verdict{.outcome = Verdict::Outcome::ok,
                      .account = *account,
                      .token = token_for(*account, attempt)};
  }
  refuse(judged->why);
  const auto wait = throttled ? throttle_.fail(key) : 0ms;
  if (const auto left = throttled ? throttle_.ban_left(key) : 0ms; left > 0ms)
    log.warn(event::auth_banned,
             {{"address", attempt.address},
              {"user", attempt.user},
              {"seconds", std::chrono::ceil<std::chrono::seconds>(left).count()}});
  ended();
  if (wait > 0ms) co_await net::sleep(wait);
  co_return Verdict{.outcome = Verdict::Outcome::refused, .account = {}, .token = {}};
}

std::string AuthService::token_for(const std::string& account, const Attempt& attempt) {
  if (attempt.service == "smtp" || attempt.service == "submission")
    return make_proof(account, attempt.service, attempt.session);
  return make_token({account, attempt.service, attempt.session, {}});
}

std::string AuthService::make_token(Token token) {
  if (tokens_.size() >= kTableMax) tokens_.clear();
  token.expires = clock_.steady_now() + config_.auth.token_life;
  std::string name = random_hex(16);
  tokens_[name] = std::move(token);
  return name;
}

// Once, whoever asks.
std::optional<AuthService::Token> AuthService::take_token(const std::string& token) {
  const auto found = tokens_.find(token);
  if (found == tokens_.end()) return std::nullopt;
  Token taken = std::move(found->second);
  tokens_.erase(found);
  if (taken.expires < clock_.steady_now()) return std::nullopt;
  return taken;
}

net::Task<std::optional<std::string>> AuthService::redeem(std::string token, std::string service,
                                                          std::string session) {
  // A message's token opens no mailbox.
  const auto taken = take_token(token);
  if (!taken || taken->service != service || taken->session != session || service == kMailService)
    co_return std::nullopt;
  co_return taken->account;
}

}  // namespace posthorn::auth
