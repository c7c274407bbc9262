// QueueSink: what edge's SMTP sessions give their messages to: the queue, over its inner socket,
// and acknowledged only when the queue has it on disk.
#include <algorithm>

#include "app/sinks.h"
#include "auth/service.h"
#include "base/events.h"
#include "base/metrics.h"
#include "process/sockets.h"
#include "smtp/client/client.h"
#include "smtp/proto/command.h"

namespace posthorn::app {
namespace {

// Edge to queue. The connection is made for each message; a Unix socket costs little and no state
// is left over.
class QueueSink final : public smtp::Sink {
 public:
  QueueSink(net::Scope& scope, const config::Config& config, const std::string& socket,
            tap::Hub* tap)
      : scope_(scope), config_(config), socket_(socket), tap_(tap) {}

  net::Task<> begin(const message::Envelope& envelope) override {
    const auto deadline = scope_.after(10s);
    CO_TRY(auto stream, co_await net::connect(scope_.executor(),
                                              process::run_socket(config_, socket_), deadline));
    if (tap_ != nullptr) {
      stream = tap_->wrap_client(std::move(stream), "queue", envelope.origin.session,
                                 envelope.origin.account);
    }
    client_ = std::make_unique<smtp::Client>(
        std::move(stream),
        smtp::ClientOptions{.hostname = config_.server.hostname, .lmtp = true, .is_inner = true},
        scope_.clock());
    CO_TRY(const auto opened, co_await client_->open());
    if (!opened.is_positive())
      co_return fail(ErrorKind::temporary, "queue: " + smtp::to_string(opened));
    CO_TRY(const auto begun, co_await client_->begin(envelope));
    if (begun.broken) co_return fail(ErrorKind::temporary, "queue: " + begun.broken->what);
    // All or nothing: a recipient that the queue refuses must not vanish behind one 250.
    const bool whole = std::ranges::all_of(begun.recipients, &smtp::Reply::is_done);
    if (whole && begun.data.code == 354) co_return Result<>{};
    const smtp::Reply& reply =
        !begun.mail.is_positive() ? begun.mail
        : whole                   ? begun.data
                : *std::ranges::find_if_not(begun.recipients, &smtp::Reply::is_done);
    // Whoever waits for no peer's answer, as a redirect, need not try this again.
    const bool is_final = reply.code >= 500;
    co_return fail(is_final ? ErrorKind::permanent : ErrorKind::temporary,
                   "queue: " + smtp::to_string(reply));
  }

  net::Task<> write(std::string_view bytes) override { co_return co_await client_->write(bytes); }

  net::Task<smtp::Committed> commit() override {
    CO_TRY(const auto replies, co_await client_->finish());
    // All recipients lie in one spool file: one reply speaks for all.
    const smtp::Reply& reply = replies.front();
    if (!reply.is_positive())
      co_return fail(ErrorKind::temporary, "queue: " + smtp::to_string(reply));
    client_->stream().close();
    co_return smtp::Committed{.queue_id = smtp::find_queue_id(reply).value_or(""),
                              .recipients = {}};
  }

  net::Awaitable<void> abort() override {
    if (client_) client_->stream().close();  // without its end the message never was
    co_return;
  }

 private:
  net::Scope& scope_;
  const config::Config& config_;
  std::string socket_;
  tap::Hub* tap_;
  std::unique_ptr<smtp::Client> client_;
};

class SpoolSink final : public smtp::Sink {
 public:
  SpoolSink(SpoolSinkFactory::Parts parts, Door door)
      : parts_(parts), queue_(parts.queue), door_(door) {}

  net::Task<> begin(const message::Envelope& given) override {
    message::Envelope envelope = given;
    if (queue_.is_full()) {
      metrics::count(metric::limits_hit, "queue_full");
      co_return fail(ErrorKind::temporary, "the queue is full");
    }
    CO_TRY_OK(co_await prove(envelope));
    writer_ = queue_.begin(std::move(envelope));
    co_return Result<>{};
  }
  net::Task<> write(std::string_view bytes) override { co_return co_await writer_->write(bytes); }
  net::Task<smtp::Committed> commit() override {
    CO_TRY(auto id, co_await queue_.commit(*writer_));
    co_return smtp::Committed{std::move(id), {}};
  }
  net::Awaitable<void> abort() override {
    writer_.reset();
    co_return;
  }

 private:
  net::Task<> prove(message::Envelope& envelope) {
    message::Origin& origin = envelope.origin;
    const std::string token = std::exchange(envelope.token, {});
    if (door_ == Door::programs) {
      origin.sent_by = message::SentBy::program;
      co_return Result<>{};
    }
    origin.account.clear();
    if (door_ == Door::store) {
      origin.sent_by = message::SentBy::sent_on;
      co_return Result<>{};
    }
    // Which address the client has, only edge can say.
    origin.sent_by = parts_.relay_from.contains(origin.client_address)
                         ? message::SentBy::trusted_network
                         : message::SentBy::stranger;
    if (token.empty()) co_return Result<>{};
    CO_TRY(auto account,
           co_await auth::redeem_mail(parts_.lookup, {.token = token,
                                                      .session = origin.session,
                                                      .sender = envelope.sender,
                                                      .recipients = envelope.recipients.size()}));
    if (!account) {
      log::Logger{}
          .with_session(origin.session)
          .error(event::queue_claim_refused, {{"from", envelope.sender}});
      co_return fail(ErrorKind::temporary, "the token is not known");
    }
    origin.sent_by = message::SentBy::user;
    origin.account = *std::move(account);
    co_return Result<>{};
  }

  SpoolSinkFactory::Parts parts_;
  queue::Queue& queue_;
  Door door_;
  std::unique_ptr<queue::Spool::Writer> writer_;
};

}  // namespace

std::unique_ptr<smtp::Sink> QueueSinkFactory::make() {
  return std::make_unique<QueueSink>(scope_, config_, socket_, tap_);
}
std::unique_ptr<smtp::Sink> SpoolSinkFactory::make() {
  return std::make_unique<SpoolSink>(parts_, door_);
}

}  // namespace posthorn::app
