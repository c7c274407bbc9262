#include "lda/outbox.h"

#include <algorithm>

#include "base/ascii.h"
#include "maps/table_set.h"

namespace posthorn::lda {
namespace {

net::Task<std::string> put(smtp::Sink& sink, const message::Envelope& envelope,
                           std::string_view text) {
  constexpr std::size_t kPiece = 64 * 1024;
  // Before the commit nothing can have been queued, whatever broke.
  const auto not_sent = [](Error error) {
    return fail(ErrorKind::temporary, std::move(error.what));
  };
  if (auto begun = co_await sink.begin(envelope); !begun)
    co_return not_sent(std::move(begun).error());
  for (; !text.empty(); text.remove_prefix(std::min(kPiece, text.size())))
    if (auto written = co_await sink.write(text.substr(0, kPiece)); !written)
      co_return not_sent(std::move(written).error());
  CO_TRY(auto committed, co_await sink.commit());
  co_return std::move(committed.queue_id);
}

}  // namespace

bool may_be_queued(const Error& error) {
  return error.kind == ErrorKind::closed || error.kind == ErrorKind::timeout;
}

net::Task<std::expected<std::string, std::string>> Outbox::send(Mail mail) {
  message::Envelope envelope;
  envelope.sender = mail.sender;
  envelope.eight_bit = !is_ascii(mail.text);
  envelope.smtputf8 = !is_ascii(mail.sender);
  envelope.origin.session = mail.session;
  std::string refused = "it has no recipient";
  for (const std::string& address : mail.recipients) {
    CO_TRY(const auto expansion,
           co_await parts_.directory.recipient(
               {.address = address, .may_relay = true, .is_notice = mail.sender.empty()}));
    if (!expansion) {
      refused = expansion.error().text;
      continue;
    }
    for (const std::string& to : expansion->recipients) {
      if (std::ranges::find(envelope.recipients, to, &message::Recipient::address) !=
          envelope.recipients.end())
        continue;
      envelope.smtputf8 |= !is_ascii(to);
      // Nobody waits for what a program wrote: what becomes of it is told to no one.
      envelope.recipients.push_back({.address = to,
                                     .original = "rfc822;" + address,
                                     .notify = {.never = true, .failure = false, .delay = false}});
    }
  }
  using Sent = std::expected<std::string, std::string>;
  if (envelope.recipients.empty()) co_return Sent(std::unexpect, std::move(refused));
  const auto sink = parts_.queue.make();
  auto id = co_await put(*sink, envelope, mail.text);
  if (!id) {
    co_await sink->abort();
    co_return std::unexpected(std::move(id).error());
  }
  co_return Sent(*std::move(id));
}

net::Task<bool> Outbox::may_send_as(std::string account, std::string address) {
  CO_TRY(const auto allowed, co_await parts_.directory.sender({std::move(account), address}));
  co_return allowed.has_value();
}

net::Task<bool> Outbox::leads_to(std::string address, std::string account, std::string delimiter) {
  if (maps::keys_of(address, delimiter).untagged == account) co_return true;
  CO_TRY(const auto expansion, co_await parts_.directory.recipient({.address = address}));
  if (!expansion) co_return false;
  co_return std::ranges::any_of(expansion->recipients, [&](const std::string& to) {
    return maps::keys_of(to, delimiter).untagged == account;
  });
}

}  // namespace posthorn::lda
