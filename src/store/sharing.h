// Sharing a maildir with the Unix account of the same name, by POSIX access control lists: the
// account's programs (mutt, mail) read it and change its flags while the store serves it. The
// account may write into cur/, new/ and tmp/ only. The folder above them, with the index, the
// uidlist and the names of the mailboxes, it may only read: so it can put a symbolic link nowhere
// but in the place of a message, where none is followed, and reach no other account's mail through
// the store. Messages that the store wrote it may remove and rename, not alter. Blocks.
#pragma once

#include <optional>
#include <string_view>
#include <sys/types.h>

#include "base/file.h"
#include "base/result.h"

namespace posthorn::store {

// The Unix account of an account's name ("alice@example.org": alice). nullopt: there is none, or it
// needs no sharing (root, and the one we run under).
Result<std::optional<uid_t>> find_unix_user(std::string_view account);

// A message that was just made in a shared folder: its list becomes effective.
Result<> share_file(const File& file);

// maildir and its tmp/, new/ and cur/; what lies there already is shared as well, the first time.
Result<> share_maildir(const Path& maildir, uid_t user);

}  // namespace posthorn::store
