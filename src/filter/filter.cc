#include "filter/filter.h"

#include <array>
#include <fmt/format.h>

#include "filter/marks.h"

namespace posthorn::filter {
namespace {

constexpr std::size_t kFailuresMax = 10;
constexpr auto kBreak = 5s;

}  // namespace

Filter::Filter(net::Scope& scope, net::BlockingPool& pool, const config::Filter& config,
               net::Address spamd)
    : scope_(scope),
      pool_(pool),
      config_(config),
      address_(spamd),
      spamd_(scope, config.timeout, std::move(spamd)),
      freed_(scope.executor()) {}

void Filter::stop() {
  stopped_ = true;
  spamd_.stop();
  freed_.close();
}

Verdict Filter::unscanned(Unscanned why) {
  return {.headers = fmt::format("X-Spam-Status: unknown, reason={}\r\n", to_string(why)),
          .unscanned = why};
}

net::Task<Verdict> Filter::scan(Scan scan) {
  if (scan.size > config_.message_max) co_return unscanned(Unscanned::size);
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
  CO_TRY(const auto stream, co_await net::connect(scope_.executor(), address_, deadline));
  CO_TRY_OK(co_await stream->write("PING SPAMC/1.5\r\n\r\n", deadline));
  std::array<char, 64> answer{};
  const auto n = co_await stream->read_some(answer, deadline);
  if (!n && n.error().kind == ErrorKind::timeout && running_ > 0) co_return Result<>{};
  CO_TRY_OK(n);
  if (!std::string_view(answer.data(), *n).starts_with("SPAMD/"))
    co_return fail(ErrorKind::temporary, "spamd: a strange answer to PING");
  co_return Result<>{};
}

// The message, as a part of its spool file.
class Filter::FilePart final : public SpamdBody {
 public:
  FilePart(net::BlockingPool& pool, const Scan& scan) : pool_(pool), scan_(scan) {}

  net::Task<> open() {
    CO_TRY(file_,
           co_await pool_.run([&] { return Disk::real().open(scan_.file, OpenMode::read); }));
    co_return Result<>{};
  }

  net::Task<std::string_view> next() override {
    const auto left = scan_.size - done_;
    piece_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(65'536, left)));
    if (piece_.empty()) co_return std::string_view();
    CO_TRY(const auto n,
           co_await pool_.run([&] { return read_at(file_, piece_, scan_.offset + done_); }));
    if (n == 0) co_return fail(ErrorKind::temporary, "the spool file is shorter than it was");
    done_ += n;
    co_return std::string_view(piece_).substr(0, n);
  }

 private:
  net::BlockingPool& pool_;
  const Scan& scan_;
  File file_;
  std::string piece_;
  std::uint64_t done_ = 0;
};

net::Task<Verdict> Filter::ask(const Scan& scan) {
  std::string head = fmt::format("HEADERS SPAMC/1.5\r\nContent-length: {}\r\n", scan.size);
  const std::string user = config_.user.empty() ? scan.recipient : config_.user;
  if (!user.empty()) head += fmt::format("User: {}\r\n", clean(user));
  head += "\r\n";
  FilePart message(pool_, scan);
  CO_TRY_OK(co_await message.open());
  CO_TRY(const std::string answer, co_await spamd_.ask(std::move(head), message));
  CO_TRY(auto verdict, parse_spamd_answer(answer, config_.headers));
  apply_scores(config_, verdict);
  co_return verdict;
}

}  // namespace posthorn::filter
