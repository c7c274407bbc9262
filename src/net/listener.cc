#include "net/listener.h"

#include <asio/experimental/as_tuple.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/events.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "net/socket_stream.h"
#include "net/timer.h"

namespace posthorn::net {
namespace {

constexpr int kAcceptedAtOnce = 32;

}  // namespace

struct Listener::State {
  State(Scope& s, int fd, Options o, Session f)
      : scope(s), descriptor(s.executor(), fd), options(std::move(o)), session(std::move(f)) {
    reserve = File(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  Scope& scope;
  asio::posix::stream_descriptor descriptor;
  Options options;
  Session session;
  File reserve;  // given up for a moment when descriptors run out, so that a peer can be told
  bool stopped = false;
  SteadyTime warned{};
  log::Logger log;
};

namespace {

// The slot dies behind the stream, also when this never runs.
Awaitable<void> run_session(Listener::Session session, ConnectionLimits::Slot slot,
                            StreamPtr stream) {
  co_await session(std::move(stream));
  (void)slot;
}

}  // namespace

Listener::Listener(Scope& scope, File listening, Options options, Session session)
    : state_(std::make_shared<State>(scope, listening.release(), std::move(options),
                                     std::move(session))) {
  const int flags = ::fcntl(state_->descriptor.native_handle(), F_GETFL);
  ::fcntl(state_->descriptor.native_handle(), F_SETFL, flags | O_NONBLOCK);
}

Listener::~Listener() {
  stop();
}

// What becomes of a call: a session, or a word why not.
struct Listener::Acceptor {
  // A new connection has room for it.
  static void say(int fd, const std::string& text) {
    if (!text.empty()) (void)!::send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    ::shutdown(fd, SHUT_WR);
  }

  // No descriptor left: who is silent longest gives one up. If there is none, the reserve takes
  // the next caller's place, who is told to come back.
  static bool shed(State& state) {
    metrics::count(metric::limits_hit, "descriptors");
    if (state.options.limits != nullptr && state.options.limits->make_room()) return true;
    const auto now = state.scope.clock().steady_now();
    if (now - state.warned > 10s) {
      state.warned = now;
      state.log.error(event::listener_paused, {{"name", state.options.name}});
    }
    state.reserve.close();
    if (const File socket(::accept4(state.descriptor.native_handle(), nullptr, nullptr,
                                    SOCK_CLOEXEC | SOCK_NONBLOCK));
        socket.is_open())
      say(socket.fd(), state.options.refusal);
    state.reserve = File(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return false;
  }

  static void welcome(State& state, File socket) {
    const int fd = socket.fd();
    auto stream = std::make_unique<SocketStream>(state.scope.executor(), std::move(socket));
    if (stream->peer().address.empty()) return;  // gone already
    ConnectionLimits::Slot slot;
    if (state.options.limits != nullptr) {
      auto taken = state.options.limits->take(
          stream->peer(), state.options.name,
          [one = stream.get(), text = &state.options.refusal] { one->turn_away(*text); });
      if (!taken) {
        metrics::count(metric::limits_hit, taken.error().bound);
        const auto now = state.scope.clock().steady_now();
        if (now - state.warned > 1s) {
          state.warned = now;
          // A session that never was, by whose id it is found again.
          state.log.with_session(make_session_id())
              .warn(event::connection_refused, {{"name", state.options.name},
                                                {"address", stream->peer().address},
                                                {"bound", taken.error().bound}});
        }
        say(fd, state.options.refusal);
        return;
      }
      slot = *std::move(taken);
      stream->watch(slot.watch());
    }
    state.scope.spawn(run_session(state.session, std::move(slot), std::move(stream)));
  }

  static Awaitable<void> accept(std::shared_ptr<State> state) {
    int in_a_row = 0;
    while (!state->stopped) {
      File socket(::accept4(state->descriptor.native_handle(), nullptr, nullptr,
                            SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (socket.is_open()) {
        welcome(*state, std::move(socket));
        if (++in_a_row % kAcceptedAtOnce == 0)
          co_await asio::post(state->scope.executor(), asio::use_awaitable);
        continue;
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        co_await sleep(shed(*state) ? 1ms : 100ms);
        continue;
      }
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) co_await sleep(100ms);
      const auto [error] =
          co_await state->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                                asio::experimental::as_tuple(asio::use_awaitable));
      if (error && error != asio::error::operation_aborted) co_await sleep(100ms);
    }
  }
};

void Listener::start() {
  state_->scope.spawn(Acceptor::accept(state_));
}

void Listener::stop() {
  if (state_->stopped) return;
  state_->stopped = true;
  // Closed, not only left alone: a caller is refused at once instead of waiting unanswered.
  std::error_code ignored;
  state_->descriptor.close(ignored);
}

std::uint16_t Listener::port() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(state_->descriptor.native_handle(), reinterpret_cast<sockaddr*>(&storage),
                    &length) != 0)
    return 0;
  if (storage.ss_family == AF_INET)
    return ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
  if (storage.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port);
  return 0;
}

}  // namespace posthorn::net
