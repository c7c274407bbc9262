// Commands of SMTP, submission and LMTP as values (RFC 5321 section 4.1, RFC 2033, RFC 3461, RFC
// 1870, RFC 6152, RFC 6531, RFC 4954, RFC 3030; XFORWARD as Postfix has it). Bytes in, value or
// Reply out; never more than one line.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "message/envelope.h"
#include "message/mailbox_address.h"
#include "smtp/proto/reply.h"

namespace posthorn::smtp {

enum class Verb {
  ehlo,
  helo,
  lhlo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  quit,
  vrfy,
  expn,
  help,
  starttls,
  auth,
  xforward
};

struct Command {
  Verb verb;
  std::string argument;  // what follows the verb, trimmed
};

// 500 for what is no command.
std::expected<Command, Reply> parse_command(std::string_view line);
std::string_view to_string(Verb verb);

struct MailCommand {
  std::string sender;  // empty: the null sender
  std::uint64_t size = 0;
  bool eight_bit = false;
  bool smtputf8 = false;
  std::string auth;   // the AUTH= parameter, decoded; empty or "<>" where none
  std::string token;  // XTOKEN=, between our roles; empty: none
  message::Ret ret = message::Ret::unset;
  std::string envelope_id;
};
std::expected<MailCommand, Reply> parse_mail(std::string_view argument);

struct RcptCommand {
  std::string
      address;  // source routes are gone (RFC 5321 section 3.6.1); "postmaster" may stand alone
  std::string original;
  message::Notify notify;
  std::string named;  // XNAMED=, between our roles: what its sender wrote; empty: the address
};
std::expected<RcptCommand, Reply> parse_rcpt(std::string_view argument,
                                             message::AddressCharset charset);

struct BdatCommand {
  std::uint64_t size = 0;
  bool last = false;
};
std::expected<BdatCommand, Reply> parse_bdat(std::string_view argument);

// NAME=value pairs, decoded; "[UNAVAILABLE]" gives an empty value.
std::expected<std::vector<std::pair<std::string, std::string>>, Reply> parse_xforward(
    std::string_view argument);

// What a server of ours says to another role behind a message that is in its queue: the id as the
// attribute that XFORWARD has for it.
Reply queued_reply(std::string_view queue_id);
std::optional<std::string> find_queue_id(const Reply& reply);

// RFC 5321 section 4.1.1.11.
Reply unknown_parameter();

// RFC 3461 section 4 xtext.
std::optional<std::string> decode_xtext(std::string_view text);
std::string encode_xtext(std::string_view text);

}  // namespace posthorn::smtp
