#include "web/challenges.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "net/challenge_certificate.h"

namespace posthorn::web {
namespace {

constexpr std::string_view kHttp = "http-01";
constexpr std::string_view kTls = "tls-alpn-01";
constexpr std::string_view kBase64url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool is_name(std::string_view text) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789-.";
  return !text.empty() && text.size() <= 253 &&
         text.find_first_not_of(kAlphabet) == std::string_view::npos && !text.starts_with('.') &&
         !text.ends_with('.') && !text.contains("..");
}

// RFC 8555 section 8.1: the token, a dot, and the SHA-256 of the account's key.
bool fits(std::string_view key_authorization, std::string_view token) {
  constexpr std::size_t kThumbprint = 43;
  return key_authorization.size() == token.size() + 1 + kThumbprint &&
         key_authorization.starts_with(token) && key_authorization[token.size()] == '.' &&
         key_authorization.find_first_not_of(kBase64url, token.size() + 1) ==
             std::string_view::npos;
}

std::unexpected<Error> refuse(std::string reason) {
  return fail(ErrorKind::permanent, std::move(reason));
}

}  // namespace

bool is_challenge_token(std::string_view text) {
  constexpr std::size_t kTokenMax = 200;
  return !text.empty() && text.size() <= kTokenMax &&
         text.find_first_not_of(kBase64url) == std::string_view::npos;
}

net::Message Challenges::answer(const net::Message& request) {
  if (request.verb == "forget") {
    forget(to_lower(request.get("name")), std::string(request.get("token")));
    return net::Message("ok");
  }
  if (request.verb != "offer")
    return net::Message("error").add("error", "offer or forget, not " + request.verb);
  const auto done = offer(request);
  if (!done) return net::Message("error").add("error", done.error().what);
  return net::Message("ok");
}

Result<> Challenges::offer(const net::Message& request) {
  const std::string_view type = request.get("type");
  std::string name = to_lower(request.get("name"));
  std::string token(request.get("token"));
  std::string key_authorization(request.get("key_authorization"));
  if (type != kHttp && type != kTls)
    return refuse(fmt::format("{} is not answered here, only {} and {}", type, kHttp, kTls));
  const std::string& why = type == kHttp ? unanswerable_.http_01 : unanswerable_.tls_alpn_01;
  if (!why.empty()) return refuse(why);
  if (!is_name(name)) return refuse("not a name that can be asked for");
  if (!is_challenge_token(token)) return refuse("the token is not of the base64url alphabet");
  if (!fits(key_authorization, token))
    return refuse("the key authorization is not token, dot and thumbprint");
  forget_ended();
  const bool is_new = type == kHttp ? !texts_.contains(token) : !certificates_.contains(name);
  if (is_new && size() >= kOffersMax)
    return refuse(fmt::format("{} names are being proved already; try later", kOffersMax));
  const SteadyTime ends = clock_.steady_now() + kKeptFor;
  if (type == kHttp) {
    texts_[std::move(token)] = {std::move(name), std::move(key_authorization), ends};
    return {};
  }
  TRY(auto context, net::make_challenge_context(name, key_authorization));
  certificates_[std::move(name)] = {std::move(token), std::move(context), ends};
  return {};
}

// Another order's token for the same name stays.
void Challenges::forget(const std::string& name, const std::string& token) {
  if (const auto text = texts_.find(token); text != texts_.end() && text->second.name == name)
    texts_.erase(text);
  if (const auto one = certificates_.find(name);
      one != certificates_.end() && one->second.token == token)
    certificates_.erase(one);
  forget_ended();
}

void Challenges::forget_ended() {
  const SteadyTime now = clock_.steady_now();
  const auto has_ended = [now](const auto& one) { return one.second.ends <= now; };
  std::erase_if(texts_, has_ended);
  std::erase_if(certificates_, has_ended);
}

std::optional<std::string> Challenges::find_text(const std::string& token) const {
  const auto text = texts_.find(token);
  if (text == texts_.end() || text->second.ends <= clock_.steady_now()) return std::nullopt;
  return text->second.key_authorization;
}

std::shared_ptr<ssl_ctx_st> Challenges::find(const std::string& name) const {
  const auto one = certificates_.find(name);
  if (one == certificates_.end() || one->second.ends <= clock_.steady_now()) return nullptr;
  return one->second.context;
}

}  // namespace posthorn::web
