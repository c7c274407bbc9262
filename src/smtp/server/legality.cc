#include "smtp/server/legality.h"

namespace posthorn::smtp {
namespace {

enum Legal : unsigned {
  kAnytime = 0,
  kAfterHelo = 1,    // a greeting is needed first
  kInMail = 2,       // MAIL is needed first
  kNoMail = 4,       // not between MAIL and its end
  kBeforeTls = 8,    // also where TLS is required and not there yet
  kBeforeAuth = 16,  // also where a login is required and not there yet
  kNoArgument = 32,
  kEndsGroup = 64,
};

struct Legality {
  Verb verb;
  unsigned flags;
};

constexpr Legality kLegality[] = {
    {Verb::ehlo, kBeforeTls | kBeforeAuth | kEndsGroup},
    {Verb::helo, kBeforeTls | kBeforeAuth | kEndsGroup},
    {Verb::lhlo, kBeforeTls | kBeforeAuth | kEndsGroup},
    {Verb::mail, kAfterHelo | kNoMail},
    {Verb::rcpt, kAfterHelo | kInMail},
    {Verb::data, kAfterHelo | kInMail | kNoArgument | kEndsGroup},
    {Verb::bdat, kAfterHelo | kInMail},
    {Verb::rset, kBeforeTls | kBeforeAuth | kNoArgument},
    {Verb::noop, kBeforeTls | kBeforeAuth},
    {Verb::quit, kBeforeTls | kBeforeAuth | kNoArgument | kEndsGroup},
    {Verb::vrfy, kBeforeAuth},
    {Verb::expn, kBeforeAuth},
    {Verb::help, kBeforeTls | kBeforeAuth},
    {Verb::starttls, kBeforeTls | kBeforeAuth | kNoMail | kNoArgument | kEndsGroup},
    {Verb::auth, kAfterHelo | kNoMail | kBeforeAuth | kEndsGroup},
    {Verb::xforward, kAfterHelo | kNoMail},
};

unsigned flags_of(Verb verb) {
  for (const Legality& row : kLegality)
    if (row.verb == verb) return row.flags;
  return kAnytime;
}

// Commands that this server, on this port, has not or not any more.
std::optional<Reply> refuse_unavailable(const Command& command, const DialogState& state) {
  const bool is_lmtp = state.protocol == Protocol::lmtp;
  switch (command.verb) {
    case Verb::ehlo:
    case Verb::helo:  // RFC 2033 section 4.1: LMTP has LHLO instead
      if (is_lmtp) return Reply{500, "5.5.1", "This is LMTP: LHLO"};
      break;
    case Verb::lhlo:
      if (!is_lmtp) return Reply{500, "5.5.1", "This is SMTP: EHLO"};
      break;
    case Verb::xforward:
      if (!state.internal) return Reply{502, "5.5.1", "Not available"};
      break;
    case Verb::auth:
      if (state.authenticated) return Reply{503, "5.5.1", "Already authenticated"};
      if (!state.has_auth) return Reply{503, "5.5.1", "Authentication is not available here"};
      if (!offers_auth(state))
        return Reply{538, "5.7.11", "Encryption is required for authentication"};
      break;
    case Verb::starttls:
      if (state.tls) return Reply{503, "5.5.1", "TLS is active already"};
      if (!state.offers_tls) return Reply{502, "5.5.1", "Not available"};
      break;
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace

bool offers_auth(const DialogState& state) {
  return state.has_auth && !state.authenticated && (state.tls || state.may_auth_plain);
}

bool ends_group(Verb verb) {
  return (flags_of(verb) & kEndsGroup) != 0;
}

std::optional<Reply> refuse_illegal(const Command& command, const DialogState& state) {
  if (auto reply = refuse_unavailable(command, state)) return reply;
  const unsigned flags = flags_of(command.verb);
  if ((flags & kNoArgument) != 0 && !command.argument.empty())
    return Reply{501, "5.5.4", "No argument is allowed"};
  // RFC 3207 section 4: 530 to everything but EHLO, NOOP, STARTTLS and QUIT.
  if (state.requires_tls && !state.tls && (flags & kBeforeTls) == 0 && command.verb != Verb::auth)
    return Reply{530, "5.7.0", "Must issue a STARTTLS command first"};
  if ((flags & kAfterHelo) != 0 && !state.greeted &&
      (state.requires_helo || command.verb != Verb::mail))
    return Reply{503, "5.5.1",
                 state.protocol == Protocol::lmtp ? "Send LHLO first" : "Send EHLO or HELO first"};
  // RFC 4954 section 6: 530 where a login is required.
  if (state.requires_auth && !state.authenticated && (flags & kBeforeAuth) == 0)
    return Reply{530, "5.7.0", "Authentication required"};
  if ((flags & kInMail) != 0 && !state.in_mail) return Reply{503, "5.5.1", "Need MAIL first"};
  if ((flags & kNoMail) != 0 && state.in_mail)
    return Reply{503, "5.5.1", "Not during a mail transaction"};
  return std::nullopt;
}

}  // namespace posthorn::smtp
