// The operator's say in who may log in: AuthService's side of `posthorn ban`.
#include <algorithm>
#include <fmt/format.h>
#include <span>

#include "auth/service.h"
#include "base/ascii.h"
#include "base/events.h"

namespace posthorn::auth {

Result<> AuthService::ban(const std::string& address, std::chrono::milliseconds time) {
  if (net::address_bytes(address).empty())
    return fail(ErrorKind::permanent, fmt::format("\"{}\" is no address", address));
  if (!throttle_.ban(address, time))
    return fail(ErrorKind::permanent, "too many addresses are banned by hand");
  log_.warn(event::auth_banned,
            {{"address", address},
             {"seconds", std::chrono::duration_cast<std::chrono::seconds>(time).count()},
             {"reason", "command"}});
  return {};
}

std::optional<std::string> AuthService::find_ban(const std::string& address) const {
  for (const Ban& ban : bans()) {
    const auto network = net::Networks::parse({ban.who});
    if (!network || !network->contains(address)) continue;
    const std::string of_account =
        ban.account.empty() ? "" : fmt::format(" as {}", log::escape(ban.account));
    return fmt::format(
        "{}{}, {} s left",
        ban.failures == 0 ? "by command" : fmt::format("{} failed logins", ban.failures),
        of_account, std::chrono::ceil<std::chrono::seconds>(ban.left).count());
  }
  return std::nullopt;
}

bool AuthService::unban(const std::string& address) {
  if (!throttle_.unban(address)) return false;
  log_.info(event::auth_unbanned, {{"address", address}});
  try_ended_.set();
  return true;
}

bool AuthService::is_shut_out(const Throttle::Who& who, Explanation* told) {
  if (told != nullptr) tell_bans(who, *told);
  // By hand it is also for who is exempt from delays.
  return throttle_.is_banned_by_hand(who.address) ||
         (!exempt_.contains(who.address) && throttle_.is_banned(who));
}

void AuthService::tell_bans(const Throttle::Who& who, Explanation& told) {
  const auto until = [&](std::chrono::milliseconds left) {
    return format_log_time(clock_.now() + left);
  };
  const auto remedy = [](std::string_view banned) {
    return fmt::format("posthorn ban remove {}", banned.substr(0, banned.find('/')));
  };
  if (who.address.empty()) {
    for (const Ban& ban : throttle_.bans())
      if (ban.account == who.account)
        told.push_back({Point::ban, Bearing::warns,
                        fmt::format("from {} it may not log in until {}: {} failed logins", ban.who,
                                    until(ban.left), ban.failures),
                        "auth.failures_max", remedy(ban.who)});
    return;
  }
  if (const auto left = throttle_.hand_ban_left(who.address); left > 0ms)
    told.push_back({Point::ban, Bearing::refuses,
                    fmt::format("{} is banned by hand until {}", who.address, until(left)),
                    "posthorn ban add", remedy(who.address)});
  if (exempt_.contains(who.address)) {
    told.push_back({Point::throttle, Bearing::tells,
                    fmt::format("failures of {} are not counted", who.address), "limits.exempt"});
    return;
  }
  for (const Throttle::Standing& one : throttle_.standings(who)) {
    const std::string whose =
        one.is_of_account ? fmt::format("{} from {}", who.account, one.who) : one.who;
    const char* bound = one.failures_max == config_.auth.failures_max ? "auth.failures_max"
                                                                      : "auth.known_failures_max";
    if (one.failures >= one.failures_max)
      told.push_back({Point::ban, Bearing::refuses,
                      fmt::format("{} is banned until {}: {} failed logins of at most {}", whose,
                                  until(one.left), one.failures, one.failures_max),
                      bound, remedy(one.who)});
    else
      told.push_back({Point::throttle, Bearing::tells,
                      fmt::format("{} has {} failed logins of at most {}", whose, one.failures,
                                  one.failures_max),
                      bound});
  }
}

std::optional<net::Message> answer_bans(AuthService& service, const net::Message& request) {
  const std::string address(request.get("address"));
  if (request.verb == "bans") {
    constexpr std::size_t kToldMax = 500;
    const auto bans = service.bans();
    net::Message answer("ok");
    answer.add("all", fmt::format("{}", bans.size()));
    for (const Ban& ban : std::span(bans).first(std::min(bans.size(), kToldMax)))
      answer.add("who", ban.who)
          .add("account", ban.account)
          .add("left", fmt::format("{}", ban.left.count()))
          .add("failures", fmt::format("{}", ban.failures));
    return answer;
  }
  if (request.verb == "ban") {
    const auto time = to_number<std::int64_t>(request.get("ms"));
    const auto done = time && *time > 0 ? service.ban(address, std::chrono::milliseconds(*time))
                                        : fail(ErrorKind::permanent, "for how long?");
    return done ? net::Message("ok") : net::Message("refused").add("error", done.error().what);
  }
  if (request.verb != "unban") return std::nullopt;
  if (service.unban(address)) return net::Message("ok");
  return net::Message("refused").add("error", fmt::format("{} is not banned", address));
}

}  // namespace posthorn::auth
