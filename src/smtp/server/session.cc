#include "smtp/server/session.h"

#include <fmt/format.h>
#include <set>

#include "auth/proto/sasl.h"
#include "base/events.h"
#include "base/ids.h"
#include "message/headers.h"
#include "message/received.h"
#include "net/buffer.h"
#include "net/timer.h"
#include "smtp/proto/command.h"
#include "smtp/proto/data_decoder.h"

namespace posthorn::smtp {
namespace {

constexpr std::size_t kLineMax = 2048;
constexpr std::size_t kGatherMax = 64 * 1024;

const Reply kOk{250, "2.0.0", "Ok"};
const Reply kLookupFailed{451, "4.3.0", "Temporary lookup failure"};
const Reply kTryAgain{451, "4.3.0", "Try again later"};

// Where a command is legal; one table, one place that decides.
enum Legal : unsigned {
  kAnytime = 0,
  kAfterHelo = 1,    // a greeting is needed first
  kInMail = 2,       // MAIL is needed first
  kNoMail = 4,       // not between MAIL and its end
  kBeforeTls = 8,    // also where TLS is required and not there yet
  kBeforeAuth = 16,  // also where a login is required and not there yet
  kNoArgument = 32,
  kEndsGroup = 64,  // RFC 2920 section 3.1: must be the last of a pipelined group
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

bool is_local_text(std::string_view name) {
  // HELO names are a stranger's: letters, digits and what addresses literals need; anything else is
  // refused.
  if (name.empty() || name.size() > 255) return false;
  for (const char c : name)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '(' || c == ')' || c == '<' ||
        c == '>')
      return false;
  return true;
}

class Session {
 public:
  Session(net::StreamPtr stream, const ServerSettings& settings, const ServerServices& services)
      : stream_(std::move(stream)),
        settings_(settings),
        services_(services),
        session_id_(make_session_id()),
        log_(log::Logger{}.with_session(session_id_)),
        registration_(services.scope, *stream_, [this] { stopping_ = true; }) {}

  net::Awaitable<void> run() {
    started_ = Clock::system().steady_now();
    if (!settings_.internal)
      log_.info(event::smtp_connected,
                {{"address", stream_->peer().address}, {"protocol", protocol_name()}});
    if (settings_.implicit_tls && !co_await handshake()) co_return;
    const Result<> ended = co_await talk();
    if (sink_) {
      co_await sink_->abort();
      sink_.reset();
    }
    (void)co_await stream_->shut_down(Clock::system().steady_now() + 1s);
    if (!settings_.internal)
      log_.info(event::smtp_closed, {{"messages", accepted_},
                                     {"errors", errors_},
                                     {"reason", ended ? std::string("quit") : ended.error().what}});
  }

 private:
  SteadyTime soon(std::chrono::milliseconds time) const {
    return Clock::system().steady_now() + time;
  }
  bool is_lmtp() const { return settings_.protocol == Protocol::lmtp; }
  bool is_submission() const { return settings_.protocol == Protocol::submission; }
  std::string_view protocol_name() const {
    return is_lmtp()         ? "lmtp"
           : is_submission() ? (settings_.implicit_tls ? "submissions" : "submission")
                             : "smtp";
  }
  // RFC 3848 "with" keywords.
  std::string with_keyword() const {
    std::string keyword = is_lmtp() ? "LMTP" : extended_ ? "ESMTP" : "SMTP";
    if (extended_ && stream_->tls() != nullptr) keyword += 'S';
    if (extended_ && !account_.empty()) keyword += 'A';
    if (envelope_.smtputf8 && !is_lmtp())
      keyword = "UTF8SMTP" + keyword.substr(keyword.find('P') + 1);
    return keyword;
  }

  net::Task<> handshake() {
    auto done = co_await stream_->start_tls(*services_.tls, soon(settings_.handshake_timeout));
    if (!done)
      log_.info(event::tls_failed,
                {{"address", stream_->peer().address}, {"error", done.error().what}});
    co_return done;
  }

  net::Task<> flush() {
    if (out_.empty()) co_return Result<>{};
    const std::string bytes = std::exchange(out_, {});
    co_return co_await stream_->write(bytes, soon(settings_.smtp.command_timeout));
  }

  void say(const Reply& reply) {
    out_ += format_reply(reply);
    if (reply.code >= 500 || reply.code == 421) ++errors_;
    if (reply.code == 421) over_ = true;
  }

  net::Task<> talk() {
    if (!settings_.internal && !settings_.implicit_tls) {
      // RFC 5321 section 3.1: who talks before the greeting is no mail server. Bytes that are there
      // already tell.
      const auto early = co_await stream_->wait_readable(Clock::system().steady_now() + 1ms);
      if (early) {
        say({554, "5.5.0", "Protocol error: talked before the greeting"});
        log_.warn(event::smtp_unauthorised_pipelining,
                  {{"address", stream_->peer().address}, {"after", "connect"}});
        (void)co_await flush();
        co_return fail(ErrorKind::protocol, "talked before the greeting");
      }
      if (early.error().kind == ErrorKind::closed) co_return early;
    }
    out_ += is_lmtp() ? fmt::format("220 {} LMTP Posthorn\r\n", settings_.hostname)
                      : fmt::format("220 {} {}\r\n", settings_.hostname, settings_.smtp.banner);
    while (!over_) {
      if (stopping_ && sink_ == nullptr && envelope_.recipients.empty()) {
        say({421, "4.3.2", "The server is stopping"});
        break;
      }
      auto line = take_line();
      if (!line && line.error().kind == ErrorKind::temporary) {  // not whole yet
        CO_TRY_OK(co_await flush());
        const auto filled = co_await next_input();
        if (!filled) co_return co_await say_timeout(filled.error());
        continue;
      }
      if (!line) {
        say({500, "5.5.2", "Line too long"});
      } else {
        CO_TRY_OK(co_await answer(*line));
      }
      if (errors_ >= settings_.smtp.errors_max && !over_) say({421, "4.7.0", "Too many errors"});
      if (out_.size() > kGatherMax) CO_TRY_OK(co_await flush());
    }
    co_return co_await flush();
  }

  net::Task<> next_input() {
    buffer_.release();
    if (buffer_.empty()) {
      const SteadyTime deadline = soon(settings_.smtp.command_timeout);
      while (true) {  // in short waits, so that a stop is noticed
        const auto ready = co_await stream_->wait_readable(std::min(deadline, soon(500ms)));
        if (ready) break;
        if (ready.error().kind != ErrorKind::timeout || Clock::system().steady_now() >= deadline)
          co_return ready;
        if (stopping_ && sink_ == nullptr) {
          say({421, "4.3.2", "The server is stopping"});
          co_return Result<>{};
        }
      }
    } else if (!line_deadline_) {
      line_deadline_ =
          soon(settings_.smtp.command_timeout);  // for the whole line, not for each byte
    }
    const auto n = co_await buffer_.fill(
        *stream_, line_deadline_.value_or(soon(settings_.smtp.command_timeout)));
    if (!n) co_return std::unexpected(n.error());
    co_return Result<>{};
  }

  net::Task<> say_timeout(const Error& error) {
    if (error.kind == ErrorKind::timeout) {
      say({421, "4.4.2", "Timeout exceeded"});
      (void)co_await flush();
    }
    co_return std::unexpected(error);
  }

  // temporary: more input is needed; protocol: an overlong line was dropped.
  Result<std::string> take_line() {
    while (true) {
      if (const auto line = buffer_.take_line()) {
        line_deadline_.reset();
        const bool too_long = skipping_ || line->size() > kLineMax;
        skipping_ = false;
        if (too_long) return fail(ErrorKind::protocol, "line too long");
        return std::string(*line);
      }
      if (buffer_.data().size() > kLineMax) {
        buffer_.discard();
        skipping_ = true;  // up to its end it is one bad line
      }
      return fail(ErrorKind::temporary, "more");
    }
  }

  net::Task<> answer(const std::string& line) {
    auto command = parse_command(line);
    if (!command) {
      say(command.error());
      co_return Result<>{};
    }
    if (const auto refused = refuse_illegal(*command)) {
      say(*refused);
      // A refused BDAT still sends its bytes (RFC 3030 section 2): they must not be read as
      // commands.
      if (command->verb == Verb::bdat) co_return co_await skip_chunk(command->argument);
      co_return Result<>{};
    }
    if ((flags_of(command->verb) & kEndsGroup) != 0 && !buffer_.empty() && !settings_.internal &&
        command->verb != Verb::quit && command->verb != Verb::data) {
      if (command->verb == Verb::starttls) co_return co_await injected();
    }
    switch (command->verb) {
      case Verb::ehlo:
      case Verb::helo:
      case Verb::lhlo:
        say(hello(*command));
        break;
      case Verb::mail:
        say(co_await mail(command->argument));
        break;
      case Verb::rcpt:
        say(co_await rcpt(command->argument));
        break;
      case Verb::data:
        co_return co_await data();
      case Verb::bdat:
        co_return co_await bdat(command->argument);
      case Verb::rset:
        co_await reset();
        say(kOk);
        junk();
        break;
      case Verb::noop:
        say(kOk);
        junk();
        break;
      case Verb::quit:
        say({221, "2.0.0", "Bye"});
        over_ = true;
        break;
      case Verb::vrfy:
        // RFC 5321 section 3.5.3: neither yes nor no, so that nobody can harvest.
        say({252, "2.5.1", "Send some mail and see"});
        junk();
        break;
      case Verb::expn:
        say({502, "5.5.1", "Not available"});
        break;
      case Verb::help:
        say({214, "2.0.0", "RFC 5321"});
        junk();
        break;
      case Verb::starttls:
        co_return co_await starttls();
      case Verb::auth:
        co_return co_await auth(command->argument);
      case Verb::xforward:
        say(xforward(command->argument));
        break;
    }
    co_return Result<>{};
  }

  void junk() {
    if (++junk_ > settings_.smtp.junk_commands_max)
      say({421, "4.7.0", "Too many commands without mail"});
  }

  std::optional<Reply> refuse_illegal(const Command& command) const {
    const unsigned flags = flags_of(command.verb);
    const bool lmtp_hello = command.verb == Verb::lhlo;
    if (lmtp_hello != is_lmtp() &&
        (lmtp_hello || command.verb == Verb::ehlo || command.verb == Verb::helo))
      return Reply{500, "5.5.1", is_lmtp() ? "This is LMTP: LHLO" : "This is SMTP: EHLO"};
    if (command.verb == Verb::xforward && !settings_.internal)
      return Reply{502, "5.5.1", "Not available"};
    if (command.verb == Verb::auth && !offers_auth(true)) {
      if (!account_.empty()) return Reply{503, "5.5.1", "Already authenticated"};
      if (services_.authenticator == nullptr ||
          (settings_.protocol == Protocol::smtp && !settings_.smtp.auth_on_25))
        return Reply{503, "5.5.1", "Authentication is not available here"};
      return Reply{538, "5.7.11", "Encryption is required for authentication"};
    }
    if (command.verb == Verb::starttls && stream_->tls() != nullptr)
      return Reply{503, "5.5.1", "TLS is active already"};
    if (command.verb == Verb::starttls && services_.tls == nullptr)
      return Reply{502, "5.5.1", "Not available"};
    if ((flags & kNoArgument) != 0 && !command.argument.empty())
      return Reply{501, "5.5.4", "No argument is allowed"};
    if (is_submission() && settings_.submission.require_tls && stream_->tls() == nullptr &&
        (flags & kBeforeTls) == 0 && command.verb != Verb::auth)
      return Reply{530, "5.7.0", "Must issue a STARTTLS command first"};
    if ((flags & kAfterHelo) != 0 && !greeted_ &&
        (settings_.smtp.require_helo || command.verb != Verb::mail))
      return Reply{503, "5.5.1", is_lmtp() ? "Send LHLO first" : "Send EHLO or HELO first"};
    if (is_submission() && settings_.submission.require_auth && account_.empty() &&
        (flags & kBeforeAuth) == 0)
      return Reply{530, "5.7.0", "Authentication required"};
    if ((flags & kInMail) != 0 && !in_mail_) return Reply{503, "5.5.1", "Need MAIL first"};
    if ((flags & kNoMail) != 0 && in_mail_)
      return Reply{503, "5.5.1", "Not during a mail transaction"};
    return std::nullopt;
  }

  bool offers_auth(bool after_tls_only) const {
    (void)after_tls_only;
    if (services_.authenticator == nullptr || !account_.empty() || is_lmtp()) return false;
    if (settings_.protocol == Protocol::smtp && !settings_.smtp.auth_on_25) return false;
    return stream_->tls() != nullptr || settings_.allow_plaintext_auth;
  }

  Reply hello(const Command& command) {
    if (!is_local_text(command.argument)) return {501, "5.5.4", "A host name must follow"};
    reset_envelope();
    helo_ = command.argument;
    greeted_ = true;
    extended_ = command.verb != Verb::helo;
    if (!extended_) return {250, "", settings_.hostname};
    std::string text = settings_.hostname;
    text += "\nPIPELINING";
    text += fmt::format("\nSIZE {}", settings_.smtp.message_max);
    if (services_.tls != nullptr && stream_->tls() == nullptr) text += "\nSTARTTLS";
    if (offers_auth(true)) text += "\nAUTH PLAIN LOGIN";
    text += "\nENHANCEDSTATUSCODES\n8BITMIME\nDSN\nSMTPUTF8\nCHUNKING";
    if (settings_.internal) text += "\nXFORWARD NAME ADDR PROTO HELO IDENT";
    return {250, "", text};
  }

  net::Task<> injected() {
    // Bytes behind STARTTLS in the clear: somebody in between wants them answered inside TLS
    // (CVE-2011-0411).
    log_.warn(event::smtp_unauthorised_pipelining,
              {{"address", stream_->peer().address}, {"after", "STARTTLS"}});
    buffer_.discard();
    over_ = true;
    co_return fail(ErrorKind::protocol, "bytes behind STARTTLS");
  }

  net::Task<> starttls() {
    say({220, "2.0.0", "Ready to start TLS"});
    CO_TRY_OK(co_await flush());
    if (!buffer_.empty()) co_return co_await injected();
    CO_TRY_OK(co_await handshake());
    // RFC 3207 section 4.2: all that was said before is forgotten.
    greeted_ = extended_ = false;
    helo_.clear();
    account_.clear();
    reset_envelope();
    co_return Result<>{};
  }

  net::Task<> auth(const std::string& argument) {
    const std::size_t space = argument.find(' ');
    const std::string mechanism = argument.substr(0, space);
    auth::SaslServer sasl;
    auth::SaslStep step = space == std::string::npos
                              ? sasl.start(mechanism, std::nullopt)
                              : sasl.start(mechanism, std::string_view(argument).substr(space + 1));
    while (const auto* challenge = std::get_if<auth::Challenge>(&step)) {
      out_ += "334 " + challenge->line + "\r\n";
      CO_TRY_OK(co_await flush());
      CO_TRY(const auto line, co_await read_auth_line());
      if (!line) {
        say({500, "5.5.6", "Authentication exchange line is too long"});
        co_return Result<>{};
      }
      step = sasl.feed(*line);
    }
    if (const auto* failure = std::get_if<auth::SaslFailure>(&step)) {
      switch (*failure) {
        case auth::SaslFailure::unknown_mechanism:
          say({504, "5.5.4", "Unrecognized authentication type"});
          break;
        case auth::SaslFailure::cancelled:
          say({501, "5.7.0", "Authentication cancelled"});
          break;
        case auth::SaslFailure::malformed:
          say({501, "5.5.2", "Cannot decode the response"});
          break;
        case auth::SaslFailure::too_long:
          say({500, "5.5.6", "Authentication exchange line is too long"});
          break;
      }
      co_return Result<>{};
    }
    auto& credentials = std::get<auth::Credentials>(step);
    const auto verdict = co_await services_.authenticator->authenticate(
        {.service = is_submission() ? "submission" : "smtp",
         .mechanism = sasl.mechanism(),
         .user = std::move(credentials.user),
         .authorization = std::move(credentials.authorization),
         .password = std::move(credentials.password),
         .address = stream_->peer().address,
         .session = session_id_,
         .tls = stream_->tls() != nullptr});
    if (!verdict) {
      log_.warn(event::smtp_lookup_failed, {{"reason", verdict.error().what}});
      say({454, "4.7.0", "Temporary authentication failure"});
    } else if (verdict->outcome == auth::Verdict::Outcome::ok) {
      account_ = verdict->account;
      say({235, "2.7.0", "Authentication successful"});
    } else {
      say({535, "5.7.8", "Authentication credentials invalid"});
    }
    co_return Result<>{};
  }

  // A line of the exchange, longer than a command may be; nullopt: over the limit, the rest
  // dropped.
  net::Task<std::optional<std::string>> read_auth_line() {
    const SteadyTime deadline = soon(settings_.smtp.command_timeout);
    bool too_long = false;
    while (true) {
      if (const auto line = buffer_.take_line()) {
        if (too_long) co_return std::nullopt;
        co_return std::string(*line);
      }
      if (buffer_.data().size() > auth::kSaslLineMax) {
        if (too_long) co_return fail(ErrorKind::protocol, "an endless line");
        too_long = true;
        buffer_.discard();
      }
      CO_TRY_OK(co_await buffer_.fill(*stream_, deadline));
    }
  }

  Reply xforward(const std::string& argument) {
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
      else
        return {501, "5.5.4", "Unknown attribute"};
    }
    return kOk;
  }

  net::Awaitable<Reply> mail(const std::string& argument) {
    if (stopping_) co_return Reply{421, "4.3.2", "The server is stopping"};
    if (accepted_ >= settings_.smtp.messages_max && !settings_.internal)
      co_return Reply{421, "4.7.0", "Too many messages over one connection"};
    const auto mail = parse_mail(argument);
    if (!mail) co_return mail.error();
    if (mail->size > settings_.smtp.message_max)
      co_return Reply{552, "5.3.4", "The message is larger than the limit"};
    if (is_submission() && !account_.empty() && settings_.submission.check_sender) {
      if (const auto refused = co_await check_sender(mail->sender)) co_return *refused;
    }
    reset_envelope();
    in_mail_ = true;
    envelope_.sender = mail->sender;
    envelope_.id = mail->envelope_id;
    envelope_.ret = mail->ret;
    envelope_.eight_bit = mail->eight_bit;
    envelope_.smtputf8 = mail->smtputf8;
    envelope_.declared_size = mail->size;
    if (settings_.internal) {
      envelope_.origin = forwarded_;
      if (mail->auth != "<>") envelope_.origin.account = mail->auth;
    } else {
      envelope_.origin = {.session = session_id_,
                          .client_address = stream_->peer().address,
                          .client_name = {},
                          .helo = helo_,
                          .protocol = with_keyword(),
                          .account = account_};
    }
    co_return Reply{250, "2.1.0", "Ok"};
  }

  // RFC 6409 section 6.1: a user may not speak for others.
  net::Awaitable<std::optional<Reply>> check_sender(std::string sender) {
    const auto answer = co_await services_.directory->sender(account_, sender);
    if (!answer) {
      log_.warn(event::smtp_lookup_failed, {{"reason", answer.error().what}});
      co_return kLookupFailed;
    }
    if (*answer) co_return std::nullopt;
    const route::Refusal& refusal = answer->error();
    log_.info(event::smtp_mail_refused,
              {{"account", account_}, {"from", sender}, {"reply", refusal.code}});
    co_return Reply{refusal.code, refusal.enhanced, refusal.text};
  }

  net::Awaitable<Reply> rcpt(const std::string& argument) {
    const auto charset =
        envelope_.smtputf8 ? message::AddressCharset::utf8 : message::AddressCharset::ascii;
    auto rcpt = parse_rcpt(argument, charset);
    if (!rcpt) co_return rcpt.error();
    if (named_ >= settings_.smtp.recipients_max)
      co_return Reply{452, "4.5.3", "Too many recipients"};
    if (services_.directory == nullptr) {
      envelope_.recipients.push_back(
          {std::move(rcpt->address), std::move(rcpt->original), rcpt->notify});
      ++named_;
      co_return Reply{250, "2.1.5", "Ok"};
    }
    const std::string address = rcpt->address;
    const auto answer = co_await services_.directory->recipient({address, account_});
    if (!answer) {
      log_.warn(event::smtp_lookup_failed, {{"rcpt", address}, {"reason", answer.error().what}});
      co_return kLookupFailed;
    }
    if (!*answer) co_return co_await refuse_recipient(address, answer->error());
    if (rcpt->original.empty()) rcpt->original = "rfc822;" + address;
    for (const std::string& to : (*answer)->recipients)
      if (seen_.insert(to).second)
        envelope_.recipients.push_back({to, rcpt->original, rcpt->notify});
    ++named_;
    co_return Reply{250, "2.1.5", "Ok"};
  }

  net::Awaitable<Reply> refuse_recipient(const std::string& address,
                                         const route::Refusal& refusal) {
    log_.info(event::smtp_rcpt_refused, {{"rcpt", address},
                                         {"from", envelope_.sender},
                                         {"address", stream_->peer().address},
                                         {"reply", refusal.code},
                                         {"status", refusal.enhanced}});
    if (++unknown_ >= settings_.smtp.unknown_recipients_max)
      co_return Reply{421, "4.7.0", "Too many unknown recipients"};
    // Harvesters pay for each guess beyond the fifth.
    if (unknown_ > 5 && !stream_->peer().is_loopback) co_await net::sleep(1s);
    co_return Reply{refusal.code, refusal.enhanced, refusal.text};
  }

  net::Task<> data() {
    if (envelope_.recipients.empty()) {
      say({554, "5.5.1", "No valid recipients"});
      co_return Result<>{};
    }
    if (chunked_) {
      say({503, "5.5.1", "BDAT has begun"});
      co_return Result<>{};
    }
    if (!buffer_.empty() && !settings_.internal) {
      // RFC 2920 section 3.1: DATA ends a group; what follows ahead of the 354 is a smuggler's or a
      // bot's.
      log_.warn(event::smtp_unauthorised_pipelining,
                {{"address", stream_->peer().address}, {"after", "DATA"}});
      say({554, "5.5.0", "Protocol error: data ahead of the reply"});
      over_ = true;
      co_return Result<>{};
    }
    if (!co_await begin_message()) {
      say(kTryAgain);
      co_await reset();
      co_return Result<>{};
    }
    out_ += "354 End data with <CR><LF>.<CR><LF>\r\n";
    CO_TRY_OK(co_await flush());
    DataDecoder decoder(settings_.smtp.line_max);
    const SteadyTime begun = Clock::system().steady_now();
    std::vector<std::string_view> pieces;
    while (true) {
      if (!buffer_.empty()) {
        std::string_view input = buffer_.data();
        const std::size_t had = input.size();
        pieces.clear();
        const bool ended =
            decoder.feed(input, [&](std::string_view piece) { pieces.push_back(piece); });
        for (const std::string_view piece : pieces) co_await take_piece(piece);
        buffer_.consume(had - input.size());
        if (ended) break;
      }
      CO_TRY_OK(co_await fill_data(begun));
    }
    switch (decoder.fault()) {
      case DataDecoder::Fault::none:
        break;
      case DataDecoder::Fault::bare_line_end:
        refuse({550, "5.5.2", "Bare CR or LF in message"});
        break;
      case DataDecoder::Fault::nul:
        refuse({550, "5.6.0", "NUL in message"});
        break;
      case DataDecoder::Fault::long_line:
        refuse({550, "5.6.0", "A line of the message is too long"});
        break;
    }
    co_return co_await end_message();
  }

  // The next piece of a message, with a deadline for it and, after a minute, for the whole by the
  // least rate.
  net::Task<> fill_data(SteadyTime begun) {
    const SteadyTime now = Clock::system().steady_now();
    const auto n = co_await buffer_.fill(*stream_, now + settings_.smtp.data_timeout, 65'536);
    if (!n) co_return std::unexpected(n.error());
    received_ += *n;
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(Clock::system().steady_now() - begun)
            .count();
    if (settings_.smtp.data_rate_min > 0 && seconds > 60 &&
        received_ < settings_.smtp.data_rate_min * static_cast<std::uint64_t>(seconds))
      co_return fail(ErrorKind::timeout, "slower than the least rate");
    co_return Result<>{};
  }

  net::Task<> bdat(const std::string& argument) {
    const auto chunk = parse_bdat(argument);
    if (!chunk) {
      say(chunk.error());
      over_ = true;  // how many bytes follow is not known: the stream is out of step
      co_return Result<>{};
    }
    if (envelope_.recipients.empty()) {
      say({554, "5.5.1", "No valid recipients"});
      co_return co_await skip(chunk->size);
    }
    if (!chunked_) {
      chunked_ = true;
      if (!co_await begin_message()) refuse(kTryAgain);
      bdat_begun_ = Clock::system().steady_now();
    }
    std::uint64_t left = chunk->size;
    while (left > 0) {
      if (buffer_.empty()) CO_TRY_OK(co_await fill_data(bdat_begun_));
      const std::string_view piece = buffer_.data().substr(
          0, static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer_.data().size())));
      check_chunk(piece);
      co_await take_piece(piece);
      left -= piece.size();
      buffer_.consume(piece.size());
    }
    if (!chunk->last) {
      say(refusal_ ? *refusal_
                   : Reply{250, "2.0.0", fmt::format("{} octets received", chunk->size)});
      co_return Result<>{};
    }
    if (chunk_before_ == '\r') refuse({550, "5.5.2", "Bare CR or LF in message"});
    co_return co_await end_message();
  }

  // BDAT counts bytes and knows no lines, yet what goes on from here has CRLF lines only.
  void check_chunk(std::string_view piece) {
    for (const char c : piece) {
      if ((chunk_before_ == '\r') != (c == '\n'))
        refuse({550, "5.5.2", "Bare CR or LF in message"});
      if (c == '\0') refuse({550, "5.6.0", "NUL in message"});
      chunk_before_ = c;
    }
  }

  net::Task<> skip_chunk(const std::string& argument) {
    const auto chunk = parse_bdat(argument);
    if (!chunk || chunk->size > settings_.smtp.message_max * 2) {
      over_ = true;
      co_return Result<>{};
    }
    co_return co_await skip(chunk->size);
  }

  net::Task<> skip(std::uint64_t left) {
    while (left > 0) {
      if (buffer_.empty())
        CO_TRY_OK(co_await buffer_.fill(*stream_, soon(settings_.smtp.data_timeout), 65'536));
      const std::size_t n =
          static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer_.data().size()));
      buffer_.consume(n);
      left -= n;
    }
    co_return Result<>{};
  }

  net::Awaitable<bool> begin_message() {
    begun_ = Clock::system().steady_now();
    received_ = size_ = 0;
    refusal_.reset();
    header_ = {};
    header_held_ = !settings_.internal;
    sink_ = services_.sinks.make();
    const auto begun = co_await sink_->begin(envelope_);
    if (begun) co_return true;
    log_.warn(event::smtp_refused, {{"from", envelope_.sender}, {"reason", begun.error().what}});
    sink_.reset();
    co_return false;
  }

  void refuse(Reply reply) {
    if (!refusal_) refusal_ = std::move(reply);
  }

  net::Awaitable<void> take_piece(std::string_view piece) {
    size_ += piece.size();
    if (size_ > settings_.smtp.message_max)
      refuse({552, "5.3.4", "The message is larger than the limit"});
    if (refusal_) {
      if (sink_) {  // what is refused takes no more room
        co_await sink_->abort();
        sink_.reset();
      }
      co_return;
    }
    if (header_held_) {
      // The header is looked at before anything goes on: hops, and what a submission lacks.
      held_ += piece;
      if (header_.feed(piece)) co_await release_header();
      co_return;
    }
    co_await pass_on(piece);
  }

  net::Awaitable<void> pass_on(std::string_view piece) {
    const auto written = co_await sink_->write(piece);
    if (written) co_return;
    log_.warn(event::smtp_refused, {{"from", envelope_.sender}, {"reason", written.error().what}});
    refuse(kTryAgain);
  }

  net::Awaitable<void> release_header() {
    header_held_ = false;
    const message::Headers headers(header_.block());
    if (message::count_hops(headers) > settings_.smtp.hops_max)
      refuse({554, "5.4.6", "Too many hops: a mail loop"});
    std::string above = make_received_field();
    if (is_submission()) {
      // RFC 6409 section 8: what is missing is added.
      if (!headers.has("Date")) above += "Date: " + format_rfc5322(Clock::system().now()) + "\r\n";
      if (!headers.has("Message-ID"))
        above += "Message-ID: " + message::make_message_id(settings_.hostname) + "\r\n";
    }
    const std::string held = std::exchange(held_, {});
    if (refusal_) co_return;
    co_await pass_on(above);
    // A header that runs into its body would swallow nothing if an empty line stood between.
    if (!refusal_) co_await pass_on(held);
  }

  std::string make_received_field() const {
    message::ReceivedBy by{.hostname = settings_.hostname,
                           .session = session_id_,
                           .tls = {},
                           .hide_client = settings_.submission.hide_client,
                           .now = Clock::system().now()};
    if (stream_->tls() != nullptr)
      by.tls = stream_->tls()->version + " with cipher " + stream_->tls()->cipher;
    return message::make_received(envelope_, by);
  }

  net::Task<> end_message() {
    if (header_held_ && !refusal_) {
      header_.finish();
      co_await release_header();
    }
    if (refusal_) {
      if (sink_) {
        co_await sink_->abort();
        sink_.reset();
      }
      log_.info(event::smtp_refused,
                {{"from", envelope_.sender}, {"size", size_}, {"reason", to_string(*refusal_)}});
      say_result(*refusal_, {});
      reset_envelope();
      co_return Result<>{};
    }
    const auto committed = co_await sink_->commit();
    sink_.reset();
    if (!committed) {
      log_.warn(event::smtp_refused,
                {{"from", envelope_.sender}, {"size", size_}, {"reason", committed.error().what}});
      say_result(committed.error().kind == ErrorKind::permanent
                     ? Reply{554, "5.3.0", "Message refused"}
                     : kTryAgain,
                 {});
    } else {
      ++accepted_;
      junk_ = 0;
      if (!settings_.internal)
        log_.with_queue(committed->queue_id)
            .info(event::smtp_accepted, {{"from", envelope_.sender},
                                         {"to", envelope_.recipients.front().address},
                                         {"nrcpt", envelope_.recipients.size()},
                                         {"size", size_},
                                         {"account", account_},
                                         {"ms", Clock::system().steady_now() - begun_}});
      say_result(Reply{250, "2.0.0",
                       committed->queue_id.empty() ? "Ok" : "Ok: queued as " + committed->queue_id},
                 committed->replies);
    }
    reset_envelope();
    if (!buffer_.empty() && is_strict()) {
      // Commands sent before the reply to the message: a smuggler cannot wait for it (RFC 2920
      // allows none here).
      log_.warn(event::smtp_unauthorised_pipelining,
                {{"address", stream_->peer().address}, {"after", "end of data"}});
    }
    co_return Result<>{};
  }

  bool is_strict() const { return settings_.protocol == Protocol::smtp && !settings_.internal; }

  // RFC 2033 section 4.2: LMTP says one line for each recipient it had accepted.
  void say_result(const Reply& all, const std::vector<Reply>& each) {
    if (!is_lmtp()) return say(all);
    for (std::size_t i = 0; i < envelope_.recipients.size(); ++i)
      say(i < each.size() ? each[i] : all);
  }

  net::Awaitable<void> reset() {
    if (sink_) co_await sink_->abort();
    sink_.reset();
    reset_envelope();
  }

  void reset_envelope() {
    envelope_ = {};
    seen_.clear();
    named_ = 0;
    in_mail_ = chunked_ = false;
    chunk_before_ = '\0';
    refusal_.reset();
    held_.clear();
    header_held_ = false;
  }

  net::StreamPtr stream_;
  const ServerSettings& settings_;
  const ServerServices& services_;
  std::string session_id_;
  log::Logger log_;
  net::Scope::Registration registration_;
  net::InBuffer buffer_;
  std::string out_;
  bool stopping_ = false, over_ = false, skipping_ = false;
  std::optional<SteadyTime> line_deadline_;
  SteadyTime started_{};

  std::string helo_, account_;
  bool greeted_ = false, extended_ = false, in_mail_ = false;
  message::Origin forwarded_;
  message::Envelope envelope_;
  std::set<std::string> seen_;
  std::size_t named_ = 0;
  std::size_t accepted_ = 0, errors_ = 0, junk_ = 0, unknown_ = 0;

  std::unique_ptr<Sink> sink_;
  SteadyTime begun_{}, bdat_begun_{};
  std::uint64_t received_ = 0, size_ = 0;
  std::optional<Reply> refusal_;
  message::HeaderCollector header_;
  std::string held_;
  bool header_held_ = false, chunked_ = false;
  char chunk_before_ = '\0';
};

}  // namespace

net::Awaitable<void> serve(net::StreamPtr stream, const ServerSettings& settings,
                           const ServerServices& services) {
  Session session(std::move(stream), settings, services);
  co_await session.run();
}

}  // namespace posthorn::smtp
