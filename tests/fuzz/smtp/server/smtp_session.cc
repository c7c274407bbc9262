// Any bytes as a client of the session: a stranger's, a user's, a program's of LMTP, with bare line
// ends mended or refused. What it says back are replies; a message is accepted only for a CRLF.CRLF
// or a BDAT LAST that was sent, so that no bare LF makes two of one DATA; what is accepted has CRLF
// lines, our Received on top and no Bcc; and when the client is gone, the session is over.
#include <asio/io_context.hpp>

#include "message/headers.h"
#include "smtp/server/session.h"
#include "tests/support/fixed_logins.h"
#include "tests/support/fuzz.h"
#include "tests/support/memory_stream.h"

namespace {

using namespace posthorn;

class Directory final : public route::Directory {
 public:
  route::Answer<route::Expansion> recipient(route::RecipientQuestion question) override {
    using Out = std::expected<route::Expansion, route::Refusal>;
    if (question.address.starts_with("down")) co_return fail(ErrorKind::temporary, "away");
    if (question.address.starts_with("no"))
      co_return Out(std::unexpected(
          route::Refusal{route::Reason::unknown, 550, "5.1.1", "No such user here"}));
    co_return Out(route::Expansion{{question.address}});
  }
  route::Answer<void> sender(route::SenderQuestion question) override {
    const std::string& address = question.address;
    using Out = std::expected<void, route::Refusal>;
    if (address.starts_with("no"))
      co_return Out(std::unexpected(
          route::Refusal{route::Reason::not_owner, 553, "5.7.1", "Not your address"}));
    co_return Out{};
  }
  route::Answer<route::Plan> plan(route::PlanQuestion) override {
    co_return fail(ErrorKind::temporary, "not asked here");
  }
};

class Sinks final : public smtp::SinkFactory {
 public:
  class Sink final : public smtp::Sink {
   public:
    explicit Sink(std::vector<std::string>& kept) : kept_(kept) {}
    net::Task<> begin(const message::Envelope& envelope) override {
      test::require(!envelope.recipients.empty());
      co_return Result<>{};
    }
    net::Task<> write(std::string_view bytes) override {
      text_ += bytes;
      co_return Result<>{};
    }
    net::Task<smtp::Committed> commit() override {
      kept_.push_back(std::move(text_));
      co_return smtp::Committed{.queue_id = "0QUEUEID", .recipients = {}};
    }
    net::Awaitable<void> abort() override { co_return; }

   private:
    std::vector<std::string>& kept_;
    std::string text_;
  };
  std::unique_ptr<smtp::Sink> make() override { return std::make_unique<Sink>(kept); }
  std::vector<std::string> kept;
};

void check_replies(std::string_view said) {
  while (!said.empty()) {
    std::string_view line = test::take_line(said);
    test::require(line.ends_with('\r'));
    line.remove_suffix(1);
    test::require(!test::has_control(line) && line.size() >= 4);
    for (std::size_t i = 0; i < 3; ++i) test::require(line[i] >= '0' && line[i] <= '9');
    test::require(line[3] == ' ' || line[3] == '-');
  }
}

void check_message(const std::string& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') test::require(i > 0 && text[i - 1] == '\r');
    if (text[i] == '\r') test::require(i + 1 < text.size() && text[i + 1] == '\n');
  }
  test::require(text.starts_with("Received: from "));
  const std::string block = text.substr(0, text.find("\r\n\r\n") + 2);
  const message::Headers headers(block);
  for (const char* name : {"Bcc", "Resent-Bcc", "Return-Path", "Content-Length"})
    test::require(!headers.has(name));
}

// How many messages the text can hold at most: CRLF.CRLF (the first CRLF may be the end of DATA,
// and as a command's end a LF will do), or the last chunk.
std::size_t ends_in(const std::string& text) {
  std::size_t n = 0;
  for (std::size_t at = text.find("\n.\r\n"); at != std::string::npos;
       at = text.find("\n.\r\n", at + 1)) {
    const std::size_t begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    const std::string line = to_upper(trim(std::string_view(text).substr(begin, at - begin)));
    n += line.ends_with('\r') || line == "DATA" ? 1 : 0;
  }
  const std::string upper = to_upper(text);
  for (std::size_t at = upper.find("LAST"); at != std::string::npos;
       at = upper.find("LAST", at + 1))
    ++n;
  return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = test::text_of(data, size);
  const std::string_view chosen = test::take_line(rest);
  const auto has = [&](char c) { return chosen.find(c) != std::string_view::npos; };
  const test::Pieces pieces(rest);
  static const bool is_quiet = [] {
    log::capture([](std::string_view) {});
    return true;
  }();
  test::require(is_quiet);

  smtp::ServerSettings settings{.hostname = "mx.example.org"};
  settings.smtp.message_max = 2000;
  settings.smtp.line_max = 1000;
  if (has('r')) settings.smtp.bare_line_feed = config::BareLineFeed::reject;
  if (has('e')) settings.smtp.replies = config::Replies::exim;
  if (has('s')) settings.protocol = smtp::Protocol::submission;
  if (has('l')) settings.protocol = smtp::Protocol::lmtp;
  settings.submission.require_tls = false;
  settings.submission.require_auth = has('a');
  settings.plaintext_login = auth::PlaintextLogin::allowed;

  asio::io_context context;
  net::Scope scope(context.get_executor(), Clock::system());
  Sinks sinks;
  Directory directory;
  test::FixedLogins logins({"smtp", "submission"}, "secret");
  const smtp::ServerServices services{
      .scope = scope, .sinks = sinks, .directory = &directory, .authenticator = &logins};
  const auto wire = std::make_shared<test::MemoryWire>(context.get_executor());
  // An address of this machine: strangers who guess wait a second for each.
  scope.spawn(smtp::serve(std::make_unique<test::MemoryStream>(wire), settings, services));
  context.run_for(std::chrono::milliseconds(2));  // it listens for who talks first
  pieces.each([&](std::string_view piece) {
    // In pieces as they come, or, without sizes, as a client does: each line when it was answered.
    while (!piece.empty()) {
      const std::size_t line = has('p') ? piece.size() : piece.find('\n');
      const std::string_view part =
          piece.substr(0, line == std::string_view::npos ? line : line + 1);
      wire->send(part);
      piece.remove_prefix(part.size());
      context.restart();
      context.poll();
    }
  });
  wire->close();
  context.restart();
  context.run_for(std::chrono::seconds(4));
  test::require(scope.running() == 0);

  check_replies(wire->from_server);
  test::require(sinks.kept.size() <= ends_in(std::string(pieces.text())));
  for (const std::string& text : sinks.kept) check_message(text);
  return 0;
}
