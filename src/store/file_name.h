// The name of a message's file, as Dovecot writes it:
//
//   time.MmicrosecondsPpidQcount.host,S=size,W=wire size,V=uidvalidity.uid:2,FLAGS
//
// What stands before ":2," is the base name, which never changes; what follows are flags in the
// order of ASCII: D draft, F flagged, P passed, R replied, S seen, T trashed (deleted), a to z
// keywords. Letters that we do not know are kept. V= is our own addition (adr/0012): the UID that
// the message was given, on disk as soon as its name is; programs that do not know it leave it
// alone. Sans-I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "store/types.h"

namespace posthorn::store {

struct FileName {
  std::string_view base;
  std::string_view info;  // the letters; empty also when there is no ":2,"
  bool has_info = false;
};
// nullopt: not a message's name (begins with a dot, holds control characters).
std::optional<FileName> parse_file_name(std::string_view name);

struct Letters {
  Flags flags = 0;
  std::uint32_t keywords = 0;  // bit n is the letter 'a' + n
};
Letters parse_info(std::string_view info);
// The letters of flags and keywords, with those of old_info that we do not know.
std::string format_info(Letters letters, std::string_view old_info = {});

// The number behind ",S=" or ",W=" in a base name.
std::optional<std::uint64_t> size_in_name(std::string_view base, char kind);

// ",V=uidvalidity.uid", and the UID in it if it is one of this mailbox.
std::string uid_mark(std::uint32_t uidvalidity, Uid uid);
std::optional<Uid> uid_in_name(std::string_view base, std::uint32_t uidvalidity);

// Makes base names that no other program on any machine makes. One per account.
class UniqueNames {
 public:
  explicit UniqueNames(std::string_view hostname);
  std::string make(WallTime now);
  std::string make(WallTime now, std::uint64_t size, std::uint64_t wire_size);

 private:
  std::string host_;
  std::uint64_t count_ = 0;
  std::string process_;
};

}  // namespace posthorn::store
