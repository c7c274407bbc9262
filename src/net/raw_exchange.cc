#include "net/raw_exchange.h"

#include <array>
#include <curl/curl.h>
#include <fmt/format.h>
#include <optional>

#include "net/socket_wait.h"

namespace posthorn::net {

struct RawExchange::State {
  State(Transfers& transfers, Options o)
      : options(std::move(o)),
        executor(transfers.scope().executor()),
        deadline(transfers.scope().after(options.timeout)),
        transfer(transfers) {}

  std::unexpected<Error> wrong(std::string_view why) const {
    return fail(ErrorKind::temporary, fmt::format("{}: {}", options.peer, why));
  }
  Result<> judge(CURLcode code, std::string_view what) const {
    if (code == CURLE_OK) return {};
    return wrong(fmt::format("{}: {}", what, curl_easy_strerror(code)));
  }

  const Options options;
  const Executor executor;
  const SteadyTime deadline;
  std::optional<SocketWatch> ready;
  Transfer transfer;  // ends before the watch that its stop lets go of
};

RawExchange::RawExchange(Transfers& transfers, const Address& address, Options options)
    : state_(std::make_unique<State>(transfers, std::move(options))) {
  CURL* const easy = state_->transfer.easy();
  const auto* tcp = std::get_if<TcpAddress>(&address);
  const std::string url =
      tcp == nullptr ? "http://localhost/" : fmt::format("http://{}/", to_string(*tcp));
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(state_->options.timeout.count()));
  if (const auto* path = std::get_if<UnixAddress>(&address))
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, path->path.c_str());
  state_->transfer.begin();
}

RawExchange::~RawExchange() {
  state_->transfer.on_stop({});
  state_->ready.reset();  // before libcurl closes the descriptor
}

Task<> RawExchange::connect() {
  const auto code = co_await state_->transfer.end(state_->deadline);
  if (!code)
    co_return state_->wrong(code.error().kind == ErrorKind::timeout ? "no connection in time"
                                                                    : code.error().what);
  CO_TRY_OK(state_->judge(static_cast<CURLcode>(*code), "connect"));
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(state_->transfer.easy(), CURLINFO_ACTIVESOCKET, &socket);
  if (socket == CURL_SOCKET_BAD) co_return state_->wrong("no connection");
  state_->ready.emplace(state_->executor, socket);
  state_->transfer.on_stop([state = state_.get()] { state->ready->release(); });
  co_return Result<>{};
}

Task<> RawExchange::send(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t sent = 0;
    const CURLcode code =
        curl_easy_send(state_->transfer.easy(), bytes.data(), bytes.size(), &sent);
    bytes.remove_prefix(sent);
    if (code == CURLE_AGAIN) {
      CO_TRY_OK(co_await state_->ready->wait(SocketWatch::Want::write, state_->deadline));
      continue;
    }
    CO_TRY_OK(state_->judge(code, "send"));
  }
  co_return Result<>{};
}

Task<std::string> RawExchange::receive() {
  std::string answer;
  std::array<char, 16'384> buffer{};
  while (answer.size() <= state_->options.answer_max) {
    std::size_t n = 0;
    const CURLcode code = curl_easy_recv(state_->transfer.easy(), buffer.data(), buffer.size(), &n);
    if (code == CURLE_AGAIN) {
      CO_TRY_OK(co_await state_->ready->wait(SocketWatch::Want::read, state_->deadline));
      continue;
    }
    CO_TRY_OK(state_->judge(code, "receive"));
    if (n == 0) co_return answer;
    answer.append(buffer.data(), n);
  }
  co_return state_->wrong("an endless answer");
}

}  // namespace posthorn::net
