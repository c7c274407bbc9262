// ScriptDesk: what `posthorn sieve` and `posthorn import` ask of an account's Sieve scripts, as a
// part of the transfer desk's dialog. Whoever asks has looked whether a script has a fault; the
// number of an administrator's scripts has no bound of ours.
//
//   scripts after=                      name=…, up to 50, in order; active= of all, if one is
//   script-piece bytes=                 of the text of the next script
//   script-put name=                    that text is whole
//   script-text name= offset=           bytes=, empty at the end; changed= in ms since 1970
//   script-activate name=               the empty name: none is active
//   script-remove name=
#pragma once

#include <string>

#include "net/line_channel.h"
#include "scripts/script_folder.h"
#include "store/account.h"

namespace posthorn::store {

class ScriptDesk {
 public:
  // An Error says why not.
  net::Task<net::Message> answer(Account& account, const net::Message& request);

 private:
  Result<net::Message> work(Account& account, const net::Message& request);

  std::string text_;  // of the next script
};

}  // namespace posthorn::store
