// Who may log in, for whoever asks the running server and may not read the users himself: names
// with their own quota rules, never a hash. The other side is tools/account_list.h.
//
//   accounts after=    ok, with name= rules= for each of up to 200, in order; none: that was all
#pragma once

#include "auth/service.h"
#include "config/config.h"
#include "net/blocking_pool.h"
#include "net/line_channel.h"

namespace posthorn::auth {

// nullopt: it was another question.
net::Awaitable<std::optional<net::Message>> answer_accounts(const AuthService& service,
                                                            const config::Config& config,
                                                            net::BlockingPool& pool,
                                                            net::Message request);

}  // namespace posthorn::auth
