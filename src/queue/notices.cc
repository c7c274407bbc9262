// What senders are told (RFC 3461, RFC 3464): failures, delays and successes. A notice is a message
// of its own, in the spool before anything says that it was sent.
#include "base/events.h"
#include "message/headers.h"
#include "message/notice.h"
#include "queue/item.h"

namespace posthorn::queue {
namespace {

constexpr std::size_t kReturnedMax = 50'000;
constexpr std::size_t kNoticeRowsMax = 500;  // recipients in one notice

// A bounce of what a program of this machine sent: it bears the program's account, and where it
// cannot be delivered postmaster is told. What he is told bears none, so that this ends.
bool is_of_program(const message::Envelope& envelope) {
  return envelope.origin.sent_by == message::SentBy::notice && !envelope.origin.account.empty();
}

bool is_good(message::Dsn::Kind kind) {
  return kind == message::Dsn::Kind::delivered || kind == message::Dsn::Kind::relayed;
}

message::DsnRecipient describe(const Stored& stored, std::size_t i, message::Dsn::Kind kind) {
  const bool failed = kind == message::Dsn::Kind::failed, good = is_good(kind);
  const std::string& reason = stored.recipients[i].reason;
  // RFC 3464 section 2.3.4: each has a status; RFC 3463 section 3.5: X.4.7, delivery time expired.
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
  return one;
}

}  // namespace

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

net::Task<std::string> Queue::returned_text(const Stored& stored, Returned what) {
  co_return co_await parts_.pool.run([&]() -> Result<std::string> {
    TRY(const File file, parts_.disk.open(spool_.message_path(stored.id), OpenMode::read));
    std::string text(
        static_cast<std::size_t>(std::min<std::uint64_t>(stored.body_size, kReturnedMax)), '\0');
    TRY(const auto n, read_at(file, text, stored.body_offset));
    text.resize(n);
    if (what == Returned::whole && n == stored.body_size) return text;
    if (const auto end = message::find_header_end(text, message::Input::whole))
      text.resize(end->header_size);
    return text;
  });
}

// Who reads what is sent to the sender: an address of ours may be an alias, which is looked up
// here, for the queue delivers to mailboxes. Where nobody has it, the account that sent the message
// is told, and of a program's (www-data's), which need not have a mailbox, postmaster. An Error:
// that is not known now.
net::Task<std::vector<std::string>> Queue::who_is_told(const Stored& stored,
                                                       const log::Logger& log) {
  using message::SentBy;
  const message::Envelope& envelope = stored.envelope;
  const SentBy by = envelope.origin.sent_by;
  std::vector<std::string> names;
  if (!envelope.sender.empty()) names.push_back(envelope.sender);
  if ((by == SentBy::user || by == SentBy::program) && !envelope.origin.account.empty())
    names.push_back(envelope.origin.account);
  if (by == SentBy::program || is_of_program(envelope)) names.emplace_back("postmaster");
  for (const std::string& name : names) {
    CO_TRY(auto answer, co_await parts_.directory.recipient({.address = name, .may_relay = true}));
    if (!answer || answer->recipients.empty()) continue;
    if (name != envelope.sender)
      log.info(event::queue_bounce_redirected, {{"from", envelope.sender}, {"to", name}});
    co_return std::move(answer->recipients);
  }
  // A sender's own server tells, or ours drops it.
  // RFC 5321 section 6.1: nobody is told that a notice could not be delivered.
  if (envelope.sender.empty()) co_return std::vector<std::string>{};
  co_return std::vector<std::string>{envelope.sender};
}

// RFC 3834 section 5: what no person wrote says so, and comes from nobody.
net::Task<std::string> Queue::write_to_postmaster(std::string subject, std::string text) {
  CO_TRY(auto who,
         co_await parts_.directory.recipient({.address = "postmaster", .may_relay = true}));
  if (!who || who->recipients.empty())
    co_return fail(ErrorKind::permanent, "nobody reads postmaster's mail (server.postmaster)");
  message::Envelope envelope;
  for (const std::string& address : who->recipients)
    envelope.recipients.push_back(
        {address, {}, {.never = true, .success = false, .failure = false, .delay = false}});
  envelope.eight_bit = true;
  envelope.origin.sent_by = message::SentBy::notice;
  const std::string& host = parts_.config.server.hostname;
  const std::string mail = message::make_notice({.hostname = host,
                                                 .to = who->recipients.front(),
                                                 .subject = std::move(subject),
                                                 .text = std::move(text)},
                                                parts_.clock.now());
  Spool::Writer writer(spool_, std::move(envelope), parts_.clock.now());
  CO_TRY_OK(co_await writer.write(mail));
  CO_TRY(const Stored committed, co_await writer.commit());
  tell_accepted(committed);
  add(committed, Text::checked);
  co_return committed.id;
}

// Notices to the sender about these recipients, in the spool when this returns true. For the null
// sender none, but to postmaster of a program's bounce.
net::Awaitable<bool> Queue::notify(const ItemPtr& item, message::Dsn::Kind kind,
                                   std::vector<std::size_t> recipients) {
  const Stored& stored = item->stored;
  if (recipients.empty()) co_return true;
  if (!stored.envelope.sender.empty()) {
    std::erase_if(recipients, [&](std::size_t i) {
      const message::Notify& wish = stored.envelope.recipients[i].notify;
      return wish.never || (kind == message::Dsn::Kind::failed    ? !wish.failure
                            : kind == message::Dsn::Kind::delayed ? !wish.delay
                                                                  : !wish.success);
    });
  } else if (kind != message::Dsn::Kind::failed) {
    co_return true;
  } else if (!is_of_program(stored.envelope)) {
    tell_dropped(stored, recipients.front());
    co_return true;
  }
  for (std::span<const std::size_t> rest(recipients); !rest.empty();) {
    const std::size_t some = std::min(rest.size(), kNoticeRowsMax);
    if (!co_await notify_some(item, kind, rest.first(some))) co_return false;
    rest = rest.subspan(some);
  }
  co_return true;
}

void Queue::tell_dropped(const Stored& stored, std::size_t recipient) const {
  log_.with_queue(stored.id)
      .with_session(stored.envelope.origin.session)
      .warn(event::queue_bounce_dropped, {{"to", stored.envelope.recipients[recipient].address},
                                          {"reason", stored.recipients[recipient].reason}});
}

net::Awaitable<bool> Queue::notify_some(const ItemPtr& item, message::Dsn::Kind kind,
                                        std::span<const std::size_t> recipients) {
  const Stored& stored = item->stored;
  const bool failed = kind == message::Dsn::Kind::failed;
  const log::Logger log = log_.with_queue(stored.id).with_session(stored.envelope.origin.session);
  message::Dsn dsn;
  dsn.kind = kind;
  for (const std::size_t i : recipients) dsn.recipients.push_back(describe(stored, i, kind));
  dsn.hostname = parts_.config.server.hostname;
  const auto told = co_await who_is_told(stored, log);
  if (!told) {
    log.warn(event::smtp_lookup_failed,
             {{"from", stored.envelope.sender}, {"reason", told.error().what}});
    co_return false;
  }
  if (told->empty()) {
    tell_dropped(stored, recipients.front());
    co_return true;
  }
  dsn.envelope = stored.envelope;
  if (dsn.envelope.sender.empty()) dsn.envelope.sender = told->front();
  dsn.arrived = stored.arrived;
  dsn.now = parts_.clock.now();
  dsn.retry_until = dsn.now + (parts_.config.queue.expire_after - age(*item));
  // RFC 3461 section 4.3: RET says how much goes back; where it says nothing, the setting does.
  dsn.is_whole =
      failed &&
      (stored.envelope.ret == message::Ret::full ||
       (stored.envelope.ret == message::Ret::unset && !parts_.config.queue.bounce_headers_only));
  // RFC 3462 section 2: the third part may be left out. What our own tables refuse was not to be
  // taken in the first place, and who takes it all the same (edge, taken over) must not have its
  // text carried to whom it names as the sender.
  const bool is_owed = stored.envelope.origin.sent_by != message::SentBy::stranger ||
                       std::ranges::none_of(recipients, [&](std::size_t i) {
                         return stored.recipients[i].is_own_refusal;
                       });
  const auto returned =
      is_owed ? co_await returned_text(stored, dsn.is_whole ? Returned::whole : Returned::header)
              : Result<std::string>{};
  if (returned) dsn.returned = *returned;
  dsn.is_whole = dsn.is_whole && returned && returned->size() == stored.body_size;
  message::Envelope envelope;
  for (const std::string& address : *told)
    envelope.recipients.push_back(
        {address, {}, {.never = true, .success = false, .failure = false, .delay = false}});
  envelope.eight_bit = true;
  envelope.origin.session = stored.envelope.origin.session;
  envelope.origin.sent_by = message::SentBy::notice;
  if (stored.envelope.origin.sent_by == message::SentBy::program)
    envelope.origin.account = stored.envelope.origin.account;
  Spool::Writer writer(spool_, std::move(envelope), parts_.clock.now());
  const std::string text = message::make_dsn(dsn);
  const auto written = co_await writer.write(text);
  const auto committed = written ? co_await writer.commit() : std::unexpected(written.error());
  if (!committed) {
    log.error(event::queue_disk_failed, {{"reason", committed.error().what}});
    co_return false;
  }
  log.info(failed          ? event::queue_bounced
           : is_good(kind) ? event::queue_confirmed
                           : event::queue_warned,
           {{"to", dsn.envelope.sender}, {"child", committed->id}});
  tell_accepted(*committed);
  add(*committed, Text::checked);
  co_return true;
}

}  // namespace posthorn::queue
