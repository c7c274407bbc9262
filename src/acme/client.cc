#include "acme/client.h"

#include <algorithm>
#include <fmt/format.h>

namespace posthorn::acme {
namespace {

constexpr int kNonceTries = 20;
constexpr std::chrono::hours kDirectoryLife{1};
constexpr int kOrdersMax = 4;  // of one attempt: another way for a name needs another order
// RFC 9773 section 4.3.2: what the authority says, within reason.
constexpr std::chrono::seconds kAgainLeast = std::chrono::minutes(1);
constexpr std::chrono::seconds kAgainMost = std::chrono::hours(24);
constexpr std::chrono::seconds kAgain = std::chrono::hours(6);

bool is_good(const net::HttpAnswer& answer) {
  return answer.status >= 200 && answer.status < 300;
}

std::unexpected<Failure> protocol_failure(std::string what) {
  return std::unexpected(Failure{.what = std::move(what),
                                 .remedy = "see whether acme.directory is an ACME directory (RFC "
                                           "8555); it is tried again by itself"});
}

}  // namespace

// How often something is asked again, and how long all of it may take.
class Patience {
 public:
  // The wait before the next question; nullopt: it is over.
  std::optional<std::chrono::milliseconds> next(std::optional<std::chrono::seconds> asked_for) {
    constexpr std::chrono::milliseconds kLongest = 10s, kInAll = 5min;
    std::chrono::milliseconds wait = wait_;
    if (asked_for) wait = std::max<std::chrono::milliseconds>(wait, *asked_for);
    wait_ = std::min(wait_ * 2, kLongest);
    spent_ += wait;
    if (spent_ > kInAll) return std::nullopt;
    return wait;
  }

 private:
  std::chrono::milliseconds wait_ = 300ms;
  std::chrono::milliseconds spent_ = 0ms;
};

Client::Client(Wire& wire, Prover& prover, Settings settings)
    : wire_(wire), prover_(prover), settings_(std::move(settings)) {}

Client::Task<Directory> Client::look() {
  if (directory_ && wire_.now() - looked_ < kDirectoryLife) co_return *directory_;
  const auto answer = co_await wire_.ask({.url = settings_.directory});
  if (!answer) co_return failure_of(answer.error());
  if (!is_good(*answer)) {
    auto failure = failure_of(*answer, wire_.now());
    failure.error().what = fmt::format("{} is no directory that answers: {}", settings_.directory,
                                       failure.error().what);
    co_return failure;
  }
  auto read = read_directory(answer->body);
  if (!read) co_return protocol_failure(settings_.directory + ": " + read.error().what);
  directory_ = *std::move(read);
  looked_ = wire_.now();
  co_return *directory_;
}

// RFC 8555 section 7.2.
Client::Task<std::string> Client::take_nonce() {
  if (!nonce_.empty()) co_return std::exchange(nonce_, {});
  CO_TRY(const Directory directory, co_await look());
  const auto answer =
      co_await wire_.ask({.method = net::HttpMethod::head, .url = directory.new_nonce});
  if (!answer) co_return failure_of(answer.error());
  const std::string* const nonce = answer->find("replay-nonce");
  if (!is_good(*answer)) co_return failure_of(*answer, wire_.now());
  if (nonce == nullptr || !decode_base64url(*nonce))
    co_return protocol_failure("the authority gave no nonce");
  co_return *nonce;
}

Client::Task<net::HttpAnswer> Client::post(Posted posted) {
  for (int tries = 0; tries < kNonceTries; ++tries) {
    CO_TRY(std::string nonce, co_await take_nonce());
    auto body = sign_request(
        posted.key, {.url = posted.url, .nonce = std::move(nonce), .account = posted.account},
        posted.payload);
    if (!body) co_return failure_of(body.error());
    auto answer = co_await wire_.ask({.method = net::HttpMethod::post,
                                      .url = posted.url,
                                      .fields = {"Content-Type: application/jose+json",
                                                 fmt::format("Accept: {}", posted.accept)},
                                      .body = *std::move(body)});
    if (!answer) co_return failure_of(answer.error());
    // RFC 8555 section 6.5.1: one that is not base64url is none.
    if (const std::string* const next = answer->find("replay-nonce");
        next != nullptr && decode_base64url(*next))
      nonce_ = *next;
    // RFC 8555 section 6.5: the answer to a bad nonce has a new one, with which it is tried again.
    if (answer->status != 400 || read_problem(*answer).type != "badNonce")
      co_return *std::move(answer);
  }
  co_return failure_of(Problem{.type = "badNonce"});
}

Client::Task<net::HttpAnswer> Client::post_good(Posted posted) {
  CO_TRY(net::HttpAnswer answer, co_await post(std::move(posted)));
  if (!is_good(answer)) co_return failure_of(answer, wire_.now());
  co_return answer;
}

Client::Task<std::string> Client::enter(const AccountKey& key) {
  CO_TRY(const Directory directory, co_await look());
  if (directory.needs_binding && !settings_.binding)
    co_return failure_of(Problem{.type = "externalAccountRequired"});
  Applicant applicant{.email = settings_.email};
  if (settings_.binding)
    applicant.binding = bind_account(key, *settings_.binding, directory.new_account);
  CO_TRY(const net::HttpAnswer answer,
         co_await post_good(
             {.key = key, .url = directory.new_account, .payload = write_account(applicant)}));
  const std::string* const place = answer.find("location");
  if (place == nullptr || !place->starts_with("https://") || place->size() > 2000)
    co_return protocol_failure("the authority made an account and did not say where it is");
  // Section 7.3.1: one that was there already may be of no use any more.
  const auto status = read_account_status(answer.body);
  if (status && (*status == Status::deactivated || *status == Status::revoked))
    co_return std::unexpected(Failure{.what = "the account with the authority is deactivated",
                                      .remedy = "another one is made with the next attempt",
                                      .type = std::string(kAccountGone)});
  co_return *place;
}

Client::Task<> Client::change_contact(const Account& account) {
  CO_TRY_OK(co_await post_good({.key = account.key,
                                .account = account.url,
                                .url = account.url,
                                .payload = write_account({.email = settings_.email})}));
  co_return Attempt<>{};
}

// After an "unauthorized" that may mean the whole account.
Client::Task<> Client::judge_account(const Account& account) {
  CO_TRY(const net::HttpAnswer answer,
         co_await post({.key = account.key, .account = account.url, .url = account.url}));
  const auto status = is_good(answer) ? read_account_status(answer.body) : Status::revoked;
  if (answer.status < 500 && status && *status != Status::valid && *status != Status::unknown)
    co_return std::unexpected(Failure{.what = "the account with the authority is deactivated",
                                      .remedy = "another one is made with the next attempt",
                                      .type = std::string(kAccountGone)});
  co_return Attempt<>{};
}

Client::Task<net::HttpAnswer> Client::begin_order(const Account& account, Wish wish) {
  CO_TRY(const Directory directory, co_await look());
  // RFC 9773 section 5: only to an authority that says it knows of it.
  if (directory.renewal_info.empty()) wish.replaces.clear();
  auto answer = co_await post_good({.key = account.key,
                                    .account = account.url,
                                    .url = directory.new_order,
                                    .payload = write_order(wish)});
  if (answer || wish.replaces.empty()) co_return answer;
  // The one before is not to be had for that: it was replaced already, or is another account's.
  const std::string& type = answer.error().type;
  if (type != "alreadyReplaced" && type != "malformed" && type != "unauthorized") co_return answer;
  wish.replaces.clear();
  co_return co_await post_good({.key = account.key,
                                .account = account.url,
                                .url = directory.new_order,
                                .payload = write_order(wish)});
}

Client::Task<std::string> Client::issue(const Account& account, Wish wish,
                                        const std::string& request_der) {
  Failed failed;
  for (int orders = 1;; ++orders) {
    const std::size_t before = failed.size();
    auto issued = co_await order(account, wish, request_der, failed);
    // Another way is left only where one more has failed.
    if (issued || failed.size() == before || orders == kOrdersMax) co_return issued;
    const auto ways = std::ranges::count(failed, failed.back().first, &Failed::value_type::first);
    if (static_cast<std::size_t>(ways) >= settings_.challenges.size()) co_return issued;
  }
}

// One order from its beginning to the certificate's text.
Client::Task<std::string> Client::order(const Account& account, Wish wish,
                                        const std::string& request_der, Failed& failed) {
  const auto begun = co_await begin_order(account, std::move(wish));
  if (!begun) {
    if (begun.error().type == "unauthorized") CO_TRY_OK(co_await judge_account(account));
    co_return std::unexpected(begun.error());
  }
  const std::string* const place = begun->find("location");
  if (place == nullptr || !place->starts_with("https://") || place->size() > 2000)
    co_return protocol_failure("the authority took an order and did not say where it is");
  const auto first = read_order(begun->body);
  if (!first) co_return protocol_failure(first.error().what);
  if (first->status == Status::pending)
    for (const std::string& url : first->authorizations)
      CO_TRY_OK(co_await prove(account, url, failed));
  CO_TRY(Order order, co_await await_order(account, *place, Status::pending));
  if (order.status == Status::ready) {
    CO_TRY_OK(co_await post_good({.key = account.key,
                                  .account = account.url,
                                  .url = order.finalize,
                                  .payload = write_finalize(request_der)}));
    CO_TRY(order, co_await await_order(account, *place, Status::ready));
  }
  if (order.status != Status::valid || order.certificate.empty())
    co_return protocol_failure("the authority's order ended without a certificate");
  CO_TRY(net::HttpAnswer answer,
         co_await post_good({.key = account.key,
                             .account = account.url,
                             .url = order.certificate,
                             .accept = "application/pem-certificate-chain"}));
  co_return std::move(answer.body);
}

// false: it has been waited long enough.
net::Awaitable<bool> Client::pause(Patience& patience, const net::HttpAnswer& last) {
  const auto wait = patience.next(read_retry_after(last, wire_.now()));
  if (!wait) co_return false;
  co_await wire_.wait(*wait);
  co_return true;
}

// Until it has left that state (and is not being worked on).
Client::Task<Order> Client::await_order(const Account& account, const std::string& url,
                                        Status left) {
  Patience patience;
  while (true) {
    CO_TRY(const net::HttpAnswer answer,
           co_await post_good({.key = account.key, .account = account.url, .url = url}));
    auto order = read_order(answer.body);
    if (!order) co_return protocol_failure(order.error().what);
    if (order->status == Status::invalid)
      co_return failure_of(order->error.value_or(Problem{.detail = "the order is invalid"}));
    if (order->status != left && order->status != Status::processing) co_return *std::move(order);
    if (!co_await pause(patience, answer))
      co_return protocol_failure("the authority has not finished the order in time");
  }
}

Client::Task<> Client::prove(const Account& account, const std::string& url, Failed& failed) {
  CO_TRY(const net::HttpAnswer answer,
         co_await post_good({.key = account.key, .account = account.url, .url = url}));
  const auto authorization = read_authorization(answer.body);
  if (!authorization) co_return protocol_failure(authorization.error().what);
  if (authorization->status == Status::valid) co_return Attempt<>{};  // proved a while ago
  std::string why;
  for (const std::string& type : settings_.challenges) {
    const auto challenge = std::ranges::find(authorization->challenges, type, &Challenge::type);
    if (challenge == authorization->challenges.end()) {
      why += fmt::format("; {}: the authority does not offer it", type);
      continue;
    }
    if (std::ranges::find(failed, std::pair(authorization->name, type)) != failed.end()) continue;
    const Proof proof{type, authorization->name, challenge->token,
                      authorize_key(account.key, challenge->token)};
    const auto offered = co_await prover_.offer(proof);
    if (!offered) {
      why += fmt::format("; {}: {}", type, shown(offered.error().what));
      continue;
    }
    auto proved = co_await prove_by(account, url, authorization->name, *challenge, failed);
    co_await prover_.forget(proof);
    co_return proved;
  }
  co_return std::unexpected(Failure{
      .what =
          fmt::format("this server cannot prove that {} is its own{}", authorization->name, why),
      .remedy = "http-01 needs listen.http on a port that 80 leads to, tls-alpn-01 "
                "listen.https on one that 443 leads to; where another program has them, "
                "let it pass the challenge on, or get certificates with it and "
                "posthorn certificate install"});
}

// The challenge is offered: the authority is told so, and what it found is awaited.
Client::Task<> Client::prove_by(const Account& account, const std::string& url,
                                const std::string& name, const Challenge& challenge,
                                Failed& failed) {
  CO_TRY_OK(co_await post_good(
      {.key = account.key, .account = account.url, .url = challenge.url, .payload = "{}"}));
  Patience patience;
  while (true) {
    CO_TRY(const net::HttpAnswer answer,
           co_await post_good({.key = account.key, .account = account.url, .url = url}));
    const auto now = read_authorization(answer.body);
    if (!now) co_return protocol_failure(now.error().what);
    if (now->status == Status::valid) co_return Attempt<>{};
    if (now->status != Status::pending) {
      const auto mine = std::ranges::find(now->challenges, challenge.type, &Challenge::type);
      Problem problem{.detail = "the name is not proved, and the authority did not say why"};
      if (mine != now->challenges.end() && mine->error) problem = *mine->error;
      if (is_of_challenge(problem)) failed.emplace_back(name, challenge.type);
      auto failure = failure_of(problem);
      failure.error().what =
          fmt::format("{} by {}: {}", name, challenge.type, failure.error().what);
      co_return failure;
    }
    if (!co_await pause(patience, answer))
      co_return protocol_failure(fmt::format("the authority has not looked at {} in time", name));
  }
}

Client::Task<> Client::revoke(const Account& account, const std::string& certificate_der,
                              Reason reason) {
  CO_TRY(const Directory directory, co_await look());
  if (directory.revoke_cert.empty()) co_return protocol_failure("the authority revokes nothing");
  const auto revoked = co_await post_good({.key = account.key,
                                           .account = account.url,
                                           .url = directory.revoke_cert,
                                           .payload = write_revocation(certificate_der, reason)});
  // RFC 8555 section 7.6: it has been done.
  if (!revoked && revoked.error().type != "alreadyRevoked")
    co_return std::unexpected(revoked.error());
  co_return Attempt<>{};
}

Client::Task<std::optional<Client::Renewal>> Client::find_window(const std::string& renewal_id) {
  CO_TRY(const Directory directory, co_await look());
  if (directory.renewal_info.empty() || renewal_id.empty()) co_return std::nullopt;
  const auto answer = co_await wire_.ask({.url = directory.renewal_info + "/" + renewal_id});
  if (!answer) co_return failure_of(answer.error());
  if (!is_good(*answer)) co_return failure_of(*answer, wire_.now());
  const auto window = read_window(answer->body);
  if (!window) co_return protocol_failure(window.error().what);
  const auto again = read_retry_after(*answer, wire_.now()).value_or(kAgain);
  co_return Renewal{*window, std::clamp(again, kAgainLeast, kAgainMost)};
}

}  // namespace posthorn::acme
