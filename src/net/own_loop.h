// OwnLoop: a loop for a program that is no server: what it asks of others runs to its end while the
// program waits. Roles share the loop of their process and never make one.
#pragma once

#include <asio/io_context.hpp>

#include "net/scope.h"
#include "net/task.h"

namespace posthorn::net {

class OwnLoop {
 public:
  // What is spawned here is done, or has ended, when run() returns. Channels and the like are made
  // behind the loop, so that they go before it.
  Scope& scope() { return scope_; }

  // Until nothing runs any more.
  void run() {
    context_.restart();
    context_.run();
  }
  template <class T>
  Result<T> run(Task<T> work) {
    Result<T> result = fail(ErrorKind::temporary, "nothing was done");
    scope_.spawn(keep(std::move(work), &result));
    run();
    return result;
  }

 private:
  template <class T>
  static Awaitable<void> keep(Task<T> work, Result<T>* result) {
    *result = co_await std::move(work);
  }

  asio::io_context context_{1};
  Scope scope_{context_.get_executor(), Clock::system()};
};

}  // namespace posthorn::net
