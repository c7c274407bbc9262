#include "net/out_buffer.h"

#include <utility>

namespace posthorn::net {
namespace {

constexpr std::size_t kLarge = 64 * 1024;
constexpr std::chrono::minutes kTime(10);  // for each passing on

}  // namespace

Task<> OutBuffer::flush() {
  if (text_.empty()) co_return Result<>{};
  const std::string bytes = std::exchange(text_, {});
  auto written = co_await stream_.write(bytes, clock_.steady_now() + kTime);
  if (written) co_return written;
  cut_off();
  co_return fail(ErrorKind::closed, std::move(written).error().what);
}

Task<> OutBuffer::flush_if_large() {
  if (text_.size() < kLarge) co_return Result<>{};
  co_return co_await flush();
}

void OutBuffer::cut_off() {
  text_.clear();
  stream_.close();
}

}  // namespace posthorn::net
