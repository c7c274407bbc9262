// Delivery: one message staged in the account's tmp/ folder while its bytes come in, then put into
// one or more mailboxes. Until commit() says so nothing is delivered; a Delivery that dies
// uncommitted leaves nothing behind. Used by LMTP (after Sieve) and by IMAP APPEND. Wire bytes
// (CRLF) in, LF lines on disk.
//
//   step    on disk                           a crash leaves
//   begin   tmp/T created                     a stale file in tmp/, removed when it is 36 hours old
//   write   converted, written                the same
//   commit  fdatasync(T)                      the same
//           UIDs leased (synced, one in 256)  the same; the UIDs are lost
//           link into new/ or cur/ of each    there or not, never half, with its UID in its name;
//           mailbox (rename for the last)     not acknowledged
//           fsync of each such folder         there under that UID, from now on for good
//           index rows and uidlist lines      the same: the next look reads the UID in the name
//           written, not synced
//           answer with the UIDs              the same
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "net/task.h"
#include "store/line_ends.h"
#include "store/types.h"

namespace posthorn::store {

class Account;

struct Target {
  std::string mailbox;  // UTF-8; INBOX
  Flags flags = 0;
  std::vector<std::string> keywords;
  std::optional<WallTime>
      internal_date;    // nullopt: now. Applies to the message, so to all targets alike.
  bool create = false;  // make (and subscribe) the mailbox if it is missing (Sieve's :create)
  // Where there can be no such mailbox or keyword: INBOX, without keywords (Placed::mailbox tells).
  bool else_inbox = false;
  Uid uid = 0;  // this one, if none as high was given out yet (an import); 0: the next
};

class Delivery {
 public:
  ~Delivery();  // an uncommitted one removes its file
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Takes wire bytes in pieces of any size; goes to the pool once a piece of 128 KiB is full.
  net::Task<> write(std::string_view wire_bytes);
  // Puts the message into all the targets, or into none. A target's result tells why (not_found …);
  // an Error is temporary: nothing was acknowledged, try again later. To be called once.
  net::Task<std::vector<Placed>> commit(std::vector<Target> targets,
                                        quota::Check check = quota::Check::strict);
  // What was written so far, to be read by CrlfReader in the pool: a copy of it may go elsewhere.
  struct Staged {
    File file;
    std::uint64_t size = 0;
    std::uint64_t wire_size = 0;
  };
  net::Task<Staged> reread();
  void abort();
  // All of it was written: on disk, dated, and the descriptor closed. For many that wait together
  // for one commit.
  net::Task<> settle(std::optional<WallTime> date);

  std::uint64_t size() const { return converter_.size(); }
  std::uint64_t wire_size() const { return converter_.wire_size(); }

 private:
  friend class Account;
  Delivery(std::shared_ptr<Account> account, Path staged, std::string base);
  net::Task<> flush();
  Result<> write_out();  // in the pool

  std::shared_ptr<Account> account_;
  Path staged_;       // in tmp/; empty: committed or aborted
  File file_;         // made at the first writing out
  std::string base_;  // time.MusecPpidQn.host
  LfConverter converter_;
  std::string buffer_;
  bool is_made_ = false;
  bool is_settled_ = false;
};
using DeliveryPtr = std::unique_ptr<Delivery>;

}  // namespace posthorn::store
