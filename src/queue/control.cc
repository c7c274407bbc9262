// What the operator asks: `posthorn queue list` and `show`; and the numbers for metrics and the
// status page. What he orders is done in deeds.cc.
#include <algorithm>
#include <fmt/format.h>

#include "queue/item.h"

namespace posthorn::queue {
namespace {

State state_of(const Stored& stored, bool busy) {
  return stored.is_held     ? State::hold
         : busy             ? State::active
         : stored.tries > 0 ? State::deferred
                            : State::incoming;
}

// Of one page: recipients that are looked at, whether they are wanted or not (about a millisecond's
// worth of the loop), and bytes of the answer.
constexpr std::size_t kLooksMax = 2000, kPageMax = 40'000;
constexpr std::size_t kRecipientsListedMax = 50;  // of a message
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

// Why a message still waits: for what all its recipients wait, or the first of them.
std::string waiting_reason(const Stored& stored, const std::string& for_all) {
  if (!for_all.empty()) return for_all;
  const auto waits = std::ranges::find_if(stored.recipients, [](const RecipientStatus& one) {
    return one.state == RecipientState::waiting && !one.reason.empty();
  });
  return waits == stored.recipients.end() ? std::string() : waits->reason;
}

}  // namespace

Queue::Census Queue::census() const {
  Census census;
  const Item* oldest = nullptr;
  for (const auto& [key, item] : items_) {
    const Stored& stored = item->stored;
    ++(stored.is_held ? census.held : stored.tries > 0 ? census.deferred : census.active);
    if (oldest != nullptr && age(*item) <= census.oldest) continue;
    oldest = item.get();
    census.oldest = age(*item);
    census.oldest_id = key;
  }
  if (oldest != nullptr)
    census.oldest_reason =
        oldest->stored.is_held
            ? "held (posthorn queue release)"
            : waiting_reason(oldest->stored, oldest->reason_for_all()).substr(0, 300);
  return census;
}

std::map<std::string, Queue::RelayFault> Queue::relay_faults() const {
  std::map<std::string, RelayFault> faults;
  const SteadyTime old = parts_.clock.steady_now() - 2 * parts_.config.queue.retry_max;
  for (const auto& [key, fault] : relay_faults_)
    if (fault.seen >= old) faults[key.substr(key.find(':') + 1)] = fault;
  return faults;
}

net::Awaitable<net::Message> Queue::answer(net::Message request) {
  if (request.verb == "list") co_return list(request);
  if (request.verb == "show") co_return co_await show(std::string(request.get("id")));
  co_return co_await change(std::move(request));
}

// What a listing tells of one message: id, then its fields, then each recipient that waits.
std::size_t Queue::add_message(net::Message& page, const Item& item) const {
  const Stored& stored = item.stored;
  const auto seconds = [](auto time) {
    return fmt::format("{}s", std::chrono::duration_cast<std::chrono::seconds>(time).count());
  };
  const auto next =
      std::max<SteadyTime::duration>(item.when - parts_.clock.steady_now(), SteadyTime::duration{});
  page.add("id", stored.id)
      .add("state", to_string(state_of(stored, item.busy)))
      .add("size", fmt::format("{}", stored.body_size));
  page.add("arrived", format_log_time(stored.arrived))
      .add("age", seconds(age(item)))
      .add("next", stored.is_held ? "-" : seconds(next));
  page.add("tries", fmt::format("{}", stored.tries)).add("sender", stored.envelope.sender);
  const std::string waits_for_filter = item.reason_for_all();
  std::size_t size = 300, listed = 0;
  for (std::size_t i = 0; i < stored.recipients.size() && listed < kRecipientsListedMax; ++i) {
    const RecipientStatus& recipient = stored.recipients[i];
    if (recipient.state != RecipientState::waiting) continue;
    ++listed;
    page.add("to", stored.envelope.recipients[i].address)
        .add("reason",
             (waits_for_filter.empty() ? recipient.reason : waits_for_filter).substr(0, 300))
        .add("relay", destination_of(recipient).substr(0, 300));
    size += 450;
  }
  return size;
}

// A page of the messages that are meant: those named by id=, or all behind after= for which the
// filters hold; with only=id nothing but their ids. more=: behind it there may be others.
net::Message Queue::list(const net::Message& request) const {
  const auto selection = parse_selection(request);
  if (!selection) return net::Message("refused").add("error", selection.error().what);
  net::Message page("ok");
  if (request.find("id")) {
    std::size_t size = 0;
    for (const std::string_view id : request.all("id")) {
      const auto found = items_.find(std::string(id));
      if (found != items_.end() && size < kPageMax) size += add_message(page, *found->second);
    }
    return page;
  }
  const bool only_ids = request.get("only") == "id";
  std::size_t size = 0, looks = 0;
  auto at = items_.upper_bound(std::string(request.get("after")));
  for (; at != items_.end() && size < kPageMax && looks < kLooksMax; ++at) {
    const Item& item = *at->second;
    looks += 1 + item.stored.recipients.size();
    const std::string reason = item.reason_for_all();
    if (!matches(*selection, {.stored = item.stored,
                              .state = state_of(item.stored, item.busy),
                              .age = age(item),
                              .reason = reason}))
      continue;
    if (only_ids) page.add("id", at->first);
    size += only_ids ? at->first.size() + 4 : add_message(page, item);
  }
  if (at != items_.end()) page.add("more", std::prev(at)->first);
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
      .add("state", to_string(state_of(stored, is_busy)))
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

}  // namespace posthorn::queue
