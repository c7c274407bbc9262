// What the operator asks and orders: `posthorn queue`, `posthorn status`, and the numbers for
// metrics.
#include <fmt/format.h>

#include "base/events.h"
#include "queue/item.h"

namespace posthorn::queue {
namespace {

std::string_view state_name(const Stored& stored, bool busy) {
  return stored.is_held ? "hold" : busy ? "active" : stored.tries > 0 ? "deferred" : "incoming";
}

// An answer is one line (net::kLineMax), in which a line end takes two bytes.
constexpr std::size_t kTextShownMax = 18'000, kRecipientsShownMax = 22'000;
constexpr std::size_t kAttemptsShownMax = 20;  // of a recipient, the last ones

std::string_view outcome_name(LogRecord::Kind kind) {
  return kind == LogRecord::Kind::delivered ? "delivered"
         : kind == LogRecord::Kind::failed  ? "failed"
                                            : "deferred";
}

// "2026-11-21T04:26:46.123Z deferred mx.far.test[192.0.2.1]:25 451 4.2.0 busy"
std::string attempt_text(const LogRecord& record) {
  return fmt::format("{} {} {} {}",
                     record.at == WallTime{} ? std::string("-") : format_log_time(record.at),
                     outcome_name(record.kind), record.remote.empty() ? "-" : record.remote,
                     record.text.substr(0, 200));
}

// Each recipient, and behind it what was tried for it.
void add_recipients(net::Message& answer, const Stored& stored,
                    const std::vector<LogRecord>& attempts) {
  std::vector<std::vector<const LogRecord*>> of_each(stored.recipients.size());
  for (const LogRecord& record : attempts)
    if (record.recipient < of_each.size()) of_each[record.recipient].push_back(&record);
  std::size_t size = 0;
  const auto add = [&](std::string_view key, std::string_view value) {
    answer.add(key, value);
    size += key.size() + value.size() + 2;
  };
  for (std::size_t i = 0; i < stored.recipients.size(); ++i) {
    if (size > kRecipientsShownMax) {
      answer.add("more", fmt::format("{} recipients are not shown", stored.recipients.size() - i));
      return;
    }
    const RecipientStatus& recipient = stored.recipients[i];
    add("to", stored.envelope.recipients[i].address);
    add("outcome", recipient.state == RecipientState::waiting     ? "waiting"
                   : recipient.state == RecipientState::delivered ? "delivered"
                                                                  : "failed");
    add("reason", recipient.reason.substr(0, 200));
    const auto& mine = of_each[i];
    const std::size_t left_out = mine.size() - std::min(mine.size(), kAttemptsShownMax);
    if (left_out > 0) add("attempt", fmt::format("({} older ones are not shown)", left_out));
    for (std::size_t n = left_out; n < mine.size() && size < kRecipientsShownMax; ++n)
      add("attempt", attempt_text(*mine[n]));
  }
}

}  // namespace

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
    net::Message answer("ok");
    answer.add("queue.messages", fmt::format("{}", items_.size()))
        .add("queue.deferred", fmt::format("{}", census.deferred))
        .add("queue.held", fmt::format("{}", census.held))
        .add("queue.oldest_seconds",
             fmt::format("{}",
                         std::chrono::duration_cast<std::chrono::seconds>(census.oldest).count()));
    const SteadyTime old = parts_.clock.steady_now() - 2 * parts_.config.queue.retry_max;
    std::erase_if(relay_faults_, [&](const auto& entry) { return entry.second.seen < old; });
    for (const auto& [key, fault] : relay_faults_)
      answer.add("relay", key.substr(key.find(':') + 1))
          .add("relay.state", fault.state)
          .add("relay.reason", fault.reason);
    co_return answer;
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
    const std::string waits_for_filter =
        at->second->scan_failed.empty() ? "" : "waits for the filter: " + at->second->scan_failed;
    std::size_t listed = 0;
    for (std::size_t i = 0; i < stored.recipients.size(); ++i) {
      if (stored.recipients[i].state != RecipientState::waiting || ++listed > 50) continue;
      const std::string& reason = stored.recipients[i].reason;
      page.add("to", stored.envelope.recipients[i].address)
          .add("reason", (waits_for_filter.empty() ? reason : waits_for_filter).substr(0, 300));
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
  const bool is_busy = found->second->busy;
  const Stored stored = found->second->stored;
  net::Message answer("ok");
  answer.add("id", id)
      .add("state", state_name(stored, is_busy))
      .add("arrived", format_log_time(stored.arrived))
      .add("sender", stored.envelope.sender);
  answer.add("session", stored.envelope.origin.session)
      .add("client", stored.envelope.origin.client_address)
      .add("account", stored.envelope.origin.account)
      .add("tries", fmt::format("{}", stored.tries));
  const auto attempts = co_await parts_.pool.run([&] { return spool_.read_attempts(id); });
  add_recipients(answer, stored, attempts ? *attempts : std::vector<LogRecord>());
  if (!attempts) answer.add("attempts", "cannot be read: " + attempts.error().what);
  const auto text = co_await returned_text(stored, Returned::whole);
  if (text) answer.add("text", (stored.headers + *text).substr(0, kTextShownMax));
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
      const auto removed = co_await spool_.remove(id);
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
  log_.with_queue(id).info(hold ? event::queue_held : event::queue_released, {});
  if (hold) {
    due_.erase({item->when, id});
    unpark(item);
  } else if (!item->busy) {
    schedule(item, parts_.clock.steady_now());
  }
  co_return net::Message("ok");
}

}  // namespace posthorn::queue
