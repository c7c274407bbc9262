// Waiting for a descriptor that somebody else owns (a library's socket), and callbacks on the
// role's loop for it.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"
#include "net/task.h"

namespace posthorn::net {

class SocketWatch {
 public:
  SocketWatch(Executor executor, int fd);
  ~SocketWatch();  // release()
  // Lets go of the descriptor without closing it; a wait that is under way ends with closed. Only
  // one watch at a time may hold a descriptor.
  void release();
  enum class Want { read, write };
  Task<> wait(Want want, SteadyTime deadline);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace posthorn::net
