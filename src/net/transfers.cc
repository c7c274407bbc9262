#include "net/transfers.h"

#include <curl/curl.h>
#include <functional>
#include <map>
#include <optional>

#include "net/socket_wait.h"
#include "net/timer.h"

namespace posthorn::net {

struct Transfer::State {
  explicit State(const Executor& executor) : easy(curl_easy_init()), done(executor) {}
  CURL* easy;
  Event done;
  bool is_finished = false;
  int result = CURLE_OK;
  std::function<void()> on_stop;
};

// Held by the coroutines that wait for it, which may outlive Transfers by a turn of the loop.
struct Transfers::State : std::enable_shared_from_this<Transfers::State> {
  explicit State(Scope& s) : scope(s), multi(curl_multi_init()), rearmed(s.executor()) {
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &State::on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &State::on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
  }

  static int on_socket(CURL*, curl_socket_t fd, int what, void* user, void*) {
    auto* self = static_cast<State*>(user);
    // The old watch goes at once: the descriptor may be closed, or handed on, as soon as this
    // returns.
    if (const auto old = self->watches.find(fd); old != self->watches.end()) {
      old->second->release();
      self->watches.erase(old);
    }
    if (what == CURL_POLL_REMOVE || self->is_stopped) return 0;
    const auto watched = std::make_shared<SocketWatch>(self->scope.executor(), fd);
    self->watches[fd] = watched;
    self->scope.spawn(watch(self->shared_from_this(), fd, watched, what));
    return 0;
  }

  static Awaitable<void> watch(std::shared_ptr<State> self, curl_socket_t fd,
                               std::shared_ptr<SocketWatch> watched, int what) {
    const bool writes = (what & CURL_POLL_OUT) != 0;
    // Where it waits for either, libcurl looks for itself which it is (0).
    const int ready_for = what == CURL_POLL_INOUT ? 0 : writes ? CURL_CSELECT_OUT : CURL_CSELECT_IN;
    const auto is_mine = [&] {
      const auto found = self->watches.find(fd);
      return !self->is_stopped && found != self->watches.end() && found->second == watched;
    };
    while (is_mine()) {
      const auto ready =
          co_await watched->wait(writes ? SocketWatch::Want::write : SocketWatch::Want::read,
                                 Clock::system().steady_now() + 1s);
      if (!is_mine()) co_return;
      const bool has_waited = !ready && ready.error().kind == ErrorKind::timeout;
      if (has_waited && what != CURL_POLL_INOUT) continue;
      self->act(fd, ready_for);
    }
  }

  static int on_timer(CURLM*, long ms, void* user) {
    auto* self = static_cast<State*>(user);
    self->due.reset();
    // Never at once: this is called from inside libcurl, which must not be entered again. It
    // measures by the machine's clock, whatever the scope lives by.
    if (ms >= 0)
      self->due = Clock::system().steady_now() + std::max(1ms, std::chrono::milliseconds(ms));
    self->rearmed.set();
    if (self->due && !self->has_timer && !self->is_stopped) {
      self->has_timer = true;
      self->scope.spawn(run_timer(self->shared_from_this()));
    }
    return 0;
  }

  static Awaitable<void> run_timer(std::shared_ptr<State> self) {
    while (!self->is_stopped && self->due) {
      // Waited for even where it is over: spawned by on_timer(), this begins inside libcurl, which
      // would refuse to be entered, and ask for the same time never again.
      co_await self->rearmed.wait(*self->due);
      if (self->is_stopped || !self->due || *self->due > Clock::system().steady_now()) continue;
      self->due.reset();
      self->act(CURL_SOCKET_TIMEOUT, 0);
    }
    self->has_timer = false;
  }

  void act(curl_socket_t fd, int ready_for) {
    int running = 0;
    curl_multi_socket_action(multi, fd, ready_for, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const auto found = transfers.find(message->easy_handle);
      if (found == transfers.end()) continue;
      found->second->is_finished = true;
      found->second->result = message->data.result;
      found->second->done.set();
    }
  }

  Scope& scope;
  CURLM* multi;
  Event rearmed;
  std::optional<SteadyTime> due;
  bool has_timer = false;
  bool is_stopped = false;
  std::map<curl_socket_t, std::shared_ptr<SocketWatch>> watches;
  std::map<CURL*, std::shared_ptr<Transfer::State>> transfers;
};

Transfers::Transfers(Scope& scope) : state_(std::make_shared<State>(scope)) {}

Transfers::~Transfers() {
  stop();
  // Closes the connections that are kept; each takes its watch back before.
  curl_multi_cleanup(std::exchange(state_->multi, nullptr));
}

void Transfers::stop() {
  if (std::exchange(state_->is_stopped, true)) return;
  state_->rearmed.close();
  for (const auto& [easy, transfer] : state_->transfers) {
    transfer->done.close();
    if (const auto stopped = std::exchange(transfer->on_stop, {})) stopped();
  }
}

Scope& Transfers::scope() const {
  return state_->scope;
}

Transfer::Transfer(Transfers& transfers)
    : all_(transfers.state()), state_(std::make_shared<State>(transfers.scope().executor())) {}

Transfer::~Transfer() {
  if (all_->transfers.erase(state_->easy) != 0) curl_multi_remove_handle(all_->multi, state_->easy);
  curl_easy_cleanup(state_->easy);
}

CURL* Transfer::easy() const {
  return state_->easy;
}

void Transfer::begin() {
  if (all_->is_stopped) return state_->done.close();
  all_->transfers[state_->easy] = state_;
  curl_multi_add_handle(all_->multi, state_->easy);
}

Task<int> Transfer::end(SteadyTime deadline) {
  while (!state_->is_finished) {
    if (all_->is_stopped) co_return fail(ErrorKind::closed, "stopping");
    const bool is_woken = co_await state_->done.wait(deadline);
    if (!is_woken && !state_->is_finished && !all_->is_stopped)
      co_return fail(ErrorKind::timeout, "timed out");
  }
  co_return state_->result;
}

void Transfer::on_stop(std::function<void()> stopped) {
  state_->on_stop = std::move(stopped);
}

}  // namespace posthorn::net
