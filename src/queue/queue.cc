#include "queue/queue.h"

#include <random>

#include "base/events.h"
#include "queue/item.h"
#include "queue/spool_format.h"

namespace posthorn::queue {
namespace {

constexpr std::size_t kWorkingMax = 2000;

// What is so whether it is recorded or not; the other kinds are wishes.
bool has_happened(const LogRecord& record) {
  using Kind = LogRecord::Kind;
  return record.kind == Kind::delivered || record.kind == Kind::failed ||
         record.kind == Kind::bounced || record.kind == Kind::notified ||
         record.kind == Kind::warned;
}

constexpr std::size_t kFoundToldMax = 2000;
constexpr std::size_t kWhomMax = 900;  // bytes, of addresses in one line

// Recipients, as they are and as their sender wrote them where that is another address.
struct Whom {
  std::string to, named;
};
Whom whom_of(const message::Envelope& envelope) {
  Whom whom;
  const auto add = [](std::string& list, const std::string& address) {
    if (address.empty() || list.size() + address.size() > kWhomMax) return;
    if (!list.empty()) list += ',';
    list += address;
  };
  for (const message::Recipient& recipient : envelope.recipients) {
    add(whom.to, recipient.address);
    if (whom.named != recipient.named) add(whom.named, recipient.named);
  }
  return whom;
}

}  // namespace

std::chrono::milliseconds jitter(std::chrono::milliseconds time) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  const auto tenth = time.count() / 10;
  return time + std::chrono::milliseconds(
                    tenth == 0 ? 0
                               : static_cast<std::int64_t>(random() %
                                                           static_cast<std::uint32_t>(tenth + 1)));
}

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
  for (Stored& stored : found) add(std::move(stored), Text::unread);
  if (!items_.empty()) log_.info(event::queue_recovered, {{"messages", items_.size()}});
  tell_found();
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
  return std::make_unique<Spool::Writer>(spool_, std::move(envelope), parts_.clock.now());
}

net::Task<std::string> Queue::commit(Spool::Writer& writer) {
  CO_TRY(auto stored, co_await writer.commit());
  const std::string id = stored.id;
  tell_accepted(stored);
  add(std::move(stored), Text::checked);
  co_return id;
}

void Queue::tell_accepted(const Stored& stored) const {
  const message::Origin& origin = stored.envelope.origin;
  const Whom whom = whom_of(stored.envelope);
  log_.with_queue(stored.id)
      .with_session(origin.session)
      .info(event::queue_accepted, {{"from", stored.envelope.sender},
                                    {"nrcpt", stored.recipients.size()},
                                    {"size", stored.body_size},
                                    {"to", whom.to},
                                    {"named", whom.named},
                                    {"message_id", stored.message_id},
                                    {"sent_by", to_string(origin.sent_by)},
                                    {"account", origin.account},
                                    {"client", origin.client_address},
                                    {"helo", origin.helo},
                                    {"protocol", origin.protocol}});
}

// The trail may lack what came shortly before a kill.
void Queue::tell_found() const {
  std::size_t told = 0;
  for (const auto& [id, item] : items_) {
    if (++told > kFoundToldMax) return;
    const message::Envelope& envelope = item->stored.envelope;
    const Whom whom = whom_of(envelope);
    log_.with_queue(id)
        .with_session(envelope.origin.session)
        .debug(event::queue_found, {{"from", envelope.sender},
                                    {"to", whom.to},
                                    {"named", whom.named},
                                    {"arrived", format_log_time(item->stored.arrived)}});
  }
}

void Queue::add(Stored stored, Text text) {
  message::Origin& origin = stored.envelope.origin;
  if (stored.version == kFirstVersion && origin.sent_by == message::SentBy::stranger &&
      parts_.is_trusted && parts_.is_trusted(origin.client_address))
    origin.sent_by = message::SentBy::trusted_network;
  auto item = std::make_shared<Item>(std::move(stored), parts_.scope.executor());
  item->is_checked = text == Text::checked;
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
  const bool is_new =
      item->stored.tries == 0 && item->stored.envelope.origin.sent_by != message::SentBy::notice;
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
    co_await self->wake_.wait_for(
        std::chrono::ceil<std::chrono::milliseconds>(std::min(next, now + 1h) - now));
  }
}

net::Awaitable<void> Queue::work(Queue* self, ItemPtr item) {
  item->forced |= std::exchange(item->again, false);
  if (!self->stopped_ && !item->deleted && co_await self->check_text(item) &&
      co_await self->pass_filter(item))
    co_await self->try_recipients(item);
  if (item->deleted) {
    if (co_await self->spool_.remove(item->stored.id))
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
    const auto written = co_await spool_.append(item->stored.id, mine->records);
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

// After a round: tell of what succeeded or failed or is too old, remove what is done, schedule the
// rest.
net::Awaitable<void> Queue::finish(const ItemPtr& item) {
  Stored& stored = item->stored;
  const config::Queue& config = parts_.config.queue;
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  // RFC 5321 section 4.5.4.1: what tells of a failure may be given up sooner than other mail.
  const auto life =
      stored.envelope.sender.empty() ? config.bounce_expire_after : config.expire_after;
  const bool expired = age(*item) > life && !stored.is_held;
  const auto tell_expired = [&](std::size_t i) {
    log.info(event::queue_expired, {{"to", stored.envelope.recipients[i].address},
                                    {"age", age(*item)},
                                    {"reply", stored.recipients[i].reason}});
  };
  std::vector<std::size_t> failed, waiting;
  for (std::size_t i = 0; i < stored.recipients.size(); ++i) {
    const RecipientState state = stored.recipients[i].state;
    if (expired && state == RecipientState::waiting) tell_expired(i);
    if (state == RecipientState::failed || (expired && state == RecipientState::waiting))
      failed.push_back(i);
    else if (state == RecipientState::waiting)
      waiting.push_back(i);
  }
  ++stored.tries;
  // RFC 5321 section 4.5.4.1: not at once again; the longer it takes, the more seldom.
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
    const auto removed = co_await spool_.remove(stored.id);
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
  log.debug(event::queue_waits, {{"tries", stored.tries},
                                 {"next", format_log_time(tried.next_try)},
                                 {"nrcpt", waiting.size()}});
  records.push_back(std::move(tried));
  (void)co_await record(item, std::move(records));
  later();
}

}  // namespace posthorn::queue
