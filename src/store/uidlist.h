// dovecot-uidlist, version 3: which UID each file of a maildir has. With it the UIDs outlive the
// index, and Dovecot and Posthorn can take over from each other.
//
//   3 V<uidvalidity> N<next uid> G<guid of the mailbox> M<mod-sequence>
//                                        a header of ours has ten and twenty digits for N and M, so
//                                        that it can be renewed in place
//   <uid> [<extension> …]:<base name>    ascending
//
// N is the end of the block of UIDs that is leased: it is synced before any UID of the block is
// used (engine_uids.cc). M is the same for mod-sequences; Dovecot keeps it as a field that it does
// not know. The lines are synced before a UID is told that no file name carries (file_name.h).
// Lines behind the last whole, ascending one are no part of it (a write that a power cut tore).
// Version 1 ("1 <uidvalidity> <next uid>", "<uid> <name>") is read. Sans-I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/types.h"

namespace posthorn::store {

struct UidList {
  struct Line {
    Uid uid = 0;
    std::string_view base;  // in the text that was parsed
  };
  std::uint32_t uidvalidity = 0;
  Uid next = 1;          // at least one above the last line's UID
  Uid leased = 1;        // N as it stands in the file
  ModSeq modseq = 0;     // M; 0: it has none
  std::string guid;      // may be empty
  bool is_torn = false;  // something behind the last good line was left out: write the file anew
  bool is_ours = false;  // the header has our form: one of the same length may be written over it
  std::vector<Line> lines;
};

// nullopt: the header is not one; then nothing in the file is to be believed.
std::optional<UidList> parse_uidlist(std::string_view text);
// modseq 0: without M, as other programs write it.
std::string format_uidlist_header(std::uint32_t uidvalidity, Uid leased, std::string_view guid,
                                  ModSeq modseq = 0);
void append_uidlist_line(Uid uid, std::string_view base, std::string& out);

}  // namespace posthorn::store
