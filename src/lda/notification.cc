#include "lda/notification.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ascii.h"
#include "base/ids.h"
#include "message/compose.h"
#include "message/part.h"
#include "message/received.h"

namespace posthorn::lda {
namespace {

constexpr std::size_t kFieldsOfReportMax = 512;
// Longer than the queue keeps a message that it hands over again.
constexpr std::chrono::hours kRemembered{14 * 24};

std::string address_list(const std::vector<std::string>& addresses) {
  return fmt::format("<{}>", fmt::join(addresses, ">,\r\n <"));
}

// RFC 5436 section 2.7: `:message`, else the URI's, else the message's own.
std::string subject_of(const NotificationText& text) {
  if (!text.notify.message.empty()) return text.notify.message;
  if (text.mailto.subject) return *text.mailto.subject;
  const std::string own = message::decode_words(text.headers.find("Subject").value_or(""));
  return own.empty() ? "Notification" : own;
}

// RFC 5435 section 3.4: 1 is high, 3 is low.
std::string_view importance_fields(std::string_view importance) {
  if (importance == "1") return "Importance: high\r\nX-Priority: 1 (Highest)\r\n";
  if (importance == "3") return "Importance: low\r\nX-Priority: 5 (Lowest)\r\n";
  return "Importance: normal\r\nX-Priority: 3 (Normal)\r\n";
}

std::string default_body(const NotificationText& text) {
  const auto value = [&](std::string_view name) {
    return message::decode_words(text.headers.find(name).value_or(""));
  };
  return fmt::format("You have a new message.\n\nFrom: {}\nSubject: {}\n", value("From"),
                     value("Subject"));
}

// `:from` where the user may write so, else the account's.
struct Writer {
  std::string from;
  bool is_given = false;
};
net::Task<Writer> find_writer(AnswerParts parts, const std::string& account,
                              const std::string& wanted) {
  const std::string address = message::address_of(wanted);
  if (address.empty()) co_return Writer{account};
  if (equals_ignoring_case(address, account)) co_return Writer{wanted, true};
  CO_TRY(const bool may, co_await parts.outbox.may_send_as(account, address));
  if (may) co_return Writer{wanted, true};
  co_return Writer{account};
}

// Remembered, then sent, as an answer is (lda/memories.h).
net::Task<Answered> send_once(AnswerParts parts, Outbox::Mail mail, Note note,
                              const Memories::Held& memory) {
  if (memory.has(note)) co_return Answered{.why = "it was sent before"};
  const auto noted = co_await memory.note(note, kRemembered);
  if (!noted) co_return Answered{.why = "it cannot be remembered: " + noted.error().what};
  std::string text = mail.text;
  const auto sent = co_await parts.outbox.send(std::move(mail));
  if (sent && *sent) co_return Answered{.text = std::move(text), .queue_id = **sent};
  if (sent || !may_be_queued(sent.error())) (void)co_await memory.forget(note);
  co_return Answered{.why = sent ? sent->error() : sent.error().what};
}

// Of strangers' text in a report's fields: one line of ASCII.
std::string report_value(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kFieldsOfReportMax)) out += c >= 0x20 && c < 0x7F ? c : '?';
  return out;
}

}  // namespace

std::string make_notification(const NotificationText& text) {
  std::string out = fmt::format("From: {}\r\n", message::format_address(text.from));
  out += text.mailto.to.empty() ? "To: undisclosed-recipients:;\r\n"
                                : fmt::format("To: {}\r\n", address_list(text.mailto.to));
  if (!text.mailto.cc.empty()) out += fmt::format("Cc: {}\r\n", address_list(text.mailto.cc));
  out += message::text_field("Subject", subject_of(text));
  out += fmt::format("Date: {}\r\nMessage-ID: {}\r\n", format_rfc5322(text.now),
                     message::make_message_id(text.hostname, text.now));
  // RFC 5436 section 2.7.1.
  out += fmt::format("Auto-Submitted: auto-notified; owner-email=\"{}\"\r\n",
                     report_value(text.owner));
  out += "Precedence: bulk\r\nX-Auto-Response-Suppress: All\r\n";
  out += importance_fields(text.notify.importance);
  return out + message::text_part(text.mailto.body.value_or(default_body(text)));
}

std::string make_report(const ReportText& text) {
  const std::string boundary = "=_" + random_hex(12);
  const bool is_whole = !text.message.empty();
  const std::string_view returned = is_whole ? text.message : text.header;
  std::string out = fmt::format("From: {}\r\nTo: <{}>\r\n", message::format_address(text.from),
                                text.report.address);
  out += message::text_field(
      "Subject",
      "Report: " + message::decode_words(
                       message::Headers(text.header).find("Subject").value_or("a message")));
  out += fmt::format("Date: {}\r\nMessage-ID: {}\r\n", format_rfc5322(text.now),
                     message::make_message_id(text.hostname, text.now));
  out += "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n";
  if (!is_ascii(returned)) out += "Content-Transfer-Encoding: 8bit\r\n";
  // RFC 5965 section 2.
  out += fmt::format(
      "Content-Type: multipart/report; report-type=feedback-report;\r\n\tboundary=\"{}\"\r\n",
      boundary);
  std::string words = message::text_part(text.report.text);
  words.erase(0, words.find("\r\n") + 2);  // a part needs no MIME-Version
  out += fmt::format("\r\n--{}\r\n{}", boundary, words);
  // RFC 5965 section 3.
  out += fmt::format(
      "\r\n--{}\r\nContent-Type: message/feedback-report\r\n\r\nVersion: 1\r\n"
      "Feedback-Type: {}\r\nUser-Agent: Posthorn/{}\r\n",
      boundary, report_value(text.report.type), POSTHORN_VERSION);
  out += fmt::format("Original-Mail-From: <{}>\r\n", report_value(text.envelope.sender));
  out += fmt::format("Arrival-Date: {}\r\n", format_rfc5322(text.now));
  out += fmt::format("Reporting-MTA: dns; {}\r\n", text.hostname);
  if (!text.envelope.origin.client_address.empty())
    out += fmt::format("Source-IP: {}\r\n", report_value(text.envelope.origin.client_address));
  out += fmt::format("\r\n--{}\r\nContent-Type: {}\r\n", boundary,
                     is_whole ? "message/rfc822" : "text/rfc822-headers");
  if (!is_ascii(returned)) out += "Content-Transfer-Encoding: 8bit\r\n";
  out += "\r\n" + message::wire_lines(returned);
  return out + fmt::format("\r\n--{}--\r\n", boundary);
}

std::string message_key(std::string_view header, std::string_view recipient) {
  return std::string(header) + '\0' + std::string(recipient);
}

net::Task<Answered> send_notification(AnswerParts parts, const Incoming& mail, std::string key,
                                      const sieve::Notify& notify, const Memories::Held& memory) {
  const auto mailto = message::parse_mailto(notify.method);
  if (!mailto) co_return Answered{.why = mailto.error()};
  for (const std::string& value : mail.headers.find_all("Auto-Submitted"))
    if (to_lower(trim(value)).starts_with("auto-notified"))
      co_return Answered{.why = "it is a notification itself"};
  CO_TRY(const Writer writer, co_await find_writer(parts, mail.account, notify.from));
  Outbox::Mail out{.text = make_notification({.notify = notify,
                                              .mailto = *mailto,
                                              .headers = mail.headers,
                                              .from = writer.from,
                                              .owner = mail.account,
                                              .hostname = parts.config.server.hostname,
                                              .now = parts.clock.now()}),
                   .session = mail.envelope.origin.session};
  // RFC 5436 section 2.3: what was brought about by the null sender is of the null sender, too.
  if (writer.is_given && !mail.envelope.sender.empty())
    out.sender = message::address_of(writer.from);
  for (const auto* list : {&mailto->to, &mailto->cc, &mailto->bcc})
    out.recipients.insert(out.recipients.end(), list->begin(), list->end());
  co_return co_await send_once(parts, std::move(out),
                               {Remembered::sent, notify.method, std::move(key)}, memory);
}

net::Task<Answered> send_report(AnswerParts parts, const Incoming& mail, Reported about,
                                const sieve::Report& report, const Memories::Held& memory) {
  const bool is_whole = report.what == sieve::Report::What::message;
  Outbox::Mail out{.recipients = {report.address},
                   .text = make_report({.report = report,
                                        .envelope = mail.envelope,
                                        .header = about.header,
                                        .message = is_whole ? about.message : std::string_view(),
                                        .from = mail.account,
                                        .hostname = parts.config.server.hostname,
                                        .now = parts.clock.now()}),
                   .session = mail.envelope.origin.session};
  co_return co_await send_once(
      parts, std::move(out),
      {Remembered::sent, "report " + report.address, message_key(about.header, mail.recipient)},
      memory);
}

}  // namespace posthorn::lda
