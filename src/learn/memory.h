// Memory: which mails spamd was taught, each with the class that was the last. The same lesson is
// not given twice; the other one, when a user has thought better of it, is. The file `taught` has a
// line for each lesson, 32 hex digits of SHA-256 and s or h; the last one of a mail counts. It is
// synced, and begun anew when it is twice as long as what is remembered. Losing it does no harm:
// spamd knows itself what it has learned.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/file.h"
#include "message/mail_class.h"
#include "net/blocking_pool.h"

namespace posthorn::learn {

// What a mail is remembered by; of users who are taught for apart, each has his own.
std::string digest_of(std::string_view account, std::string_view message);

class Memory {
 public:
  static constexpr std::size_t kRememberedMax = 20'000;
  Memory(Path file, Disk& disk, net::BlockingPool& pool, std::size_t max = kRememberedMax)
      : file_(std::move(file)), disk_(disk), pool_(pool), max_(max) {}

  net::Task<> open();
  std::optional<message::MailClass> find(const std::string& digest) const;
  net::Task<> note(const std::string& digest, message::MailClass what);

 private:
  void remember(std::string_view digest, message::MailClass what);

  const Path file_;
  Disk& disk_;
  net::BlockingPool& pool_;
  const std::size_t max_;
  std::unordered_map<std::string, message::MailClass> known_;
  std::deque<std::string> order_;  // of known_, the first noted first
  std::size_t lines_ = 0;          // in the file
};

}  // namespace posthorn::learn
