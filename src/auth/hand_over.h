// The hand-over of a session from edge to store, for every protocol with a login: one line with the
// one-time token goes ahead, then edge only carries bytes. What the line says of the client is for
// the log; whose session it is, the store asks lookup, by the token.
//
//   0 <tab> session <tab> token=… <tab> session=… <tab> service=imap <tab> tag=a1 <tab> address=…
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "auth/authenticator.h"
#include "base/log.h"
#include "net/buffer.h"
#include "net/scope.h"
#include "net/socket.h"

namespace posthorn::auth {

struct HandOver {
  std::string token;    // never logged
  std::string session;  // the session's id
  std::string service;  // "imap", "pop3"
  std::string tag;      // of the command that logged in, where the protocol has tags
  std::string address;  // the client's
  bool tls = false;
};

std::string format_hand_over(const HandOver& what);
// line: without its LF. An Error is protocol.
Result<HandOver> parse_hand_over(std::string_view line);

// Edge's side: connects to the store, sends the line and what the client sent ahead; from there on
// bytes are carried. An Error means that nothing has been said to the client yet and in is as it
// was: the session may go on.
net::Task<net::StreamPtr> hand_over(net::Scope& scope, net::InBuffer& in, net::Address store,
                                    const HandOver& what);

// How many sessions each user has in this worker; one over the bound is refused.
class UserConnections {
 public:
  explicit UserConnections(std::size_t per_user_max) : per_user_max_(per_user_max) {}

  class Slot {  // gives its place back when it dies
   public:
    Slot(UserConnections& connections, std::string account)
        : connections_(&connections), account_(std::move(account)) {}
    Slot(Slot&& other) noexcept
        : connections_(std::exchange(other.connections_, nullptr)),
          account_(std::move(other.account_)) {}
    Slot& operator=(Slot&& other) noexcept {
      std::swap(connections_, other.connections_);
      std::swap(account_, other.account_);
      return *this;
    }
    ~Slot();

   private:
    UserConnections* connections_;
    std::string account_;
  };
  std::optional<Slot> take(const std::string& account);

 private:
  std::size_t per_user_max_;
  std::map<std::string, std::size_t, std::less<>> counts_;
};

// The store's side, one for each protocol: whose session it is that was handed over, and whether
// there is room for it.
class Admission {
 public:
  Admission(Redeemer& redeemer, std::string service, std::size_t per_user_max)
      : redeemer_(redeemer), service_(std::move(service)), connections_(per_user_max) {}

  struct Admitted {
    std::string account;
    UserConnections::Slot slot;  // held until the session ends
  };
  enum class Refused { not_known, too_many };  // not_known: or it could not be asked
  using Answer = std::expected<Admitted, Refused>;
  // What a protocol calls the two, in the log.
  struct Events {
    const log::Event& not_known;
    const log::Event& too_many;
  };
  // An Error: it is no session of this service; nobody is there who would understand an answer.
  net::Task<Answer> admit(HandOver what, log::Logger log, Events events);

 private:
  Redeemer& redeemer_;
  std::string service_;
  UserConnections connections_;
};

}  // namespace posthorn::auth
