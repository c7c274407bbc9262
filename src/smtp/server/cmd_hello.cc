// HELO, EHLO and LHLO, and what changes who the peer is: STARTTLS and, between our own roles,
// XFORWARD. RFC 5321 section 4.1.1.1, RFC 3207, RFC 2033 section 4.1.
#include <fmt/format.h>

#include "smtp/server/session_impl.h"

namespace posthorn::smtp {

Reply Session::hello(const Command& command) {
  if (!is_hello_text(command.argument)) return {501, "5.5.4", "A host name must follow"};
  // RFC 5321 section 4.1.4: EHLO resets the transaction; a session may begin again with it.
  reset_envelope();
  helo_ = command.argument;
  greeted_ = true;
  extended_ = command.verb != Verb::helo;
  std::string text = settings_.hostname;
  if (is_like_exim())
    text += fmt::format(" Hello {} [{}]", is_host_text(helo_) ? helo_ : "there",
                        stream_->peer().address);
  if (!extended_) return {250, "", text};
  // RFC 2920, 1870, 3207, 4954, 2034, 6152, 3461, 6531, 3030, in this order. What is offered
  // depends on the state: STARTTLS never inside TLS (RFC 3207 section 4.2), AUTH never in the clear
  // where a password would be (RFC 4954 section 4).
  text += "\nPIPELINING";
  text += fmt::format("\nSIZE {}", settings_.smtp.message_max);
  if (services_.tls != nullptr && stream_->tls() == nullptr) text += "\nSTARTTLS";
  if (offers_auth(state())) text += "\nAUTH PLAIN LOGIN";
  if (!is_like_exim()) text += "\nENHANCEDSTATUSCODES";
  text += "\n8BITMIME\nDSN\nSMTPUTF8\nCHUNKING";
  if (is_internal()) text += "\nXFORWARD NAME ADDR PROTO HELO IDENT QUEUE";
  return {250, "", text};
}

net::Task<> Session::injected() {
  // Bytes behind STARTTLS in the clear: somebody in between wants them answered inside TLS
  // (CVE-2011-0411).
  log_.warn(event::smtp_unauthorised_pipelining,
            {{"address", stream_->peer().address}, {"after", "STARTTLS"}});
  buffer_.discard();
  over_ = true;
  co_return fail(ErrorKind::protocol, "bytes behind STARTTLS");
}

net::Task<> Session::starttls() {
  say({220, "2.0.0", "Ready to start TLS"});
  CO_TRY_OK(co_await flush());
  if (!buffer_.empty()) co_return co_await injected();
  CO_TRY_OK(co_await handshake());
  // RFC 3207 section 4.2: all that was said before is forgotten.
  greeted_ = extended_ = false;
  helo_.clear();
  account_.clear();
  proof_.clear();
  reset_envelope();
  co_return Result<>{};
}

Reply Session::xforward(const std::string& argument) {
  const auto attributes = parse_xforward(argument);
  if (!attributes) return attributes.error();
  for (const auto& [name, value] : *attributes) {
    if (message::equals_ignoring_case(name, "NAME"))
      forwarded_.client_name = value;
    else if (message::equals_ignoring_case(name, "ADDR"))
      forwarded_.client_address = value;
    else if (message::equals_ignoring_case(name, "HELO"))
      forwarded_.helo = value;
    else if (message::equals_ignoring_case(name, "PROTO"))
      forwarded_.protocol = value;
    else if (message::equals_ignoring_case(name, "IDENT"))
      forwarded_.session = value;
    else if (message::equals_ignoring_case(name, "QUEUE"))  // ours: what q= is in the log
      forwarded_.queue_id = value;
    else
      return {501, "5.5.4", "Unknown attribute"};
  }
  return kOk;
}

}  // namespace posthorn::smtp
