#include "message/dsn.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/ids.h"
#include "base/utf8.h"
#include "message/headers.h"
#include "message/received.h"

namespace posthorn::message {
namespace {

// One line of printable ASCII.
std::string clean(std::string_view text, std::size_t max = 600) {
  std::string out;
  for (const char c : text.substr(0, max)) {
    const auto u = static_cast<unsigned char>(c);
    out += u < 0x20 || u == 0x7F ? ' ' : u >= 0x80 ? '?' : c;
  }
  return out;
}

// The same, where UTF-8 may stand: what a server said in it, or a script of the recipient's.
std::string clean_utf8(std::string_view text) {
  constexpr std::size_t kMax = 960;  // with the blanks before it a line (RFC 5322 section 2.1.1)
  std::string out;
  while (!text.empty() && out.size() < kMax) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0)
      out += '?';
    else if (first < 0x20 || first == 0x7F || is_c1_control(text))
      out += ' ';
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

struct Wording {
  std::string_view subject, text, action, status;
};

const Wording& wording(Dsn::Kind kind) {
  static constexpr Wording kFailed = {"Undelivered mail returned to sender",
                                      "Your message could not be delivered to:", "failed", "5.0.0"};
  static constexpr Wording kDelayed = {
      "Delayed mail (still being tried)",
      "Your message could not be delivered yet. It will be tried again; you need not do anything.",
      "delayed", "4.0.0"};
  static constexpr Wording kDelivered = {"Your mail was delivered",
                                         "Your message was delivered to:", "delivered", "2.0.0"};
  static constexpr Wording kRelayed = {"Your mail was passed on",
                                       "Your message was passed on to a mail system that will not "
                                       "tell you when it is delivered:",
                                       "relayed", "2.0.0"};
  switch (kind) {
    case Dsn::Kind::failed:
      return kFailed;
    case Dsn::Kind::delayed:
      return kDelayed;
    case Dsn::Kind::delivered:
      return kDelivered;
    case Dsn::Kind::relayed:
      return kRelayed;
  }
  return kFailed;
}

// A bounce goes to somebody who may not have written the message: what comes back is small. A whole
// message that is too large comes back as its header (RFC 3461 section 6.2 allows it), a header
// that is too large as its first lines.
struct Returned {
  std::string_view text;
  bool is_whole = false;
};

Returned cut(std::string_view text, bool is_whole) {
  if (text.size() <= kReturnedMax) return {text, is_whole};
  if (is_whole) text = text.substr(0, find_header_end(text, Input::whole)->header_size);
  if (text.size() <= kReturnedMax) return {text, false};
  const std::size_t lf = text.rfind('\n', kReturnedMax - 1);
  return {text.substr(0, lf == std::string_view::npos ? 0 : lf + 1), false};
}

}  // namespace

std::string make_dsn(const Dsn& dsn) {
  const Wording& words = wording(dsn.kind);
  const std::string boundary = "=_" + random_hex(12);
  std::string out;
  const auto line = [&](std::string_view text) { out += std::string(text) + "\r\n"; };
  line(fmt::format("From: Mail Delivery System <postmaster@{}>", dsn.hostname));
  line(fmt::format("To: <{}>", clean(dsn.envelope.sender)));
  line(fmt::format("Subject: {}", words.subject));
  line("Date: " + format_rfc5322(dsn.now));
  line("Message-ID: " + make_message_id(dsn.hostname, dsn.now));
  line("Auto-Submitted: auto-replied");
  line("MIME-Version: 1.0");
  const Returned returned = cut(dsn.returned, dsn.is_whole);
  const bool is_8bit = !is_ascii(returned.text);
  std::string told;
  for (const DsnRecipient& recipient : dsn.recipients)
    told += fmt::format("\r\n<{}>\r\n    {}\r\n", clean(recipient.recipient.address),
                        clean_utf8(recipient.reason));
  // RFC 2045 section 6.4: a multipart says 8bit when a part of it does.
  if (is_8bit || !is_ascii(told)) line("Content-Transfer-Encoding: 8bit");
  line(fmt::format(
      "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{}\"",
      boundary));
  line("");
  line("--" + boundary);
  line(is_ascii(told) ? "Content-Type: text/plain; charset=us-ascii"
                      : "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 8bit");
  line("");
  line(fmt::format("This is the mail system at {}.", dsn.hostname));
  line("");
  line(words.text);
  out += told;
  line("");
  line("--" + boundary);
  line("Content-Type: message/delivery-status");
  line("");
  line(fmt::format("Reporting-MTA: dns; {}", dsn.hostname));
  if (!dsn.envelope.id.empty()) line("Original-Envelope-Id: " + clean(dsn.envelope.id));
  line("Arrival-Date: " + format_rfc5322(dsn.arrived));
  for (const DsnRecipient& recipient : dsn.recipients) {
    line("");
    const std::string& original = recipient.recipient.original;
    if (original.find(';') != std::string::npos)
      line(fmt::format("Original-Recipient: {}; {}", clean(original.substr(0, original.find(';'))),
                       clean(original.substr(original.find(';') + 1))));
    line(fmt::format("Final-Recipient: rfc822; {}", clean(recipient.recipient.address)));
    line(fmt::format("Action: {}", words.action));
    line("Status: " +
         clean(recipient.status.empty() ? words.status : std::string_view(recipient.status)));
    if (!recipient.remote.empty())
      line("Remote-MTA: dns; " + clean(recipient.remote.substr(0, recipient.remote.find('['))));
    if (!recipient.diagnostic.empty())
      line("Diagnostic-Code: smtp; " + clean(recipient.diagnostic));
    if (dsn.kind == Dsn::Kind::delayed)
      line("Will-Retry-Until: " + format_rfc5322(dsn.retry_until));
  }
  line("");
  line("--" + boundary);
  line(returned.is_whole ? "Content-Type: message/rfc822" : "Content-Type: text/rfc822-headers");
  if (is_8bit) line("Content-Transfer-Encoding: 8bit");
  line("");
  out += returned.text;
  if (!out.ends_with("\r\n")) out += "\r\n";
  line("");
  line("--" + boundary + "--");
  return out;
}

}  // namespace posthorn::message
