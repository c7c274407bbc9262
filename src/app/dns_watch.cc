#include "app/dns_watch.h"

#include <algorithm>

#include "dns/names.h"
#include "tools/dns.h"

namespace posthorn::app {
namespace {

constexpr auto kFirst = 5s;  // the start has better to do
constexpr auto kEvery = std::chrono::hours(6);
constexpr auto kAgain = 1min;  // while nobody has said yet which domains there are
constexpr auto kRoundMax = 25s;
// Shorter than `posthorn status --dns` waits for an answer.
constexpr auto kRefreshMax = 28s;
// One question; a stop of the server may have to wait for it.
constexpr auto kQuestionMax = 3s;
constexpr auto kLookupMax = 5s;
constexpr auto kTryTimeout = 1s;

}  // namespace

Result<> DnsWatch::start() {
  if (!parts_.config.dns.marks) return {};
  TRY(resolver_,
      net::Resolver::make(parts_.scope.executor(),
                          {.servers = parts_.config.relay.resolver, .try_timeout = kTryTimeout}));
  parts_.scope.spawn(run(this));
  return {};
}

void DnsWatch::stop() {
  wanted_.close();
  done_.close();
}

net::Awaitable<void> DnsWatch::run(DnsWatch* self) {
  const Clock& clock = self->parts_.scope.clock();
  auto pause = std::chrono::milliseconds(kFirst);
  while (true) {
    const SteadyTime next = clock.steady_now() + pause;
    while (!self->is_wanted_ && !self->wanted_.is_closed() && clock.steady_now() < next)
      co_await self->wanted_.wait(next);
    if (self->wanted_.is_closed()) break;
    self->is_wanted_ = false;
    ++self->begun_;
    co_await self->ask();
    self->ended_ = self->begun_;
    self->done_.set();
    pause = self->domains_ ? std::chrono::milliseconds(kEvery) : kAgain;
  }
  // What it still asks again and again would keep the process from its end.
  self->resolver_.reset();
}

net::Awaitable<void> DnsWatch::ask() {
  const Clock& clock = parts_.scope.clock();
  const SteadyTime end = clock.steady_now() + kRoundMax;
  dns::Subject subject = co_await find_subject();
  const auto patience = [this, &clock, end] {
    const SteadyTime now = clock.steady_now();
    return wanted_.is_closed() ? now : std::min(end, now + kQuestionMax);
  };
  marks_ = co_await dns::ask_marks(*resolver_, std::move(subject), patience);
  asked_ = clock.now();
}

net::Awaitable<dns::Subject> DnsWatch::find_subject() {
  const config::Config& config = parts_.config;
  dns::Subject subject{
      .host = dns::to_dns_name(config.server.hostname),
      .own = config.dns.addresses.empty() ? parts_.own_addresses : config.dns.addresses};
  if (!config.relay.relayhost.empty()) subject.way = dns::Way::by_relay;
  // A relay signs by itself, often.
  if (!config.dkim.sign || subject.way == dns::Way::by_relay)
    subject.without_key = dns::Unsigned::meant;
  const auto answer = co_await parts_.lookup.ask(net::Message("domains"), kLookupMax);
  if (answer && answer->verb == "ok") {
    domains_.emplace();
    for (const std::string_view name : answer->all("domain"))
      if (domains_->size() < dns::kDomainsMax && name.find('.') != std::string_view::npos)
        domains_->emplace_back(name);  // others stand in no DNS
  }
  if (!domains_) co_return subject;
  for (const std::string& name : *domains_)
    if (const std::string ascii = dns::to_dns_name(name); !ascii.empty())
      subject.domains.push_back({.name = ascii, .keys = {}});
  (void)co_await parts_.pool.run([&subject, &config]() -> Result<> {
    for (dns::Subject::Domain& domain : subject.domains)
      domain.keys = tools::read_key_facts(config, domain.name);
    return {};
  });
  co_return subject;
}

// A round that has begun before is of before.
net::Awaitable<net::Message> DnsWatch::refresh() {
  if (!parts_.config.dns.marks)
    co_return net::Message("refused").add("error", "dns.marks is off: no question leaves the host");
  const Clock& clock = parts_.scope.clock();
  const std::size_t wanted = begun_ + 1;
  const SteadyTime deadline = clock.steady_now() + kRefreshMax;
  is_wanted_ = true;
  wanted_.set();
  while (ended_ < wanted && !done_.is_closed() && clock.steady_now() < deadline)
    co_await done_.wait(deadline);
  if (ended_ < wanted) co_return net::Message("temporary").add("error", "the DNS takes too long");
  co_return net::Message("ok");
}

void DnsWatch::add_facts(health::Facts& facts) const {
  health::add(facts, health::Dns{.state = parts_.config.dns.marks ? "on" : "off", .asked = asked_});
  for (const health::Mark& mark : marks_) health::add(facts, mark);
}

}  // namespace posthorn::app
