#include "net/buffer.h"

#include <algorithm>

namespace posthorn::net {

void InBuffer::consume(std::size_t count) {
  start_ += std::min(count, bytes_.size() - start_);
  if (start_ == bytes_.size()) {
    bytes_.clear();
    start_ = 0;
  }
  scanned_ = start_;
}

std::size_t InBuffer::discard() {
  const std::size_t count = bytes_.size() - start_;
  consume(count);
  return count;
}

void InBuffer::release() {
  if (!empty()) return;
  std::string().swap(bytes_);
  start_ = scanned_ = 0;
}

Task<std::size_t> InBuffer::fill(Stream& stream, SteadyTime deadline, std::size_t chunk) {
  if (start_ > 0) {
    bytes_.erase(0, start_);
    scanned_ -= std::min(scanned_, start_);
    start_ = 0;
  }
  const std::size_t had = bytes_.size();
  bytes_.resize(had + chunk);
  const auto n = co_await stream.read_some(std::span(bytes_.data() + had, chunk), deadline);
  bytes_.resize(had + (n ? *n : 0));
  co_return n;
}

std::optional<std::string_view> InBuffer::take_line() {
  const std::size_t end = bytes_.find('\n', std::max(scanned_, start_));
  if (end == std::string::npos) {
    scanned_ = bytes_.size();
    return std::nullopt;
  }
  std::string_view line(bytes_.data() + start_, end - start_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  // The bytes stay until the next fill; only the start moves.
  start_ = end + 1;
  scanned_ = start_;
  return line;
}

}  // namespace posthorn::net
