#include "lda/vacation.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "lda/answer_rules.h"
#include "maps/table_set.h"
#include "message/compose.h"
#include "message/mailbox_address.h"
#include "message/part.h"
#include "message/received.h"

namespace posthorn::lda {
namespace {

constexpr std::size_t kAddressesMax = 50;  // that are looked at; each may be a question to lookup

// RFC 5230 section 4.6: "Auto: " and the subject of the message, if the script gives none.
std::string subject_of(const sieve::Vacation& vacation, const message::Headers& headers) {
  // Encoded words that the script brings along are its characters, not its letters.
  if (!vacation.subject.empty()) return message::decode_words(vacation.subject);
  const std::string subject = message::decode_words(headers.find("Subject").value_or(""));
  return subject.empty() ? "Automated reply" : "Auto: " + subject;
}

// RFC 5230 section 4.6: with :mime the reason is a MIME entity. Of its fields only those of MIME
// are taken: a text may not say to whom or from whom it is.
std::string mime_part(std::string_view reason) {
  const std::string wire = message::wire_lines(reason);
  const auto end = message::find_header_end(wire, message::Input::whole);
  const std::string_view block = std::string_view(wire).substr(0, end ? end->header_size : 0);
  std::string out = "MIME-Version: 1.0\r\n";
  for (const message::Field& field : message::Headers(block).fields())
    if (to_lower(field.name).starts_with("content-")) out += field.raw;
  if (!out.ends_with("\r\n")) out += "\r\n";
  return out + "\r\n" + wire.substr(end ? end->body_begin : 0);
}

bool is_among(const std::vector<std::string>& addresses, const std::string& address) {
  return std::ranges::any_of(
      addresses, [&](const std::string& one) { return equals_ignoring_case(one, address); });
}

// The address of the user that the message was written to; empty: to none.
net::Task<std::string> find_written_to(AnswerParts parts, const Incoming& mail,
                                       const std::vector<std::string>& own) {
  const auto named = message::addresses_in(
      mail.headers, {"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"}, kAddressesMax);
  const std::string& delimiter = parts.config.maps.recipient_delimiter;
  for (const std::string& address : named)
    if (is_among(own, address) || is_among(own, maps::keys_of(address, delimiter).untagged))
      co_return address;
  for (const std::string& address : named) {
    CO_TRY(const bool leads, co_await parts.outbox.leads_to(address, mail.account, delimiter));
    if (leads) co_return address;
  }
  co_return "";
}

// `:from` where the user may write so, else the address that was written to, else the account's.
net::Task<std::string> find_from(AnswerParts parts, const Incoming& mail,
                                 const sieve::Vacation& vacation, const std::string& written_to) {
  for (const std::string& text : {vacation.from, written_to}) {
    const std::string address = message::address_of(text);
    if (address.empty()) continue;
    if (equals_ignoring_case(address, mail.account)) co_return text;
    CO_TRY(const bool may, co_await parts.outbox.may_send_as(mail.account, address));
    if (may) co_return text;
  }
  co_return mail.account;
}

// Why it is not answered; empty: it is, and written_to says as whom.
net::Task<std::string> find_silence(AnswerParts parts, const Incoming& mail,
                                    const sieve::Vacation& vacation, std::string& written_to) {
  const std::string& sender = mail.envelope.sender;
  if (const auto why = find_reason_for_silence(mail.headers, sender)) co_return std::string(*why);
  const auto parsed = message::parse_mailbox_address(sender);
  if (!parsed || parsed->domain.empty()) co_return "its sender is no address";
  std::vector<std::string> own = {mail.account, mail.recipient};
  for (const std::string& address : vacation.addresses) own.push_back(message::address_of(address));
  const std::string& delimiter = parts.config.maps.recipient_delimiter;
  if (is_among(own, sender) || is_among(own, maps::keys_of(sender, delimiter).untagged))
    co_return "the user has sent it";
  CO_TRY(const bool is_own, co_await parts.outbox.leads_to(sender, mail.account, delimiter));
  if (is_own) co_return "the user has sent it";
  CO_TRY(written_to, co_await find_written_to(parts, mail, own));
  co_return written_to.empty() ? "it was not written to the user" : "";
}

}  // namespace

std::string make_vacation(const VacationText& text) {
  std::string out =
      fmt::format("From: {}\r\nTo: <{}>\r\n", message::format_address(text.from), text.to);
  out += message::text_field("Subject", subject_of(text.vacation, text.headers));
  out += fmt::format("Date: {}\r\nMessage-ID: {}\r\n", format_rfc5322(text.now),
                     message::make_message_id(text.hostname, text.now));
  out += message::reply_fields(text.headers);
  // RFC 3834 section 5; the others for those who do not know it.
  out += "Auto-Submitted: auto-replied\r\nPrecedence: bulk\r\nX-Auto-Response-Suppress: All\r\n";
  return out + (text.vacation.form == sieve::Vacation::Form::mime
                    ? mime_part(text.vacation.reason)
                    : message::text_part(text.vacation.reason));
}

net::Task<Answered> answer_vacation(AnswerParts parts, const Incoming& mail,
                                    const sieve::Vacation& vacation, const Memories::Held& memory) {
  const std::string& to = mail.envelope.sender;
  const Note note{.kind = Remembered::answer, .handle = vacation.handle, .id = to_lower(to)};
  if (memory.has(note)) co_return Answered{.why = "it was answered before"};
  std::string written_to;
  CO_TRY(auto why, co_await find_silence(parts, mail, vacation, written_to));
  if (!why.empty()) co_return Answered{.why = std::move(why)};
  CO_TRY(const std::string from, co_await find_from(parts, mail, vacation, written_to));
  std::string text = make_vacation({.vacation = vacation,
                                    .headers = mail.headers,
                                    .from = from,
                                    .to = to,
                                    .hostname = parts.config.server.hostname,
                                    .now = parts.clock.now()});
  // Remembered first, then sent: a crash between them costs one answer and never repeats one.
  const auto noted = co_await memory.note(note, vacation.period);
  if (!noted) co_return Answered{.why = "it cannot be remembered: " + noted.error().what};
  if (*noted == Memory::Noted::full) co_return Answered{.why = "too many were answered"};
  const bool as_user = parts.config.sieve.vacation_sender == config::VacationSender::user;
  const auto sent = co_await parts.outbox.send({.sender = as_user ? message::address_of(from) : "",
                                                .recipients = {to},
                                                .text = text,
                                                .session = mail.envelope.origin.session});
  if (sent && *sent) co_return Answered{.text = std::move(text), .queue_id = **sent};
  // The next mail may be answered; this one does not wait for it.
  if (sent || !may_be_queued(sent.error())) (void)co_await memory.forget(note);
  co_return Answered{.why = sent ? sent->error() : sent.error().what};
}

}  // namespace posthorn::lda
