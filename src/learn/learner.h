// Learner: hears of what users do, takes down what it teaches the spam filter (learn/rules.h), and
// has it taught, the oldest first, when spamd lets itself be asked.
//
// A client waits for the disk alone: its lesson is in the notebook before it has its OK, whether or
// not the queue and spamd are there. What cannot be taken down is in the log, and the client's
// command has succeeded all the same: the mail matters more than the lesson.
//
// Each lesson is given once: what a mail was taught as last is remembered. After a crash one may be
// given again, which spamd knows. One that spamd fails at is given up after a few tries, and each
// after some days.
#pragma once

#include "config/config.h"
#include "imap/server/observer.h"
#include "learn/courier.h"
#include "learn/memory.h"
#include "learn/notebook.h"
#include "learn/rules.h"
#include "net/timer.h"

namespace posthorn::learn {

class Learner final : public imap::Observer {
 public:
  struct Pace {
    std::chrono::milliseconds retry_first = 1s;
    std::chrono::milliseconds retry_longest = 5min;
    std::size_t tries_max = 5;  // of one mail that spamd has had
    std::chrono::hours age_max = std::chrono::hours(24 * 7);
  };
  struct Parts {
    net::Scope& scope;
    net::BlockingPool& pool;
    const config::Config& config;
    Courier& courier;
    Path folder;  // of this worker alone
    Disk& disk = Disk::real();
    Notebook::Bounds bounds = {};
    Pace pace = {};
  };
  // The parts outlive it, and it outlives the scope.
  explicit Learner(Parts parts);

  // Reads what was left, and begins to teach. An Error: nothing can be kept there, and nothing is
  // taught.
  net::Task<> start();
  net::Awaitable<void> see(const imap::Happening& happening) override;
  void stop();

  std::size_t waiting() const { return notebook_.waiting(); }

 private:
  enum class Next { go_on, wait };
  net::Awaitable<void> teach();
  net::Awaitable<Next> teach_one();
  net::Awaitable<Next> take_answer(const Answer& answer, const Page& page,
                                   const std::string& digest);
  net::Awaitable<void> pass_on(std::uint64_t page);
  static net::Awaitable<void> add_by_use(const imap::Happening& happening, store::SpecialUse use,
                                         std::vector<std::string>& names);
  net::Awaitable<Folders> find_folders(const imap::Happening& happening) const;
  net::Task<> take_down(const imap::Happening& happening, const Teaching& teaching);
  net::Task<> write(Notebook::Writer& writer, const imap::Happening& happening,
                    const Teaching& teaching);
  net::Awaitable<void> drop_surplus();
  net::Awaitable<void> drop_first(std::string_view why);

  Parts parts_;
  Notebook notebook_;
  Memory memory_;
  net::Event news_;
  bool is_open_ = false;
  bool is_stopped_ = false;
  bool is_waiting_told_ = false;
  std::chrono::milliseconds wait_ = 0ms;
  std::size_t tries_ = 0;  // of the first
};

}  // namespace posthorn::learn
