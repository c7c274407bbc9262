#include "tap/recording.h"

#include <algorithm>
#include <fmt/format.h>

#include "tap/dialog.h"

namespace posthorn::tap {
namespace {

constexpr std::size_t kLinesMax = 200, kLineMax = 500;

class RecordingStream final : public net::Stream {
 public:
  RecordingStream(net::StreamPtr stream, Recording& recording)
      : stream_(std::move(stream)), recording_(recording) {}

  net::Task<std::size_t> read_some(std::span<char> buffer, SteadyTime deadline) override {
    auto n = co_await stream_->read_some(buffer, sooner(deadline));
    if (n) saw(From::server, {buffer.data(), *n});
    co_return n;
  }
  net::Task<> write(std::string_view bytes, SteadyTime deadline) override {
    saw(From::client, bytes);
    return stream_->write(bytes, sooner(deadline));
  }
  net::Task<> wait_readable(SteadyTime deadline) override {
    return stream_->wait_readable(sooner(deadline));
  }
  net::Task<> start_tls(const net::TlsServer& tls, SteadyTime deadline) override {
    return stream_->start_tls(tls, sooner(deadline));
  }
  net::Task<> start_tls(const net::TlsClient& tls, const std::string& name,
                        SteadyTime deadline) override {
    auto done = co_await stream_->start_tls(tls, name, sooner(deadline));
    recording_.certificate = net::find_peer_certificate(*stream_, name);
    if (done) recording_.tls = *stream_->tls();
    note(!done ? "no TLS: " + make_printable(done.error().what)
               : fmt::format("{} {}", recording_.tls->version, recording_.tls->cipher));
    co_return done;
  }
  void interrupt() override { stream_->interrupt(); }
  void close() override { stream_->close(); }
  net::Task<> shut_down(SteadyTime deadline) override { return stream_->shut_down(deadline); }
  void identify(std::string_view session, std::string_view account) override {
    stream_->identify(session, account);
  }
  const net::Peer& peer() const override { return stream_->peer(); }
  const net::Peer& local() const override { return stream_->local(); }
  const net::TlsInfo* tls() const override { return stream_->tls(); }

 private:
  SteadyTime sooner(SteadyTime deadline) const { return std::min(deadline, recording_.until); }
  void saw(From from, std::string_view bytes) {
    std::vector<Line> lines;
    dialog_.feed(from, bytes, lines);
    for (const Line& line : lines)
      keep(fmt::format("{}: {}", line.from == From::client ? 'C' : 'S', line.text));
  }
  void note(const std::string& text) { keep("-- " + text); }
  void keep(const std::string& line) {
    std::vector<std::string>& lines = recording_.lines;
    if (lines.size() > kLinesMax) return;
    lines.push_back(lines.size() == kLinesMax ? "-- more is not shown" : line.substr(0, kLineMax));
  }

  net::StreamPtr stream_;
  Recording& recording_;
  Dialog dialog_{Protocol::smtp, Begin::at_start};
};

}  // namespace

net::StreamPtr record_client(net::StreamPtr stream, Recording& recording) {
  return std::make_unique<RecordingStream>(std::move(stream), recording);
}

}  // namespace posthorn::tap
