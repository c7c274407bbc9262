#include "app/acme_notices.h"

#include <fmt/format.h>

#include "base/events.h"

namespace posthorn::app {
namespace {

constexpr auto kPause = std::chrono::hours(23);
constexpr std::size_t kToldMax = 20;  // certificates a day

}  // namespace

std::string notice_text(const AcmeFailure& failure) {
  const std::string state =
      failure.ends.empty()
          ? "There is none yet: clients that ask for this name get another one, and warn."
          : fmt::format("The one of before stays in use; it ends at {}.", failure.ends);
  return fmt::format(
      "No certificate could be got for {}:\n\n    {}\n\n{}\n\nWhat to do: {}\n\n"
      "It is tried again by itself. `posthorn certificate list` tells when, and\n"
      "`posthorn certificate renew {}` tries at once.\n\n"
      "You are told of this once a day at most.\n",
      failure.name, failure.error, state,
      failure.remedy.empty() ? "posthorn status says more." : failure.remedy, failure.name);
}

net::Awaitable<net::Message> AcmeNotices::answer(net::Message request) {
  const AcmeFailure failure{.name = std::string(request.get("name")),
                            .error = std::string(request.get("error")),
                            .remedy = std::string(request.get("remedy")),
                            .ends = std::string(request.get("ends"))};
  if (request.verb != "notice" || failure.name.empty())
    co_return net::Message("error").add("error", "acme sends notices of certificates only");
  const SteadyTime now = clock_.steady_now();
  std::erase_if(told_, [&](const auto& one) { return now - one.second > kPause; });
  if (told_.contains(failure.name) || told_.size() >= kToldMax) co_return net::Message("ok");
  told_[failure.name] = now;
  const auto written = co_await queue_.write_to_postmaster("No new certificate for " + failure.name,
                                                           notice_text(failure));
  if (written) {
    log_.with_queue(*written).info(event::acme_told, {{"certificate", failure.name}});
    co_return net::Message("ok");
  }
  told_.erase(failure.name);
  log_.warn(event::acme_untold, {{"certificate", failure.name}, {"error", written.error().what}});
  co_return net::Message("temporary").add("error", written.error().what);
}

}  // namespace posthorn::app
