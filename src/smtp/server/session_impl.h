// The parts of a session that its commands (cmd_*.cc) share. Private to this folder. Handlers give
// a Reply or say() it; only the session's loop and the places that must wait for the peer write.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/events.h"
#include "message/headers.h"
#include "message/incoming_header.h"
#include "net/buffer.h"
#include "net/client_name.h"
#include "net/timer.h"
#include "route/reception.h"
#include "smtp/proto/command.h"
#include "smtp/proto/line_ends.h"
#include "smtp/server/legality.h"
#include "smtp/server/session.h"

namespace posthorn::smtp {

inline const Reply kOk{250, "2.0.0", "Ok"};
inline Reply said(route::Reply reply) {
  return {reply.code, std::move(reply.enhanced), std::move(reply.text)};
}
inline const Reply kLookupFailed = said(route::reply_to(Error{}));
inline const Reply kTryAgain{451, "4.3.0", "Try again later"};

// A peer's verified name, found while it talks.
struct ClientName {
  explicit ClientName(const net::Executor& executor) : found(executor) {}
  std::string name;
  net::Event found;  // closed when the search is over
};

// Why a message is not taken: decided on the way, and said behind its end.
struct MessageRefusal {
  enum class Reason {
    try_later,
    too_large,
    line_ends,  // a bare CR or LF: what smuggling looks like
    content
  };
  Reason reason;
  Reply reply;
};

using net::is_host_text;
// The name in a greeting. Programs write what they like there, blanks too; it is believed nowhere.
bool is_hello_text(std::string_view name);
// RFC 5322 section 3.6.6: a message that is sent on has fields of its own for that.
bool is_resent(const message::Headers& headers);

class Session {
 public:
  Session(net::StreamPtr stream, const ServerSettings& settings, const ServerServices& services);
  net::Awaitable<void> run();

 private:
  const Clock& clock() const { return services_.scope.clock(); }
  SteadyTime soon(std::chrono::milliseconds time) const { return clock().steady_now() + time; }
  bool is_internal() const { return settings_.peers == Peers::roles; }
  bool is_for_programs() const { return settings_.peers == Peers::programs; }
  bool has_implicit_tls() const { return settings_.tls_start == net::TlsStart::at_once; }
  bool is_lmtp() const { return settings_.protocol == Protocol::lmtp; }
  // Good replies in Exim's words, without enhanced status codes: for programs written against it.
  bool is_like_exim() const {
    return settings_.smtp.replies == config::Replies::exim && !is_internal() && !is_lmtp() &&
           !is_for_programs();
  }
  std::string service() const { return is_submission() ? "submission" : "smtp"; }
  bool is_submission() const { return settings_.protocol == Protocol::submission; }
  // Strangers' port: what Postfix calls forbidding unauthorised pipelining holds here.
  bool is_strict() const {
    return settings_.protocol == Protocol::smtp && !is_internal() && !is_for_programs();
  }
  DialogState state() const;
  route::Client client() const;  // cmd_rcpt.cc

  // session.cc
  std::string_view protocol_name() const;
  net::Task<> handshake();
  net::Task<> find_program();
  net::Task<> flush();
  void say(const Reply& reply);
  net::Task<> talk();
  net::Task<> next_input();
  net::Task<> say_timeout(const Error& error);
  Result<std::string> take_line();
  net::Task<> answer(const std::string& line);
  bool is_out_of_step(Verb verb) const;
  net::Task<> drop(std::string_view after);
  void junk();

  // cmd_hello.cc: EHLO, HELO, LHLO, STARTTLS, XFORWARD
  Reply hello(const Command& command);
  net::Task<> injected();
  net::Task<> starttls();
  Reply xforward(const std::string& argument);

  // cmd_auth.cc
  net::Task<> auth(const std::string& argument);
  net::Task<std::optional<std::string>> ask_client(std::string challenge);

  // cmd_mail.cc
  std::string with_keyword() const;
  net::Awaitable<Reply> mail(const std::string& argument);
  net::Awaitable<std::optional<Reply>> check_sender(std::string sender);

  // cmd_rcpt.cc
  net::Awaitable<Reply> rcpt(const std::string& argument);
  net::Awaitable<Reply> refuse_recipient(const std::string& address, const route::Refusal& refusal);

  // cmd_data.cc
  net::Task<> data();
  net::Task<> fill_data(SteadyTime begun, std::uint64_t& received);

  // cmd_bdat.cc
  net::Task<> bdat(const std::string& argument);
  net::Task<> skip_chunk(const std::string& argument);
  net::Task<> skip(std::uint64_t left);

  // message_in.cc: the bytes of a message on their way to the sink
  net::Awaitable<std::optional<Reply>> begin_message();
  net::Awaitable<std::optional<Reply>> take_permit();
  void refuse(MessageRefusal refusal);
  bool rejects_bare_line_ends() const;
  void check_line_ends();
  net::Awaitable<void> take_piece(std::string_view piece);
  net::Awaitable<void> pass_on(std::string_view piece);
  net::Awaitable<void> release_header();
  // authors.cc
  net::Awaitable<std::string> check_authors(const message::Headers& headers, std::string& held);
  net::Task<bool> has_foreign_author(const message::Headers& headers, std::string_view field);
  std::string make_received_field() const;
  std::string make_missing_fields(const message::Headers& headers) const;
  std::string own_domain() const;
  net::Task<> end_message();
  net::Awaitable<void> commit();
  std::string_view first_recipient() const {
    return envelope_.recipients.empty() ? std::string_view() : envelope_.recipients.front().address;
  }
  void say_result(const Reply& all, const std::vector<RecipientResult>& each);
  net::Awaitable<void> reset();
  void reset_envelope();
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
  std::uint64_t skipped_line_ = 0;  // bytes of an overlong line
  bool has_spoken_ = false;         // a whole line

  // Who speaks.
  std::string helo_, account_;
  std::string proof_;  // of the login, for lookup
  std::shared_ptr<ClientName> client_;
  bool greeted_ = false, extended_ = false;
  bool is_trusted_ = false;  // root's program, or the server's own account's: it may use any sender
  bool program_may_relay_ = false;
  message::Origin forwarded_;  // what XFORWARD told
  std::size_t accepted_ = 0, errors_ = 0, junk_ = 0, unknown_ = 0;

  // The transaction.
  bool in_mail_ = false;
  message::Envelope envelope_;
  std::set<std::string> seen_;  // final recipients, each once
  std::size_t named_ = 0;       // RCPTs that were taken
  std::unique_ptr<Sink> sink_;
  SteadyTime begun_{};
  std::uint64_t received_ = 0, size_ = 0;  // bytes off the wire, bytes of the message
  std::uint64_t skipped_ = 0;              // of chunks that nobody wanted, over the whole session
  std::optional<MessageRefusal> refusal_;  // decided, and said when the sender is through
  LineEnds line_ends_{0};
  message::IncomingHeader header_;  // with what came of the body, until it was looked at
  bool header_held_ = false, chunked_ = false;
  bool ended_behind_cr_ = false;  // the data ended in CR CRLF.CRLF
};

}  // namespace posthorn::smtp
