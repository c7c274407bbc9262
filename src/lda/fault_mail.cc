#include "lda/fault_mail.h"

#include <fmt/format.h>

#include "message/notice.h"

namespace posthorn::lda {
namespace {

constexpr std::chrono::hours kOnceIn{24};

net::Task<store::Placed> store_mail(store::Account& account, std::string_view text) {
  CO_TRY(const auto delivery, co_await account.begin_delivery());
  CO_TRY_OK(co_await delivery->write(text));
  std::vector<store::Target> targets(1);
  targets.front().mailbox = "INBOX";
  CO_TRY(auto placed, co_await delivery->commit(std::move(targets)));
  if (placed.front().result != store::NameResult::done)
    co_return fail(ErrorKind::temporary, "the inbox takes no mail");
  co_return std::move(placed.front());
}

}  // namespace

std::string make_fault_mail(const FaultText& text) {
  const std::string about = text.subject.empty()
                                ? "without a subject"
                                : fmt::format("with the subject \"{}\"", text.subject);
  return fmt::format("Return-Path: <>\r\nDelivered-To: {}\r\n", text.account) +
         message::make_notice(
             {.hostname = text.hostname,
              .to = text.account,
              .subject = "Your mail filter went wrong",
              .text = fmt::format(
                  "A message {} came for {}, and your filter could not be run to its end:\n\n"
                  "    {}\n\n"
                  "The message was kept: it is in your inbox. Please look at the filter; until "
                  "then\nmail that it cannot decide about comes there.\n\n"
                  "You are told of this once a day at most.\n",
                  about, text.account, text.fault)},
             text.now);
}

net::Awaitable<Told> tell_fault(store::Account& account, FaultText text,
                                const Memories::Held& memory) {
  const Note note{.kind = Remembered::told, .handle = "script", .id = text.account};
  if (memory.has(note)) co_return Told{.when = Told::When::before};
  const auto noted = co_await memory.note(note, kOnceIn);
  if (!noted || *noted == Memory::Noted::full) co_return Told{};
  auto stored = co_await store_mail(account, make_fault_mail(text));
  if (stored) co_return Told{Told::When::now, *std::move(stored)};
  (void)co_await memory.forget(note);
  co_return Told{};
}

}  // namespace posthorn::lda
