// Book: the trail on disk, an SQLite database that may be deleted at any time: mail does not depend
// on it. Every record stands in it once, and is found by the mail's queue id, by the session, and
// by its names (addresses, accounts, Message-IDs). All of it blocks.
//
// WAL with synchronous=NORMAL: a kill loses nothing that was kept, a power cut at most the last
// moments, and the file stays whole. What is older than keep, and the oldest beyond size_max, is
// removed a piece at a time. One that cannot be read is put aside as trail.db.damaged.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "sqlite/database.h"
#include "trail/record.h"

namespace posthorn::trail {

// Which mails are looked for; what is not set does not count. Without a queue id.
struct Search {
  std::string message_id;
  std::string address;    // sender, recipient, account, or a client's IP address
  std::string sender;     // --from; "<>": the null sender
  std::string recipient;  // --to
  std::optional<WallTime> since;
  bool refused_only = false;
  std::size_t max = 50;
};

// A mail, or, where there is no queue id, a session in which something was refused. The newest
// record that matches tells when.
struct Match {
  std::string queue_id;
  std::string session;
  WallTime at{};
};

// What became of a mail: all that was said of it, in order of time, and its kin.
struct Life {
  std::vector<Record> records;
  std::string parent;                 // the mail that it came of; empty: none
  std::vector<std::string> children;  // mails that came of it
  bool is_cut = false;                // there are more
};

class Book {
 public:
  enum class Access { keep, read };
  // read: for questions beside one that keeps, which made it.
  Result<> open(const Path& file, Access access);
  bool is_open() const { return database_.is_open(); }
  bool is_damaged() const { return database_.is_corrupt(); }
  void close() { database_.close(); }

  Result<> keep(std::span<const Record> records);
  struct Pruned {
    std::size_t records = 0;
    bool is_done = true;  // false: there is more to remove
  };
  Result<Pruned> prune(WallTime oldest, std::uint64_t size_max);
  struct Extent {
    std::uint64_t records = 0, size = 0;  // bytes in use
    std::optional<WallTime> first, last;
  };
  Result<Extent> measure();

  // The newest first.
  Result<std::vector<Match>> find(const Search& search);
  Result<Life> life_of_mail(const std::string& queue_id);
  Result<Life> life_of_session(const std::string& session);
  // What was said of an account's logins, the newest first.
  Result<std::vector<Record>> logins_of(const std::string& account, std::size_t max);

 private:
  Result<> remove(std::int64_t from, std::int64_t below);
  Result<std::uint64_t> size_in_use();

  sqlite::Database database_;
};

}  // namespace posthorn::trail
