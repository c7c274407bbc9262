#include "queue/queue.h"

#include <fmt/format.h>
#include <random>

#include "base/events.h"
#include "message/dsn.h"
#include "message/headers.h"

namespace posthorn::queue {
namespace {

constexpr std::size_t kWorkingMax = 2000;
constexpr std::size_t kReturnedMax = 50'000;

std::string key_of(const route::Plan& plan) {
  if (const auto* local = std::get_if<route::LocalPlan>(&plan)) return "local:" + local->account;
  if (const auto* mx = std::get_if<route::MxPlan>(&plan)) return "mx:" + mx->domain;
  const auto& relay = std::get<route::RelayPlan>(plan);
  return fmt::format("relay:{}:{}", relay.host, relay.port);
}

// All local deliveries are one destination as far as crowding goes.
std::string crowd_of(const std::string& key) {
  return key.starts_with("local:") ? "local" : key;
}

std::chrono::milliseconds jitter(std::chrono::milliseconds time) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  const auto tenth = time.count() / 10;
  return time + std::chrono::milliseconds(
                    tenth == 0 ? 0
                               : static_cast<std::int64_t>(random() %
                                                           static_cast<std::uint32_t>(tenth + 1)));
}

std::string_view state_name(const Stored& stored, bool busy) {
  return stored.is_held ? "hold" : busy ? "active" : stored.tries > 0 ? "deferred" : "incoming";
}

}  // namespace

struct Queue::Item {
  Stored stored;
  SteadyTime when{};
  bool busy = false;
  bool again = false;  // a retry was asked for while it was busy
  bool deleted = false;
  std::size_t scans = 0;
};

Queue::Queue(Parts parts)
    : parts_(parts),
      spool_(parts.config.paths.spool, parts.disk, parts.pool, parts.scope.executor()),
      wake_(parts.scope.executor()) {}

SteadyTime Queue::steady(WallTime when) const {
  // A wall clock that jumped must neither wake everything at once nor put it off for years.
  auto left = when - parts_.clock.now();
  left = std::clamp<decltype(left)>(left, 0ms, parts_.config.queue.retry_max);
  return parts_.clock.steady_now() + left;
}

net::Task<> Queue::start() {
  std::vector<Stored> found;
  CO_TRY(found, co_await parts_.pool.run([this] { return spool_.recover(); }));
  for (Stored& stored : found) add(std::move(stored));
  if (!items_.empty()) log_.info(event::queue_recovered, {{"messages", items_.size()}});
  parts_.scope.spawn(pump(this));
  co_return Result<>{};
}

void Queue::stop() {
  stopped_ = true;
  wake_.close();
}

bool Queue::is_full() const {
  return items_.size() >= parts_.config.queue.messages_max || spool_.is_full(parts_.config.queue);
}

std::unique_ptr<Spool::Writer> Queue::begin(message::Envelope envelope) {
  return std::make_unique<Spool::Writer>(spool_, std::move(envelope), parts_.clock.now(), false);
}

net::Task<std::string> Queue::commit(Spool::Writer& writer) {
  CO_TRY(auto stored, co_await writer.commit());
  const std::string id = stored.id;
  log_.with_queue(id)
      .with_session(stored.envelope.origin.session)
      .info(event::queue_accepted, {{"from", stored.envelope.sender},
                                    {"nrcpt", stored.recipients.size()},
                                    {"size", stored.body_size}});
  add(std::move(stored));
  co_return id;
}

void Queue::add(Stored stored) {
  auto item = std::make_shared<Item>();
  item->stored = std::move(stored);
  items_[item->stored.id] = item;
  if (!item->stored.is_held) schedule(item, steady(item->stored.next_try));
}

void Queue::schedule(const ItemPtr& item, SteadyTime when) {
  due_.erase({item->when, item->stored.id});
  item->when = when;
  due_.insert({when, item->stored.id});
  wake_.set();
}

net::Awaitable<void> Queue::pump(Queue* self) {
  while (!self->stopped_) {
    const SteadyTime now = self->parts_.clock.steady_now();
    while (!self->due_.empty() && self->due_.begin()->first <= now &&
           self->working_ < kWorkingMax) {
      const auto item = self->items_.at(self->due_.begin()->second);
      self->due_.erase(self->due_.begin());
      item->busy = true;
      ++self->working_;
      self->parts_.scope.spawn(work(self, item));
    }
    const SteadyTime next =
        self->due_.empty() || self->working_ >= kWorkingMax ? now + 1h : self->due_.begin()->first;
    co_await self->wake_.wait(std::min(next, now + 1h));
  }
}

net::Awaitable<void> Queue::work(Queue* self, ItemPtr item) {
  if (!self->stopped_ && co_await self->pass_filter(item)) co_await self->try_recipients(item);
  item->busy = false;
  --self->working_;
  if (item->deleted) {
    (void)co_await self->parts_.pool.run([&] { return self->spool_.remove(item->stored.id); });
    self->items_.erase(item->stored.id);
  } else if (item->again && !item->stored.is_held) {
    item->again = false;
    self->schedule(item, self->parts_.clock.steady_now());
  }
  self->wake_.set();
}

// True: the message may go on. False: it waits for spamd and is scheduled.
net::Awaitable<bool> Queue::pass_filter(const ItemPtr& item) {
  Stored& stored = item->stored;
  const config::Filter& config = parts_.config.filter;
  const bool own = !stored.envelope.origin.account.empty() && !config.scan_submissions;
  if (parts_.filter == nullptr || stored.is_scanned || stored.is_bounce || own) co_return true;
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  const SteadyTime begun = parts_.clock.steady_now();
  const std::string recipient =
      stored.envelope.recipients.size() == 1 ? stored.envelope.recipients.front().address : "";
  auto verdict = co_await parts_.filter->scan(
      {spool_.message_path(stored.id), stored.body_offset, stored.body_size, recipient});
  if (stopped_) co_return false;
  if (!verdict) {
    log.warn(event::queue_scan_failed,
             {{"reason", verdict.error().what}, {"try", item->scans + 1}});
    if (++item->scans < config.tries_max || config.when_down == "wait") {
      schedule(item, parts_.clock.steady_now() + jitter(config.retry));
      co_return false;
    }
    verdict = filter::Filter::unscanned("unavailable");
  }
  log.info(event::queue_scanned, {{"spam", verdict->spam ? "yes" : "no"},
                                  {"score", verdict->score},
                                  {"ms", parts_.clock.steady_now() - begun}});
  stored.headers = verdict->headers;
  stored.is_scanned = true;
  if (!co_await record(item, {{.kind = LogRecord::Kind::scanned,
                               .recipient = 0,
                               .text = stored.headers,
                               .next_try = {}}})) {
    stored.is_scanned = false;
    schedule(item, parts_.clock.steady_now() + jitter(config.retry));
    co_return false;
  }
  co_return true;
}

net::Task<> Queue::record(const ItemPtr& item, std::vector<LogRecord> records) {
  const auto written =
      co_await parts_.pool.run([&] { return spool_.append(item->stored.id, records); });
  if (!written)
    log_.with_queue(item->stored.id)
        .error(event::queue_disk_failed, {{"reason", written.error().what}});
  co_return written;
}

// Each waiting recipient's plan, grouped by destination. What could not be asked waits; what cannot
// go is failed.
net::Awaitable<std::vector<Queue::Group>> Queue::plan(const ItemPtr& item) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> by_key;
  Stored& stored = item->stored;
  for (std::size_t i = 0; i < stored.recipients.size(); ++i) {
    if (stored.recipients[i].state != RecipientState::waiting) continue;
    const auto answer = co_await parts_.directory.plan(stored.envelope.recipients[i].address);
    if (!answer) {
      stored.recipients[i].reason = answer.error().what;
      continue;
    }
    if (!*answer) {
      const route::Refusal& refusal = answer->error();
      const std::string reason =
          fmt::format("{} {} {}", refusal.code, refusal.enhanced, refusal.text);
      if (co_await record(
              item,
              {{.kind = LogRecord::Kind::failed, .recipient = i, .text = reason, .next_try = {}}}))
        stored.recipients[i] = {RecipientState::failed, reason};
      continue;
    }
    const std::string key = key_of(**answer);
    const auto [at, is_new] = by_key.emplace(key, groups.size());
    if (is_new) groups.push_back({**answer, key, {}});
    groups[at->second].recipients.push_back(i);
  }
  co_return groups;
}

net::Awaitable<void> Queue::try_recipients(const ItemPtr& item) {
  const auto groups = co_await plan(item);
  bool crowded = false;
  for (const Group& group : groups) {
    if (stopped_ || item->deleted) break;
    Destination& destination = destinations_[crowd_of(group.key)];
    const SteadyTime now = parts_.clock.steady_now();
    if (destination.running >= parts_.config.queue.attempts_per_destination_max ||
        (destination.down_until > now && item->stored.tries > 0 && !item->again)) {
      crowded |= destination.running >= parts_.config.queue.attempts_per_destination_max;
      continue;
    }
    ++destination.running;
    co_await attempt(item, group);
    --destinations_[crowd_of(group.key)].running;
    wake_.set();
  }
  if (item->deleted) co_return;
  if (crowded || stopped_) {
    // Not a try: there was just no room.
    schedule(item, parts_.clock.steady_now() + 100ms);
    co_return;
  }
  co_await finish(item);
}

net::Awaitable<void> Queue::attempt(const ItemPtr& item, const Group& group) {
  Stored& stored = item->stored;
  message::Envelope envelope = stored.envelope;
  envelope.recipients.clear();
  for (const std::size_t i : group.recipients)
    envelope.recipients.push_back(stored.envelope.recipients[i]);
  const deliver::Body body{spool_.message_path(stored.id), stored.body_offset, stored.body_size,
                           stored.headers};
  const SteadyTime begun = parts_.clock.steady_now();
  const auto attempted =
      co_await parts_.transport.attempt(group.plan, std::move(envelope), body, stored.id);
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  Destination& destination = destinations_[crowd_of(group.key)];
  if (attempted.destination_down) {
    destination.backoff = std::clamp<std::chrono::milliseconds>(
        destination.backoff * 2, std::min<config::Duration>(1s, parts_.config.queue.retry_first),
        parts_.config.queue.retry_first);
    destination.down_until = parts_.clock.steady_now() + destination.backoff;
  } else {
    destination.backoff = 0ms;
    destination.down_until = {};
  }
  if (attempted.login_refused && parts_.clock.steady_now() > login_alarm_) {
    login_alarm_ = parts_.clock.steady_now() + 1min;
    log.error(event::relay_login_refused,
              {{"relay", group.key},
               {"reason", attempted.outcomes.empty() ? "" : attempted.outcomes.front().reason}});
  }
  std::vector<LogRecord> records;
  for (std::size_t n = 0; n < group.recipients.size() && n < attempted.outcomes.size(); ++n) {
    const std::size_t i = group.recipients[n];
    const deliver::Outcome& outcome = attempted.outcomes[n];
    const auto kind = outcome.kind == deliver::Outcome::Kind::delivered ? LogRecord::Kind::delivered
                      : outcome.kind == deliver::Outcome::Kind::failed  ? LogRecord::Kind::failed
                                                                        : LogRecord::Kind::deferred;
    records.push_back({.kind = kind, .recipient = i, .text = outcome.reason, .next_try = {}});
    const log::Event& event = kind == LogRecord::Kind::delivered ? event::queue_delivered
                              : kind == LogRecord::Kind::failed  ? event::queue_failed
                                                                 : event::queue_deferred;
    const log::Fields fields = {{"to", stored.envelope.recipients[i].address},
                                {"relay", outcome.remote.empty() ? group.key : outcome.remote},
                                {"reply", outcome.reason},
                                {"ms", parts_.clock.steady_now() - begun}};
    if (kind == LogRecord::Kind::deferred)
      log.warn(event, fields);
    else
      log.info(event, fields);
  }
  // Not recorded means not done: it is tried again, and a duplicate is better than a loss.
  const bool recorded = (co_await record(item, records)).has_value();
  for (const LogRecord& line : records) {
    RecipientStatus& recipient = stored.recipients[line.recipient];
    if (line.kind == LogRecord::Kind::deferred || recorded) recipient.reason = line.text;
    if (!recorded) continue;
    if (line.kind == LogRecord::Kind::delivered) recipient.state = RecipientState::delivered;
    if (line.kind == LogRecord::Kind::failed) recipient.state = RecipientState::failed;
  }
}

// After a round: bounce what failed or is too old, remove what is done, schedule the rest.
net::Awaitable<void> Queue::finish(const ItemPtr& item) {
  Stored& stored = item->stored;
  const config::Queue& config = parts_.config.queue;
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  const auto age = parts_.clock.now() - stored.arrived;
  const bool expired =
      age > (stored.envelope.sender.empty() ? config.bounce_expire_after : config.expire_after);
  std::vector<std::size_t> failed, waiting;
  for (std::size_t i = 0; i < stored.recipients.size(); ++i) {
    const RecipientState state = stored.recipients[i].state;
    if (state == RecipientState::failed || (expired && state == RecipientState::waiting))
      failed.push_back(i);
    else if (state == RecipientState::waiting)
      waiting.push_back(i);
  }
  ++stored.tries;
  auto wait = config.retry_first;
  for (std::size_t i = 1; i < stored.tries && wait < config.retry_max; ++i) wait *= 2;
  wait = jitter(std::min<config::Duration>(wait, config.retry_max));
  const auto later = [&] { schedule(item, parts_.clock.steady_now() + wait); };
  // The bounce is in the spool before that is written down: a crash between gives two bounces,
  // never none.
  if (!failed.empty() && !co_await notify(item, true, failed)) co_return later();
  if (!failed.empty() && !waiting.empty()) {
    std::vector<LogRecord> records;
    for (const std::size_t i : failed) {
      stored.recipients[i].state = RecipientState::bounced;
      records.push_back(
          {.kind = LogRecord::Kind::bounced, .recipient = i, .text = {}, .next_try = {}});
    }
    (void)co_await record(item, std::move(records));
  }
  if (waiting.empty()) {
    const auto removed = co_await parts_.pool.run([&] { return spool_.remove(stored.id); });
    if (!removed) co_return later();
    log.info(event::queue_removed, {{"ms", age}});
    items_.erase(stored.id);
    co_return;
  }
  if (!stored.was_warned && config.warn_after > 0ms && age > config.warn_after) {
    if (co_await notify(item, false, waiting)) {
      stored.was_warned = true;
      (void)co_await record(
          item, {{.kind = LogRecord::Kind::warned, .recipient = 0, .text = {}, .next_try = {}}});
    }
  }
  stored.next_try = parts_.clock.now() + wait;
  (void)co_await record(
      item,
      {{.kind = LogRecord::Kind::tried, .recipient = 0, .text = {}, .next_try = stored.next_try}});
  if (!stored.is_held) later();
}

net::Task<std::string> Queue::returned_text(const Stored& stored, bool whole) {
  co_return co_await parts_.pool.run([&]() -> Result<std::string> {
    TRY(const File file, parts_.disk.open(spool_.message_path(stored.id), OpenMode::read));
    std::string text(
        static_cast<std::size_t>(std::min<std::uint64_t>(stored.body_size, kReturnedMax)), '\0');
    TRY(const auto n, read_at(file, text, stored.body_offset));
    text.resize(n);
    if (whole && n == stored.body_size) return text;
    if (const auto end = message::find_header_end(text, true)) text.resize(end->header_size);
    return text;
  });
}

// A notice to the sender about these recipients, in the spool when this returns true. Never for the
// null sender.
net::Awaitable<bool> Queue::notify(const ItemPtr& item, bool failed,
                                   const std::vector<std::size_t>& recipients) {
  const Stored& stored = item->stored;
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  message::Dsn dsn;
  dsn.kind = failed ? message::Dsn::Kind::failed : message::Dsn::Kind::delayed;
  for (const std::size_t i : recipients) {
    const message::Recipient& recipient = stored.envelope.recipients[i];
    if (recipient.notify.never || (failed ? !recipient.notify.failure : !recipient.notify.delay))
      continue;
    const std::string& reason = stored.recipients[i].reason;
    message::DsnRecipient one{.recipient = recipient,
                              .status = failed ? "5.4.7" : "4.4.7",
                              .diagnostic = {},
                              .remote = {},
                              .reason = reason};
    // "550 5.1.1 text" is what a server said.
    if (reason.size() > 4 && reason[0] >= '4' && reason[0] <= '5' && reason[3] == ' ') {
      one.diagnostic = reason;
      const std::string status = reason.substr(4, reason.find(' ', 4) - 4);
      if (failed && status.size() >= 5 && status[1] == '.' && reason[0] == '5')
        one.status = status;
      else if (failed && reason[0] == '5')
        one.status = "5.0.0";
    }
    dsn.recipients.push_back(std::move(one));
  }
  if (dsn.recipients.empty()) co_return true;
  if (stored.envelope.sender.empty()) {
    log.warn(event::queue_bounce_dropped, {{"to", dsn.recipients.front().recipient.address},
                                           {"reason", dsn.recipients.front().reason}});
    co_return true;
  }
  dsn.hostname = parts_.config.server.hostname;
  dsn.envelope = stored.envelope;
  dsn.arrived = stored.arrived;
  dsn.now = parts_.clock.now();
  dsn.retry_until = stored.arrived + parts_.config.queue.expire_after;
  dsn.is_whole =
      failed &&
      (stored.envelope.ret == message::Ret::full ||
       (stored.envelope.ret == message::Ret::unset && !parts_.config.queue.bounce_headers_only));
  const auto returned = co_await returned_text(stored, dsn.is_whole);
  if (returned) dsn.returned = *returned;
  message::Envelope envelope;
  envelope.recipients.push_back(
      {stored.envelope.sender,
       {},
       {.never = true, .success = false, .failure = false, .delay = false}});
  envelope.eight_bit = true;
  envelope.origin.session = stored.envelope.origin.session;
  Spool::Writer writer(spool_, std::move(envelope), parts_.clock.now(), true);
  const std::string text = message::make_dsn(dsn);
  const auto written = co_await writer.write(text);
  const auto committed = written ? co_await writer.commit() : std::unexpected(written.error());
  if (!committed) {
    log.error(event::queue_disk_failed, {{"reason", committed.error().what}});
    co_return false;
  }
  log.info(failed ? event::queue_bounced : event::queue_warned,
           {{"to", stored.envelope.sender}, {"bounce", committed->id}});
  add(*committed);
  co_return true;
}

net::Awaitable<net::Message> Queue::answer(net::Message request) {
  const std::string id(request.get("id"));
  if (request.verb == "status") {
    std::size_t held = 0, deferred = 0;
    for (const auto& [key, item] : items_) {
      held += item->stored.is_held ? 1 : 0;
      deferred += !item->stored.is_held && item->stored.tries > 0 ? 1 : 0;
    }
    co_return net::Message("ok")
        .add("queue.messages", fmt::format("{}", items_.size()))
        .add("queue.deferred", fmt::format("{}", deferred))
        .add("queue.held", fmt::format("{}", held));
  }
  if (request.verb == "list") co_return list(request);
  if (request.verb == "show") co_return co_await show(id);
  for (const std::string_view verb : {"retry", "hold", "release", "delete"})
    if (request.verb == verb) co_return co_await change(std::string(verb), id);
  co_return net::Message("refused").add("error", "unknown command");
}

// A page of messages behind the cursor, as JSON-free records: id, then its fields.
net::Message Queue::list(const net::Message& request) const {
  net::Message page("ok");
  std::size_t size = 0;
  const SteadyTime now = parts_.clock.steady_now();
  for (auto at = items_.upper_bound(std::string(request.get("after"))); at != items_.end(); ++at) {
    const Stored& stored = at->second->stored;
    if (size > 40'000) {
      page.add("more", "1");
      break;
    }
    const auto in = std::chrono::duration_cast<std::chrono::seconds>(
        std::max<SteadyTime::duration>(at->second->when - now, 0s));
    page.add("id", at->first)
        .add("state", state_name(stored, at->second->busy))
        .add("size", fmt::format("{}", stored.body_size));
    page.add("arrived", format_log_time(stored.arrived))
        .add("next", stored.is_held ? "-" : fmt::format("{}s", in.count()));
    page.add("tries", fmt::format("{}", stored.tries)).add("sender", stored.envelope.sender);
    std::size_t listed = 0;
    for (std::size_t i = 0; i < stored.recipients.size(); ++i) {
      if (stored.recipients[i].state != RecipientState::waiting || ++listed > 50) continue;
      page.add("to", stored.envelope.recipients[i].address)
          .add("reason", stored.recipients[i].reason.substr(0, 300));
      size += 400;
    }
    size += 300;
  }
  return page;
}

net::Awaitable<net::Message> Queue::show(std::string id) {
  const auto found = items_.find(id);
  if (found == items_.end())
    co_return net::Message("refused").add("error", fmt::format("there is no message {}", id));
  const ItemPtr item = found->second;
  const Stored& stored = item->stored;
  net::Message answer("ok");
  answer.add("id", id)
      .add("state", state_name(stored, item->busy))
      .add("arrived", format_log_time(stored.arrived))
      .add("sender", stored.envelope.sender);
  answer.add("session", stored.envelope.origin.session)
      .add("client", stored.envelope.origin.client_address)
      .add("account", stored.envelope.origin.account);
  for (std::size_t i = 0; i < std::min<std::size_t>(stored.recipients.size(), 100); ++i) {
    const RecipientStatus& recipient = stored.recipients[i];
    answer.add("to", stored.envelope.recipients[i].address);
    answer.add("outcome", recipient.state == RecipientState::waiting     ? "waiting"
                          : recipient.state == RecipientState::delivered ? "delivered"
                                                                         : "failed");
    answer.add("reason", recipient.reason.substr(0, 200));
  }
  const Stored copy = stored;
  const auto text = co_await returned_text(copy, true);
  if (text) answer.add("text", copy.headers + text->substr(0, 20'000));
  co_return answer;
}

net::Awaitable<net::Message> Queue::change(std::string verb, std::string id) {
  if (verb == "retry" && id == "all") {
    std::size_t count = 0;
    destinations_.clear();
    for (const auto& [key, item] : items_) {
      if (item->stored.is_held) continue;
      ++count;
      if (item->busy)
        item->again = true;
      else
        schedule(item, parts_.clock.steady_now());
    }
    co_return net::Message("ok").add("messages", fmt::format("{}", count));
  }
  const auto found = items_.find(id);
  if (found == items_.end())
    co_return net::Message("refused").add("error", fmt::format("there is no message {}", id));
  const ItemPtr item = found->second;
  if (verb == "delete") {
    item->deleted = true;
    if (!item->busy) {
      due_.erase({item->when, id});
      items_.erase(id);
      (void)co_await parts_.pool.run([&] { return spool_.remove(id); });
    }
    log_.with_queue(id).info(event::queue_deleted, {});
    co_return net::Message("ok");
  }
  if (verb == "retry") {
    if (item->stored.is_held)
      co_return net::Message("refused").add("error", "it is held: release it first");
    item->again = true;
    if (!item->busy) schedule(item, parts_.clock.steady_now());
    co_return net::Message("ok");
  }
  const bool hold = verb == "hold";
  if (!co_await record(item, {{.kind = hold ? LogRecord::Kind::hold : LogRecord::Kind::release,
                               .recipient = 0,
                               .text = {},
                               .next_try = {}}}))
    co_return net::Message("refused").add("error", "the disk refused it");
  item->stored.is_held = hold;
  if (hold)
    due_.erase({item->when, id});
  else if (!item->busy)
    schedule(item, parts_.clock.steady_now());
  co_return net::Message("ok");
}

}  // namespace posthorn::queue
