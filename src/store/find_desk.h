// Where a message that was delivered lies now, as `posthorn explain filed` asks for it at the
// store's desk (store/transfer_desk.h). Looks at every mailbox of the account; changes nothing.
//
//   where mailbox= uidvalidity= uid= size= at=
//       what the delivery said of it; size in wire form, at in seconds since 1970
//       S: ok found=<mailbox> uid=<uid> flags=<names>: the message itself where it still lies, else
//          up to 20 that have its size and date, as what a client moved or copied has
#pragma once

#include "net/line_channel.h"
#include "store/account.h"

namespace posthorn::store {

// An Error: the account cannot be read now.
net::Task<net::Message> answer_where(Account& account, const net::Message& request);

}  // namespace posthorn::store
