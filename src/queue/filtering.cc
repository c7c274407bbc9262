// A message's way through the spam filter, once, before its first attempt: asked of spamd or not,
// tried again while it is away, thrown away, or sent on with the fields that say what came of it.
// What became of it is one filter::Outcome, of which the log, the trail and the counters are told.
#include "base/ascii.h"
#include "base/events.h"
#include "base/metrics.h"
#include "filter/marks.h"
#include "filter/outcome.h"
#include "message/headers.h"
#include "queue/item.h"

namespace posthorn::queue {
namespace {

void tell(const log::Logger& log, const filter::Outcome& outcome) {
  using filter::Deed;
  const filter::Verdict& verdict = outcome.verdict;
  const std::string_view word = filter::word_of(outcome.deed);
  if (outcome.deed != Deed::skipped)
    metrics::count(metric::filter_verdicts, filter::label_of(outcome.deed));
  if (!verdict.unscanned) {
    metrics::observe(metric::filter_seconds, outcome.took);
    log.info(event::queue_scanned, {{"spam", word},
                                    {"score", verdict.score},
                                    {"required", verdict.required},
                                    {"tests", filter::to_text(verdict.rules)},
                                    {"by", outcome.by},
                                    {"ms", outcome.took}});
    return;
  }
  const std::string_view reason = filter::to_string(*verdict.unscanned);
  if (outcome.deed == Deed::skipped)
    log.debug(event::queue_scanned, {{"spam", word}, {"reason", reason}, {"by", outcome.by}});
  else
    log.warn(event::queue_scanned, {{"spam", word},
                                    {"reason", reason},
                                    {"error", outcome.error},
                                    {"by", outcome.by},
                                    {"ms", outcome.took}});
}

}  // namespace

// True: the message may go on. False: it waits for spamd and is scheduled, or it is deleted.
net::Awaitable<bool> Queue::pass_filter(const ItemPtr& item) {
  Stored& stored = item->stored;
  if (stored.is_scanned) co_return true;
  const config::Filter& config = parts_.config.filter;
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  auto skip = filter::find_skip(config, stored.envelope.origin.sent_by);
  if (!skip && parts_.filter == nullptr)
    skip = filter::skip(filter::Unscanned::off, "filter.spamd");
  if (skip) {
    if (stored.tries == 0 && !std::exchange(item->is_skip_told, true)) tell(log, *skip);
    co_return true;
  }
  auto outcome = co_await scan(item, log);
  if (!outcome) co_return false;
  tell(log, *outcome);
  if (outcome->deed == filter::Deed::discarded) {
    log.warn(
        event::queue_discarded,
        {{"score", outcome->verdict.score}, {"from", stored.envelope.sender}, {"by", outcome->by}});
    item->deleted = true;
    co_return false;
  }
  if (co_await put_on_top(item, std::move(outcome->verdict), log)) co_return true;
  schedule(item, parts_.clock.steady_now() + jitter(config.retry));
  co_return false;
}

// nullopt: spamd could not be asked and is tried again, or the queue ends.
net::Awaitable<std::optional<filter::Outcome>> Queue::scan(const ItemPtr& item,
                                                           const log::Logger& log) {
  const Stored& stored = item->stored;
  const config::Filter& config = parts_.config.filter;
  const SteadyTime begun = parts_.clock.steady_now();
  const std::string recipient =
      stored.envelope.recipients.size() == 1 ? stored.envelope.recipients.front().address : "";
  auto verdict = co_await parts_.filter->scan(
      {spool_.message_path(stored.id), stored.body_offset, stored.body_size, recipient});
  if (stopped_) co_return std::nullopt;
  if (!verdict) {
    metrics::count(metric::filter_verdicts, "failed");
    log.warn(event::queue_scan_failed,
             {{"reason", verdict.error().what}, {"try", item->scans + 1}});
    item->scan_failed = verdict.error().what;
    if (++item->scans < config.tries_max || config.when_down == config::WhenDown::wait) {
      schedule(item, parts_.clock.steady_now() + jitter(config.retry));
      co_return std::nullopt;
    }
    verdict = filter::Filter::unscanned(filter::Unscanned::unavailable);
  }
  filter::Outcome outcome = filter::decide(config, *std::move(verdict));
  outcome.error = item->scan_failed;
  outcome.took =
      std::chrono::duration_cast<std::chrono::milliseconds>(parts_.clock.steady_now() - begun);
  co_return outcome;
}

// The fields of a verdict, and the mark in the Subject. False: the disk did not let it.
net::Awaitable<bool> Queue::put_on_top(const ItemPtr& item, filter::Verdict verdict,
                                       const log::Logger& log) {
  Stored& stored = item->stored;
  const std::string& mark = parts_.config.filter.spam_subject;
  const bool is_marked = verdict.is_spam && !mark.empty();
  // That there will be a Subject of ours is known before what it says.
  const auto subject =
      co_await look_at_header(item, verdict.headers + (is_marked ? "Subject: \r\n" : ""));
  if (!subject) {
    log.error(event::queue_disk_failed, {{"reason", subject.error().what}});
    co_return false;
  }
  if (is_marked) {
    std::optional<std::string_view> value;
    if (*subject) value = **subject;
    const auto marked = filter::mark_subject(value, mark);
    if (marked) verdict.headers += *marked;
    if (!marked) item->left_out.reset();  // its own one stays
  }
  stored.headers = std::move(verdict.headers);
  stored.is_scanned = true;
  item->scan_failed.clear();
  if (co_await record(item, {make_record(LogRecord::Kind::scanned, 0, stored.headers)}))
    co_return true;
  stored.is_scanned = false;
  co_return false;
}

// What of the text does not go on, now that fields of ours go in front: those that the filter is
// known by, which a stranger may have written himself, whether it was scanned or not, and the
// Subject, if there is one of ours. Gives its raw value. Nothing else is touched, so a DKIM
// signature that does not cover them stays good.
net::Task<std::optional<std::string>> Queue::look_at_header(const ItemPtr& item,
                                                            const std::string& filter_headers) {
  const bool has_subject = message::Headers(filter_headers).has("Subject");
  const auto is_subject = [](std::string_view name) {
    return equals_ignoring_case(name, "Subject");
  };
  CO_TRY(const auto fields, co_await parts_.pool.run([&] {
    return spool_.find_fields(item->stored, [&](std::string_view name) {
      return (has_subject && is_subject(name)) ||
             filter::is_filter_field(parts_.config.filter, name);
    });
  }));
  std::optional<std::string> subject;
  std::vector<deliver::Body::Range> ranges;
  for (const Spool::FoundField& field : fields) {
    if (is_subject(field.name)) {
      if (subject) continue;
      subject = field.value;
    }
    if (!ranges.empty() && ranges.back().begin + ranges.back().size == field.begin)
      ranges.back().size += field.size;
    else
      ranges.push_back({field.begin, field.size});
  }
  item->left_out = std::move(ranges);
  co_return subject;
}

}  // namespace posthorn::queue
