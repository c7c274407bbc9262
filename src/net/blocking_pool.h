// BlockingPool: threads for what blocks (fsync, SQLite, password hashing, directory scans, libpq).
// A function runs there, and its value comes back to the coroutine on the role's own thread. The
// queue is bounded.
#pragma once

#include <asio/async_result.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <atomic>
#include <exception>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "net/task.h"

namespace posthorn::net {

class BlockingPool {
 public:
  // Where the system gives fewer threads (RLIMIT_NPROC), those that there are do the work; without
  // any it throws std::system_error.
  explicit BlockingPool(std::size_t threads, std::size_t waiting_max = 65'536);
  // One beside the role's own, which may have taken all threads that there are: an Error then.
  static Result<std::unique_ptr<BlockingPool>> make(std::size_t threads);
  ~BlockingPool();  // joins
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // co_await pool.run([&] { return read_file(path); });  f returns a Result<T>; exceptions become
  // an Error, and so does work that finds the queue full.
  template <class F>
  auto run(F f) -> Awaitable<std::invoke_result_t<F>> {
    using R = std::invoke_result_t<F>;
    auto executor = co_await asio::this_coro::executor;
    if (waiting() >= waiting_max_)
      co_return fail(ErrorKind::temporary, "too much work waits for the disk");
    waiting_.fetch_add(1, std::memory_order_relaxed);
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(R)>(
        [this, executor](auto handler, F work) {
          asio::post(context_, [this, executor, keep = asio::make_work_guard(executor),
                                work = std::move(work), handler = std::move(handler)]() mutable {
            R value = guarded<R>(work);
            waiting_.fetch_sub(1, std::memory_order_relaxed);
            asio::post(executor,
                       [handler = std::move(handler), value = std::move(value)]() mutable {
                         std::move(handler)(std::move(value));
                       });
          });
        },
        asio::use_awaitable, std::move(f));
  }

  void join();
  std::size_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  std::size_t threads() const { return threads_.size(); }

 private:
  // What a library throws on a pool thread (out of memory, a file system's error) becomes a
  // temporary Error.
  template <class R, class F>
  static R guarded(F& work) {
    try {
      return work();
    } catch (const std::exception& error) {
      return fail(ErrorKind::temporary, error.what());
    }
  }

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> open_;
  std::vector<std::thread> threads_;
  std::size_t waiting_max_;
  std::atomic<std::size_t> waiting_{0};
};

}  // namespace posthorn::net
