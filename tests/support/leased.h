// While it lives, the file cannot be opened without waiting (a write lease, fcntl(2)), and looks as
// it always did: a fault that passes by itself and leaves no trace.
#pragma once

#include <csignal>
#include <fcntl.h>

#include "base/file.h"

namespace posthorn::test {

class Leased {
 public:
  explicit Leased(const Path& path) : file_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
    std::signal(SIGIO, SIG_IGN);  // somebody wants it: so he shall
    is_held_ = file_.is_open() && ::fcntl(file_.fd(), F_SETLEASE, F_WRLCK) == 0;
  }
  bool is_held() const { return is_held_; }  // false: not on this file system

 private:
  File file_;  // closed, it ends the lease
  bool is_held_ = false;
};

}  // namespace posthorn::test
