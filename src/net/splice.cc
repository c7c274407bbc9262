#include "net/splice.h"

#include "net/timer.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kPiece = 32 * 1024;
constexpr auto kWriteTimeout = 10min;

struct Pair {
  Stream& a;
  Stream& b;
  Event done;
  int running = 2;
};

Awaitable<void> copy(Pair* pair, Stream* from, Stream* to) {
  while (co_await from->wait_readable(SteadyTime::max())) {
    std::string buffer(kPiece, '\0');  // only while there is something to carry
    const auto n = co_await from->read_some(buffer, Clock::system().steady_now() + kWriteTimeout);
    if (!n) break;
    if (!co_await to->write(std::string_view(buffer).substr(0, *n),
                            Clock::system().steady_now() + kWriteTimeout))
      break;
  }
  // The other direction may still have a last word on its way; it ends when its source does.
  (void)co_await to->shut_down(Clock::system().steady_now() + 1s);
  if (--pair->running == 1) {
    co_await sleep(100ms);
    from->close();
    to->close();
  }
  pair->done.set();
}

}  // namespace

Awaitable<void> splice(Scope& scope, Stream& a, Stream& b) {
  Pair pair{a, b, Event(scope.executor())};
  scope.spawn(copy(&pair, &a, &b));
  scope.spawn(copy(&pair, &b, &a));
  while (pair.running > 0) co_await pair.done.wait(SteadyTime::max());
  // A copier that was the first to end may still be in its pause.
  co_await sleep(150ms);
}

}  // namespace posthorn::net
