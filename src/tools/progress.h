// Progress: how far a long transfer of mail is, on standard error, which is no mail's way: on a
// terminal a bar that is drawn anew, in a log a line every ten seconds. What is quick says nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace posthorn::tools {

struct Standing {
  std::size_t messages = 0;
  std::uint64_t done = 0, all = 0;  // of what the whole is measured by; all 0: not known
  std::size_t messages_all = 0;     // 0: not known
  std::chrono::milliseconds time{};
  std::string_view folder;
};
// "[#####-----]  52 %  2600 of 5000 messages, 812/s, 3 s left, in INBOX"; of what has no room in so
// many columns the last parts are left out.
std::string draw_standing(const Standing& standing, std::size_t columns);
// "2600 of 5000 messages (52 %), 3 s left, in INBOX now"
std::string tell_standing(const Standing& standing);

class Progress {
 public:
  Progress();
  // What there is to do: messages, where their number is known, and else bytes.
  void expect_messages(std::size_t all);
  void expect_bytes(std::uint64_t all);
  // bytes: how many are done with, where they are what is measured.
  void count_one(std::string_view folder, std::uint64_t bytes = 0);
  // All has been carried; what follows takes a while of its own.
  void say(std::string_view what);
  // Before another line.
  void end();

 private:
  void show(std::string line);

  const bool is_terminal_;
  const SteadyTime begun_ = Clock::system().steady_now();
  Standing standing_;
  SteadyTime due_;
  bool is_shown_ = false;
};

Progress& progress();  // of the one transfer of this process

}  // namespace posthorn::tools
