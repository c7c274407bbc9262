#include "net/socket_wait.h"

#include <asio/experimental/as_tuple.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

namespace posthorn::net {

struct SocketWatch::State {
  State(const Executor& executor, int fd) : descriptor(executor, fd), timer(executor) {}
  asio::posix::stream_descriptor descriptor;
  asio::steady_timer timer;
  std::uint64_t waits = 0;
  bool timed_out = false;
};

SocketWatch::SocketWatch(Executor executor, int fd)
    : state_(std::make_shared<State>(executor, fd)) {}

SocketWatch::~SocketWatch() {
  release();
}

void SocketWatch::release() {
  if (!state_->descriptor.is_open()) return;
  ++state_->waits;
  state_->timer.cancel();
  state_->descriptor.release();
}

Task<> SocketWatch::wait(Want want, SteadyTime deadline) {
  const std::shared_ptr<State> state = state_;
  if (!state->descriptor.is_open()) co_return fail(ErrorKind::closed, "released");
  state->timed_out = false;
  const std::uint64_t wait = ++state->waits;
  state->timer.expires_at(deadline);
  state->timer.async_wait([state, wait](const std::error_code& error) {
    if (error || state->waits != wait) return;
    state->timed_out = true;
    std::error_code ignored;
    state->descriptor.cancel(ignored);
  });
  const auto [error] = co_await state->descriptor.async_wait(
      want == Want::read ? asio::posix::stream_descriptor::wait_read
                         : asio::posix::stream_descriptor::wait_write,
      asio::experimental::as_tuple(asio::use_awaitable));
  ++state->waits;
  state->timer.cancel();
  if (state->timed_out) co_return fail(ErrorKind::timeout, "timed out");
  if (error) co_return fail(ErrorKind::closed, error.message());
  co_return Result<>{};
}

}  // namespace posthorn::net
