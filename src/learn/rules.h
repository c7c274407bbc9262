// What a user's doing teaches the spam filter. Pure.
//
//   into the folder for spam, or one below it, from elsewhere      spam   (from Trash, too)
//   out of it                                                      ham
//   out of it into Trash, or one below                             nothing: thrown away, not judged
//   from one folder for spam to another                            nothing
//   $Junk or Junk set                                              spam
//   $NotJunk, NotJunk or NonJunk set                               ham
//   both set at once, or either taken away                         nothing
//
// The keywords are IANA's $Junk and $NotJunk (Apple Mail), and the ones Thunderbird sets.
#pragma once

#include <string>
#include <vector>

#include "imap/server/observer.h"
#include "message/mail_class.h"

namespace posthorn::learn {

struct Teaching {
  message::MailClass what;
  std::vector<store::Uid> uids;  // in the happening's mailbox
};
// What counts as the folder for spam, and as Trash: by the site's name, and the one that the user
// gave the special use to (RFC 6154).
struct Folders {
  std::vector<std::string> junk, trash;
};
// At most one of each class.
std::vector<Teaching> find_teachings(const imap::Happening& happening, const Folders& folders);

}  // namespace posthorn::learn
