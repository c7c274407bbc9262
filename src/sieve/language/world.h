// What a script asks of the world around it. An answer that is not at hand is nullopt: the run ends
// as "waiting", the host gets the answer and runs the script again (a run is a function of its
// answers). Nothing here may change anything.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sieve/language/actions.h"

namespace posthorn::sieve {

template <class T>
using Answer = std::optional<T>;  // nullopt: not at hand

class World {
 public:
  World() = default;
  virtual ~World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The whole message in wire form, as it came.
  virtual Answer<std::string_view> text() = 0;
  // RFC 5490 section 3.1: there, and mail may be filed in it.
  virtual Answer<bool> has_mailbox(const std::string& mailbox) = 0;
  // RFC 8579: the mailbox of this use ("\\Junk"); empty: none has it.
  virtual Answer<std::string> find_special_use(const std::string& use) = 0;
  // RFC 8579 section 3: has the mailbox this use?
  virtual Answer<bool> has_special_use(const std::string& mailbox, const std::string& use) = 0;
  // RFC 9042; empty: none has it.
  virtual Answer<std::string> find_mailbox_id(const std::string& id) = 0;
  // RFC 5490; mailbox empty: of the server. The inner nullopt: there is none.
  virtual Answer<std::optional<std::string>> find_annotation(const std::string& mailbox,
                                                             const std::string& entry) = 0;
  // RFC 7352: noted before, and its period has not passed.
  virtual Answer<bool> was_seen(const Seen& message) = 0;
  // RFC 6134: a list that a setting names; has_list() is asked first.
  virtual bool has_list(const std::string& list) = 0;
  virtual Answer<bool> is_listed(const std::string& list, const std::string& value) = 0;
  // All of a list's values, for `redirect :list`. The inner nullopt: it cannot be read as a whole.
  virtual Answer<std::optional<std::vector<std::string>>> list_members(
      const std::string& /*list*/) {
    return std::optional<std::vector<std::string>>();
  }
  // RFC 5183 section 4.1, and vnd.dovecot.environment's; nullopt: no such item.
  virtual std::optional<std::string> environment(std::string_view item) = 0;
};

// What a run is given at once.
struct Mail {
  std::string_view header;           // the block of the message, with or without its empty line
  std::uint64_t size = 0;            // bytes, in wire form
  std::string sender = {};           // MAIL FROM; empty: the null sender
  std::string recipient = {};        // with its tag
  std::string first_recipient = {};  // before aliases; empty: the same
  std::string authenticated = {};    // the login it was sent by; empty: none
  // RFC 6009 section 3: what the envelope says of delivery reports, as SMTP writes it.
  std::string notify = {}, ret = {}, envelope_id = {}, orcpt = {}, by_time = {}, by_mode = {};
  Flags flags = {};  // of a message that lies in a mailbox already (RFC 6785 section 4.4)
};

}  // namespace posthorn::sieve
