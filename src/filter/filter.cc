#include "filter/filter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <curl/curl.h>
#include <fmt/format.h>
#include <map>

#include "base/ascii.h"
#include "base/events.h"
#include "filter/marks.h"
#include "net/socket_wait.h"

namespace posthorn::filter {
namespace {

constexpr std::size_t kAnswerMax = 1U << 20U;
constexpr std::size_t kHeadersMax = 64U << 10U;
constexpr std::size_t kFailuresMax = 10;
constexpr auto kBreak = 5s;

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

// What goes into a message: fields that say nothing of their charset are ASCII.
std::string clean_field(std::string_view text) {
  std::string out = clean(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  return out;
}

// A line that is no field would end the header of the message that it is put on top of.
bool is_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  return colon > 0 && colon < 200 &&
         std::ranges::all_of(line.substr(0, colon), [](char c) { return c > 0x20 && c < 0x7F; });
}

Result<> curl_result(CURLcode code, std::string_view what) {
  if (code == CURLE_OK) return {};
  return fail(ErrorKind::temporary, fmt::format("spamd: {}: {}", what, curl_easy_strerror(code)));
}

}  // namespace

Result<Verdict> parse_spamd_answer(std::string_view answer,
                                   const std::vector<std::string>& prefixes) {
  const auto wrong = [](std::string_view why) {
    return fail(ErrorKind::temporary, fmt::format("spamd: {}", why));
  };
  std::string_view rest = answer;
  const std::string_view status = take_line(rest);
  if (!status.starts_with("SPAMD/")) return wrong("the answer is not SPAMD");
  const std::size_t space = status.find(' ');
  if (space == std::string_view::npos || !status.substr(space + 1).starts_with("0 "))
    return wrong(fmt::format("it says \"{}\"", status.substr(0, 100)));
  Verdict verdict;
  std::uint64_t length = 0;
  bool has_length = false, has_verdict = false;
  while (true) {
    if (rest.empty()) return wrong("the answer is cut");
    const std::string_view line = take_line(rest);
    if (line.empty()) break;
    const std::string name = to_lower(line.substr(0, line.find(':')));
    std::string_view value = line.find(':') == std::string_view::npos
                                 ? std::string_view()
                                 : line.substr(line.find(':') + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "content-length") {
      const char* const end = value.data() + value.size();
      const auto [read, error] = std::from_chars(value.data(), end, length);
      if (error != std::errc{} || read != end) return wrong("the answer's length is no number");
      has_length = true;
    }
    if (name == "spam") {
      has_verdict = true;
      verdict.spam = to_lower(value).starts_with("true") || to_lower(value).starts_with("yes");
      const std::size_t semicolon = value.find(';');
      if (semicolon != std::string_view::npos)
        verdict.score = clean_field(value.substr(std::min(value.size(), semicolon + 2)));
    }
  }
  if (has_length && length != rest.size()) return wrong("the answer's length is not what it says");
  // Ham is what it says, not what it does not say.
  if (!has_verdict) return wrong("the answer has no verdict");
  // The header block, of which only the fields that were asked for are taken, with their
  // continuation lines.
  bool taking = false;
  while (!rest.empty() && verdict.headers.size() < kHeadersMax) {
    const std::string_view line = take_line(rest);
    if (line.empty()) break;
    const bool continues = line.front() == ' ' || line.front() == '\t';
    if (!continues) {
      taking = false;
      for (const std::string& prefix : prefixes)
        taking |= !prefix.empty() && to_lower(line).starts_with(to_lower(prefix)) && is_field(line);
    }
    if (taking) verdict.headers += clean_field(line) + "\r\n";
  }
  return verdict;
}

// libcurl's multi interface on the role's loop. With CONNECT_ONLY it makes the connection; the
// bytes are ours to move.
struct Filter::Multi {
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

Filter::Filter(net::Scope& scope, net::BlockingPool& pool, const config::Filter& config,
               net::Address spamd)
    : scope_(scope),
      pool_(pool),
      config_(config),
      spamd_(std::move(spamd)),
      multi_(std::make_unique<Multi>(scope)),
      freed_(scope.executor()) {}

Filter::~Filter() = default;

void Filter::stop() {
  stopped_ = true;
  multi_->stopped = true;
  freed_.close();
  for (auto& [easy, transfer] : multi_->transfers) {
    transfer->stopped = true;
    transfer->done.set();
    if (transfer->watch) transfer->watch->release();
  }
}

Verdict Filter::unscanned(std::string_view why) {
  return {.spam = false,
          .score = {},
          .headers = fmt::format("X-Spam-Status: unknown, reason={}\r\n", why),
          .unscanned = std::string(why)};
}

net::Task<Verdict> Filter::scan(Scan scan) {
  if (scan.size > config_.message_max) co_return unscanned("size");
  while (running_ >= config_.concurrency_max && !stopped_) co_await freed_.wait(SteadyTime::max());
  if (stopped_) co_return fail(ErrorKind::temporary, "spamd: stopping");
  // After many failures in a row it is left alone for a moment.
  if (failures_ >= kFailuresMax && scope_.clock().steady_now() < open_again_)
    co_return fail(ErrorKind::temporary, "spamd: failed too often, is left alone");
  ++running_;
  const auto verdict = co_await ask(scan);
  --running_;
  freed_.set();
  failures_ = verdict ? 0 : failures_ + 1;
  if (failures_ >= kFailuresMax) open_again_ = scope_.after(kBreak);
  co_return verdict;
}

net::Task<> Filter::ping(SteadyTime deadline) {
  CO_TRY(const auto stream, co_await net::connect(scope_.executor(), spamd_, deadline));
  CO_TRY_OK(co_await stream->write("PING SPAMC/1.5\r\n\r\n", deadline));
  std::array<char, 64> answer{};
  const auto n = co_await stream->read_some(answer, deadline);
  if (!n && n.error().kind == ErrorKind::timeout && running_ > 0) co_return Result<>{};
  CO_TRY_OK(n);
  if (!std::string_view(answer.data(), *n).starts_with("SPAMD/"))
    co_return fail(ErrorKind::temporary, "spamd: a strange answer to PING");
  co_return Result<>{};
}

// One question to spamd: a raw connection of libcurl's, which waits on our event loop.
struct Filter::Exchange {
  Exchange(Filter& filter, SteadyTime deadline)
      : multi(*filter.multi_),
        executor(filter.scope_.executor()),
        deadline(deadline),
        easy(curl_easy_init()),
        transfer(std::make_shared<Multi::Transfer>(executor)) {
    const auto* tcp = std::get_if<net::TcpAddress>(&filter.spamd_);
    const std::string url =
        tcp == nullptr ? "http://localhost/" : fmt::format("http://{}/", net::to_string(*tcp));
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(filter.config_.timeout.count()));
    if (const auto* path = std::get_if<net::UnixAddress>(&filter.spamd_))
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

net::Task<Verdict> Filter::ask(const Scan& scan) {
  Exchange spamd(*this, scope_.after(config_.timeout));
  CO_TRY_OK(co_await spamd.connect());
  std::string out = fmt::format("HEADERS SPAMC/1.5\r\nContent-length: {}\r\n", scan.size);
  const std::string user = config_.user.empty() ? scan.recipient : config_.user;
  if (!user.empty()) out += fmt::format("User: {}\r\n", clean(user));
  out += "\r\n";
  const auto file =
      co_await pool_.run([&] { return Disk::real().open(scan.file, OpenMode::read); });
  if (!file) co_return std::unexpected(file.error());
  CO_TRY_OK(co_await spamd.send(out));
  for (std::uint64_t done = 0; done < scan.size;) {
    out.resize(static_cast<std::size_t>(std::min<std::uint64_t>(65'536, scan.size - done)));
    CO_TRY(const auto n,
           co_await pool_.run([&] { return read_at(*file, out, scan.offset + done); }));
    if (n == 0) co_return fail(ErrorKind::temporary, "the spool file is shorter than it was");
    out.resize(n);
    done += n;
    CO_TRY_OK(co_await spamd.send(out));
  }
  CO_TRY(const std::string answer, co_await spamd.receive());
  CO_TRY(auto verdict, parse_spamd_answer(answer, config_.headers));
  apply_scores(config_, verdict);
  co_return verdict;
}

}  // namespace posthorn::filter
