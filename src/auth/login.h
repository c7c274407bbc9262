// What the sessions before the login share at the edge, whatever their protocol: TLS first or by
// command, short lines under one deadline, a SASL exchange, the question whether the password is
// right, and the hand-over to the store with a one-time token. A protocol keeps its commands and
// its words. It must never answer inside TLS what was sent before it, nor tell whether a user
// exists.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "auth/authenticator.h"
#include "auth/sasl_exchange.h"
#include "base/log.h"
#include "net/line_input.h"
#include "net/placement.h"
#include "net/scope.h"
#include "net/socket.h"
#include "net/splice.h"
#include "net/stream.h"
#include "net/tls.h"

namespace posthorn::auth {

struct LoginSettings {
  net::TlsStart tls_start = net::TlsStart::by_command;
  PlaintextLogin plaintext_login = PlaintextLogin::refused;
  std::size_t line_max = 8192;
  std::chrono::milliseconds first_command_timeout = 30s;  // from the greeting
  std::chrono::milliseconds login_timeout = 60s;
  std::chrono::milliseconds handshake_timeout = 30s;
};

struct LoginServices {
  net::Scope& scope;
  Authenticator& authenticator;
  const net::Placement& placement;
  const net::TlsServer* tls = nullptr;
};

// What is the protocol's own. The lines are sent as they stand; an empty one says nothing.
struct LoginWords {
  std::string_view service;  // "imap", "pop3": for lookup, the store and the metrics
  net::AccountService home;  // who goes on with the session
  std::string_view line_too_long, stopping, timed_out;
  std::string_view ended;  // how the log calls an end that the client wished for
  const log::Event& connected;
  const log::Event& closed;
  const log::Event& injection;
  const log::Event& unavailable;
};

// handed: the session is the store's, which answers; nothing is to be said any more. refused_last:
// there were too many.
enum class LoginOutcome { handed, refused, refused_last, not_checked, not_handed };

// A client that has not logged in. Settings, services and words outlive it.
class LoginConnection {
 public:
  LoginConnection(net::StreamPtr stream, const LoginSettings& settings,
                  const LoginServices& services, const LoginWords& words);

  // To its end: TLS where the port begins with it, then talk, then what it was handed to the store
  // for, then the last word. Logs both ends.
  net::Awaitable<void> run(std::function<net::Task<>()> talk);

  net::Task<> say(std::string text);
  // A line of at most line_max, without its end; a longer one, a stop or the deadline ends the
  // session.
  net::Task<std::string> read_line();
  net::Task<std::string> read_bytes(std::size_t count);

  bool has_tls() const { return stream_->tls() != nullptr; }
  bool offers_tls() const { return services_.tls != nullptr && !has_tls(); }
  bool may_login() const {
    return has_tls() || settings_.plaintext_login == PlaintextLogin::allowed;
  }
  // STARTTLS and STLS, where offers_tls(): says go_ahead, then the handshake.
  net::Task<> start_tls(std::string go_ahead);
  // The challenges go behind "+ ".
  net::Task<Exchanged> exchange(SaslServer& sasl, SaslStep step);
  // tag: of the command, where the protocol has tags.
  net::Awaitable<LoginOutcome> log_in(Credentials credentials, std::string mechanism,
                                      std::string tag);

  // One more command that makes no sense; after too many it is over.
  void count_bad();
  void end() { over_ = true; }
  bool is_over() const { return over_; }

 private:
  net::Awaitable<net::Side> carry();
  net::Task<> handshake();
  net::Awaitable<void> say_last(net::LineInput::LastWord word);
  net::Task<std::optional<std::string>> ask(std::string challenge);

  net::StreamPtr stream_;
  const LoginSettings& settings_;
  const LoginServices& services_;
  const LoginWords& words_;
  std::string session_id_;
  log::Logger log_;
  net::LineInput in_;
  net::StreamPtr store_;  // once it was handed over
  SteadyTime login_deadline_{};
  SteadyTime deadline_{};  // of the first command, then of the login
  bool has_spoken_ = false;
  bool over_ = false;
  int bad_ = 0, failed_ = 0;
};

}  // namespace posthorn::auth
