#include "auth/hand_over.h"

#include "base/metrics.h"
#include "net/line_channel.h"

namespace posthorn::auth {

std::string format_hand_over(const HandOver& what) {
  return net::format_message("0", net::Message("session")
                                      .add("token", what.token)
                                      .add("session", what.session)
                                      .add("service", what.service)
                                      .add("tag", what.tag)
                                      .add("address", what.address)
                                      .add("tls", what.tls ? "1" : "0"));
}

Result<HandOver> parse_hand_over(std::string_view line) {
  TRY(const auto parsed, net::parse_message(line));
  const net::Message& message = parsed.message;
  if (message.verb != "session") return fail(ErrorKind::protocol, "not a session");
  return HandOver{.token = std::string(message.get("token")),
                  .session = std::string(message.get("session")),
                  .service = std::string(message.get("service")),
                  .tag = std::string(message.get("tag")),
                  .address = std::string(message.get("address")),
                  .tls = message.get("tls") == "1"};
}

net::Task<net::StreamPtr> hand_over(net::Scope& scope, net::InBuffer& in, net::Address address,
                                    const HandOver& what) {
  CO_TRY(net::StreamPtr store,
         co_await net::connect(scope.executor(), std::move(address), scope.after(10s)));
  CO_TRY_OK(
      co_await store->write(format_hand_over(what) + std::string(in.data()), scope.after(30s)));
  in.discard();
  in.release();
  co_return store;
}

UserConnections::Slot::~Slot() {
  if (connections_ == nullptr) return;
  const auto found = connections_->counts_.find(account_);
  if (found != connections_->counts_.end() && --found->second == 0)
    connections_->counts_.erase(found);
}

std::optional<UserConnections::Slot> UserConnections::take(const std::string& account) {
  std::size_t& count = counts_[account];
  if (count >= per_user_max_) return std::nullopt;
  ++count;
  return Slot(*this, account);
}

net::Task<Admission::Answer> Admission::admit(HandOver what, log::Logger log, Events events) {
  if (what.service != service_) co_return fail(ErrorKind::protocol, "not a session of " + service_);
  const auto account = co_await redeemer_.redeem(what.token, service_, what.session);
  if (!account || !*account) {
    log.warn(events.not_known,
             {{"error", account ? std::string("the token is not known") : account.error().what}});
    co_return Answer(std::unexpected(Refused::not_known));
  }
  auto slot = connections_.take(**account);
  if (!slot) {
    metrics::count(metric::limits_hit, "user_sessions");
    log.warn(events.too_many, {{"account", **account}, {"address", what.address}});
    co_return Answer(std::unexpected(Refused::too_many));
  }
  co_return Answer(Admitted{.account = **account, .slot = *std::move(slot)});
}

}  // namespace posthorn::auth
