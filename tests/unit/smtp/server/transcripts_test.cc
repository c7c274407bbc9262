// The server engine, dialog by dialog (tests/transcripts/smtp, lmtp): the edge's side towards
// strangers and users, and the side between our roles. The directory, the logins and the sink are
// stand-ins with a few fixed answers.
#include <fmt/format.h>

#include "message/headers.h"
#include "smtp/server/session.h"
#include "tests/support/fixed_logins.h"
#include "tests/support/tls_server.h"
#include "tests/support/transcript.h"

namespace posthorn::smtp {
namespace {

template <class T>
std::expected<T, route::Refusal> refuse(route::Refusal refusal) {
  return std::unexpected(std::move(refusal));
}

// example.org has alice, bob and list (both); what begins with "down" cannot be asked.
class FixedDirectory final : public route::Directory {
 public:
  route::Answer<route::Expansion> recipient(route::RecipientQuestion question) override {
    const std::string& address = question.address;
    if (address.starts_with("down")) co_return fail(ErrorKind::temporary, "the table is away");
    if (address == "alice@example.org" || address == "bob@example.org" ||
        address == "alice+work@example.org")
      co_return route::Expansion{{address}};
    if (address == "postmaster") co_return route::Expansion{{"alice@example.org"}};
    if (address == "list@example.org")
      co_return route::Expansion{{"alice@example.org", "bob@example.org"}};
    if (address.ends_with("@example.org"))
      co_return refuse<route::Expansion>(
          {route::Reason::unknown, 550, "5.1.1", "No such user here"});
    if (!question.may_relay)
      co_return refuse<route::Expansion>(
          {route::Reason::relaying, 554, "5.7.1", "Relay access denied"});
    co_return route::Expansion{{address}};
  }
  route::Answer<void> sender(route::SenderQuestion question) override {
    const auto& [account, address, told] = question;
    if (address.starts_with("down")) co_return fail(ErrorKind::temporary, "the table is away");
    if (account == address || address == "sales@example.org")
      co_return std::expected<void, route::Refusal>{};
    co_return refuse<void>({route::Reason::not_owner, 553, "5.7.1", "Not your address"});
  }
  route::Answer<route::Plan> plan(route::PlanQuestion) override {
    co_return fail(ErrorKind::temporary, "not asked here");
  }
};

// Each message renews the session's proof, and a login is good for so many.
class FixedLimiter final : public auth::Limiter {
 public:
  explicit FixedLimiter(const std::string& permits)
      : left_(permits.empty() ? SIZE_MAX : std::stoul(permits)) {}
  net::Task<auth::Permit> take(auth::Submission submission) override {
    using Outcome = auth::Permit::Outcome;
    if (left_ == 0 || !submission.account.empty() || submission.session.size() < 4 ||
        submission.proof != proof_)
      co_return auth::Permit{};
    if (submission.recipients >= 3) co_return auth::Permit{Outcome::too_many, {}, {}};
    --left_;
    proof_ += "+";
    co_return auth::Permit{Outcome::ok, "for one " + submission.service, proof_};
  }

 private:
  std::size_t left_;
  std::string proof_ = "token";  // what test::FixedLogins gives
};

struct Accepted {
  message::Envelope envelope;
  std::string text;
};

// Keeps what it is given; senders named full@ and never@ find the disk full and the message
// refused.
class KeepingSink final : public Sink {
 public:
  explicit KeepingSink(std::vector<Accepted>& kept) : kept_(kept) {}
  net::Task<> begin(const message::Envelope& envelope) override {
    now_.envelope = envelope;
    if (envelope.sender == "closed@client.test")
      co_return fail(ErrorKind::temporary, "the queue is away");
    co_return Result<>{};
  }
  net::Task<> write(std::string_view bytes) override {
    now_.text += bytes;
    co_return Result<>{};
  }
  net::Task<Committed> commit() override {
    if (now_.envelope.sender == "full@client.test")
      co_return fail(ErrorKind::temporary, "no space left");
    if (now_.envelope.sender == "never@client.test")
      co_return fail(ErrorKind::permanent, "not this one");
    kept_.push_back(now_);
    Committed committed{.queue_id = "0QUEUEID"};
    if (now_.envelope.sender == "mixed@client.test") {
      committed.recipients.push_back(
          {RecipientResult::Reason::stored, {250, "2.0.0", "Ok: saved"}});
      committed.recipients.push_back(
          {RecipientResult::Reason::failed, {451, "4.2.0", "Try later"}});
    }
    co_return committed;
  }
  net::Awaitable<void> abort() override { co_return; }

 private:
  std::vector<Accepted>& kept_;
  Accepted now_;
};

class KeepingSinks final : public SinkFactory {
 public:
  std::unique_ptr<Sink> make() override { return std::make_unique<KeepingSink>(kept); }
  std::vector<Accepted> kept;
};

using Transcripts = test::TranscriptTest;

template <class E>
void take(const std::string& word, E& choice) {
  if (!word.empty()) choice = config::find_choice<E>(word).value();
}

ServerSettings settings_of(const test::Transcript& transcript) {
  const auto setting = [&](const char* name) { return transcript.setting(name); };
  ServerSettings settings{.hostname = "mx.example.org"};
  const std::string protocol = setting("protocol");
  if (protocol == "submission") settings.protocol = Protocol::submission;
  if (protocol == "lmtp") settings.protocol = Protocol::lmtp;
  if (setting("internal") == "yes") settings.peers = Peers::roles;
  if (setting("plaintext_auth") == "yes") settings.plaintext_login = auth::PlaintextLogin::allowed;
  if (setting("auth_on_25") == "yes") settings.smtp.auth_on_25 = true;
  take(setting("check_from"), settings.submission.check_from);
  take(setting("replies"), settings.smtp.replies);
  if (setting("require_auth") == "no") settings.submission.require_auth = false;
  if (const auto text = setting("message_max"); !text.empty())
    settings.smtp.message_max = std::stoull(text);
  take(setting("bare_line_feed"), settings.smtp.bare_line_feed);
  if (const auto text = setting("line_max"); !text.empty())
    settings.smtp.line_max = std::stoull(text);
  if (const auto text = setting("messages_max"); !text.empty())
    settings.smtp.messages_max = std::stoul(text);
  if (const auto text = setting("unknown_recipients_max"); !text.empty())
    settings.smtp.unknown_recipients_max = std::stoul(text);
  if (const auto text = setting("recipients_max"); !text.empty())
    settings.smtp.recipients_max = std::stoul(text);
  if (const auto text = setting("errors_max"); !text.empty())
    settings.smtp.errors_max = std::stoul(text);
  if (const auto text = setting("junk_commands_max"); !text.empty())
    settings.smtp.junk_commands_max = std::stoul(text);
  return settings;
}

// The message without the fields that we add and that hold the time of day.
std::string without_trace(const std::string& text) {
  if (!text.starts_with("Received:")) return text;
  std::size_t at = text.find("\r\n");
  while (at != std::string::npos && at + 2 < text.size() &&
         (text[at + 2] == '\t' || text[at + 2] == ' '))
    at = text.find("\r\n", at + 2);
  return text.substr(at + 2);
}

std::string check(const std::vector<Accepted>& kept, const std::string& name,
                  const std::string& value) {
  const auto compare = [&](const std::string& is) {
    return is == value ? std::string{} : fmt::format("{} is \"{}\", not \"{}\"", name, is, value);
  };
  if (name == "accepted") return compare(std::to_string(kept.size()));
  if (kept.empty()) return "nothing was accepted";
  const Accepted& last = kept.back();
  if (name == "from") return compare(last.envelope.sender);
  if (name == "text") return compare(without_trace(last.text));
  if (name == "size") return compare(std::to_string(without_trace(last.text).size()));
  if (name == "contains")
    return last.text.find(value) != std::string::npos ? "" : "not in the message: " + last.text;
  if (name == "origin")
    return compare(fmt::format("{} {} {} {}", last.envelope.origin.client_address,
                               last.envelope.origin.helo, last.envelope.origin.protocol,
                               last.envelope.origin.account));
  if (name == "to") {
    std::string all;
    for (const message::Recipient& recipient : last.envelope.recipients)
      all += (all.empty() ? "" : " ") + recipient.address;
    return compare(all);
  }
  if (name == "token") return compare(last.envelope.token);
  if (name == "named") {
    std::string all;
    for (const message::Recipient& recipient : last.envelope.recipients)
      all += (all.empty() ? "" : " ") + (recipient.named.empty() ? "-" : recipient.named);
    return compare(all);
  }
  if (name == "queue") return compare(last.envelope.origin.queue_id);
  if (name == "original") return compare(last.envelope.recipients.front().original);
  return "an unknown check";
}

TEST_P(Transcripts, InPieces) {
  const auto transcript = test::Transcript::read(GetParam());
  const ServerSettings settings = settings_of(transcript);
  const auto tls = test::make_tls_server();
  test::run_in_pieces(transcript, [&](std::size_t piece) {
    asio::io_context context;
    test::JumpingClock clock;
    net::Scope scope(context.get_executor(), clock);
    KeepingSinks sinks;
    FixedDirectory directory;
    test::FixedLogins logins({"smtp", "submission"}, "secret");
    FixedLimiter limiter(transcript.setting("permits"));
    const ServerServices services{.scope = scope,
                                  .sinks = sinks,
                                  .directory = transcript.has("everyone") ? nullptr : &directory,
                                  .authenticator = &logins,
                                  .tls = tls.get(),
                                  .limiter = &limiter,
                                  .may_send_bare_line_ends = [&](const std::string& address) {
                                    return address == transcript.setting("exempt");
                                  }};
    const test::TranscriptServer server{
        .clock = clock,
        .serve =
            [&](char, std::shared_ptr<test::MemoryWire> wire) {
              if (transcript.has("tls")) wire->tls = test::MemoryStream::kTls;
              return serve(std::make_unique<test::MemoryStream>(std::move(wire)), settings,
                           services);
            },
        .check = [&](const std::string& name,
                     const std::string& value) { return check(sinks.kept, name, value); }};
    return test::run_transcript(context, scope, transcript, server, piece);
  });
}

INSTANTIATE_TEST_SUITE_P(Smtp, Transcripts, ::testing::ValuesIn(test::transcripts_in("smtp")),
                         test::test_name);
INSTANTIATE_TEST_SUITE_P(Lmtp, Transcripts, ::testing::ValuesIn(test::transcripts_in("lmtp")),
                         test::test_name);

}  // namespace
}  // namespace posthorn::smtp
