#include "net/line_input.h"

namespace posthorn::net {

LineInput::LineInput(Scope& scope, Stream& stream, Options options)
    : stream_(stream), options_(std::move(options)), registration_(scope, stream, [this] {
        is_stopping_ = true;
        stream_.interrupt();
      }) {}

Task<std::string> LineInput::read_line(SteadyTime deadline) {
  while (true) {
    const auto line = in_.take_line();
    if (line && line->size() <= options_.line_max) co_return std::string(*line);
    // While its LF is missing the last byte may be its CR.
    if (line || in_.data().size() > options_.line_max + 1) {
      co_await options_.say(LastWord::line_too_long);
      co_return fail(ErrorKind::protocol, "a line too long");
    }
    if (options_.before_wait) CO_TRY_OK(co_await options_.before_wait());
    in_.release();
    if (in_.empty()) CO_TRY_OK(co_await wait(deadline));
    CO_TRY_OK(co_await in_.fill(stream_, deadline, options_.piece_max));
  }
}

Task<> LineInput::wait(SteadyTime deadline) {
  while (true) {
    const auto ready = co_await stream_.wait_readable(deadline);
    if (is_stopping_) {
      co_await options_.say(LastWord::stopping);
      co_return fail(ErrorKind::closed, "the server is stopping");
    }
    if (ready || ready.error().kind != ErrorKind::temporary) co_return ready;  // or interrupted
  }
}

Task<std::string> LineInput::read_bytes(std::size_t count, SteadyTime deadline) {
  while (in_.data().size() < count)
    CO_TRY_OK(co_await in_.fill(stream_, deadline, options_.piece_max));
  std::string bytes(in_.data().substr(0, count));
  in_.consume(count);
  co_return bytes;
}

}  // namespace posthorn::net
