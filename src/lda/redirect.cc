#include "lda/redirect.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/events.h"
#include "message/headers.h"
#include "message/mailbox_address.h"
#include "message/received.h"
#include "store/line_ends.h"

namespace posthorn::lda {
namespace {

constexpr std::size_t kRememberedMax = 10'000;
constexpr std::size_t kPiece = 64 * 1024;

std::expected<void, std::string> kept(std::string why) {
  return std::unexpected(std::move(why));
}

}  // namespace

void Redirector::remember(const std::string& key) {
  if (!done_.insert(key).second) return;
  order_.push_back(key);
  if (order_.size() <= kRememberedMax) return;
  done_.erase(order_.front());
  order_.pop_front();
}

net::Task<> Redirector::copy(const Request& request, store::Delivery& delivery, smtp::Sink& sink) {
  CO_TRY(const auto staged, co_await delivery.reread());
  store::CrlfReader reader(staged.file, 0, staged.size, store::CrlfReader::Nul::kept);
  CO_TRY_OK(co_await parts_.pool.run([&] { return reader.skip(request.prefix); }));
  CO_TRY_OK(
      co_await sink.write(fmt::format("{}: {}\r\n", message::kRedirectTrace, request.account)));
  std::string piece;
  while (true) {
    piece.resize(kPiece);
    CO_TRY(const std::size_t n, co_await parts_.pool.run([&] { return reader.read(piece); }));
    if (n == 0) co_return Result<>{};
    CO_TRY_OK(co_await sink.write(std::string_view(piece).substr(0, n)));
  }
}

net::Task<std::expected<void, std::string>> Redirector::send(Request request,
                                                             store::Delivery& delivery) {
  const message::Headers headers(request.header);
  for (const std::string& from : headers.find_all(message::kRedirectTrace))
    if (message::equals_ignoring_case(from, request.account))
      co_return kept("it comes from here: a loop");
  if (!message::parse_mailbox_address(request.address, message::AddressCharset::utf8))
    co_return kept("not an address");
  // The header holds our own Received with the session's id, so it names the message.
  const std::string key = request.header + '\0' + request.recipient + '\0' + request.address;
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  std::size_t size = digest.size();
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, key.data(), key.size(),
                   reinterpret_cast<unsigned char*>(digest.data()), &size) != 1)
    co_return fail(ErrorKind::temporary, "SHA-256");
  digest.resize(size);
  if (done_.contains(digest)) co_return std::expected<void, std::string>{};

  CO_TRY(const auto expansion,
         co_await parts_.directory.recipient({.address = request.address, .may_relay = true}));
  if (!expansion) co_return kept(expansion.error().text);
  message::Envelope envelope = request.envelope;
  envelope.recipients.clear();
  for (const std::string& to : expansion->recipients) {
    if (message::equals_ignoring_case(to, request.account)) continue;
    envelope.recipients.push_back({to, "rfc822;" + request.recipient, {}});
  }
  if (envelope.recipients.empty()) co_return kept("it leads back here");

  const auto sink = parts_.queue.make();
  Result<> done = co_await sink->begin(envelope);
  if (done) done = co_await copy(request, delivery, *sink);
  if (!done) {
    co_await sink->abort();
    co_return std::unexpected(done.error());
  }
  CO_TRY(const auto committed, co_await sink->commit());
  remember(digest);
  log::Logger{}
      .with_session(envelope.origin.session)
      .with_queue(committed.queue_id)
      .info(event::sieve_redirected, {{"account", request.account}, {"rcpt", request.address}});
  co_return std::expected<void, std::string>{};
}

}  // namespace posthorn::lda
