#include "filter/spamd.h"

#include <algorithm>
#include <array>
#include <curl/curl.h>
#include <fmt/format.h>
#include <map>
#include <optional>

#include "base/ascii.h"
#include "net/socket_wait.h"
#include "net/timer.h"

namespace posthorn::filter {
namespace {

constexpr std::size_t kAnswerMax = 1U << 20U;

Result<> curl_result(CURLcode code, std::string_view what) {
  if (code == CURLE_OK) return {};
  return fail(ErrorKind::temporary, fmt::format("spamd: {}: {}", what, curl_easy_strerror(code)));
}

}  // namespace

std::string_view take_line(std::string_view& text) {
  const std::size_t lf = text.find('\n');
  std::string_view line = text.substr(0, lf);
  text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string clean(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 990)) {
    const auto u = static_cast<unsigned char>(c);
    out += (u < 0x20 && c != '\t') || u == 0x7F ? '?' : c;
  }
  return out;
}

const std::string* SpamdAnswer::find(std::string_view name) const {
  const auto at = std::ranges::find(fields, name, &std::pair<std::string, std::string>::first);
  return at == fields.end() ? nullptr : &at->second;
}

Result<SpamdAnswer> parse_answer(std::string_view answer) {
  const auto wrong = [](std::string_view why) {
    return fail(ErrorKind::temporary, fmt::format("spamd: {}", why));
  };
  std::string_view rest = answer;
  const std::string_view status = take_line(rest);
  if (!status.starts_with("SPAMD/")) return wrong("the answer is not SPAMD");
  SpamdAnswer parsed;
  parsed.said = clean(status.substr(0, 100));
  std::string_view number = status.substr(std::min(status.find(' '), status.size()));
  while (number.starts_with(' ')) number.remove_prefix(1);
  const auto code = to_number<int>(number.substr(0, number.find(' ')));
  if (!code) return wrong(fmt::format("it says \"{}\"", parsed.said));
  parsed.code = *code;
  if (parsed.code != 0) return parsed;  // nothing more need follow
  while (true) {
    if (rest.empty()) return wrong("the answer is cut");
    const std::string_view line = take_line(rest);
    if (line.empty()) break;
    const std::size_t colon = std::min(line.find(':'), line.size());
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    while (value.starts_with(' ')) value.remove_prefix(1);
    parsed.fields.emplace_back(to_lower(line.substr(0, colon)), value);
  }
  for (const auto& [name, value] : parsed.fields) {
    if (name != "content-length") continue;
    const auto size = to_number<std::uint64_t>(value);
    if (!size) return wrong("the answer's length is no number");
    if (*size != rest.size()) return wrong("the answer's length is not what it says");
  }
  parsed.body = rest;
  return parsed;
}

// libcurl's multi interface on the role's loop. With CONNECT_ONLY it makes the connection; the
// bytes are ours to move.
struct Spamd::Multi {
  struct Transfer {
    explicit Transfer(const net::Executor& executor) : done(executor) {}
    net::Event done;
    bool finished = false;
    bool stopped = false;
    CURLcode result = CURLE_OK;
    net::SocketWatch* watch = nullptr;  // while bytes are moved
  };
  struct Socket {
    std::shared_ptr<net::SocketWatch> watch;
    int what = 0;
  };

  Multi(net::Scope& s) : scope(s), handle(curl_multi_init()), timer_set(s.executor()) {
    curl_multi_setopt(handle, CURLMOPT_SOCKETFUNCTION, &Multi::on_socket);
    curl_multi_setopt(handle, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(handle, CURLMOPT_TIMERFUNCTION, &Multi::on_timer);
    curl_multi_setopt(handle, CURLMOPT_TIMERDATA, this);
  }
  ~Multi() { curl_multi_cleanup(handle); }

  static int on_socket(CURL*, curl_socket_t fd, int what, void* user, void*) {
    auto* self = static_cast<Multi*>(user);
    // The old watch goes at once: the descriptor may be closed, or handed on, as soon as this
    // returns.
    if (const auto old = self->sockets.find(fd); old != self->sockets.end()) {
      old->second.watch->release();
      self->sockets.erase(old);
    }
    if (what == CURL_POLL_REMOVE) return 0;
    const auto watched = std::make_shared<net::SocketWatch>(self->scope.executor(), fd);
    self->sockets[fd] = {watched, what};
    self->scope.spawn(watch(self, fd, watched, what));
    return 0;
  }

  static int on_timer(CURLM*, long ms, void* user) {
    auto* self = static_cast<Multi*>(user);
    ++self->timer_generation;
    if (ms >= 0)
      self->scope.spawn(fire(self, std::chrono::milliseconds(ms), self->timer_generation));
    return 0;
  }

  static net::Awaitable<void> watch(Multi* self, curl_socket_t fd,
                                    std::shared_ptr<net::SocketWatch> watched, int what) {
    const auto want =
        (what & CURL_POLL_OUT) != 0 ? net::SocketWatch::Want::write : net::SocketWatch::Want::read;
    const auto mine = [&] {
      const auto found = self->sockets.find(fd);
      return !self->stopped && found != self->sockets.end() && found->second.watch == watched;
    };
    while (mine()) {
      const auto ready = co_await watched->wait(want, self->scope.after(1s));
      if (!mine()) co_return;
      if (!ready && ready.error().kind == ErrorKind::timeout) continue;
      int running = 0;
      curl_multi_socket_action(
          self->handle, fd,
          want == net::SocketWatch::Want::write ? CURL_CSELECT_OUT : CURL_CSELECT_IN, &running);
      self->collect();
    }
  }

  static net::Awaitable<void> fire(Multi* self, std::chrono::milliseconds wait,
                                   std::uint64_t generation) {
    // Never at once: this is called from inside libcurl, which must not be entered again.
    co_await net::sleep(std::clamp<std::chrono::milliseconds>(wait, 1ms, 1s));
    if (self->stopped || self->timer_generation != generation) co_return;
    int running = 0;
    curl_multi_socket_action(self->handle, CURL_SOCKET_TIMEOUT, 0, &running);
    self->collect();
  }

  void collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(handle, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const auto found = transfers.find(message->easy_handle);
      if (found == transfers.end()) continue;
      found->second->finished = true;
      found->second->result = message->data.result;
      found->second->done.set();
    }
  }

  net::Scope& scope;
  CURLM* handle;
  net::Event timer_set;
  std::map<curl_socket_t, Socket> sockets;
  std::map<CURL*, std::shared_ptr<Transfer>> transfers;
  std::uint64_t timer_generation = 0;
  bool stopped = false;
};

Spamd::Spamd(net::Scope& scope, std::chrono::milliseconds timeout, net::Address address)
    : scope_(scope),
      timeout_(timeout),
      address_(std::move(address)),
      multi_(std::make_unique<Multi>(scope)) {}

Spamd::~Spamd() = default;

void Spamd::stop() {
  multi_->stopped = true;
  for (auto& [easy, transfer] : multi_->transfers) {
    transfer->stopped = true;
    transfer->done.set();
    if (transfer->watch) transfer->watch->release();
  }
}

// One question: a raw connection of libcurl's, which waits on our event loop.
struct Spamd::Exchange {
  Exchange(Spamd& spamd, SteadyTime deadline)
      : multi(*spamd.multi_),
        executor(spamd.scope_.executor()),
        deadline(deadline),
        easy(curl_easy_init()),
        transfer(std::make_shared<Multi::Transfer>(executor)) {
    const auto* tcp = std::get_if<net::TcpAddress>(&spamd.address_);
    const std::string url =
        tcp == nullptr ? "http://localhost/" : fmt::format("http://{}/", net::to_string(*tcp));
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(spamd.timeout_.count()));
    if (const auto* path = std::get_if<net::UnixAddress>(&spamd.address_))
      curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, path->path.c_str());
    multi.transfers[easy] = transfer;
    curl_multi_add_handle(multi.handle, easy);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() {
    transfer->watch = nullptr;
    ready.reset();
    multi.transfers.erase(easy);
    curl_multi_remove_handle(multi.handle, easy);
    curl_easy_cleanup(easy);
  }

  net::Task<> connect() {
    while (!transfer->finished) {
      const bool woken = co_await transfer->done.wait(deadline);
      if (transfer->stopped) co_return fail(ErrorKind::temporary, "spamd: stopping");
      if (!woken && !transfer->finished)
        co_return fail(ErrorKind::temporary, "spamd: no connection in time");
    }
    CO_TRY_OK(curl_result(transfer->result, "connect"));
    curl_socket_t socket = CURL_SOCKET_BAD;
    curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &socket);
    if (socket == CURL_SOCKET_BAD) co_return fail(ErrorKind::temporary, "spamd: no connection");
    ready.emplace(executor, socket);
    transfer->watch = &*ready;
    co_return Result<>{};
  }

  net::Task<> send(std::string_view left) {
    while (!left.empty()) {
      std::size_t sent = 0;
      const CURLcode code = curl_easy_send(easy, left.data(), left.size(), &sent);
      left.remove_prefix(sent);
      if (code == CURLE_AGAIN) {
        CO_TRY_OK(co_await ready->wait(net::SocketWatch::Want::write, deadline));
      } else {
        CO_TRY_OK(curl_result(code, "send"));
      }
    }
    co_return Result<>{};
  }

  // Up to the end of the connection.
  net::Task<std::string> receive() {
    std::string answer;
    std::array<char, 16'384> buffer{};
    while (answer.size() <= kAnswerMax) {
      std::size_t n = 0;
      const CURLcode code = curl_easy_recv(easy, buffer.data(), buffer.size(), &n);
      if (code == CURLE_AGAIN) {
        CO_TRY_OK(co_await ready->wait(net::SocketWatch::Want::read, deadline));
        continue;
      }
      CO_TRY_OK(curl_result(code, "receive"));
      if (n == 0) co_return answer;
      answer.append(buffer.data(), n);
    }
    co_return fail(ErrorKind::temporary, "spamd: an endless answer");
  }

  Multi& multi;
  net::Executor executor;
  const SteadyTime deadline;
  CURL* const easy;
  const std::shared_ptr<Multi::Transfer> transfer;
  std::optional<net::SocketWatch> ready;
};

net::Task<std::string> Spamd::ask(std::string head, SpamdBody& body) {
  Exchange spamd(*this, scope_.after(timeout_));
  CO_TRY_OK(co_await spamd.connect());
  CO_TRY_OK(co_await spamd.send(head));
  while (true) {
    CO_TRY(const std::string_view piece, co_await body.next());
    if (piece.empty()) break;
    CO_TRY_OK(co_await spamd.send(piece));
  }
  co_return co_await spamd.receive();
}

net::Task<std::string> Spamd::ask(std::string head, std::string_view text) {
  class Text final : public SpamdBody {
   public:
    explicit Text(std::string_view text) : left_(text) {}
    net::Task<std::string_view> next() override { co_return std::exchange(left_, {}); }

   private:
    std::string_view left_;
  };
  Text body(text);
  co_return co_await ask(std::move(head), body);
}

}  // namespace posthorn::filter
