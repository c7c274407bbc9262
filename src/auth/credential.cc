// Who is meant by a login, what its password is held against, and whether it is the one:
// AuthService's lookups, in the order in which they are made. With an Explanation each says what it
// found; the same code answers a login and explains one (weigh()). It never tells a peer, in words
// or in time, whether an account exists.
#include <algorithm>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/password.h"
#include "auth/service.h"
#include "base/ascii.h"
#include "message/idna.h"

namespace posthorn::auth {
namespace {

constexpr std::size_t kUserMax = 512;
constexpr std::size_t kPasswordMax = 4096;
constexpr std::size_t kCacheMax = 100'000;

std::string local_part(const std::string& account) {
  return account.substr(0, account.rfind('@'));
}

std::string place_of(const UserFile& file, const std::string& name) {
  const auto line = file.lines.find(name);
  return line == file.lines.end() ? file.path : fmt::format("{}:{}", file.path, line->second);
}

}  // namespace

std::string remedy_with(std::string_view command, const std::string& account,
                        const maps::Table* users) {
  if (users != nullptr && users->is_foreign())
    return "change the row with the program that writes them";
  return fmt::format("posthorn user {} {}", command, account);
}

// The canonical account of what a client typed; nullopt: no account could be meant.
std::optional<std::string> AuthService::account_of(const std::string& user,
                                                   Explanation* told) const {
  const auto tell = [&](Bearing bearing, std::string_view text, std::string basis = "",
                        std::string remedy = "") {
    if (told != nullptr)
      told->push_back(
          {Point::name, bearing, std::string(text), std::move(basis), std::move(remedy)});
  };
  const bool is_name =
      !user.empty() && user.size() <= kUserMax && std::ranges::none_of(user, [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F;
      });
  if (!is_name) {
    tell(Bearing::refuses, "no account has such a name: it is empty, too long, or has blanks in it",
         "", "write it in the mail program without blanks before and behind it");
    return std::nullopt;
  }
  std::string account = message::ascii_address(to_lower(user));
  if (account.find('@') != std::string::npos) {
    tell(Bearing::tells,
         account == user ? "the name is a whole address"
                         : fmt::format("it is {}: upper case does not count in a name", account));
    return account;
  }
  std::string domain = config_.server.default_domain;
  std::string basis = "server.default_domain";
  const auto names = domain_names_();
  if (domain.empty() && names.size() == 1) {
    domain = names.front();
    basis = "maps.domains (the only domain)";
  }
  if (domain.empty()) {
    tell(Bearing::tells, "it names no domain, and none is added", "server.default_domain is empty",
         "log in with the whole address, or set server.default_domain");
    return account;
  }
  account += "@" + domain;
  tell(Bearing::tells, fmt::format("it is {}: a name without a domain gets this one", account),
       std::move(basis));
  return account;
}

// The line of conf/users that counts for an account; nullptr: there is none.
const AuthService::HashLine* AuthService::hash_of(const Users& users,
                                                  const std::string& account) const {
  const auto& hashes = users.file.hashes;
  if (const auto found = hashes.find(account); found != hashes.end()) return &*found;
  // A line without a domain means the default domain's user.
  const std::size_t at = account.rfind('@');
  if (at != std::string::npos && account_of(account.substr(0, at)) == account)
    if (const auto bare = hashes.find(account.substr(0, at)); bare != hashes.end()) return &*bare;
  if (config_.auth.any_user != config::AnyUser::one_password || &users != users_.get() ||
      account == "*")
    return nullptr;
  const auto all = hashes.find("*");
  return all != hashes.end() ? &*all : nullptr;
}

// Dovecot's allow_nets of the account's line.
bool AuthService::may_come_from(const Credential& credential, const std::string& address,
                                Explanation* told) const {
  const UserFile& file = credential.users->file;
  const auto& bounds = file.allow_nets;
  if (bounds.empty()) return true;
  const std::string& account = credential.account;
  auto found = bounds.find(account);
  const std::string local = local_part(account);
  if (found == bounds.end() && !file.hashes.contains(account) && account_of(local) == account)
    found = bounds.find(local);
  if (found == bounds.end()) return true;
  const bool may = found->second.contains(address);
  if (told == nullptr) return may;
  const std::string place = place_of(file, found->first), &door = file.doors.at(found->first);
  if (address.empty())
    told->push_back({Point::networks, Bearing::warns,
                     "it may come from some networks only: " + door, place, "ask again with --ip"});
  else if (may)
    told->push_back(
        {Point::networks, Bearing::tells, fmt::format("{} is in {}", address, door), place});
  else
    told->push_back({Point::networks, Bearing::refuses,
                     fmt::format("{} is not in {}", address, door), place,
                     "add its network there, or take the word away"});
  return may || address.empty();
}

net::Task<std::optional<std::string>> AuthService::find_hash(const UsersPtr& users,
                                                             std::string account,
                                                             Explanation* told) const {
  if (sources_.users != nullptr && users == users_) co_return co_await find_row(account, told);
  if (!users->unread.empty()) co_return fail(ErrorKind::temporary, users->unread);
  const std::string local = local_part(account);
  if (users->faulty_names.contains(account) ||
      (account_of(local) == account && users->faulty_names.contains(local)))
    co_return fail(ErrorKind::temporary, fmt::format("the line of {} has a fault", account));
  const HashLine* line = hash_of(*users, account);
  if (line == nullptr) co_return std::nullopt;
  if (told != nullptr) {
    const std::string& name = line->first;
    told->push_back({Point::credential, Bearing::tells,
                     name == account ? fmt::format("{} stands in {}", account, users->file.path)
                     : name == "*"
                         ? "it has no line of its own: the line * counts for it (auth.any_user)"
                         : fmt::format("the line of {} counts, which names no domain", name),
                     place_of(users->file, name)});
    if (const auto door = users->file.doors.find(name);
        door != users->file.doors.end() && !users->file.allow_nets.contains(name))
      told->push_back({Point::networks, Bearing::refuses,
                       fmt::format("nobody logs in with this line: it says {}", door->second),
                       place_of(users->file, name), "take the word away from the line"});
  }
  co_return line->second;
}

net::Task<std::optional<std::string>> AuthService::find_row(std::string account,
                                                            Explanation* told) const {
  // As with the file, a colon ends the login's field.
  if (account.find(':') != std::string::npos) co_return std::nullopt;
  std::string name = account;
  CO_TRY(auto found, co_await sources_.users->find(name));
  if (!found.value) {
    if (const auto other = message::other_form(account)) {
      name = *other;
      CO_TRY(found, co_await sources_.users->find(name));
    }
  }
  const std::size_t at = account.rfind('@');
  if (!found.value && at != std::string::npos && account_of(account.substr(0, at)) == account) {
    name = account.substr(0, at);
    CO_TRY(found, co_await sources_.users->find(name));
  }
  if (!found.value && config_.auth.any_user == config::AnyUser::one_password && account != "*") {
    name = "*";
    CO_TRY(found, co_await sources_.users->find(name));
  }
  if (told != nullptr && found.value) {
    std::string text = fmt::format("the row of {} counts", name);
    if (found.freshness == maps::Freshness::old)
      text += ", as it was remembered: the database cannot be asked now";
    told->push_back({Point::credential, Bearing::tells, std::move(text), found.place.text()});
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

net::Task<AuthService::Credential> AuthService::find_credential(std::string service,
                                                                std::string account,
                                                                Explanation* told) const {
  // Who sends may be somebody else than who reads (paths.smtp_users).
  const bool is_for_smtp = smtp_users_ && (service == "submission" || service == "smtp");
  Credential credential{.users = is_for_smtp ? smtp_users_ : users_,
                        .is_for_smtp = is_for_smtp,
                        .account = std::move(account)};
  if (told != nullptr && smtp_users_)
    told->push_back({Point::credential, Bearing::tells,
                     is_for_smtp
                         ? "who sends stands in a file of its own"
                         : "who reads need not be who sends, which is another file's matter",
                     "paths.smtp_users"});
  if (!credential.account.empty()) {
    CO_TRY(credential.hash, co_await find_hash(credential.users, credential.account, told));
  }
  if (!credential.hash) {
    CO_TRY(credential.is_by_name, co_await is_any_user(credential.account));
  }
  if (told == nullptr || credential.account.empty() || credential.hash) co_return credential;
  const std::string place = sources_.users != nullptr && !is_for_smtp ? sources_.users->name()
                                                                      : credential.users->file.path;
  if (credential.is_by_name)
    told->push_back({Point::credential, Bearing::tells,
                     "it has no line; its password is the name in front of the @",
                     "auth.any_user"});
  else
    told->push_back({Point::credential, Bearing::refuses,
                     fmt::format("{} does not stand there", credential.account), place,
                     is_for_smtp ? "add a line for it"
                                 : remedy_with("add", credential.account, sources_.users)});
  co_return credential;
}

net::Task<AuthService::Checked> AuthService::check(Credential credential, std::string password) {
  const std::string& account = credential.account;
  std::optional<std::string> stored = credential.hash;
  const bool known = stored.has_value();
  const std::string key =
      cache_key((credential.is_for_smtp ? "s" : "u") + account, password, stored.value_or(""));
  if (const auto found = cache_.find(key);
      found != cache_.end() && found->second > clock_.steady_now())
    co_return Checked::right;
  if (hashing_ >= 64 * pool_.threads())
    co_return fail(ErrorKind::temporary, "too many logins at once");
  if (credential.is_by_name) {
    const std::string local = local_part(account);
    const bool is_it = password.size() == local.size() &&
                       CRYPTO_memcmp(to_lower(password).data(), local.data(), local.size()) == 0;
    co_return is_it ? Checked::right : Checked::wrong_password;
  }
  if (!known)
    if (const std::string* other = stand_in_for(*credential.users, account)) stored = *other;
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
      credential.users == (credential.is_for_smtp ? smtp_users_ : users_)) {
    if (cache_.size() >= kCacheMax) cache_.clear();
    cache_[key] = clock_.steady_now() + config_.auth.cache;
  }
  if (!verified) co_return std::unexpected(verified.error());
  co_return *verified ? Checked::right : known ? Checked::wrong_password : Checked::unknown_user;
}

// What becomes of the right password.
Result<AuthService::Checked> AuthService::foresee(const Credential& credential) {
  if (credential.is_by_name) return Checked::right;
  if (!credential.hash) return Checked::unknown_user;
  TRY(const bool has, has_password(*credential.hash));
  return has ? Checked::right : Checked::wrong_password;
}

namespace {

// A word of the line that shuts it has spoken already.
void tell_hash(const std::string& hash, const std::string& remedy, Explanation& told) {
  const bool is_shut = told.back().point == Point::networks;
  const auto has = has_password(hash);
  if (!has)
    told.push_back({Point::hash, Bearing::refuses, "its hash is of no use: " + has.error().what,
                    told.back().basis, remedy});
  else if (!*has && !is_shut)
    told.push_back({Point::hash, Bearing::refuses, "it is locked: no password is the right one",
                    told.back().basis, remedy});
  else if (*has)
    told.push_back(
        {Point::hash, Bearing::tells,
         fmt::format("its hash is of the scheme {}, which is checked here", scheme_of(hash)),
         told.back().basis});
}

}  // namespace

net::Task<AuthService::Judgement> AuthService::weigh(const Attempt& attempt,
                                                     const std::optional<std::string>& account,
                                                     std::optional<std::string> password,
                                                     Explanation* told) {
  // RFC 4616 section 2: an authorization id equal to the user is allowed; acting for another is
  // not.
  const bool acts_for_other =
      !attempt.authorization.empty() && account_of(attempt.authorization) != account;
  Result<Checked> checked = Checked::wrong_password;
  Credential credential;
  if (!password || password->size() <= kPasswordMax) {
    CO_TRY(credential, co_await find_credential(attempt.service, account.value_or(""), told));
    if (told != nullptr && credential.hash)
      tell_hash(*credential.hash, remedy_with("passwd", *account, sources_.users), *told);
    if (password)
      checked = co_await check(credential, *std::move(password));
    else
      checked = foresee(credential);
  }
  if (!checked && checked.error().kind != ErrorKind::config)
    co_return std::unexpected(checked.error());
  Judgement judged;
  if (!checked)
    judged.why = checked.error().what;  // a hash that cannot be read
  else if (*checked == Checked::unknown_user || !account)
    judged.why = "unknown user";
  else if (*checked == Checked::wrong_password)
    judged.why = "wrong password";
  const bool is_known = account && credential.users && (credential.hash || credential.is_by_name);
  if (is_known && (judged.why.empty() || told != nullptr) &&
      !may_come_from(credential, attempt.address, told) && judged.why.empty())
    judged.why = "allow_nets";
  if (acts_for_other) judged.why = "authorization id";
  judged.is_good = judged.why.empty();
  co_return judged;
}

}  // namespace posthorn::auth
