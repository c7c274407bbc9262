#include "auth/service.h"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/password.h"
#include "base/ascii.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "message/idna.h"

namespace posthorn::auth {
namespace {

constexpr std::size_t kUserMax = 512;
constexpr std::size_t kPasswordMax = 4096;
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

// The canonical account of what a client typed; nullopt: no account could be meant.
std::optional<std::string> AuthService::account_of(const std::string& user) const {
  if (user.empty() || user.size() > kUserMax) return std::nullopt;
  for (const char c : user)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F) return std::nullopt;
  std::string account = message::ascii_address(to_lower(user));
  if (account.find('@') != std::string::npos) return account;
  std::string domain = config_.server.default_domain;
  const auto names = domain_names_();
  if (domain.empty() && names.size() == 1) domain = names.front();
  return domain.empty() ? account : account + "@" + domain;
}

// Who sends may be somebody else than who reads (paths.smtp_users).
const AuthService::UsersPtr& AuthService::users_for(const std::string& service) const {
  return smtp_users_ && (service == "submission" || service == "smtp") ? smtp_users_ : users_;
}

const std::string* AuthService::hash_of(const Users& users, const std::string& account) const {
  const auto& hashes = users.file.hashes;
  if (const auto found = hashes.find(account); found != hashes.end()) return &found->second;
  // A line without a domain means the default domain's user.
  const std::size_t at = account.rfind('@');
  if (at != std::string::npos && account_of(account.substr(0, at)) == account)
    if (const auto bare = hashes.find(account.substr(0, at)); bare != hashes.end())
      return &bare->second;
  if (config_.auth.any_user != config::AnyUser::one_password || &users != users_.get() ||
      account == "*")
    return nullptr;
  const auto all = hashes.find("*");
  return all != hashes.end() ? &all->second : nullptr;
}

// Dovecot's allow_nets of the account's line.
bool AuthService::may_come_from(const Users& users, const std::string& account,
                                const std::string& address) const {
  const auto& bounds = users.file.allow_nets;
  if (bounds.empty()) return true;
  auto found = bounds.find(account);
  const std::string local = account.substr(0, account.rfind('@'));
  if (found == bounds.end() && !users.file.hashes.contains(account) && account_of(local) == account)
    found = bounds.find(local);
  return found == bounds.end() || found->second.contains(address);
}

net::Task<std::optional<std::string>> AuthService::find_hash(UsersPtr users,
                                                             std::string account) const {
  if (sources_.users == nullptr || users != users_) {
    if (!users->unread.empty()) co_return fail(ErrorKind::temporary, users->unread);
    const std::string local = account.substr(0, account.rfind('@'));
    if (users->faulty_names.contains(account) ||
        (account_of(local) == account && users->faulty_names.contains(local)))
      co_return fail(ErrorKind::temporary, fmt::format("the line of {} has a fault", account));
    const std::string* hash = hash_of(*users, account);
    if (hash == nullptr) co_return std::nullopt;
    co_return *hash;
  }
  // As with the file, a colon ends the login's field.
  if (account.find(':') != std::string::npos) co_return std::nullopt;
  CO_TRY(auto found, co_await sources_.users->find(account));
  if (!found.value) {
    if (const auto other = message::other_form(account)) {
      CO_TRY(found, co_await sources_.users->find(*other));
    }
  }
  const std::size_t at = account.rfind('@');
  if (!found.value && at != std::string::npos && account_of(account.substr(0, at)) == account) {
    CO_TRY(found, co_await sources_.users->find(account.substr(0, at)));
  }
  if (!found.value && config_.auth.any_user == config::AnyUser::one_password && account != "*") {
    CO_TRY(found, co_await sources_.users->find("*"));
  }
  co_return std::move(found.value);
}

// Somebody's hash, always the same for one name: checking it costs what checking a user's costs,
// whatever scheme the users have, so the time tells nobody who exists.
const std::string* AuthService::stand_in_for(const Users& users, const std::string& account) const {
  if (sources_.users != nullptr && &users == users_.get()) return &stand_in_;
  if (users.hashes.empty()) return nullptr;
  std::size_t number = 0;
  for (const char c : cache_key(account, "", "").substr(0, 8))
    number = number << 8U | static_cast<unsigned char>(c);
  return users.hashes[number % users.hashes.size()];
}

// auth.any_user: an address of a domain of ours, or of any where any is.
net::Task<bool> AuthService::is_any_user(std::string account) const {
  if (config_.auth.any_user != config::AnyUser::local_part) co_return false;
  const std::size_t at = account.rfind('@');
  if (at == std::string::npos || at == 0 || at + 1 == account.size()) co_return false;
  if (config_.route.any_domain != config::AnyDomain::none || config_.route.by_local_part)
    co_return true;
  if (sources_.has_domain) co_return co_await sources_.has_domain(account.substr(at + 1));
  const auto names = domain_names_();
  co_return std::ranges::find(names, account.substr(at + 1)) != names.end();
}

// With the hash: a password that was changed is not remembered.
std::string AuthService::cache_key(const std::string& account, const std::string& password,
                                   std::string_view hash) const {
  std::string mac(32, '\0');
  std::string text = account + '\0' + password + '\0';
  text += hash;
  unsigned size = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(mac.data()), &size);
  return mac;
}

net::Task<AuthService::Checked> AuthService::check(const std::string& service,
                                                   const std::string& account,
                                                   std::string password) {
  const UsersPtr users = users_for(service);
  const bool is_smtp = users == smtp_users_;
  std::optional<std::string> stored;
  if (!account.empty()) {
    CO_TRY(stored, co_await find_hash(users, account));
  }
  const bool known = stored.has_value();
  const std::string key = cache_key((is_smtp ? "s" : "u") + account, password, stored.value_or(""));
  if (const auto found = cache_.find(key);
      found != cache_.end() && found->second > clock_.steady_now())
    co_return Checked::right;
  if (hashing_ >= 64 * pool_.threads())
    co_return fail(ErrorKind::temporary, "too many logins at once");
  if (!known) {
    CO_TRY(const bool any, co_await is_any_user(account));
    if (any) {
      const std::string local = account.substr(0, account.rfind('@'));
      const bool is_it = password.size() == local.size() &&
                         CRYPTO_memcmp(to_lower(password).data(), local.data(), local.size()) == 0;
      co_return is_it ? Checked::right : Checked::wrong_password;
    }
    if (const std::string* other = stand_in_for(*users, account)) stored = *other;
  }
  ++hashing_;
  const auto verified =
      co_await pool_.run([hash = stored.value_or(""), known,
                          password = std::move(password)]() mutable -> Result<bool> {
        Result<bool> result = false;
        if (known)
          result = verify_password(hash, password);
        else if (hash.empty())
          verify_nothing(password);
        else
          (void)verify_password(hash, password);  // whatever it says, the user does not exist
        OPENSSL_cleanse(password.data(), password.size());
        return result;
      });
  --hashing_;
  if (verified && *verified && config_.auth.cache > 0ms &&
      users == (is_smtp ? smtp_users_ : users_)) {
    if (cache_.size() >= kTableMax) cache_.clear();
    cache_[key] = clock_.steady_now() + config_.auth.cache;
  }
  if (!verified) co_return std::unexpected(verified.error());
  co_return *verified ? Checked::right : known ? Checked::wrong_password : Checked::unknown_user;
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

void AuthService::tell_failure(const log::Logger& log, const Attempt& attempt,
                               std::string_view reason) {
  log.warn(event::auth_failed, {{"user", attempt.user},
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
  const auto refuse = [&](std::string_view reason) { tell_failure(log, attempt, reason); };
  // By hand it is also for who is exempt from delays.
  if (throttle_.is_banned_by_hand(attempt.address)) {
    refuse("banned");
    co_return Verdict{.outcome = Verdict::Outcome::banned, .account = {}, .token = {}};
  }
  std::optional<Throttle::Try> begun;
  if (throttled) {
    CO_TRY(begun, co_await begin_try(key));
    if (!begun) {
      refuse("banned");
      co_return Verdict{.outcome = Verdict::Outcome::banned, .account = {}, .token = {}};
    }
  }
  // RFC 4616: an authorization id equal to the user is allowed; acting for another is not.
  const bool acts_for_other =
      !attempt.authorization.empty() && account_of(attempt.authorization) != account;
  const auto ended = [&] {  // only when its outcome counts, so that no other slips in between
    if (begun) begun->end();
    try_ended_.set();
  };
  bool good = false;
  std::string why = "wrong password";
  if (attempt.password.size() <= kPasswordMax) {
    const auto checked =
        co_await check(attempt.service, account.value_or(""), std::move(attempt.password));
    if (!checked && checked.error().kind != ErrorKind::config) {
      ended();
      co_return std::unexpected(checked.error());
    }
    if (!checked)
      why = checked.error().what;  // a hash that cannot be read
    else if (*checked == Checked::unknown_user || !account)
      why = "unknown user";
    good = checked && *checked == Checked::right && account && !acts_for_other;
    if (good && !may_come_from(*users_for(attempt.service), *account, attempt.address)) {
      good = false;
      why = "allow_nets";
    }
  }
  if (good) {
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
  refuse(acts_for_other ? "authorization id" : why);
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
