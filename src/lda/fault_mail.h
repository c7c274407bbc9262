// The mail that tells the owner of a script that it went wrong: once a day, into the INBOX. The
// message that the script was run for is kept whatever becomes of this one.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "config/config.h"
#include "lda/memories.h"
#include "store/account.h"

namespace posthorn::lda {

struct FaultText {
  std::string account;
  std::string fault;    // "script:line: why"
  std::string subject;  // of the message, decoded
  std::string hostname;
  WallTime now{};
};
std::string make_fault_mail(const FaultText& text);

// Composed, remembered, stored. What cannot be told is in the log already: nothing waits for it.
struct Told {
  enum class When { now, before, failed } when = When::failed;
  store::Placed mail = {};  // told now: where it lies
};
net::Awaitable<Told> tell_fault(store::Account& account, FaultText text,
                                const Memories::Held& memory);

}  // namespace posthorn::lda
