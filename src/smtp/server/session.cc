#include "smtp/server/session.h"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/metrics.h"
#include "net/timer.h"
#include "smtp/server/session_impl.h"

namespace posthorn::smtp {
namespace {

constexpr std::size_t kLineMax = 2048;  // RFC 5321 section 4.5.3.1.4: 512, and room for extensions
constexpr std::size_t kSkippedLineMax = 4U << 20U;
constexpr std::size_t kInnerLineMax = 8192;  // two addresses and a token, escaped
constexpr std::size_t kGatherMax = 64 * 1024;

// Nothing waits for it but Received and the log; whether there is none or it is not known is the
// same to both.
net::Awaitable<void> find_client_name(const ServerServices* services, std::string address,
                                      std::shared_ptr<ClientName> client, SteadyTime deadline) {
  auto name = co_await services->client_name(std::move(address), deadline);
  if (name) client->name = *std::move(name);
  client->found.close();
}

}  // namespace

bool is_hello_text(std::string_view name) {
  return !name.empty() && name.size() <= 255 && std::ranges::none_of(name, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
}

Session::Session(net::StreamPtr stream, const ServerSettings& settings,
                 const ServerServices& services)
    : stream_(std::move(stream)),
      settings_(settings),
      services_(services),
      session_id_(make_session_id()),
      log_(log::Logger{}.with_session(session_id_)),
      registration_(services.scope, *stream_, [this] {
        stopping_ = true;
        stream_->interrupt();
      }) {}

net::Awaitable<void> Session::run() {
  stream_->identify(session_id_, "");
  const std::string_view counted = is_lmtp() ? "lmtp" : is_submission() ? "submission" : "smtp";
  std::optional<metrics::Open> open;
  if (!is_internal()) {
    metrics::count(metric::sessions, counted);
    open.emplace(metric::sessions_open, counted);
  }
  if (!is_internal())
    log_.info(event::smtp_connected,
              {{"address", stream_->peer().address}, {"protocol", protocol_name()}});
  if (services_.client_name && !stream_->peer().is_loopback) {
    client_ = std::make_shared<ClientName>(services_.scope.executor());
    services_.scope.spawn(find_client_name(&services_, stream_->peer().address, client_, soon(2s)));
  }
  if (has_implicit_tls() && !co_await handshake()) co_return;
  Result<> ended;
  if (is_for_programs()) ended = co_await find_program();
  if (ended) ended = co_await talk();
  if (sink_) {
    co_await sink_->abort();
    sink_.reset();
  }
  (void)co_await stream_->shut_down(soon(1s));
  if (!is_internal())
    log_.info(event::smtp_closed, {{"messages", accepted_},
                                   {"errors", errors_},
                                   {"reason", ended ? std::string("quit") : ended.error().what}});
}

DialogState Session::state() const {
  const bool is_plain_port = settings_.protocol == Protocol::smtp;
  return {.protocol = settings_.protocol,
          .internal = is_internal(),
          .tls = stream_->tls() != nullptr,
          .offers_tls = services_.tls != nullptr,
          .has_auth = services_.authenticator != nullptr && !is_lmtp() && !is_for_programs() &&
                      (!is_plain_port || settings_.smtp.auth_on_25),
          .may_auth_plain = settings_.plaintext_login == auth::PlaintextLogin::allowed,
          .authenticated = !account_.empty(),
          .greeted = greeted_,
          .in_mail = in_mail_,
          .requires_tls = is_submission() && !is_for_programs() && settings_.submission.require_tls,
          .requires_auth =
              (is_submission() && !is_for_programs() && settings_.submission.require_auth) ||
              (is_plain_port && settings_.smtp.require_auth),
          .requires_helo = settings_.smtp.require_helo};
}

std::string_view Session::protocol_name() const {
  return is_lmtp()           ? "lmtp"
         : is_for_programs() ? "programs"
         : is_submission()   ? (has_implicit_tls() ? "submissions" : "submission")
                             : "smtp";
}

net::Task<> Session::handshake() {
  auto done = co_await stream_->start_tls(*services_.tls, soon(settings_.handshake_timeout));
  if (!done)
    log_.info(event::tls_failed,
              {{"address", stream_->peer().address}, {"error", done.error().what}});
  co_return done;
}

// Who connected is known from the kernel, not from what it says.
net::Task<> Session::find_program() {
  const auto uid = stream_->peer().uid;
  if (!uid || !services_.login_name) co_return fail(ErrorKind::protocol, "no peer credentials");
  is_trusted_ = *uid == 0 || *uid == ::geteuid();
  const auto found = co_await services_.login_name(*uid);
  if (!found) {
    log_.warn(event::smtp_lookup_failed, {{"uid", *uid}, {"reason", found.error().what}});
    say({421, "4.3.0", "The name of the account cannot be asked now"});
    (void)co_await flush();
    co_return std::unexpected(found.error());
  }
  const std::string& name = *found;
  const config::Submission& submission = settings_.submission;
  program_may_relay_ =
      submission.programs == config::Programs::relay ||
      std::ranges::find(submission.programs_relay, name) != submission.programs_relay.end();
  account_ = message::to_lower(name) + "@" + settings_.local_domain;
  stream_->identify(session_id_, account_);
  co_return Result<>{};
}

net::Task<> Session::flush() {
  if (out_.empty()) co_return Result<>{};
  const std::string bytes = std::exchange(out_, {});
  co_return co_await stream_->write(bytes, soon(settings_.smtp.command_timeout));
}

void Session::say(const Reply& reply) {
  out_ += format_reply(reply);
  if (reply.code >= 500 || reply.code == 421) ++errors_;
  if (reply.code == 421) over_ = true;
}

net::Task<> Session::talk() {
  if (!is_internal() && !has_implicit_tls() && !is_for_programs()) {
    // RFC 5321 section 3.1: who talks before the greeting is no mail server. Bytes that are there
    // already tell.
    const auto early = co_await stream_->wait_readable(soon(1ms));
    if (early) co_return co_await drop("connect");
    if (early.error().kind == ErrorKind::closed) co_return early;
  }
  out_ += is_lmtp() ? fmt::format("220 {} LMTP Posthorn\r\n", settings_.hostname)
                    : fmt::format("220 {} {}\r\n", settings_.hostname, settings_.smtp.banner);
  if (!is_internal())
    line_deadline_ = soon(std::min<std::chrono::milliseconds>(settings_.first_command_timeout,
                                                              settings_.smtp.command_timeout));
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
    if (!line && line.error().kind == ErrorKind::timeout) {
      say({421, "4.7.0", "A line without end"});
    } else if (!line) {
      say({500, "5.5.2", "Line too long"});
    } else {
      CO_TRY_OK(co_await answer(*line));
    }
    if (errors_ >= settings_.smtp.errors_max && !over_) say({421, "4.7.0", "Too many errors"});
    if (out_.size() > kGatherMax) CO_TRY_OK(co_await flush());
  }
  co_return co_await flush();
}

net::Task<> Session::next_input() {
  buffer_.release();
  if (buffer_.empty() && !skipping_) {
    const auto ready = co_await stream_->wait_readable(
        line_deadline_.value_or(soon(settings_.smtp.command_timeout)));
    if (!ready && ready.error().kind == ErrorKind::temporary) co_return Result<>{};  // interrupted
    if (!ready) co_return ready;
  } else if (!line_deadline_) {
    line_deadline_ = soon(settings_.smtp.command_timeout);  // for the whole line, not for each byte
  }
  const auto n = co_await buffer_.fill(
      *stream_, line_deadline_.value_or(soon(settings_.smtp.command_timeout)));
  if (!n) co_return std::unexpected(n.error());
  co_return Result<>{};
}

net::Task<> Session::say_timeout(const Error& error) {
  if (error.kind == ErrorKind::timeout) {
    if (!has_spoken_) metrics::count(metric::limits_hit, "first_command");
    say({421, "4.4.2", "Timeout exceeded"});
    (void)co_await flush();
  }
  co_return std::unexpected(error);
}

// temporary: more input is needed; protocol: an overlong line was dropped.
Result<std::string> Session::take_line() {
  const std::size_t line_max = is_internal() ? kInnerLineMax : kLineMax;
  while (true) {
    if (const auto line = buffer_.take_line()) {
      line_deadline_.reset();
      has_spoken_ = true;
      const bool too_long = skipping_ || line->size() > line_max;
      skipping_ = false;
      skipped_line_ = 0;
      if (too_long) return fail(ErrorKind::protocol, "line too long");
      return std::string(*line);
    }
    if (buffer_.data().size() > line_max + 1) {  // the CR may be there already
      skipped_line_ += buffer_.discard();
      skipping_ = true;  // up to its end it is one bad line, which has an end
      if (skipped_line_ > kSkippedLineMax) return fail(ErrorKind::timeout, "a line without end");
    }
    return fail(ErrorKind::temporary, "more");
  }
}

net::Task<> Session::answer(const std::string& line) {
  auto command = parse_command(line);
  if (!command) {
    say(command.error());
    co_return Result<>{};
  }
  if (const auto refused = refuse_illegal(*command, state())) {
    say(*refused);
    // A refused BDAT still sends its bytes (RFC 3030 section 2): they must not be read as
    // commands.
    if (command->verb == Verb::bdat) co_return co_await skip_chunk(command->argument);
    co_return Result<>{};
  }
  if (command->verb == Verb::starttls && !buffer_.empty()) co_return co_await injected();
  if (is_out_of_step(command->verb)) co_return co_await drop("command");
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
      say(is_like_exim() ? Reply{221, "", settings_.hostname + " closing connection"}
                         : Reply{221, "2.0.0", "Bye"});
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

// RFC 2920 section 3.1: a client that has not heard of PIPELINING waits for each reply, one that
// has waits at the end of a group. Who does not is a bot or a smuggler. QUIT says enough by itself.
bool Session::is_out_of_step(Verb verb) const {
  return is_strict() && settings_.smtp.forbid_unauthorised_pipelining && !buffer_.empty() &&
         verb != Verb::quit && (ends_group(verb) || !extended_);
}

net::Task<> Session::drop(std::string_view after) {
  log_.warn(event::smtp_unauthorised_pipelining,
            {{"address", stream_->peer().address}, {"after", after}});
  say({554, "5.5.0", "Protocol error: sent ahead of the reply"});
  (void)co_await flush();
  over_ = true;
  co_return fail(ErrorKind::protocol, "sent ahead of the reply");
}

void Session::junk() {
  if (++junk_ > settings_.smtp.junk_commands_max)
    say({421, "4.7.0", "Too many commands without mail"});
}

net::Awaitable<void> serve(net::StreamPtr stream, const ServerSettings& settings,
                           const ServerServices& services) {
  Session session(std::move(stream), settings, services);
  co_await session.run();
}

}  // namespace posthorn::smtp
