// From the first byte of a message to the reply behind its last, for DATA and BDAT alike: bounds,
// what a submission lacks, the trace field, the sink, and who follows too closely. A message is
// acknowledged only when the sink has it for good (RFC 5321 section 6.1).
#include "base/metrics.h"
#include "message/complete_addresses.h"
#include "message/received.h"
#include "smtp/server/session_impl.h"

namespace posthorn::smtp {
namespace {

using Reason = MessageRefusal::Reason;

std::string_view counted_as(Reason reason) {
  switch (reason) {
    case Reason::too_large:
      return "too_large";
    case Reason::try_later:
      return "queue";
    case Reason::line_ends:
    case Reason::content:
      break;
  }
  return "content";
}

bool begins_with_quit(std::string_view bytes) {
  return message::equals_ignoring_case(bytes.substr(0, 4), "QUIT");
}

}  // namespace

bool is_resent(const message::Headers& headers) {
  return headers.has("Resent-From") || headers.has("Resent-To") || headers.has("Resent-Cc") ||
         headers.has("Resent-Date");
}

// What stands against taking a message now; nullopt: the sink is open.
net::Awaitable<std::optional<Reply>> Session::begin_message() {
  begun_ = clock().steady_now();
  received_ = size_ = 0;
  refusal_.reset();
  header_ = {};
  line_ends_ = LineEnds(settings_.smtp.line_max);
  header_held_ = !is_internal();
  if (services_.limiter != nullptr && !account_.empty()) {
    if (auto refused = co_await take_permit()) co_return refused;
  }
  sink_ = services_.sinks.make();
  const auto begun = co_await sink_->begin(envelope_);
  if (begun) co_return std::nullopt;
  if (!is_internal()) metrics::count(metric::refusals, "queue");
  log_.warn(event::smtp_refused, {{"from", envelope_.sender},
                                  {"client", stream_->peer().address},
                                  {"reason", begun.error().what}});
  sink_.reset();
  co_return kTryAgain;
}

// An account's bounds, and what proves to the queue that it sends this message.
net::Awaitable<std::optional<Reply>> Session::take_permit() {
  auto permit = co_await services_.limiter->take(
      {.account = is_for_programs() ? account_ : std::string{},
       .proof = proof_,
       .service = service(),
       .session = session_id_,
       .recipients = envelope_.recipients.size(),
       .is_of_root = is_for_programs() && stream_->peer().uid == 0U});
  if (!permit) {
    metrics::count(metric::refusals, "lookup_failed");
    log_.warn(event::smtp_lookup_failed, {{"reason", permit.error().what}});
    co_return kTryAgain;
  }
  switch (permit->outcome) {
    case auth::Permit::Outcome::ok:
      envelope_.token = std::move(permit->token);
      proof_ = std::move(permit->proof);
      break;
    case auth::Permit::Outcome::too_many:
      metrics::count(metric::refusals, "rate");
      metrics::count(metric::limits_hit, "submission_rate");
      log_.warn(event::smtp_rate_refused, {{"account", account_},
                                           {"from", envelope_.sender},
                                           {"to", first_recipient()},
                                           {"client", stream_->peer().address}});
      co_return Reply{452, "4.7.1", "Too much mail from this account; try again later"};
    case auth::Permit::Outcome::unproved:
      // RFC 4954 section 6: too long ago, or lookup was started anew meanwhile.
      co_return Reply{421, "4.7.0", "The login has expired; connect and log in again"};
  }
  co_return std::nullopt;
}

void Session::refuse(MessageRefusal refusal) {
  if (!refusal_) refusal_ = std::move(refusal);
}

bool Session::rejects_bare_line_ends() const {
  if (settings_.smtp.bare_line_feed != config::BareLineFeed::reject) return false;
  return !services_.may_send_bare_line_ends ||
         !services_.may_send_bare_line_ends(stream_->peer().address);
}

void Session::check_line_ends() {
  if (refusal_ || is_internal()) return;  // what was taken once is not refused between roles
  if (line_ends_.has_bare() && rejects_bare_line_ends())
    refuse({Reason::line_ends, {550, "5.5.2", "Bare CR or LF in message"}});
  if (line_ends_.has_long_line())
    refuse({Reason::content, {550, "5.6.0", "A line of the message is too long"}});
}

net::Awaitable<void> Session::take_piece(std::string_view piece) {
  size_ += piece.size();
  if (size_ > settings_.smtp.message_max)
    refuse({Reason::too_large, {552, "5.3.4", "The message is larger than the limit"}});
  if (refusal_) {
    if (sink_) {  // what is refused takes no more room
      co_await sink_->abort();
      sink_.reset();
    }
    co_return;
  }
  if (header_held_) {
    // The header is looked at before anything goes on: hops, and what a submission lacks.
    if (header_.feed(piece)) co_await release_header();
    co_return;
  }
  co_await pass_on(piece);
}

net::Awaitable<void> Session::pass_on(std::string_view piece) {
  const auto written = co_await sink_->write(piece);
  if (written) co_return;
  log_.warn(event::smtp_refused, {{"from", envelope_.sender}, {"reason", written.error().what}});
  refuse({Reason::try_later, kTryAgain});
}

net::Awaitable<void> Session::release_header() {
  header_held_ = false;
  // As Postfix's message_drop_headers has it for every message, whoever sends it: Bcc names whom
  // nobody is to see, Return-Path is written where a message is delivered (RFC 5321 section 4.4),
  // and Content-Length is an mbox's.
  std::string block = message::without_fields(
      header_.fields(), {"Bcc", "Resent-Bcc", "Return-Path", "Content-Length"});
  const std::string rest = header_.rest();
  header_ = {};
  if (is_submission()) block = message::complete_addresses(block, own_domain());
  const message::Headers headers(block);
  // RFC 5321 section 6.3: Received fields are counted, and a hundred or more may be.
  if (message::count_hops(headers) > settings_.smtp.hops_max)
    refuse({Reason::content, {554, "5.4.6", "Too many hops: a mail loop"}});
  std::string above = make_received_field();
  if (is_submission()) above += make_missing_fields(headers);
  std::string held = block;
  if (!refusal_) above += co_await check_authors(headers, held);
  if (refusal_) co_return;
  co_await pass_on(above + held);
  if (!refusal_ && !rest.empty()) co_await pass_on(rest);
}

// Of names that a submitted message gives without one.
std::string Session::own_domain() const {
  for (const std::string* address : {&account_, &envelope_.sender})
    if (const std::size_t at = address->rfind('@'); at != std::string::npos)
      return address->substr(at + 1);
  return settings_.local_domain.empty() ? settings_.hostname : settings_.local_domain;
}

// RFC 6409 section 8: what a submitted message lacks is added.
std::string Session::make_missing_fields(const message::Headers& headers) const {
  std::string out;
  const std::string date = format_rfc5322(clock().now());
  const bool resent = is_resent(headers);
  std::string from = !envelope_.sender.empty() ? envelope_.sender
                     : !account_.empty()       ? account_
                                               : "MAILER-DAEMON";
  if (from.find('@') == std::string::npos) from += "@" + own_domain();
  from = message::strict_address(from);
  if (resent && !headers.has("Resent-From")) out += "Resent-From: <" + from + ">\r\n";
  if (resent && !headers.has("Resent-Date")) out += "Resent-Date: " + date + "\r\n";
  if (resent && !headers.has("Resent-Message-ID"))
    out += "Resent-Message-ID: " + message::make_message_id(settings_.hostname, clock().now()) +
           "\r\n";
  if (!resent && !headers.has("From")) out += "From: <" + from + ">\r\n";
  if (!headers.has("Date")) out += "Date: " + date + "\r\n";
  if (!headers.has("Message-ID"))
    out += "Message-ID: " + message::make_message_id(settings_.hostname, clock().now()) + "\r\n";
  return out;
}

// RFC 5321 section 4.4: on top of what came.
std::string Session::make_received_field() const {
  message::ReceivedBy by{.hostname = settings_.hostname,
                         .session = session_id_,
                         .tls = {},
                         .hide_client = settings_.submission.hide_client,
                         .now = clock().now()};
  if (stream_->tls() != nullptr)
    by.tls = stream_->tls()->version + " with cipher " + stream_->tls()->cipher;
  return message::make_received(envelope_, by);
}

net::Task<> Session::end_message() {
  if (header_held_ && !refusal_) {
    header_.finish();
    co_await release_header();
  }
  // A message refused for its line ends, with commands behind it: what smuggling looks like.
  const bool is_suspect = refusal_ && refusal_->reason == Reason::line_ends;
  if (refusal_) {
    if (sink_) {
      co_await sink_->abort();
      sink_.reset();
    }
    if (!is_internal()) metrics::count(metric::refusals, counted_as(refusal_->reason));
    log_.info(event::smtp_refused, {{"from", envelope_.sender},
                                    {"to", first_recipient()},
                                    {"client", stream_->peer().address},
                                    {"size", size_},
                                    {"reason", to_string(refusal_->reply)}});
    say_result(refusal_->reply, {});
  } else {
    co_await commit();
  }
  const bool ended_behind_cr = ended_behind_cr_;
  reset_envelope();
  if (ended_behind_cr && is_strict() && settings_.smtp.forbid_unauthorised_pipelining) {
    // It is an end by the letter, and what a server in between that saw none there was made to pass
    // on: what follows may be a smuggler's. Nothing does, in whatever pieces it comes.
    log_.warn(event::smtp_unauthorised_pipelining,
              {{"address", stream_->peer().address}, {"after", "CR CRLF.CRLF"}});
    say({421, "4.7.0", "The end of data stood behind a bare CR"});
    co_return Result<>{};
  }
  if (buffer_.empty() || !is_strict() || begins_with_quit(buffer_.data())) co_return Result<>{};
  // RFC 2920 lets a client that knows PIPELINING go on behind the final dot; few do.
  if ((is_suspect || !extended_) && settings_.smtp.forbid_unauthorised_pipelining)
    co_return co_await drop("end of data");
  log_.warn(event::smtp_unauthorised_pipelining,
            {{"address", stream_->peer().address}, {"after", "end of data"}});
  co_return Result<>{};
}

net::Awaitable<void> Session::commit() {
  const auto committed = co_await sink_->commit();
  sink_.reset();
  if (!committed) {
    if (!is_internal()) metrics::count(metric::refusals, "queue");
    log_.warn(event::smtp_refused, {{"from", envelope_.sender},
                                    {"to", first_recipient()},
                                    {"client", stream_->peer().address},
                                    {"size", size_},
                                    {"reason", committed.error().what}});
    const bool is_final = committed.error().kind == ErrorKind::permanent;
    say_result(is_final ? Reply{554, "5.3.0", "Message refused"} : kTryAgain, {});
    co_return;
  }
  ++accepted_;
  junk_ = 0;
  if (!is_internal())
    metrics::count(metric::messages_accepted, is_lmtp()         ? "lmtp"
                                              : is_submission() ? "submission"
                                                                : "smtp");
  if (!is_internal())
    log_.with_queue(committed->queue_id)
        .info(event::smtp_accepted, {{"from", envelope_.sender},
                                     {"to", first_recipient()},
                                     {"nrcpt", envelope_.recipients.size()},
                                     {"size", size_},
                                     {"account", account_},
                                     {"client", stream_->peer().address},
                                     {"tls", stream_->tls() ? stream_->tls()->version : ""},
                                     {"ms", clock().steady_now() - begun_}});
  if (is_like_exim()) co_return say({250, "", "OK id=" + committed->queue_id});
  if (committed->queue_id.empty()) co_return say_result(kOk, committed->recipients);
  say_result(is_internal() ? queued_reply(committed->queue_id)
                           : Reply{250, "2.0.0", "Ok: queued as " + committed->queue_id},
             committed->recipients);
}

// RFC 2033 section 4.2: LMTP says one line for each RCPT it had accepted, whatever it expanded to.
void Session::say_result(const Reply& all, const std::vector<RecipientResult>& each) {
  if (!is_lmtp()) return say(all);
  for (std::size_t i = 0; i < named_; ++i) say(i < each.size() ? each[i].reply : all);
}

net::Awaitable<void> Session::reset() {
  if (sink_) co_await sink_->abort();
  sink_.reset();
  reset_envelope();
}

void Session::reset_envelope() {
  envelope_ = {};
  seen_.clear();
  named_ = 0;
  in_mail_ = chunked_ = ended_behind_cr_ = false;
  refusal_.reset();
  header_ = {};
  header_held_ = false;
}

}  // namespace posthorn::smtp
