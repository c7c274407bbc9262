// Dialer: the connections of a role that may make none itself. A process of its own, without
// anything but a channel to the role, connects to the role's few Unix sockets and hands the
// descriptors over. It reads no more than a number, so there is nothing in it to take over.
//
//   role   -> dialer: which socket, its place in the list of both (4 bytes)
//   dialer -> role:   0 and the descriptor, or the error's number (4 bytes); in the order of asking
#pragma once

#include <memory>
#include <vector>

#include "base/file.h"
#include "net/task.h"

namespace posthorn::net {

class Dialer {
 public:
  // The dialer's own side: to the end of the channel. Allocates nothing.
  static void serve(const File& channel, const std::vector<Path>& sockets);

  // The role's side, which connect() uses for every Unix socket while the object lives.
  Dialer(Executor executor, File channel, std::vector<Path> sockets);
  ~Dialer();
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;
  static Dialer* of_process();

  Task<File> dial(const Path& socket, SteadyTime deadline);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace posthorn::net
