// The spool: messages on disk, and what has become of them. It survives kill -9 and a power cut
// between any two calls.
//
//   incoming/ID       being written                        crash: removed at the next start; was
//   never acknowledged active/ID         the message; never changed again     committed: synced,
//   renamed here, folder synced, then 250 active/ID.log     what happened: one line an event synced
//   before anything follows from it; a torn last line
//                     (recipient done, verdict, hold …)    counts as not written
//   corrupt/…         what could not be read               kept for a human; the others go on
//
// A message goes when all recipients are done: its log first says so, then both files are removed,
// the log last; a log without its message is removed at the next start.
//
// A message file: "PHSPOOL1 <size of the envelope line, 10 digits> <checksum of it, 16 hex
// digits>\n", the envelope as one line of the line protocol, then the message's bytes with CRLF
// lines. No text of a peer can end a record: line ends in it are escaped.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/file.h"
#include "base/log.h"
#include "message/envelope.h"
#include "net/blocking_pool.h"
#include "net/line_channel.h"
#include "net/timer.h"

namespace posthorn::queue {

enum class RecipientState {
  waiting,
  delivered,
  failed,
  bounced
};  // bounced: failed, and the sender was told

struct RecipientStatus {
  RecipientState state = RecipientState::waiting;
  std::string reason;  // the last thing that was said
};

// A message as it lies on disk.
struct Stored {
  std::string id;
  message::Envelope envelope;
  WallTime arrived{};
  bool is_bounce = false;  // made here: it is not filtered
  std::uint64_t body_offset = 0;
  std::uint64_t body_size = 0;
  std::vector<RecipientStatus> recipients;
  bool is_scanned = false;
  std::string headers;  // from the filter, to be put on top
  bool is_held = false;
  bool was_warned = false;
  std::size_t tries = 0;
  WallTime next_try{};
};

struct LogRecord {
  enum class Kind { delivered, failed, bounced, deferred, scanned, hold, release, warned, tried };
  Kind kind = Kind::deferred;
  std::size_t recipient = 0;
  std::string text;     // reason, or the filter's headers
  WallTime next_try{};  // tried
};

// One folder's fsync for all who wait for one (group commit).
class FolderSync {
 public:
  FolderSync(Disk& disk, net::BlockingPool& pool, net::Executor executor, Path folder);
  net::Task<> sync();

 private:
  Disk& disk_;
  net::BlockingPool& pool_;
  Path folder_;
  net::Event done_;
  std::uint64_t asked_ = 0, synced_ = 0, failed_ = 0;
  bool running_ = false;
};

class Spool {
 public:
  Spool(const Path& root, Disk& disk, net::BlockingPool& pool, net::Executor executor);

  // Makes the folders, removes what was never committed, reads all messages. Blocks; call it in the
  // pool.
  Result<std::vector<Stored>> recover();

  Path message_path(const std::string& id) const { return active_ / id; }
  // Appends to the message's log and syncs it. Blocks.
  Result<> append(const std::string& id, const std::vector<LogRecord>& records);
  // Blocks.
  Result<> remove(const std::string& id);
  Result<std::optional<Stored>> read(const std::string& id) const;
  bool is_full(const config::Queue& config) const;

  // A message that is being written. commit gives what lies on disk then; without it nothing
  // remains.
  class Writer {
   public:
    Writer(Spool& spool, message::Envelope envelope, WallTime now, bool is_bounce);
    ~Writer();
    net::Task<> write(std::string_view bytes);
    net::Task<Stored> commit();

   private:
    Result<> flush();
    Spool& spool_;
    Stored stored_;
    Path path_;
    File file_;
    std::string buffer_;
    std::uint64_t written_ = 0;
  };

 private:
  friend class Writer;
  Result<std::optional<Stored>> load(const std::string& id) const;
  void quarantine(const std::string& name, std::string_view why);

  Path root_, incoming_, active_, corrupt_;
  Disk& disk_;
  net::BlockingPool& pool_;
  FolderSync active_sync_;
  log::Logger log_;
};

}  // namespace posthorn::queue
