#include "queue/queue.h"

#include <fmt/format.h>
#include <random>

#include "base/events.h"
#include "base/metrics.h"
#include "message/headers.h"

namespace posthorn::queue {
namespace {

constexpr std::size_t kWorkingMax = 2000;
constexpr std::size_t kReturnedMax = 50'000;
constexpr std::size_t kNoticeRowsMax = 500;  // recipients in one notice
constexpr std::size_t kDestinationsMax = 4096;

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

LogRecord make_record(LogRecord::Kind kind, std::size_t recipient = 0, std::string text = {}) {
  LogRecord record;
  record.kind = kind;
  record.recipient = recipient;
  record.text = std::move(text);
  return record;
}

// What is so whether it is recorded or not; the other kinds are wishes.
bool has_happened(const LogRecord& record) {
  using Kind = LogRecord::Kind;
  return record.kind == Kind::delivered || record.kind == Kind::failed ||
         record.kind == Kind::bounced || record.kind == Kind::notified ||
         record.kind == Kind::warned;
}

}  // namespace

// A round is one try of all recipients that wait. Its groups begin as there is room for them; the
// round ends when none is left.
struct Queue::Item {
  struct Batch {
    std::vector<LogRecord> records;
    std::optional<Result<>> written;
  };
  Item(Stored s, const net::Executor& executor)
      : stored(std::move(s)), ended(executor), recorded(executor) {}

  Stored stored;
  SteadyTime when{};
  std::chrono::milliseconds age{0};  // when it was added ...
  SteadyTime age_since{};            // ... at this time
  bool is_checked = false;           // its text is what was written
  bool busy = false;
  bool again = false;   // a retry was asked for
  bool forced = false;  // this round is one that was asked for
  bool deleted = false;
  std::size_t scans = 0;
  bool in_round = false;
  std::list<Group> groups;  // those of the round that have not begun
  std::size_t running = 0;
  net::Event ended;
  std::string crowd;  // where there was no room
  std::optional<Place> place;
  std::shared_ptr<Batch> batch;  // what is recorded next
  std::vector<LogRecord> owed;   // what happened and could not be recorded: goes before it
  bool recording = false;
  config::Duration wait_max = config::Duration::max();  // a recipient's time comes sooner
  net::Event recorded;
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
  for (Stored& stored : found) add(std::move(stored), false);
  if (!items_.empty()) log_.info(event::queue_recovered, {{"messages", items_.size()}});
  parts_.scope.spawn(pump(this));
  co_return Result<>{};
}

void Queue::stop() {
  stopped_ = true;
  wake_.close();
}

void Queue::look_again() {
  wake_.set();
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
  add(std::move(stored), true);
  co_return id;
}

void Queue::add(Stored stored, bool is_checked) {
  auto item = std::make_shared<Item>(std::move(stored), parts_.scope.executor());
  item->is_checked = is_checked;
  // How old it is counts by the steady clock. Time that passed while nobody looked counts only as
  // far as it is believable: a wall clock that jumped must not make all mail expire.
  const WallTime seen =
      item->stored.age_at == WallTime{} ? item->stored.arrived : item->stored.age_at;
  auto passed = parts_.clock.now() - seen;
  passed = std::clamp<decltype(passed)>(passed, 0ms, parts_.config.queue.retry_max);
  item->age = item->stored.age + passed;
  item->age_since = parts_.clock.steady_now();
  items_[item->stored.id] = item;
  schedule(item, steady(item->stored.next_try));
}

std::chrono::milliseconds Queue::age(const Item& item) const {
  return item.age + std::chrono::duration_cast<std::chrono::milliseconds>(
                        parts_.clock.steady_now() - item.age_since);
}

void Queue::schedule(const ItemPtr& item, SteadyTime when) {
  due_.erase({item->when, item->stored.id});
  unpark(item);
  // It may have been held, or have gone, while something about it was awaited.
  const auto at = items_.find(item->stored.id);
  if (item->stored.is_held || at == items_.end() || at->second != item) return;
  item->when = when;
  due_.insert({when, item->stored.id});
  wake_.set();
}

void Queue::forget(const ItemPtr& item) {
  due_.erase({item->when, item->stored.id});
  unpark(item);
  items_.erase(item->stored.id);
}

// No room where it wants to go: it is woken when there is, at the latest after a while.
void Queue::park(const ItemPtr& item) {
  schedule(item, parts_.clock.steady_now() + parts_.config.queue.retry_first);
  const bool is_new = item->stored.tries == 0 && !item->stored.is_bounce;
  item->place = Place{item->crowd, is_new, ++turns_};
  parked_[*item->place] = item;
}

void Queue::unpark(const ItemPtr& item) {
  if (!item->place) return;
  parked_.erase(*item->place);
  item->place.reset();
}

// New mail and old take turns, so that neither waits behind ten thousand of the other.
void Queue::wake_parked(const std::string& crowd, std::size_t room) {
  for (; room > 0; --room) {
    const auto first = [&](bool is_new) {
      const auto at = parked_.lower_bound(Place{crowd, is_new, 0});
      const bool found =
          at != parked_.end() && at->first.crowd == crowd && at->first.is_new == is_new;
      return found ? at->second : nullptr;
    };
    const bool prefer_new = ++turns_ % 2 == 0;
    ItemPtr item = first(prefer_new);
    if (!item) item = first(!prefer_new);
    if (!item) return;
    schedule(item, parts_.clock.steady_now());
  }
}

net::Awaitable<void> Queue::pump(Queue* self) {
  while (!self->stopped_) {
    const SteadyTime now = self->parts_.clock.steady_now();
    while (!self->due_.empty() && self->due_.begin()->first <= now &&
           self->working_ < kWorkingMax) {
      const auto item = self->items_.at(self->due_.begin()->second);
      self->due_.erase(self->due_.begin());
      self->unpark(item);
      if (item->busy) {
        item->again = true;
        continue;
      }
      item->busy = true;
      ++self->working_;
      self->parts_.scope.spawn(work(self, item));
    }
    const SteadyTime next =
        self->due_.empty() || self->working_ >= kWorkingMax ? now + 1h : self->due_.begin()->first;
    // The timer runs by the system's clock, whatever clock is asked here.
    co_await self->wake_.wait(Clock::system().steady_now() + (std::min(next, now + 1h) - now));
  }
}

net::Awaitable<void> Queue::work(Queue* self, ItemPtr item) {
  item->forced |= std::exchange(item->again, false);
  if (!self->stopped_ && !item->deleted && co_await self->check_text(item) &&
      co_await self->pass_filter(item))
    co_await self->try_recipients(item);
  if (item->deleted) {
    if (co_await self->parts_.pool.run([&] { return self->spool_.remove(item->stored.id); }))
      self->forget(item);
    else
      self->schedule(item, self->parts_.clock.steady_now() + self->parts_.config.queue.retry_first);
  }
  item->busy = false;
  --self->working_;
  if (item->again) self->schedule(item, self->parts_.clock.steady_now());
  self->wake_.set();
}

// Once for each message that was found in the spool: what a disk has made of its text must not go
// out.
net::Awaitable<bool> Queue::check_text(const ItemPtr& item) {
  if (item->is_checked) co_return true;
  const auto intact = co_await parts_.pool.run([&] { return spool_.is_intact(item->stored); });
  if (!intact) {
    log_.with_queue(item->stored.id)
        .error(event::queue_disk_failed, {{"reason", intact.error().what}});
    schedule(item, parts_.clock.steady_now() + parts_.config.queue.retry_first);
    co_return false;
  }
  item->is_checked = *intact;
  if (*intact) co_return true;
  (void)co_await parts_.pool.run([&]() -> Result<> {
    spool_.quarantine(item->stored.id, "the text's checksum is wrong");
    return {};
  });
  forget(item);
  co_return false;
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
    metrics::count(metric::filter_verdicts, "failed");
    log.warn(event::queue_scan_failed,
             {{"reason", verdict.error().what}, {"try", item->scans + 1}});
    if (++item->scans < config.tries_max || config.when_down == "wait") {
      schedule(item, parts_.clock.steady_now() + jitter(config.retry));
      co_return false;
    }
    verdict = filter::Filter::unscanned("unavailable");
    metrics::count(metric::filter_verdicts, "unscanned");
  } else {
    metrics::count(metric::filter_verdicts, verdict->score.empty() ? "unscanned"
                                            : verdict->spam        ? "spam"
                                                                   : "ham");
    metrics::observe(metric::filter_seconds, std::chrono::duration_cast<std::chrono::milliseconds>(
                                                 parts_.clock.steady_now() - begun));
  }
  log.info(event::queue_scanned, {{"spam", verdict->spam ? "yes" : "no"},
                                  {"score", verdict->score},
                                  {"ms", parts_.clock.steady_now() - begun}});
  stored.headers = verdict->headers;
  stored.is_scanned = true;
  if (!co_await record(item, {make_record(LogRecord::Kind::scanned, 0, stored.headers)})) {
    stored.is_scanned = false;
    schedule(item, parts_.clock.steady_now() + jitter(config.retry));
    co_return false;
  }
  co_return true;
}

// Records of one message that come while another is being written go together after it.
net::Task<> Queue::record(const ItemPtr& item, std::vector<LogRecord> records) {
  if (!item->batch) item->batch = std::make_shared<Item::Batch>();
  const std::shared_ptr<Item::Batch> mine = item->batch;
  std::ranges::move(records, std::back_inserter(mine->records));
  while (!mine->written) {
    if (item->recording) {
      co_await item->recorded.wait(SteadyTime::max());
      continue;
    }
    item->recording = true;
    item->batch.reset();
    mine->records.insert(mine->records.begin(), item->owed.begin(), item->owed.end());
    item->owed.clear();
    const auto written =
        co_await parts_.pool.run([&] { return spool_.append(item->stored.id, mine->records); });
    if (!written) {
      log_.with_queue(item->stored.id)
          .error(event::queue_disk_failed, {{"reason", written.error().what}});
      std::ranges::copy_if(mine->records, std::back_inserter(item->owed), has_happened);
    }
    mine->written = written;
    item->recording = false;
    item->recorded.set();
  }
  co_return *mine->written;
}

// Each waiting recipient's plan, grouped by destination. What could not be asked waits; what cannot
// go is failed.
net::Awaitable<std::list<Queue::Group>> Queue::plan(const ItemPtr& item) {
  std::list<Group> groups;
  std::map<std::string, Group*> by_key;
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
      if (age(*item) < refusal.after) {
        const auto left = refusal.after - age(*item);
        item->wait_max = std::min(item->wait_max, left);
        stored.recipients[i].reason = refusal.text;
        continue;
      }
      const std::string reason =
          fmt::format("{} {} {}", refusal.code, refusal.enhanced, refusal.text);
      (void)co_await record(item, {make_record(LogRecord::Kind::failed, i, reason)});
      stored.recipients[i] = {RecipientState::failed, reason, Notice::none};
      continue;
    }
    const std::string key = key_of(**answer);
    const auto [at, is_new] = by_key.emplace(key, nullptr);
    if (is_new) at->second = &groups.emplace_back(Group{**answer, key, {}});
    at->second->recipients.push_back(i);
  }
  co_return groups;
}

net::Awaitable<void> Queue::try_recipients(const ItemPtr& item) {
  if (!item->in_round || item->forced) {
    item->groups = co_await plan(item);
    item->in_round = true;
  }
  while (true) {
    const bool started = start_groups(item);
    if (item->running > 0)
      co_await item->ended.wait(SteadyTime::max());
    else if (!started)
      break;
  }
  if (item->deleted || stopped_) co_return;
  if (!item->groups.empty() && !item->stored.is_held) {
    park(item);  // not the end of the round: there was just no room
    co_return;
  }
  item->groups.clear();
  item->in_round = item->forced = false;
  co_await finish(item);
}

// Begins what there is room for; false: nothing.
bool Queue::start_groups(const ItemPtr& item) {
  const config::Queue& config = parts_.config.queue;
  const SteadyTime now = parts_.clock.steady_now();
  bool started = false;
  for (auto group = item->groups.begin(); group != item->groups.end();) {
    if (stopped_ || item->deleted || item->stored.is_held) break;
    const std::string crowd = crowd_of(group->key);
    const auto known = destinations_.find(crowd);
    const Destination destination = known == destinations_.end() ? Destination{} : known->second;
    if (destination.down_until > now && item->stored.tries > 0 && !item->forced) {
      group = item->groups.erase(group);  // tried by others a moment ago: it has had its turn
      continue;
    }
    const bool all_busy = attempting_ >= config.attempts_max;
    if (all_busy || destination.running >= config.attempts_per_destination_max) {
      item->crowd = all_busy ? "" : crowd;
      if (all_busy) break;
      ++group;
      continue;
    }
    if (destinations_.size() >= kDestinationsMax)
      std::erase_if(destinations_, [&](const auto& entry) {
        return entry.second.running == 0 && entry.second.down_until <= now;
      });
    ++destinations_[crowd].running;
    ++attempting_;
    ++item->running;
    started = true;
    Group next = std::move(*group);
    group = item->groups.erase(group);
    parts_.scope.spawn(run_group(this, item, std::move(next)));
  }
  return started;
}

net::Awaitable<void> Queue::run_group(Queue* self, ItemPtr item, Group group) {
  co_await self->attempt(item, group);
  const config::Queue& config = self->parts_.config.queue;
  const std::string crowd = crowd_of(group.key);
  Destination& destination = self->destinations_[crowd];
  --destination.running;
  --self->attempting_;
  --item->running;
  self->wake_parked(crowd, config.attempts_per_destination_max - destination.running);
  self->wake_parked("", config.attempts_max - self->attempting_);
  if (destination.running == 0 && destination.backoff == 0ms) self->destinations_.erase(crowd);
  item->ended.set();
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
  note_destination(group.key, attempted, log);
  std::vector<LogRecord> records;
  for (std::size_t n = 0; n < group.recipients.size() && n < attempted.outcomes.size(); ++n) {
    const std::size_t i = group.recipients[n];
    const deliver::Outcome& outcome = attempted.outcomes[n];
    // A login that is refused is ours to mend: nobody's mail fails because of it.
    const bool failed = outcome.kind == deliver::Outcome::Kind::failed && !attempted.login_refused;
    const auto kind = outcome.kind == deliver::Outcome::Kind::delivered ? LogRecord::Kind::delivered
                      : failed                                          ? LogRecord::Kind::failed
                                                                        : LogRecord::Kind::deferred;
    LogRecord line = make_record(kind, i, outcome.reason);
    const message::Notify& wish = stored.envelope.recipients[i].notify;
    if (kind == LogRecord::Kind::delivered && wish.success && !wish.never &&
        !stored.envelope.sender.empty())
      line.notice = std::holds_alternative<route::LocalPlan>(group.plan) ? Notice::delivered
                    : attempted.takes_notices                            ? Notice::none
                                                                         : Notice::relayed;
    records.push_back(std::move(line));
    metrics::count(metric::deliveries,
                   std::holds_alternative<route::LocalPlan>(group.plan)   ? "local"
                   : std::holds_alternative<route::RelayPlan>(group.plan) ? "relay"
                   : std::holds_alternative<route::MxPlan>(group.plan)    ? "mx"
                                                                          : "other",
                   kind == LogRecord::Kind::delivered ? "delivered"
                   : kind == LogRecord::Kind::failed  ? "failed"
                                                      : "deferred");
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
  // Not recorded, it is still known here: only a crash before the next record makes a duplicate.
  (void)co_await record(item, records);
  for (const LogRecord& line : records) {
    RecipientStatus& recipient = stored.recipients[line.recipient];
    recipient.reason = line.text;
    recipient.notice = line.notice;
    if (line.kind == LogRecord::Kind::delivered) recipient.state = RecipientState::delivered;
    if (line.kind == LogRecord::Kind::failed) recipient.state = RecipientState::failed;
  }
}

// What an attempt says about its destination, for others that go there.
void Queue::note_destination(const std::string& key, const deliver::Attempted& attempted,
                             const log::Logger& log) {
  Destination& destination = destinations_[crowd_of(key)];
  const SteadyTime now = parts_.clock.steady_now();
  destination.backoff = !attempted.destination_down
                            ? 0ms
                            : std::clamp<std::chrono::milliseconds>(
                                  destination.backoff * 2,
                                  std::min<config::Duration>(1s, parts_.config.queue.retry_first),
                                  parts_.config.queue.retry_first);
  destination.down_until = attempted.destination_down ? now + destination.backoff : SteadyTime{};
  if (!attempted.login_refused || now <= login_alarm_) return;
  login_alarm_ = now + 1min;
  log.error(event::relay_login_refused,
            {{"relay", key},
             {"reason", attempted.outcomes.empty() ? "" : attempted.outcomes.front().reason}});
}

// After a round: tell of what succeeded or failed or is too old, remove what is done, schedule the
// rest.
net::Awaitable<void> Queue::finish(const ItemPtr& item) {
  Stored& stored = item->stored;
  const config::Queue& config = parts_.config.queue;
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  const auto life =
      stored.envelope.sender.empty() ? config.bounce_expire_after : config.expire_after;
  const bool expired = age(*item) > life && !stored.is_held;
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
  wait = std::min<config::Duration>(wait, std::exchange(item->wait_max, config::Duration::max()));
  const auto later = [&] { schedule(item, parts_.clock.steady_now() + wait); };
  // The notice is in the spool before that is written down: a crash between gives two, never none.
  if (!co_await confirm(item)) co_return later();
  if (!failed.empty() && !co_await notify(item, message::Dsn::Kind::failed, failed))
    co_return later();
  std::vector<LogRecord> records;
  for (const std::size_t i : failed) {
    stored.recipients[i].state = RecipientState::bounced;
    records.push_back(make_record(LogRecord::Kind::bounced, i));
  }
  if (waiting.empty()) {
    const auto removed = co_await parts_.pool.run([&] { return spool_.remove(stored.id); });
    if (!removed) {
      log.error(event::queue_disk_failed, {{"reason", removed.error().what}});
      co_return later();
    }
    log.info(event::queue_removed, {{"ms", age(*item)}});
    co_return forget(item);
  }
  if (!stored.was_warned && config.warn_after > 0ms && age(*item) > config.warn_after &&
      co_await notify(item, message::Dsn::Kind::delayed, waiting)) {
    stored.was_warned = true;
    records.push_back(make_record(LogRecord::Kind::warned));
  }
  LogRecord tried = make_record(LogRecord::Kind::tried);
  tried.age = age(*item);
  tried.at = parts_.clock.now();
  tried.next_try = stored.next_try = tried.at + wait;
  records.push_back(std::move(tried));
  (void)co_await record(item, std::move(records));
  later();
}

// RFC 3461 section 5.2: the notices of success that were asked for. The text goes back as its
// header only (section 4.3).
net::Awaitable<bool> Queue::confirm(const ItemPtr& item) {
  Stored& stored = item->stored;
  for (const auto& [notice, kind] : {std::pair{Notice::delivered, message::Dsn::Kind::delivered},
                                     std::pair{Notice::relayed, message::Dsn::Kind::relayed}}) {
    std::vector<std::size_t> due;
    for (std::size_t i = 0; i < stored.recipients.size(); ++i)
      if (stored.recipients[i].notice == notice) due.push_back(i);
    if (due.empty()) continue;
    if (!co_await notify(item, kind, due)) co_return false;
    std::vector<LogRecord> records;
    for (const std::size_t i : due) {
      stored.recipients[i].notice = Notice::none;
      records.push_back(make_record(LogRecord::Kind::notified, i));
    }
    (void)co_await record(item, std::move(records));
  }
  co_return true;
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

// Notices to the sender about these recipients, in the spool when this returns true. Never for the
// null sender.
net::Awaitable<bool> Queue::notify(const ItemPtr& item, message::Dsn::Kind kind,
                                   std::vector<std::size_t> recipients) {
  const Stored& stored = item->stored;
  std::erase_if(recipients, [&](std::size_t i) {
    const message::Notify& wish = stored.envelope.recipients[i].notify;
    return wish.never || (kind == message::Dsn::Kind::failed    ? !wish.failure
                          : kind == message::Dsn::Kind::delayed ? !wish.delay
                                                                : !wish.success);
  });
  if (recipients.empty()) co_return true;
  if (stored.envelope.sender.empty()) {
    log_.with_queue(stored.id)
        .with_session(stored.envelope.origin.session)
        .warn(event::queue_bounce_dropped,
              {{"to", stored.envelope.recipients[recipients.front()].address},
               {"reason", stored.recipients[recipients.front()].reason}});
    co_return true;
  }
  for (std::span<const std::size_t> rest(recipients); !rest.empty();) {
    const std::size_t some = std::min(rest.size(), kNoticeRowsMax);
    if (!co_await notify_some(item, kind, rest.first(some))) co_return false;
    rest = rest.subspan(some);
  }
  co_return true;
}

net::Awaitable<bool> Queue::notify_some(const ItemPtr& item, message::Dsn::Kind kind,
                                        std::span<const std::size_t> recipients) {
  const Stored& stored = item->stored;
  const bool failed = kind == message::Dsn::Kind::failed;
  const bool good = kind == message::Dsn::Kind::delivered || kind == message::Dsn::Kind::relayed;
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  message::Dsn dsn;
  dsn.kind = kind;
  for (const std::size_t i : recipients) {
    const std::string& reason = stored.recipients[i].reason;
    message::DsnRecipient one{.recipient = stored.envelope.recipients[i],
                              .status = failed ? "5.4.7"
                                        : good ? "2.0.0"
                                               : "4.4.7",
                              .diagnostic = {},
                              .remote = {},
                              .reason = reason};
    // "550 5.1.1 text" is what a server said.
    const char first = good ? '2' : reason.starts_with('5') ? '5' : '4';
    if (reason.size() > 4 && reason[0] == first && reason[3] == ' ') {
      one.diagnostic = reason;
      const std::string status = reason.substr(4, reason.find(' ', 4) - 4);
      if (first != '4' && status.size() >= 5 && status[0] == first && status[1] == '.')
        one.status = status;
      else if (failed && first == '5')
        one.status = "5.0.0";
    }
    dsn.recipients.push_back(std::move(one));
  }
  dsn.hostname = parts_.config.server.hostname;
  dsn.envelope = stored.envelope;
  dsn.arrived = stored.arrived;
  dsn.now = parts_.clock.now();
  dsn.retry_until = dsn.now + (parts_.config.queue.expire_after - age(*item));
  dsn.is_whole =
      failed &&
      (stored.envelope.ret == message::Ret::full ||
       (stored.envelope.ret == message::Ret::unset && !parts_.config.queue.bounce_headers_only));
  const auto returned = co_await returned_text(stored, dsn.is_whole);
  if (returned) dsn.returned = *returned;
  dsn.is_whole = dsn.is_whole && returned && returned->size() == stored.body_size;
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
  log.info(failed ? event::queue_bounced
           : good ? event::queue_confirmed
                  : event::queue_warned,
           {{"to", stored.envelope.sender}, {"bounce", committed->id}});
  add(*committed, true);
  co_return true;
}

Queue::Census Queue::census() const {
  Census census;
  for (const auto& [key, item] : items_) {
    const Stored& stored = item->stored;
    ++(stored.is_held ? census.held : stored.tries > 0 ? census.deferred : census.active);
    census.oldest = std::max(census.oldest, age(*item));
  }
  return census;
}

net::Awaitable<net::Message> Queue::answer(net::Message request) {
  const std::string id(request.get("id"));
  if (request.verb == "status") {
    const Census census = this->census();
    co_return net::Message("ok")
        .add("queue.messages", fmt::format("{}", items_.size()))
        .add("queue.deferred", fmt::format("{}", census.deferred))
        .add("queue.held", fmt::format("{}", census.held));
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
    for (auto& [key, destination] : destinations_) destination.down_until = {};
    for (const auto& [key, item] : items_) {
      if (item->stored.is_held) continue;
      ++count;
      item->again = true;
      if (!item->busy) schedule(item, parts_.clock.steady_now());
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
      item->busy = true;  // nobody else begins with it now
      due_.erase({item->when, id});
      const auto removed = co_await parts_.pool.run([&] { return spool_.remove(id); });
      item->busy = false;
      if (!removed) {
        item->deleted = false;
        schedule(item, parts_.clock.steady_now() + parts_.config.queue.retry_first);
        log_.with_queue(id).error(event::queue_disk_failed, {{"reason", removed.error().what}});
        co_return net::Message("refused").add("error", "the disk refused it");
      }
      forget(item);
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
  if (!co_await record(item,
                       {make_record(hold ? LogRecord::Kind::hold : LogRecord::Kind::release)}))
    co_return net::Message("refused").add("error", "the disk refused it");
  item->stored.is_held = hold;
  if (hold) {
    due_.erase({item->when, id});
    unpark(item);
  } else if (!item->busy) {
    schedule(item, parts_.clock.steady_now());
  }
  co_return net::Message("ok");
}

}  // namespace posthorn::queue
