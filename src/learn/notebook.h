// Notebook: what users called spam or ham and spamd is still to learn, on the store's own disk.
// Each page holds copies of the messages of one thing that a client did, whatever becomes of them
// in the mailbox. Written before the client has its OK; torn out when all of it is taught.
//
//   page, a file of 16 hex digits (microseconds since 1970, and no two alike: they are in order):
//     posthorn-lessons 1 spam alice@example.org LF      the class, whose it is
//     4711 LF 4711 bytes of a message, CRLF lines       as often as there are
//   new.PAGE: being written
//
//   step   on disk                              a crash leaves
//   write  new.PAGE made, written               removed at the next start
//          new.PAGE synced                      the same
//          renamed to PAGE, the folder synced   the page, whole; from now on for good
//   tear   PAGE removed, the folder synced      the page, taught once more: whoever reads it knows
//                                               what was taught (learn/memory.h)
//
// It is bounded in messages and bytes: when it is full the oldest page goes.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "message/mail_class.h"
#include "net/blocking_pool.h"

namespace posthorn::learn {

struct Page {
  struct Piece {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };
  std::uint64_t number = 0;  // its file's name; the time it was begun
  message::MailClass what = message::MailClass::ham;
  std::string account;
  std::vector<Piece> messages;
  std::size_t next = 0;     // the first that is not taught
  std::uint64_t bytes = 0;  // of the file

  WallTime begun() const {
    return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(number / 1000)));
  }
};

class Notebook {
 public:
  struct Bounds {
    std::size_t messages_max = 10'000;
    std::uint64_t bytes_max = 64U << 20U;
    // Of a page; what a client did to more messages has several.
    std::size_t page_messages_max = 200;
    std::uint64_t page_bytes_max = 8U << 20U;
  };
  // disk, pool and clock outlive it.
  Notebook(Path folder, Disk& disk, net::BlockingPool& pool, const Clock& clock)
      : Notebook(std::move(folder), disk, pool, clock, Bounds{}) {}
  Notebook(Path folder, Disk& disk, net::BlockingPool& pool, const Clock& clock, Bounds bounds);

  // Makes the folder, and finds what was left. A page that makes no sense is removed.
  net::Task<> open();

  // Writes pages. One that dies unfinished leaves nothing that counts.
  class Writer {
   public:
    Writer(Notebook& notebook, message::MailClass what, std::string account)
        : notebook_(notebook), what_(what), account_(std::move(account)) {}
    // A message as it lies in the maildir, with LF lines; wire_size is what it has with CRLF.
    net::Task<> add(const File& file, std::uint64_t size, std::uint64_t wire_size);
    // All that was added is on disk.
    net::Task<> finish();
    // After an Error: what is half written goes.
    net::Awaitable<void> abandon();

   private:
    net::Task<> begin();

    Notebook& notebook_;
    const message::MailClass what_;
    const std::string account_;
    File file_;
    Page page_;
  };

  // The oldest; nullptr: there is none. Good until the next co_await.
  const Page* first() const { return pages_.empty() ? nullptr : &pages_.front(); }
  // The next message of the first page.
  net::Task<std::string> read_next() const;
  // That one is done with. The page goes with its last message.
  net::Task<> turn(std::uint64_t page);
  // The first page goes as it is. How many messages of it were still to be taught.
  net::Task<std::size_t> tear_out();

  std::size_t waiting() const { return messages_; }
  bool is_over_full() const {
    return pages_.size() > 1 && (messages_ > bounds_.messages_max || bytes_ > bounds_.bytes_max);
  }

 private:
  Path path_of(std::uint64_t page) const;
  std::uint64_t make_number();
  void take_in(Page page);
  Result<> remove(const Path& path) const;
  Result<std::vector<Page>> load() const;

  const Path folder_;
  Disk& disk_;
  net::BlockingPool& pool_;
  const Clock& clock_;
  const Bounds bounds_;
  std::list<Page> pages_;  // the oldest first
  std::size_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t last_number_ = 0;
};

// The folder of a worker's pages below the store's own.
Path notebook_folder(const Path& store_state, std::size_t worker);
// Pages of workers that are no more, by store.workers, become those of the first one, which is not
// at work yet. Blocks.
Result<> adopt_pages(Disk& disk, const Path& store_state, std::size_t workers);

// Nobody is taught any more: no copy of a mail stays of any worker's. Blocks.
Result<> forget_pages(Disk& disk, const Path& store_state);

// A page's file, as it is on disk; nullopt: it makes no sense. Blocks.
Result<std::optional<Page>> read_page(const Path& path, std::uint64_t number);

}  // namespace posthorn::learn
