#include "route/reception.h"

#include <fmt/format.h>

namespace posthorn::route {

RelayRight relay_right(const Client& client) {
  if (client.account_may_relay && !client.account.empty()) return RelayRight::login;
  return client.is_in_relay_from ? RelayRight::network : RelayRight::none;
}

bool is_sender_asked(const config::Submission& settings, const Client& client,
                     const std::string& sender) {
  return settings.check_sender && !client.account.empty() && !client.may_use_any_sender &&
         !sender.empty();
}

Answer<void> ask_sender(Directory& directory, const config::Submission& settings,
                        const Client& client, SenderQuestion question) {
  if (is_sender_asked(settings, client, question.address)) {
    question.account = client.account;
    co_return co_await directory.sender(std::move(question));
  }
  if (question.told != nullptr)
    question.told->add(
        {Decision::any_sender,
         client.account.empty() ? "nobody is logged in, so any sender may stand there"
         : question.address.empty()
             ? "the null sender is anybody's"
             : "nobody asks whether the sender's address is the account's own",
         client.account.empty() || question.address.empty() ? "" : "submission.check_sender"});
  co_return std::expected<void, Refusal>{};
}

Answer<Expansion> ask_recipient(Directory& directory, const Client& client,
                                RecipientQuestion question) {
  const RelayRight right = relay_right(client);
  question.may_relay = right != RelayRight::none;
  if (question.told != nullptr && right != RelayRight::none)
    question.told->add(
        {Decision::may_relay,
         right == RelayRight::login
             ? fmt::format("{} is logged in, and may write to other servers", client.account)
             : std::string("the client's address may write to other servers"),
         right == RelayRight::login ? "" : "smtp.relay_from"});
  co_return co_await directory.recipient(std::move(question));
}

Reply reply_to(const Refusal& refusal) {
  return {refusal.code, refusal.enhanced, refusal.text};
}

Reply reply_to(const Error&) {
  return {451, "4.3.0", "Temporary lookup failure"};
}

Reply sender_taken() {
  return {250, "2.1.0", "Ok"};
}

Reply recipient_taken() {
  return {250, "2.1.5", "Ok"};
}

}  // namespace posthorn::route
