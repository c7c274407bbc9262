// Desk: what the trail's role does: takes what the other roles tell, writes it in groups, removes
// what is old, and answers who asks. A role may tell its own kinds of events alone, and what it
// says is marked as its word. Nothing here holds up mail: while the disk is full or the database
// cannot be used, those who tell are asked to come again, and drop in the end what they cannot
// hold.
//
//   C: tell r=<record> …          S: ok | temporary error=
//   C: find message_id= address= from= to= since= refused=1 max=
//                                 S: ok id= session= at= …        (the newest first)
//   C: mail id= after=            S: ok parent= child= … source= r= … [more=N]
//   C: session id= after=         S: as above
//   C: logins account= max=       S: ok r= …                       (the newest first)
//   C: status                     S: ok records= bytes= first= last= [paused=reason]
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "net/blocking_pool.h"
#include "net/line_channel.h"
#include "net/scope.h"
#include "net/timer.h"
#include "trail/book.h"

namespace posthorn::trail {

class Desk {
 public:
  struct Options {
    Path folder;
    std::chrono::milliseconds keep = std::chrono::hours(24) * 30;
    std::uint64_t size_max = std::uint64_t{1} << 30U;
    std::uint64_t free_min = 0;  // bytes of the disk that are left to mail
    std::chrono::milliseconds clean_every = 60s;
  };
  Desk(net::Scope& scope, net::BlockingPool& pool, Options options);

  net::Awaitable<void> start();  // a fault pauses the keeping, and is told
  void stop();

  // source: the role whose socket it came by.
  net::Awaitable<net::Message> take(std::string_view source, log::Senders senders,
                                    net::Message request);
  net::Awaitable<net::Message> answer(net::Message request);
  // Why nothing is kept; empty: it is.
  const std::string& paused() const { return paused_; }

 private:
  // Records that wait to be written, and who waits for that.
  struct Batch {
    std::vector<Record> records;
    bool is_written = false;
    bool is_done = false;
  };
  static net::Awaitable<void> write(Desk* self);
  // For one that keeps. Where the database is opened anew, nobody may be reading it.
  net::Awaitable<void> take_turn();
  void end_turn();
  static net::Awaitable<void> clean(Desk* self);
  Result<> keep(const std::vector<Record>& records);
  Result<> open();
  Result<> begin_anew();
  bool is_gone() const;  // the file that is open is not the one of that name any more
  void note(const Result<>& kept);
  net::Message find(const net::Message& request);
  net::Message tell_life(const net::Message& request);
  net::Message tell_logins(const net::Message& request);
  net::Message tell_extent();

  net::Scope& scope_;
  net::BlockingPool& pool_;
  const Options options_;
  std::optional<std::uint64_t> inode_;
  Book book_;    // of write() and clean(), one at a time
  Book reader_;  // of answer()
  net::Event wake_, written_, free_, stopping_;
  std::deque<std::shared_ptr<Batch>> waiting_;
  std::size_t records_waiting_ = 0;
  bool is_writing_ = false, is_reading_ = false, is_opening_ = false, is_stopped_ = false;
  std::string paused_;
  bool told_forged_ = false;
  log::Logger log_;
};

}  // namespace posthorn::trail
