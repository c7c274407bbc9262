// A queue in a temporary folder with everything around it made up: tables, transports, filter,
// clock and disk. What a recipient's name begins with says what becomes of it: ok, later, bad.
// Ending a Server is a kill -9 as far as the disk goes; the pool has one thread, so that runs are
// repeated operation by operation.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "queue/queue.h"
#include "tests/support/captured_log.h"
#include "tests/support/fault_disk.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::queue {

using test::CapturedLog;
using test::FaultDisk;
using test::ManualClock;
using test::TempFolder;

using test::names_in;
using test::read_text;
using test::write_text;

inline std::string domain_of(const std::string& address) {
  return address.substr(address.find('@') + 1);
}

inline message::Envelope envelope_to(std::vector<std::string> recipients,
                                     std::string sender = "sender@example.org") {
  message::Envelope envelope;
  envelope.sender = std::move(sender);
  for (std::string& to : recipients) envelope.recipients.push_back({std::move(to), {}, {}});
  envelope.origin.session = "S1";
  return envelope;
}

// example.org is here; relay.test goes to a smarthost; "refused@" and "unasked@" are what they say;
// all else goes by MX.
class FakeDirectory final : public route::Directory {
 public:
  route::Answer<route::Expansion> recipient(route::RecipientQuestion question) override {
    using Out = std::expected<route::Expansion, route::Refusal>;
    if (expansions.contains(question.address))
      co_return Out(route::Expansion{expansions[question.address]});
    if (question.address.starts_with("unasked")) co_return fail(ErrorKind::temporary, "no table");
    if (question.address.starts_with("unknown"))
      co_return Out(std::unexpected(
          route::Refusal{route::Reason::unknown, 550, "5.1.1", "No such user here"}));
    co_return Out(route::Expansion{{question.address}});
  }
  route::Answer<void> sender(route::SenderQuestion) override {
    co_return std::expected<void, route::Refusal>();
  }
  route::Answer<route::Plan> plan(route::PlanQuestion question) override {
    using Out = std::expected<route::Plan, route::Refusal>;
    const std::string& address = question.address;
    named.push_back(question.named.value_or("-"));
    ++plans;
    if (address.starts_with("unasked")) co_return fail(ErrorKind::temporary, "no table");
    if (address.starts_with("refused"))
      co_return Out(std::unexpected(
          route::Refusal{route::Reason::unknown, 550, "5.1.1", "No such user here"}));
    if (address.starts_with("comesback"))
      co_return Out(
          std::unexpected(route::Refusal{route::Reason::by_table, 550, "5.1.1", "Not taken", 10s}));
    if (address.ends_with("@example.org")) co_return Out(route::LocalPlan{address, ""});
    if (address.ends_with("@relay.test")) {
      route::RelayPlan relay;
      relay.host = "smart.test";
      co_return Out(route::Plan(relay));
    }
    co_return Out(route::Plan(route::MxPlan{domain_of(address)}));
  }
  net::Task<std::string> rewrite(std::string sender) override {
    ++rewrites;
    if (sender.starts_with("unasked")) co_return fail(ErrorKind::temporary, "no secret");
    co_return sender.ends_with("@example.org") ? sender : "SRS0=x@example.org";
  }
  int plans = 0, rewrites = 0;
  std::map<std::string, std::vector<std::string>> expansions;
  std::vector<std::string> named;  // in each question; "-": the right was proved
};

struct Call {
  std::string id;
  message::Envelope envelope;
  std::string text;  // as it would go out
  WallTime at;
  bool local = false;
  bool is_ours = false;
};

class FakeTransport final : public deliver::Transport {
 public:
  FakeTransport(const Clock& clock, net::Executor executor)
      : clock_(clock), opened_(std::move(executor)) {}

  net::Awaitable<deliver::Attempted> attempt(route::Plan plan, message::Envelope envelope,
                                             deliver::Body body, std::string id) override {
    // A process that was killed sends nothing more.
    if (is_dead && is_dead())
      co_return deliver::Attempted{.outcomes = {}, .destination_down = true};
    const std::string domain = domain_of(envelope.recipients.front().address);
    most[domain] = std::max(most[domain], ++running[domain]);
    most_in_all = std::max(most_in_all, ++in_all);
    std::string text = read_text(body.file).substr(body.offset, body.size);
    for (auto range = body.left_out.rbegin(); range != body.left_out.rend(); ++range)
      text.erase(range->begin, range->size);
    calls.push_back({id, envelope, body.prefix + text, clock_.now(),
                     std::holds_alternative<route::LocalPlan>(plan), body.is_ours});
    while (stuck.contains(domain) && !opened_.is_closed()) co_await opened_.wait(SteadyTime::max());
    --running[domain];
    --in_all;
    if (opened_.is_closed()) co_return deliver::Attempted{.outcomes = {}, .destination_down = true};
    deliver::Attempted attempted;
    attempted.login_refused = login_refused;
    attempted.destination_down = down.contains(domain) || login_refused;
    for (const message::Recipient& to : envelope.recipients) {
      deliver::Outcome outcome = judge(to.address);
      if (attempted.destination_down) outcome = {.kind = worst, .reason = "connection refused"};
      if (outcome.kind == deliver::Outcome::Kind::delivered) ++delivered[id + " " + to.address];
      outcome.takes_notices = takes_notices;
      attempted.outcomes.push_back(std::move(outcome));
    }
    co_return attempted;
  }
  static deliver::Outcome judge(const std::string& address) {
    using Kind = deliver::Outcome::Kind;
    if (address.starts_with("later"))
      return {.kind = Kind::deferred, .reply = {450, "4.2.0", ""}, .reason = "450 4.2.0 Later"};
    if (address.starts_with("bad"))
      return {.kind = Kind::failed, .reply = {550, "5.1.1", ""}, .reason = "550 5.1.1 Unknown"};
    return {.kind = Kind::delivered, .reply = {250, "2.0.0", ""}, .reason = "250 2.0.0 Ok"};
  }
  void open(const std::string& domain) {
    stuck.erase(domain);
    opened_.set();
  }
  void close() { opened_.close(); }
  std::size_t calls_to(const std::string& address) const {
    std::size_t n = 0;
    for (const Call& call : calls)
      for (const auto& to : call.envelope.recipients) n += to.address == address ? 1 : 0;
    return n;
  }

  std::vector<Call> calls;
  std::map<std::string, int> delivered;  // "id address"
  std::map<std::string, int> running, most;
  int in_all = 0, most_in_all = 0;
  std::set<std::string> stuck, down;
  std::function<bool()> is_dead;
  bool takes_notices = false, login_refused = false;
  deliver::Outcome::Kind worst = deliver::Outcome::Kind::deferred;

 private:
  const Clock& clock_;
  net::Event opened_;
};

class FakeFilter final : public filter::Scanner {
 public:
  net::Task<filter::Verdict> scan(filter::Scan) override {
    ++scans;
    if (gate != nullptr) co_await gate->wait(SteadyTime::max());
    if (is_down) co_return fail(ErrorKind::temporary, "spamd: connection refused");
    co_return verdict;
  }
  filter::Verdict verdict = {.is_spam = false, .score = "0.1", .headers = "X-Spam-Score: 0.1\r\n"};
  int scans = 0;
  bool is_down = false;
  net::Event* gate = nullptr;  // scans hang until it is set
};

inline config::Config config_in(const Path& folder) {
  config::Config config;
  config.server.hostname = "mx.example.org";
  config.paths.spool = folder / "spool";
  config.queue.free_min = 0;
  return config;
}

// Brings up a Queue; its end is the process's end.
class Server {
 public:
  Server(config::Config c, Disk& disk, ManualClock& clock, filter::Scanner* filter = nullptr)
      : config(std::move(c)),
        transport(clock, loop.executor()),
        clock_(clock),
        queue({.scope = loop.scope(),
               .pool = pool_,
               .config = config,
               .disk = disk,
               .clock = clock,
               .directory = directory,
               .transport = transport,
               .filter = filter,
               .is_trusted = [](const std::string& address) { return address == "10.1.1.1"; }}) {}
  ~Server() {
    queue.stop();
    transport.close();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  bool start() { return loop.run(queue.start()).has_value(); }
  Result<std::string> take(message::Envelope envelope, std::string_view text = kText) {
    return loop.run(take_all(queue, std::move(envelope), text));
  }
  // Lets all that is ready run: each turn flushes the pool once.
  void settle(int turns = 30) {
    for (int i = 0; i < turns; ++i) (void)loop.run(flush(pool_));
  }
  // Until it is so, at most so many turns: where a number of turns would be a guess.
  void settle_until(const auto& is_so, int turns = 20'000) {
    for (int i = 0; i < turns && !is_so(); i += 30) settle();
  }
  void step(std::chrono::milliseconds time, int turns = 30) {
    clock_.advance(time);
    queue.look_again();
    settle(turns);
  }
  net::Message ask(std::string verb, std::string id = {}) {
    return loop.wait(queue.answer(net::Message(std::move(verb)).add("id", id)));
  }
  // The ids for which filters hold, page by page.
  std::vector<std::string> find(net::Message filters = {}) {
    std::vector<std::string> ids;
    filters.verb = "list";
    for (std::string after;;) {
      const net::Message page =
          loop.wait(queue.answer(net::Message(filters).add("only", "id").add("after", after)));
      for (const std::string_view id : page.all("id")) ids.emplace_back(id);
      ++pages;
      if (!page.find("more")) return ids;
      after = page.get("more");
    }
  }
  net::Message ask_for(std::string verb, const std::vector<std::string>& ids) {
    net::Message order(std::move(verb));
    for (const std::string& id : ids) order.add("id", id);
    return loop.wait(queue.answer(std::move(order)));
  }
  net::Message retry_all() { return ask_for("retry", find()); }
  std::size_t size() { return count("queue.messages"); }
  std::size_t count(std::string_view name) {
    const Queue::Census census = queue.census();
    if (name == "queue.messages") return census.active + census.deferred + census.held;
    return name == "queue.held" ? census.held : census.deferred;
  }
  std::string state(const std::string& id) { return std::string(ask("show", id).get("state")); }

  static constexpr std::string_view kText =
      "From: sender@example.org\r\nSubject: hello\r\n\r\nbody\r\n";
  test::TestLoop loop;
  config::Config config;
  FakeDirectory directory;
  FakeTransport transport;
  std::size_t pages = 0;  // that find() took

 private:
  static net::Task<std::string> take_all(Queue& queue, message::Envelope envelope,
                                         std::string_view text) {
    const auto writer = queue.begin(std::move(envelope));
    for (std::size_t at = 0; at < text.size(); at += 30'000)
      CO_TRY_OK(co_await writer->write(text.substr(at, 30'000)));
    co_return co_await queue.commit(*writer);
  }
  static net::Task<> flush(net::BlockingPool& pool) {
    co_return co_await pool.run([]() -> Result<> { return {}; });
  }

  net::BlockingPool pool_{1};
  ManualClock& clock_;

 public:
  Queue queue;
};

}  // namespace posthorn::queue
