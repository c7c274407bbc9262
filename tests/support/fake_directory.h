// A Directory whose answers a test sets by address: what is not set is unknown, and a broken one
// cannot be asked. It keeps every question.
#pragma once

#include <map>

#include "route/directory.h"

namespace posthorn::test {

class FakeDirectory final : public route::Directory {
 public:
  template <class T>
  using Told = std::expected<T, route::Refusal>;

  route::Answer<route::Expansion> recipient(route::RecipientQuestion question) override {
    asked.push_back("recipient " + question.address + (question.may_relay ? " relay" : ""));
    if (broken) co_return fail(ErrorKind::temporary, "the directory cannot be asked");
    const auto found = recipients.find(question.address);
    if (found == recipients.end())
      co_return Told<route::Expansion>(
          std::unexpect, route::Refusal{route::Reason::unknown, 550, "5.1.1", "User unknown"});
    co_return found->second;
  }
  route::Answer<void> sender(route::SenderQuestion question) override {
    const auto& [account, address, told] = question;
    asked.push_back("sender " + account + " " + address);
    if (broken) co_return fail(ErrorKind::temporary, "the directory cannot be asked");
    const auto found = senders.find(address);
    if (found != senders.end() && found->second == account) co_return Told<void>{};
    co_return Told<void>(
        std::unexpect, route::Refusal{route::Reason::not_owner, 553, "5.7.1", "Not your address"});
  }
  route::Answer<route::Plan> plan(route::PlanQuestion question) override {
    const std::string& address = question.address;
    asked.push_back("plan " + address +
                    (question.sender.empty() ? "" : " from " + question.sender) +
                    (question.named ? " named " + *question.named : ""));
    if (broken) co_return fail(ErrorKind::temporary, "the directory cannot be asked");
    const auto found = plans.find(address);
    if (found == plans.end())
      co_return Told<route::Plan>(
          std::unexpect, route::Refusal{route::Reason::unknown, 550, "5.1.1", "User unknown"});
    co_return found->second;
  }
  net::Task<std::string> rewrite(std::string sender) override {
    asked.push_back("rewrite " + sender);
    if (broken) co_return fail(ErrorKind::temporary, "the directory cannot be asked");
    co_return "rewritten " + sender;
  }

  std::map<std::string, Told<route::Expansion>> recipients;
  std::map<std::string, std::string> senders;  // address: its account
  std::map<std::string, Told<route::Plan>> plans;
  bool broken = false;
  std::vector<std::string> asked;
};

}  // namespace posthorn::test
