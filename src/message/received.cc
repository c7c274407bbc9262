#include "message/received.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/ids.h"
#include "base/utf8.h"
#include "message/mailbox_address.h"

namespace posthorn::message {
namespace {

// A stranger's word as one of ours: what is no ASCII, or would end or begin something here, is "?".
std::string clean(std::string_view text, std::size_t max = 255) {
  std::string out;
  for (const char c : text.substr(0, max)) {
    const auto u = static_cast<unsigned char>(c);
    const bool means_something = std::string_view("()\\<>;").find(c) != std::string_view::npos;
    out += u <= 0x20 || u >= 0x7F || means_something ? '?' : c;
  }
  return out.empty() ? "unknown" : out;
}

// RFC 6531 section 3.7.3: the address of "for" may be in UTF-8, of a message that says it is.
std::string clean_address(const std::string& address, bool smtputf8) {
  if (is_ascii(address) || !smtputf8 || !is_utf8(address)) return clean(address, 510);
  std::string out;
  for (const char c : address)
    out += static_cast<unsigned char>(c) >= 0x80 ? std::string(1, c) : clean({&c, 1});
  return out;
}

}  // namespace

std::string make_received(const Envelope& envelope, const ReceivedBy& by) {
  const Origin& origin = envelope.origin;
  std::string out = "Received: ";
  if (!by.hide_client || origin.account.empty())
    out += fmt::format("from {} ({} [{}])\r\n", clean(origin.helo), clean(origin.client_name),
                       clean(origin.client_address));
  else
    out += fmt::format("from [authenticated]\r\n");
  if (!by.tls.empty()) out += fmt::format("\t(using {})\r\n", by.tls);
  out += fmt::format("\tby {} (Posthorn) with {} id {}", clean(by.hostname), clean(origin.protocol),
                     clean(by.session));
  // RFC 5321 section 7.2: several recipients would tell each other of blind copies.
  if (envelope.recipients.size() == 1)
    out += fmt::format(
        "\r\n\tfor <{}>",
        clean_address(strict_address(envelope.recipients.front().address), envelope.smtputf8));
  out += fmt::format(";\r\n\t{}\r\n", format_rfc5322(by.now));
  return out;
}

std::string make_message_id(const std::string& hostname, WallTime now) {
  return fmt::format("<{}@{}>", make_queue_id(now), clean(hostname));
}

}  // namespace posthorn::message
