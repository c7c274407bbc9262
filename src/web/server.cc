#include "web/server.h"

#include <fmt/format.h>

#include "base/events.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "net/buffer.h"

namespace posthorn::web {
namespace {

std::string_view class_of(int status) {
  return status < 300 ? "2xx" : status < 400 ? "3xx" : status < 500 ? "4xx" : "5xx";
}

class Session {
 public:
  Session(net::StreamPtr stream, const ServerSettings& settings, const ServerServices& services)
      : stream_(std::move(stream)),
        settings_(settings),
        services_(services),
        registration_(services.scope, *stream_, [this] { stream_->interrupt(); }) {}

  net::Awaitable<void> run() {
    if (settings_.tls_start == net::TlsStart::at_once) {
      const auto done = co_await stream_->start_tls(
          *services_.tls, services_.scope.after(settings_.handshake_timeout));
      if (!done) {
        log_.debug(event::tls_failed,
                   {{"address", stream_->peer().address}, {"error", done.error().what}});
        co_return;
      }
      // RFC 8737 section 3: once the handshake is done, nothing is exchanged any more.
      if (stream_->tls() != nullptr && stream_->tls()->is_challenge) {
        log_.info(event::http_challenge_answered, {{"address", stream_->peer().address},
                                                   {"name", stream_->tls()->server_name},
                                                   {"type", "tls-alpn-01"}});
        (void)co_await stream_->shut_down(services_.scope.after(1s));
        co_return;
      }
    }
    for (std::size_t served = 0; served < settings_.requests_max; ++served) {
      is_last_ = served + 1 == settings_.requests_max;
      if (!co_await serve_one()) break;
    }
    if (!in_.empty()) co_await drain();
    (void)co_await stream_->shut_down(services_.scope.after(1s));
  }

 private:
  // False: the connection is done with.
  net::Awaitable<bool> serve_one() {
    if (in_.empty()) {
      in_.release();
      // A stop ends an idle connection; one that has begun a request still gets its answer.
      if (services_.scope.is_stopping()) co_return false;
      if (!co_await stream_->wait_readable(services_.scope.after(settings_.idle_timeout)))
        co_return false;
    }
    const SteadyTime deadline = services_.scope.after(settings_.request_timeout);
    auto request = co_await read_head(deadline);
    if (!request) co_return co_await refuse(request.error());
    if (request->body_size > in_.data().size() && request->expects_continue)
      if (!co_await stream_->write("HTTP/1.1 100 Continue\r\n\r\n", deadline)) co_return false;
    while (in_.data().size() < request->body_size) {
      const auto filled = co_await in_.fill(*stream_, deadline);
      if (!filled) co_return co_await refuse(filled.error().kind == ErrorKind::timeout ? 408 : 0);
    }
    request->body = in_.data().substr(0, request->body_size);
    in_.consume(request->body_size);
    const Response response = co_await services_.site.answer(*request, stream_->peer());
    log_.debug(event::http_served, {{"address", stream_->peer().address},
                                    {"method", request->method},
                                    {"path", request->path},
                                    {"status", response.status}});
    const bool goes_on = request->is_kept_alive && !is_last_ && !services_.scope.is_stopping();
    co_return co_await write(response, goes_on ? Connection::keep_alive : Connection::close,
                             request->method == "HEAD" ? Body::head_only : Body::whole) &&
        goes_on;
  }

  // The error is the status to refuse with; 0: nobody is there to be told.
  net::Awaitable<std::expected<Request, int>> read_head(SteadyTime deadline) {
    HeadReader reader;
    while (true) {
      auto head = reader.read(in_.data());
      if (!head) co_return std::unexpected(head.error());
      if (*head) {
        in_.consume(reader.size());
        co_return **std::move(head);
      }
      const auto filled = co_await in_.fill(*stream_, deadline, 4096);
      if (!filled) co_return std::unexpected(filled.error().kind == ErrorKind::timeout ? 408 : 0);
    }
  }

  net::Awaitable<bool> refuse(int status) {
    if (status == 0) co_return false;
    log_.debug(event::http_served, {{"address", stream_->peer().address}, {"status", status}});
    if (!co_await write(make_error(status), Connection::close, Body::whole)) co_return false;
    co_await drain();
    co_return false;
  }

  // Closed with bytes unread, the kernel would reset the connection and the answer could be lost.
  net::Awaitable<void> drain() {
    const SteadyTime deadline = services_.scope.after(1s);
    for (std::size_t passed = 0; passed < kDrainedMax;) {
      in_.discard();
      const auto filled = co_await in_.fill(*stream_, deadline);
      if (!filled) break;
      passed += *filled;
    }
    in_.discard();
  }

  net::Awaitable<bool> write(const Response& response, Connection connection, Body body) {
    metrics::count(metric::http_requests, class_of(response.status));
    const std::string text =
        format_response(response, services_.scope.clock().now(), connection, body);
    const auto written =
        co_await stream_->write(text, services_.scope.after(settings_.write_timeout));
    co_return written.has_value();
  }

  static constexpr std::size_t kDrainedMax = 256U << 10U;

  net::StreamPtr stream_;
  const ServerSettings& settings_;
  const ServerServices& services_;
  net::Scope::Registration registration_;
  net::InBuffer in_;
  bool is_last_ = false;
  log::Logger log_;
};

}  // namespace

net::Awaitable<void> serve(net::StreamPtr stream, const ServerSettings& settings,
                           const ServerServices& services) {
  metrics::count(metric::sessions, "http");
  const metrics::Open open(metric::sessions_open, "http");
  Session session(std::move(stream), settings, services);
  co_await session.run();
}

}  // namespace posthorn::web
