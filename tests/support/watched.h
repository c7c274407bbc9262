// A part of the files of a role with a watcher of its own, for tests of that part alone.
#pragma once

#include "net/watched_files.h"
#include "tests/support/test_loop.h"

namespace posthorn::test {

class Watched {
 public:
  Watched(TestLoop& loop, std::chrono::milliseconds interval, net::FilePart& part,
          const Clock& clock = Clock::system())
      : loop_(loop), files_(loop.scope(), loop.pool(), interval, {&part}, clock) {}
  // The watcher ends before what it watches goes.
  ~Watched() {
    files_.stop();
    loop_.until([this] { return !files_.is_watching(); });
  }

  // The faults, as after every load.
  config::Findings start() { return config::faults_of(loop_.wait(files_.start())); }
  config::Findings reload() { return config::faults_of(loop_.wait(files_.reload())); }
  config::Findings faults() const { return config::faults_of(files_.findings()); }
  net::WatchedFiles& files() { return files_; }

 private:
  TestLoop& loop_;
  net::WatchedFiles files_;
};

}  // namespace posthorn::test
