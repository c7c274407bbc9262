// What `posthorn vacation` asks an account for, at the store's desk (store/transfer_desk.h): the
// store alone writes into homes.
//
//   away                      text=, as store/away.h has it; "none": nothing is set
//   away-set text=            the same; it counts for the next mail
//   away-remove
#pragma once

#include "net/line_channel.h"
#include "store/account.h"

namespace posthorn::store {

// An Error says what is wrong with the question, or with the disk.
net::Task<net::Message> answer_away(const Accounts& accounts, const Account& account,
                                    const net::Message& request);

}  // namespace posthorn::store
