// Ask the server, or do it here: how a command reaches the accounts of the store. Where a server
// runs, its processes are asked over their control sockets; where none runs, this process is the
// store, and holds the instance's lock meanwhile so that none starts beside it. The command asks
// the same questions either way: those of store/transfer_desk.h.
#pragma once

#include <functional>
#include <string>

#include "config/config.h"
#include "net/line_channel.h"

namespace posthorn::tools {

class StoreDesk {
 public:
  virtual ~StoreDesk() = default;
  // within: for the server's answer; what is done here takes as long as it takes.
  virtual net::Task<net::Message> ask(std::string account, net::Message request,
                                      std::chrono::milliseconds within) = 0;
  // Takes the rights of the store's account, for files that are to be its own. What is to be asked
  // needs its connection before: the first question makes it.
  virtual Result<> become_store() = 0;
};

// An Error is that of the work, or says why it could not begin. The log of this process goes to
// standard error, for standard output may be the mail's.
Result<> work_at_store(const config::Config& config,
                       const std::function<net::Task<>(StoreDesk& desk)>& work);

}  // namespace posthorn::tools
