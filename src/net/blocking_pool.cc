#include "net/blocking_pool.h"

#include <system_error>

#include "base/events.h"
#include "base/log.h"

namespace posthorn::net {

BlockingPool::BlockingPool(std::size_t threads, std::size_t waiting_max)
    : open_(asio::make_work_guard(context_)), waiting_max_(waiting_max) {
  threads_.reserve(threads);
  try {
    while (threads_.size() < threads) threads_.emplace_back([this] { context_.run(); });
  } catch (const std::system_error& error) {
    if (threads_.empty()) throw std::system_error(error.code(), "no thread can be made");
    log::Logger{}.warn(
        event::role_short_of_threads,
        {{"threads", threads_.size()}, {"wanted", threads}, {"error", error.what()}});
  }
}

Result<std::unique_ptr<BlockingPool>> BlockingPool::make(std::size_t threads) {
  try {
    return std::make_unique<BlockingPool>(threads);
  } catch (const std::system_error& error) {
    return fail(ErrorKind::temporary, error.what());
  }
}

BlockingPool::~BlockingPool() {
  join();
}

void BlockingPool::join() {
  open_.reset();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

}  // namespace posthorn::net
