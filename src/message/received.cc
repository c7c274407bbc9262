#include "message/received.h"

#include <fmt/format.h>

#include "base/ids.h"

namespace posthorn::message {
namespace {

std::string clean(std::string_view text, std::size_t max = 255) {
  std::string out;
  for (const char c : text.substr(0, max)) {
    const auto u = static_cast<unsigned char>(c);
    out += u <= 0x20 || u == 0x7F || c == '(' || c == ')' || c == '\\' || c == '<' || c == '>' ||
                   c == ';'
               ? '?'
               : c;
  }
  return out.empty() ? "unknown" : out;
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
    out += fmt::format("\r\n\tfor <{}>", clean(envelope.recipients.front().address));
  out += fmt::format(";\r\n\t{}\r\n", format_rfc5322(by.now));
  return out;
}

std::string make_message_id(const std::string& hostname) {
  return fmt::format("<{}@{}>", make_queue_id(Clock::system().now()), clean(hostname));
}

}  // namespace posthorn::message
