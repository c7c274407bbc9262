#include "lda/redirect.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/ascii.h"
#include "message/headers.h"
#include "message/mailbox_address.h"
#include "message/received.h"

namespace posthorn::lda {
namespace {

constexpr std::size_t kRememberedMax = 10'000;

using Sent = std::expected<std::string, std::string>;

Sent kept(std::string why) {
  return std::unexpected(std::move(why));
}

// RFC 6009 section 5: what the script says of delivery reports, in the place of the default.
message::Notify notify_of(const sieve::Redirect& redirect) {
  if (redirect.notify.empty()) return {};
  const auto has = [&](std::string_view word) {
    return to_upper(redirect.notify).find(word) != std::string::npos;
  };
  return {.never = has("NEVER"),
          .success = has("SUCCESS"),
          .failure = has("FAILURE"),
          .delay = has("DELAY")};
}

}  // namespace

void Redirector::remember(const std::string& key) {
  if (!done_.insert(key).second) return;
  order_.push_back(key);
  if (order_.size() <= kRememberedMax) return;
  done_.erase(order_.front());
  order_.pop_front();
}

net::Task<> Redirector::copy(const Request& request, smtp::Sink& sink) {
  CO_TRY_OK(
      co_await sink.write(fmt::format("{}: {}\r\n", message::kRedirectTrace, request.account)));
  co_return co_await copy_message(parts_.pool, request.message, request.version,
                                  OwnFields::left_out,
                                  [&sink](std::string_view bytes) { return sink.write(bytes); });
}

net::Task<std::expected<std::string, std::string>> Redirector::send(Request request) {
  const std::string& address = request.what.address;
  const message::Headers headers(request.message.header);
  for (const std::string& from : headers.find_all(message::kRedirectTrace))
    if (message::equals_ignoring_case(from, request.account))
      co_return kept("it comes from here: a loop");
  if (!message::parse_mailbox_address(address, message::AddressCharset::utf8))
    co_return kept("not an address");
  // The header holds our own Received with the session's id, so it names the message.
  const std::string key =
      fmt::format("{}{}{}{}{}", request.message.header, '\0', request.recipient, '\0', address);
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  std::size_t size = digest.size();
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, key.data(), key.size(),
                   reinterpret_cast<unsigned char*>(digest.data()), &size) != 1)
    co_return fail(ErrorKind::temporary, "SHA-256");
  digest.resize(size);
  if (done_.contains(digest)) co_return Sent();

  CO_TRY(const auto expansion,
         co_await parts_.directory.recipient({.address = address, .may_relay = true}));
  if (!expansion) co_return kept(expansion.error().text);
  message::Envelope envelope = request.envelope;
  envelope.recipients.clear();
  for (const std::string& to : expansion->recipients) {
    if (message::equals_ignoring_case(to, request.account)) continue;
    envelope.recipients.push_back({to, "rfc822;" + request.recipient, notify_of(request.what)});
    envelope.smtputf8 |= !is_ascii(to);  // RFC 6531 section 3.4
  }
  if (envelope.recipients.empty()) co_return kept("it leads back here");
  if (!request.what.ret.empty())
    envelope.ret =
        equals_ignoring_case(request.what.ret, "FULL") ? message::Ret::full : message::Ret::headers;

  const auto sink = parts_.queue.make();
  Result<> done = co_await sink->begin(envelope);
  if (done) done = co_await copy(request, *sink);
  if (!done) {
    co_await sink->abort();
    // RFC 5228 section 2.10.6: what will never be taken is kept here.
    if (done.error().kind == ErrorKind::permanent) co_return kept(done.error().what);
    co_return std::unexpected(done.error());
  }
  auto committed = co_await sink->commit();
  if (!committed && committed.error().kind == ErrorKind::permanent)
    co_return kept(committed.error().what);
  if (!committed) co_return std::unexpected(committed.error());
  remember(digest);
  co_return Sent(std::move(committed->queue_id));
}

}  // namespace posthorn::lda
