#include "net/dialer.h"

#include <algorithm>
#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/events.h"
#include "net/parcel.h"
#include "net/timer.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kAskedMax = 64;  // on their way; the channel has room for so many

Dialer* g_dialer = nullptr;

// 0, or the error's number.
int connect_to(const Path& path, File& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  socket = File(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) return errno;
  return ::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0
             ? 0
             : errno;
}

}  // namespace

void Dialer::serve(const File& channel, const std::vector<Path>& sockets) {
  while (true) {
    std::uint32_t which = 0;
    const ssize_t n = ::recv(channel.fd(), &which, sizeof which, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    File socket;
    Parcel parcel;
    parcel.number = static_cast<std::uint32_t>(
        n == sizeof which && which < sockets.size() ? connect_to(sockets[which], socket) : EINVAL);
    if (parcel.number == 0) parcel.put(socket.fd());
    if (::sendmsg(channel.fd(), &parcel.head, MSG_NOSIGNAL) < 0) return;
  }
}

struct Dialer::State {
  struct Call {
    Call(const Executor& executor, std::uint32_t w) : done(executor), which(w) {}
    Event done;
    std::uint32_t which;
    bool is_answered = false;
    int error = 0;
    File socket;
  };
  State(const Executor& executor, File file, std::vector<Path> list)
      : channel(executor, file.release()), sockets(std::move(list)) {}

  asio::posix::stream_descriptor channel;
  std::vector<Path> sockets;
  std::deque<std::shared_ptr<Call>> unsent, asked;
  bool is_watching = false;

  // Without it the role can do nothing any more; the supervisor makes both anew.
  [[noreturn]] static void end_process(int error) {
    log::Logger{}.error(event::role_unfenced,
                        {{"reason", "the dialer is gone: " + std::string(std::strerror(error))}});
    ::_exit(1);
  }

  void send() {
    while (!unsent.empty() && asked.size() < kAskedMax) {
      const std::uint32_t which = unsent.front()->which;
      if (::send(channel.native_handle(), &which, sizeof which, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN && !asked.empty()) return;
        end_process(errno);
      }
      asked.push_back(std::move(unsent.front()));
      unsent.pop_front();
    }
  }

  void receive() {
    while (!asked.empty()) {
      Parcel parcel;
      parcel.make_room();
      const ssize_t n =
          ::recvmsg(channel.native_handle(), &parcel.head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n != sizeof parcel.number) end_process(n < 0 ? errno : EPIPE);
      Call& call = *asked.front();
      call.error = static_cast<int>(parcel.number);
      call.socket = parcel.take();
      // A descriptor that did not fit (EMFILE) is left out by the kernel.
      if (call.error == 0 && !call.socket.is_open()) call.error = EMFILE;
      call.is_answered = true;
      call.done.set();
      asked.pop_front();
    }
  }

  static void watch(const std::shared_ptr<State>& self) {
    if (self->is_watching || self->asked.empty()) return;
    self->is_watching = true;
    self->channel.async_wait(asio::posix::stream_descriptor::wait_read,
                             [self](const std::error_code& error) {
                               self->is_watching = false;
                               if (error) return;
                               self->receive();
                               self->send();
                               watch(self);
                             });
  }
};

Dialer::Dialer(Executor executor, File channel, std::vector<Path> sockets)
    : state_(std::make_shared<State>(executor, std::move(channel), std::move(sockets))) {
  g_dialer = this;
}

Dialer::~Dialer() {
  g_dialer = nullptr;
  std::error_code ignored;
  state_->channel.close(ignored);
}

Dialer* Dialer::of_process() {
  return g_dialer;
}

Task<File> Dialer::dial(const Path& socket, SteadyTime deadline) {
  const std::shared_ptr<State> state = state_;
  const auto found = std::ranges::find(state->sockets, socket);
  if (found == state->sockets.end())
    co_return fail(ErrorKind::permanent, socket.native() + " is no socket of this role");
  const auto call = std::make_shared<State::Call>(
      state->channel.get_executor(), static_cast<std::uint32_t>(found - state->sockets.begin()));
  state->unsent.push_back(call);
  state->send();
  State::watch(state);
  // An answer that comes too late is closed with the call.
  while (!call->is_answered)
    if (!co_await call->done.wait(deadline) && !call->is_answered)
      co_return fail(ErrorKind::timeout, "the dialer does not answer");
  if (call->error != 0) co_return fail_errno("connect", "unix:" + socket.native(), call->error);
  co_return std::move(call->socket);
}

}  // namespace posthorn::net
