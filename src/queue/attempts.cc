// The attempts of one round: who goes where, as much at once as there is room for, and what came of
// it.
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "base/metrics.h"
#include "queue/item.h"
#include "queue/spool_format.h"

namespace posthorn::queue {
namespace {

constexpr std::size_t kDestinationsMax = 4096;
constexpr std::size_t kRelayFaultsMax = 50;

std::string key_of(const route::Plan& plan) {
  if (const auto* local = std::get_if<route::LocalPlan>(&plan)) return "local:" + local->account;
  if (const auto* mx = std::get_if<route::MxPlan>(&plan)) return "mx:" + mx->domain;
  const auto& relay = std::get<route::RelayPlan>(plan);
  // A login that is refused holds up who logs in by it.
  return fmt::format("relay:{}:{}{}{}", relay.host, relay.port, relay.user.empty() ? "" : ":",
                     relay.user);
}

// As people name it: "local", "[smart.test]:587", "far.test".
std::string destination_of(const route::Plan& plan) {
  if (std::holds_alternative<route::LocalPlan>(plan)) return "local";
  if (const auto* mx = std::get_if<route::MxPlan>(&plan)) return mx->domain;
  const auto& relay = std::get<route::RelayPlan>(plan);
  return fmt::format("[{}]:{}", relay.host, relay.port);
}

std::string_view counted_as(LogRecord::Kind kind) {
  return kind == LogRecord::Kind::delivered ? "delivered"
         : kind == LogRecord::Kind::failed  ? "failed"
                                            : "deferred";
}

// All local deliveries are one destination as far as crowding goes.
std::string crowd_of(const std::string& key) {
  return key.starts_with("local:") ? "local" : key;
}

// Mail that goes on from an address of ours, by an alias or a Sieve redirect: it was not written to
// where it goes now. A stranger's goes to another server in no other way. What our own users sent
// leaves with their senders.
bool is_sent_on(const Stored& stored, const message::Recipient& recipient) {
  const message::Envelope& envelope = stored.envelope;
  const message::SentBy by = envelope.origin.sent_by;
  if (envelope.sender.empty() || by == message::SentBy::user || by == message::SentBy::notice)
    return false;
  if (stored.version == kFirstVersion) {
    // What was named is not in it; RFC 3461 section 4.2: the original recipient, "rfc822;address".
    const std::string_view original = recipient.original;
    const std::size_t semicolon = original.find(';');
    return semicolon != std::string_view::npos &&
           !equals_ignoring_case(original.substr(semicolon + 1), recipient.address);
  }
  return by == message::SentBy::stranger || by == message::SentBy::sent_on ||
         !recipient.named.empty();
}

// Whose mail may go to another server is proved, but for a stranger's: it goes where an alias of
// ours leads, which lookup looks at anew. What edge said at RCPT is not enough. The first version's
// files do not hold what was said there, and were only written when it was allowed.
route::PlanQuestion ask_for(const Stored& stored, const message::Recipient& recipient) {
  route::PlanQuestion question{.address = recipient.address, .sender = stored.envelope.sender};
  if (stored.envelope.origin.sent_by == message::SentBy::stranger &&
      stored.version != kFirstVersion)
    question.named = recipient.named.empty() ? recipient.address : recipient.named;
  return question;
}

// Of a recipient whose mail went to no server.
void tell_unsent(const log::Logger& log, const message::Recipient& recipient, std::string_view why,
                 LogRecord::Kind result) {
  const log::Fields fields = {{"to", recipient.address}, {"relay", "-"}, {"reply", why}};
  metrics::count(metric::deliveries, "error", counted_as(result));
  if (result == LogRecord::Kind::failed)
    log.info(event::queue_failed, fields);
  else
    log.warn(event::queue_deferred, fields);
}

std::string_view transport_of(const route::Plan& plan) {
  if (std::holds_alternative<route::LocalPlan>(plan)) return "local";
  if (std::holds_alternative<route::RelayPlan>(plan)) return "relay";
  return std::holds_alternative<route::MxPlan>(plan) ? "mx" : "other";
}

}  // namespace

// Each waiting recipient's plan, grouped by destination. What could not be asked waits; what cannot
// go is failed.
net::Awaitable<std::list<Queue::Group>> Queue::plan(const ItemPtr& item) {
  std::list<Group> groups;
  std::map<std::pair<std::string, std::string>, Group*> by_key;  // and sender
  std::optional<std::string> rewritten;
  Stored& stored = item->stored;
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  // What never came to a server is an attempt, too, for who looks why a mail is still here.
  std::vector<LogRecord> not_asked;
  const auto put_off = [&](std::size_t i, const std::string& why) {
    stored.recipients[i].reason = why;
    not_asked.push_back(make_record(LogRecord::Kind::deferred, i, why));
    not_asked.back().at = parts_.clock.now();
    tell_unsent(log, stored.envelope.recipients[i], why, LogRecord::Kind::deferred);
  };
  for (std::size_t i = 0; i < stored.recipients.size(); ++i) {
    if (stored.recipients[i].state != RecipientState::waiting) continue;
    const auto answer =
        co_await parts_.directory.plan(ask_for(stored, stored.envelope.recipients[i]));
    if (!answer) {
      put_off(i, answer.error().what);
      continue;
    }
    if (!*answer) {
      const route::Refusal& refusal = answer->error();
      if (refusal.code < 500) {
        put_off(i, fmt::format("{} {} {} (the transport table says so)", refusal.code,
                               refusal.enhanced, refusal.text));
        continue;
      }
      if (age(*item) < refusal.after) {
        const auto left = refusal.after - age(*item);
        item->wait_max = std::min(item->wait_max, left);
        stored.recipients[i].reason = refusal.text;
        continue;
      }
      const std::string reason =
          fmt::format("{} {} {}", refusal.code, refusal.enhanced, refusal.text);
      LogRecord line = make_record(LogRecord::Kind::failed, i, reason);
      line.is_own_refusal = true;
      line.at = parts_.clock.now();
      (void)co_await record(item, {std::move(line)});
      stored.recipients[i] = {RecipientState::failed, reason, Notice::none, true};
      tell_unsent(log, stored.envelope.recipients[i], reason, LogRecord::Kind::failed);
      continue;
    }
    std::string sender = stored.envelope.sender;
    if (!parts_.config.srs.domain.empty() && !std::holds_alternative<route::LocalPlan>(**answer) &&
        is_sent_on(stored, stored.envelope.recipients[i])) {
      if (!rewritten) {
        auto asked = co_await parts_.directory.rewrite(sender);
        if (!asked) {
          put_off(i, asked.error().what);
          continue;
        }
        rewritten = *std::move(asked);
        if (*rewritten != sender)
          log.info(event::srs_rewritten, {{"from", sender}, {"as", *rewritten}});
      }
      sender = *rewritten;
    }
    const std::string key = key_of(**answer);
    stored.recipients[i].planned = destination_of(**answer);
    const auto [at, is_new] = by_key.emplace(std::pair(key, sender), nullptr);
    if (is_new) at->second = &groups.emplace_back(Group{**answer, key, {}, sender});
    at->second->recipients.push_back(i);
  }
  if (!not_asked.empty()) (void)co_await record(item, std::move(not_asked));
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

// What became of the recipient i, for the log of the message.
LogRecord Queue::record_of(const Stored& stored, const Group& group, std::size_t i,
                           const deliver::Attempted& attempted,
                           const deliver::Outcome& outcome) const {
  // A login that is refused is ours to mend: nobody's mail fails because of it.
  const bool failed = outcome.kind == deliver::Outcome::Kind::failed && !attempted.login_refused;
  const auto kind = outcome.kind == deliver::Outcome::Kind::delivered ? LogRecord::Kind::delivered
                    : failed                                          ? LogRecord::Kind::failed
                                                                      : LogRecord::Kind::deferred;
  LogRecord line = make_record(kind, i, outcome.reason);
  line.at = parts_.clock.now();
  line.remote = outcome.remote.empty() ? group.key : outcome.remote;
  // RFC 3461 section 4.1: SUCCESS asks for a notice, NEVER forbids all. Section 5.2.2: "relayed" is
  // told where the next server sends none itself.
  const message::Notify& wish = stored.envelope.recipients[i].notify;
  if (kind == LogRecord::Kind::delivered && wish.success && !wish.never &&
      !stored.envelope.sender.empty())
    line.notice = std::holds_alternative<route::LocalPlan>(group.plan) ? Notice::delivered
                  : outcome.takes_notices                              ? Notice::none
                                                                       : Notice::relayed;
  return line;
}

net::Awaitable<void> Queue::attempt(const ItemPtr& item, const Group& group) {
  Stored& stored = item->stored;
  message::Envelope envelope = stored.envelope;
  envelope.sender = group.sender;
  envelope.recipients.clear();
  for (const std::size_t i : group.recipients)
    envelope.recipients.push_back(stored.envelope.recipients[i]);
  deliver::Body body{.file = spool_.message_path(stored.id),
                     .offset = stored.body_offset,
                     .size = stored.body_size,
                     .prefix = stored.headers,
                     .is_ours = message::is_ours(stored.envelope.origin.sent_by)};
  if (stored.is_scanned) {
    // After a restart it is looked for again.
    if (!item->left_out) {
      const auto looked = co_await look_at_header(item, stored.headers);
      if (!looked) {
        log_.with_queue(stored.id).error(event::queue_disk_failed,
                                         {{"reason", looked.error().what}});
        co_return;
      }
    }
    body.left_out = *item->left_out;
  }
  const SteadyTime begun = parts_.clock.steady_now();
  const auto attempted =
      co_await parts_.transport.attempt(group.plan, std::move(envelope), body, stored.id);
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  note_destination(group.key, attempted, log);
  std::vector<LogRecord> records;
  for (std::size_t n = 0; n < group.recipients.size() && n < attempted.outcomes.size(); ++n) {
    const std::size_t i = group.recipients[n];
    const deliver::Outcome& outcome = attempted.outcomes[n];
    records.push_back(record_of(stored, group, i, attempted, outcome));
    const LogRecord::Kind kind = records.back().kind;
    metrics::count(metric::deliveries, transport_of(group.plan), counted_as(kind));
    const log::Event& event = kind == LogRecord::Kind::delivered ? event::queue_delivered
                              : kind == LogRecord::Kind::failed  ? event::queue_failed
                                                                 : event::queue_deferred;
    const log::Fields fields = {{"to", stored.envelope.recipients[i].address},
                                {"relay", records.back().remote},
                                {"tls", outcome.tls},
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
    recipient.asked = line.remote;
    recipient.notice = line.notice;
    if (line.kind == LogRecord::Kind::delivered) recipient.state = RecipientState::delivered;
    if (line.kind == LogRecord::Kind::failed) recipient.state = RecipientState::failed;
  }
}

void Queue::note_relay(const std::string& key, const deliver::Attempted& attempted) {
  if (!key.starts_with("relay:")) return;
  if (!attempted.login_refused && !attempted.destination_down) {
    relay_faults_.erase(key);
    return;
  }
  if (relay_faults_.size() >= kRelayFaultsMax && !relay_faults_.contains(key)) return;
  relay_faults_[key] = {
      .state = attempted.login_refused ? "login refused" : "down",
      .reason = attempted.outcomes.empty() ? "" : attempted.outcomes.front().reason.substr(0, 300),
      .seen = parts_.clock.steady_now()};
}

// What an attempt says about its destination, for others that go there: hosts that cannot be
// reached are remembered (RFC 5321 section 4.5.4.1).
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
  note_relay(key, attempted);
  if (!attempted.login_refused || now <= login_alarm_) return;
  login_alarm_ = now + 1min;
  log.error(event::relay_login_refused,
            {{"relay", key},
             {"reason", attempted.outcomes.empty() ? "" : attempted.outcomes.front().reason}});
}

}  // namespace posthorn::queue
