// The log's lines while it lives, instead of standard output. One at a time.
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"

namespace posthorn::test {

class CapturedLog {
 public:
  CapturedLog() {
    lines_().clear();
    log::capture([](std::string_view line) {
      const std::scoped_lock lock(mutex_());
      lines_().emplace_back(line);
    });
  }
  ~CapturedLog() { log::capture(nullptr); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  std::vector<std::string> lines() const {
    const std::scoped_lock lock(mutex_());
    return lines_();
  }
  std::ptrdiff_t count(std::string_view text) const {
    return std::ranges::count_if(
        lines(), [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }
  void clear() {
    const std::scoped_lock lock(mutex_());
    lines_().clear();
  }

 private:
  static std::mutex& mutex_() {
    static std::mutex mutex;
    return mutex;
  }
  static std::vector<std::string>& lines_() {
    static std::vector<std::string> lines;
    return lines;
  }
};

}  // namespace posthorn::test
