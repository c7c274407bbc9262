// The name of a client's address: one that DNS gives it, if the name has that address, too, for
// anybody may write any name for an address of his own (RFC 1912 section 2.1; "iprev", RFC 8601
// section 3).
#pragma once

#include <string>

#include "net/line_channel.h"
#include "net/resolver.h"

namespace posthorn::net {

// Empty: it has none. An Error: that is not known.
Task<std::string> find_client_name(Resolver& resolver, std::string address, SteadyTime deadline);

// The same, asked of a role that may ask DNS. Only the address is handed over, so that who asks
// cannot ask for any name he likes.
Task<std::string> ask_client_name(LineChannel& channel, std::string address, SteadyTime deadline);

// The other side of it: a bounded number at a time, the next ones are told that it is not known.
class ClientNames {
 public:
  ClientNames(Resolver& resolver, const Clock& clock) : resolver_(resolver), clock_(clock) {}
  Awaitable<Message> answer(Message request);

 private:
  Resolver& resolver_;
  const Clock& clock_;
  std::size_t asked_ = 0;
};

// A name as it may come from DNS or stand in a trace field; anything else is none.
bool is_host_text(std::string_view name);

}  // namespace posthorn::net
