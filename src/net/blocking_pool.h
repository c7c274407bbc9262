// BlockingPool: threads for what blocks (fsync, SQLite, password hashing, directory scans, libpq). A function
// runs there, and its value comes back to the coroutine on the role's own thread. The queue is bounded.
#pragma once

#include <asio/async_result.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <utility>

#include "net/task.h"

namespace posthorn::net {

class BlockingPool {
 public:
  explicit BlockingPool(std::size_t threads);
  ~BlockingPool();  // joins
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // co_await pool.run([&] { return read_file(path); });  f returns a Result<T>; exceptions become an Error.
  template <class F>
  auto run(F f) -> Awaitable<std::invoke_result_t<F>>;

  void join();
  std::size_t waiting() const;
  std::size_t threads() const { return threads_; }

 private:
  asio::thread_pool pool_;
  std::size_t threads_;
  std::atomic<std::size_t> waiting_{0};
};

}  // namespace posthorn::net
