// The commands of the TRANSACTION state, and UPDATE, into which QUIT leads (RFC 1939 sections 5 and
// 6). Where each is legal stands in proto/command.h. They work with these parts of their session.
#pragma once

#include <string>

#include "base/log.h"
#include "net/blocking_pool.h"
#include "net/out_buffer.h"
#include "pop3/proto/command.h"
#include "pop3/server/maildrop.h"

namespace posthorn::pop3 {

struct Context {
  Maildrop& maildrop;
  net::OutBuffer& out;
  net::BlockingPool& pool;
  const log::Logger& log;
  const std::string& account;  // for the log
  Maildrop::Retrieved retrieved = Maildrop::Retrieved::left_unseen;
};

// "+OK 2 messages (320 octets)", with which a session begins as well.
std::string format_total(const Maildrop& maildrop);

// Puts the answer into out. An Error ends the session without UPDATE.
net::Task<> answer(const Command& command, Context context);

}  // namespace posthorn::pop3
