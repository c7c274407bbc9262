// The questions of service.h over the line protocol: how another role asks them, and how they are
// answered here.
#include "auth/service.h"

namespace posthorn::auth {

net::Task<Verdict> RemoteAuthenticator::authenticate(Attempt attempt) {
  net::Message request("authenticate");
  request.add("service", attempt.service)
      .add("mechanism", attempt.mechanism)
      .add("user", attempt.user.substr(0, 4096));
  request.add("authorization", attempt.authorization.substr(0, 4096))
      .add("password", attempt.password)
      .add("address", attempt.address);
  request.add("session", attempt.session).add("tls", attempt.tls ? "1" : "0");
  CO_TRY(const auto answer, co_await channel_.ask(std::move(request), 60s));
  if (answer.verb == "ok")
    co_return Verdict{Verdict::Outcome::ok, std::string(answer.get("account")),
                      std::string(answer.get("token"))};
  if (answer.verb == "refused") co_return Verdict{};
  if (answer.verb == "banned")
    co_return Verdict{.outcome = Verdict::Outcome::banned, .account = {}, .token = {}};
  co_return fail(ErrorKind::temporary, fmt::format("lookup: {}", answer.get("error")));
}

net::Task<std::optional<std::string>> RemoteRedeemer::redeem(std::string token, std::string service,
                                                             std::string session) {
  CO_TRY(const auto answer, co_await channel_.ask(net::Message("redeem")
                                                      .add("token", token)
                                                      .add("service", service)
                                                      .add("session", session),
                                                  15s));
  if (answer.verb == "ok") co_return std::string(answer.get("account"));
  if (answer.verb == "refused") co_return std::nullopt;
  co_return fail(ErrorKind::temporary, fmt::format("lookup: {}", answer.get("error")));
}

net::Awaitable<std::optional<net::Message>> answer_authenticate(Authenticator& authenticator,
                                                                const net::Message& request) {
  if (request.verb != "authenticate") co_return std::nullopt;
  const auto text = [&](std::string_view key) { return std::string(request.get(key)); };
  const auto verdict = co_await authenticator.authenticate({.service = text("service"),
                                                            .mechanism = text("mechanism"),
                                                            .user = text("user"),
                                                            .authorization = text("authorization"),
                                                            .password = text("password"),
                                                            .address = text("address"),
                                                            .session = text("session"),
                                                            .tls = text("tls") == "1"});
  if (!verdict) co_return net::Message("temporary").add("error", verdict.error().what);
  if (verdict->outcome == Verdict::Outcome::ok)
    co_return net::Message("ok").add("account", verdict->account).add("token", verdict->token);
  co_return net::Message(verdict->outcome == Verdict::Outcome::banned ? "banned" : "refused");
}

net::Awaitable<std::optional<net::Message>> answer_redeem(Redeemer& redeemer,
                                                          const net::Message& request) {
  if (request.verb != "redeem") co_return std::nullopt;
  const auto account = co_await redeemer.redeem(std::string(request.get("token")),
                                                std::string(request.get("service")),
                                                std::string(request.get("session")));
  if (!account) co_return net::Message("temporary").add("error", account.error().what);
  if (!*account) co_return net::Message("refused");
  co_return net::Message("ok").add("account", **account);
}

}  // namespace posthorn::auth
