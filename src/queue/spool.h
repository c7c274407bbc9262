// The spool: messages on disk, and what has become of them. It survives kill -9 and a power cut
// between any two calls.
//
//   where            what it holds                         after a crash
//   incoming/ID      being written                         removed at the next start: it was never
//                                                          acknowledged
//   active/ID        the message; never changed again      there: it was synced, renamed here and
//                                                          the folder synced, and only then came
//                                                          250
//   active/ID.log    what happened to it, one line an      a torn or damaged line counts as not
//                    event (recipient done, verdict,       written, and so does what follows it
//                    hold ...), synced before anything
//                    follows from it
//   corrupt/...      what could not be understood          kept for a human; the others go on
//
// A message goes when all recipients are done: its log first says so, then the message is removed,
// the folder synced (together with those of others), and the log removed last; a log without its
// message is removed at the next start. A log that could not be written or synced, or that has a
// damaged line, is never appended to again: what of it is whole goes into a new file with the next
// record.
//
// A message file: "PHSPOOL2 <size of the envelope line, 10 digits> <size of the text, 12 digits>
// <checksum of the text, 16 hex digits> <checksum of all this and the envelope, 16 hex digits>\n",
// the envelope as one line of the line protocol, then the message's text with CRLF lines. No text
// of a peer can end a record: line ends in it are escaped. PHSPOOL1 did not say who sent a message
// nor what its recipients were named: it is read as what it must have been (spool_format.cc).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "config/config.h"
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

// What the sender asked to be told of a success, and has not been told yet.
enum class Notice { none, delivered, relayed };

struct RecipientStatus {
  RecipientState state = RecipientState::waiting;
  std::string reason;  // the last thing that was said
  Notice notice = Notice::none;
  // It failed at our own tables, before any server was asked: its text does not go back.
  bool is_own_refusal = false;
  std::string asked = {};    // who was asked last: "mx.far.test[192.0.2.1]:25", "local"
  std::string planned = {};  // where it is to go, once that is known: "local", "[smart.test]:587"
};

// A message as it lies on disk.
struct Stored {
  std::string id;
  message::Envelope envelope;
  WallTime arrived{};
  char version = '\0';  // of its file
  std::uint64_t body_offset = 0;
  std::uint64_t body_size = 0;
  std::vector<RecipientStatus> recipients;
  bool is_scanned = false;
  std::string headers;  // from the filter, to be put on top
  bool is_held = false;
  bool was_warned = false;
  std::size_t tries = 0;
  WallTime next_try{};
  std::chrono::milliseconds age{0};  // as last written down, for a wall clock may jump
  WallTime age_at{};
  std::uint64_t body_checksum = 0;
  std::string message_id;  // of a message that came in this run, as in its header; may be empty
};

struct LogRecord {
  enum class Kind {
    delivered,
    failed,
    bounced,
    deferred,
    notified,
    scanned,
    hold,
    release,
    warned,
    tried
  };
  Kind kind = Kind::deferred;
  std::size_t recipient = 0;
  std::string text = {};             // reason, or the filter's headers
  Notice notice = Notice::none;      // delivered
  WallTime next_try = {};            // tried
  std::chrono::milliseconds age{0};  // tried: how long the message has been here ...
  WallTime at = {};                  // ... at this time; delivered, failed, deferred: when
  bool is_own_refusal = false;       // failed
  std::string remote = {};           // delivered, failed, deferred: who said it
  // What an attempt came to for a recipient. Logs of before say neither when nor who.
  bool is_attempt() const {
    return kind == Kind::delivered || kind == Kind::failed || kind == Kind::deferred;
  }
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
  // Appends to the message's log and syncs it. One at a time for each message.
  net::Task<> append(std::string id, std::vector<LogRecord> records);
  // Gone for good when this is done, whatever happens to the power: what is finished is not sent
  // again.
  net::Task<> remove(std::string id);
  // Blocks.
  Result<std::optional<Stored>> read(const std::string& id);
  // What its log says of each attempt, the oldest first. Blocks.
  Result<std::vector<LogRecord>> read_attempts(const std::string& id) const;
  bool is_full(const config::Queue& config) const;
  // Reads the text and compares it with its checksum; false: damaged. Blocks.
  Result<bool> is_intact(const Stored& stored) const;
  // The fields in the text's header whose name is wanted, in order. Blocks.
  struct FoundField {
    std::uint64_t begin = 0, size = 0;  // in the text, with its line end
    std::string name, value;            // value: raw
  };
  Result<std::vector<FoundField>> find_fields(
      const Stored& stored, const std::function<bool(std::string_view name)>& is_wanted) const;
  // Takes a message and its log out of the way, into corrupt/. Blocks.
  void quarantine(const std::string& name, std::string_view why);

  // A message that is being written. commit gives what lies on disk then; without it nothing
  // remains.
  class Writer {
   public:
    Writer(Spool& spool, message::Envelope envelope, WallTime now);
    ~Writer();
    net::Task<> write(std::string_view bytes);
    net::Task<Stored> commit();

   private:
    Result<> flush();
    Result<> put_preamble();
    void look_for_message_id();
    Spool& spool_;
    Stored stored_;
    std::string envelope_;  // its line
    bool failed_ = false;   // a file that could not be written is worth nothing
    Path path_;
    File file_;
    std::string buffer_;
    std::uint64_t written_ = 0;
  };

 private:
  friend class Writer;
  Result<std::optional<Stored>> load(const std::string& id);
  Result<bool> append_now(const std::string& id, const std::vector<LogRecord>& records);
  Result<std::string> read_log(const std::string& id) const;
  Result<> sweep(const Path& path) const;

  std::mutex broken_lock_;
  std::set<std::string> broken_logs_;  // not to be appended to
  Path root_, incoming_, active_, corrupt_;
  Disk& disk_;
  net::BlockingPool& pool_;
  FolderSync active_sync_;
  log::Logger log_;
};

}  // namespace posthorn::queue
