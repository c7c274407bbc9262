// What a script learns of the world while it decides about an account's message: the
// message's text, the account's mailboxes, what the administrator's lists say. Nothing is fetched
// before a script asks for it: the run ends as waiting, answer() gets what it wanted, and the
// script runs again. Changes nothing.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "net/task.h"
#include "sieve/language/world.h"
#include "store/account.h"

namespace posthorn::lda {

class DeliveryMemory;  // lda/replies.h

// Is the value in the list? (a table of [sieve.lists]) An Error: it could not be asked.
using AskList = std::function<net::Task<bool>(std::string list, std::string value)>;

class AccountWorld final : public sieve::World {
 public:
  struct Parts {
    const config::Config& config;
    store::Account& account;
    std::function<net::Task<std::string>()> read_text;  // of the message, in wire form
    std::map<std::string, std::string, std::less<>> items =
        {};                             // RFC 5183: what only here is known
    const AskList* ask_list = nullptr;  // nullptr: there are no lists
    DeliveryMemory* memory = nullptr;   // RFC 7352; nullptr: nothing was seen before
  };
  explicit AccountWorld(Parts parts) : parts_(parts) {}

  // Gets what the last run asked for. An Error: it cannot be had now.
  net::Task<> answer();

  sieve::Answer<std::string_view> text() override;
  sieve::Answer<bool> has_mailbox(const std::string& mailbox) override;
  sieve::Answer<std::string> find_special_use(const std::string& use) override;
  sieve::Answer<bool> has_special_use(const std::string& mailbox, const std::string& use) override;
  sieve::Answer<std::string> find_mailbox_id(const std::string& id) override;
  sieve::Answer<std::optional<std::string>> find_annotation(const std::string& mailbox,
                                                            const std::string& entry) override;
  sieve::Answer<bool> was_seen(const sieve::Seen& message) override;
  bool has_list(const std::string& list) override;
  sieve::Answer<bool> is_listed(const std::string& list, const std::string& value) override;
  std::optional<std::string> environment(std::string_view item) override;

 private:
  // Answers of one kind, and the questions that have none yet.
  template <class Key, class Value>
  struct Asked {
    std::map<Key, Value> known;
    std::set<Key> wanted;
    std::optional<Value> find(const Key& key) {
      const auto found = known.find(key);
      if (found != known.end()) return found->second;
      wanted.insert(key);
      return std::nullopt;
    }
  };
  // Fetches each of the questions. ask(key) is awaited.
  template <class Key, class Value, class Ask>
  static net::Task<> fetch(Asked<Key, Value>& asked, Ask ask);
  // nullptr: there is none of this name.
  const store::MailboxInfo* find_mailbox(const std::string& name) const;
  Parts parts_;
  bool wants_memory_ = false, wants_text_ = false, wants_mailboxes_ = false;
  std::optional<std::string> text_;
  std::optional<std::vector<store::MailboxInfo>> mailboxes_;
  Asked<std::string, std::optional<std::string>> ids_;
  Asked<std::string, std::optional<store::Annotations>> annotations_;  // by mailbox
  Asked<std::pair<std::string, std::string>, bool> listed_;            // list, value
};

// "INBOX/Test", "INBOX.Test" and "Test" alike, as other servers' scripts write it: the mailbox that
// is meant, whether it is there or not; nullopt: none can be called so. A mailbox of just that name
// goes first.
std::optional<std::string> meant_mailbox(const std::vector<store::MailboxInfo>& mailboxes,
                                         const std::string& name);

}  // namespace posthorn::lda
