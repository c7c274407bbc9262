#include "store/line_ends.h"

#include <algorithm>
#include <cstring>

namespace posthorn::store {
namespace {

constexpr std::size_t kReadMax = 65'536;

}  // namespace

void LfConverter::put(std::string_view bytes, std::string& out) {
  if (bytes.empty()) return;
  out.append(bytes);
  size_ += bytes.size();
  last_ = bytes.back();
}

void LfConverter::feed(std::string_view piece, std::string& out) {
  if (piece.empty()) return;
  if (held_cr_) {
    held_cr_ = false;
    // Only the CR of a CR LF goes, and only when no other CR stands before it.
    if (piece.front() != '\n' || last_ == '\r') put("\r", out);
  }
  while (!piece.empty()) {
    const std::size_t lf = piece.find('\n');
    if (lf == std::string_view::npos) {
      if (piece.back() == '\r') {
        put(piece.substr(0, piece.size() - 1), out);
        held_cr_ = true;
      } else {
        put(piece, out);
      }
      return;
    }
    std::string_view line = piece.substr(0, lf);
    piece.remove_prefix(lf + 1);
    if (!line.empty() && line.back() == '\r') {
      const char before = line.size() > 1 ? line[line.size() - 2] : last_;
      if (before != '\r') line.remove_suffix(1);
    }
    put(line, out);
    if (last_ != '\r' || size_ == 0) ++bare_lf_;
    put("\n", out);
  }
}

void LfConverter::finish(std::string& out) {
  if (std::exchange(held_cr_, false)) put("\r", out);
}

CrlfConverter::Step CrlfConverter::convert(std::string_view in, std::span<char> out) {
  Step step;
  while (step.taken < in.size() && step.written < out.size()) {
    const std::string_view rest = in.substr(step.taken);
    const std::size_t room = out.size() - step.written;
    const std::size_t lf = rest.substr(0, room).find('\n');
    const std::size_t plain = lf == std::string_view::npos ? std::min(rest.size(), room) : lf;
    if (plain > 0) {
      std::memcpy(out.data() + step.written, rest.data(), plain);
      step.taken += plain;
      step.written += plain;
      last_ = rest[plain - 1];
    }
    if (lf == std::string_view::npos) continue;
    const std::size_t need = last_ == '\r' ? 1 : 2;
    const std::size_t left = out.size() - step.written;
    if (left == 0) break;
    if (need == 2 && left == 1) {
      // The CR goes out alone; last_ tells the next call that the LF needs no other one.
      out[step.written++] = '\r';
      last_ = '\r';
      break;
    }
    if (need == 2) out[step.written++] = '\r';
    out[step.written++] = '\n';
    ++step.taken;
    last_ = '\n';
  }
  return step;
}

void CrlfConverter::append(std::string_view in, std::string& out) {
  while (!in.empty()) {
    const std::size_t lf = in.find('\n');
    if (lf == std::string_view::npos) {
      out.append(in);
      last_ = in.back();
      return;
    }
    out.append(in.substr(0, lf));
    const char before = lf > 0 ? in[lf - 1] : last_;
    if (before != '\r') out += '\r';
    out += '\n';
    last_ = '\n';
    in.remove_prefix(lf + 1);
  }
}

std::uint64_t wire_size_of(std::string_view text, char before) {
  std::uint64_t size = text.size();
  for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1))
    if ((at > 0 ? text[at - 1] : before) != '\r') ++size;
  return size;
}

CrlfReader::CrlfReader(const File& file, std::uint64_t begin, std::uint64_t end, Nul nul)
    : file_(&file), at_(begin), end_(end), nul_(nul) {}

Result<bool> CrlfReader::fill() {
  if (!left_.empty()) return true;
  if (file_ == nullptr || at_ >= end_) return false;
  if (!begun_) {
    begun_ = true;
    char before = '\0';
    if (at_ > 0) TRY_OK(read_at(*file_, std::span(&before, 1), at_ - 1));
    converter_ = CrlfConverter(before);
    buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(end_ - at_, kReadMax)));
  }
  const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(end_ - at_, buffer_.size()));
  TRY(const std::size_t n, read_at(*file_, std::span(buffer_.data(), want), at_));
  if (n == 0) {  // the file is shorter than it was
    at_ = end_;
    return false;
  }
  at_ += n;
  if (nul_ == Nul::shown && std::memchr(buffer_.data(), '\0', n) != nullptr)
    std::replace(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(n), '\0', '\x80');
  left_ = std::string_view(buffer_).substr(0, n);
  return true;
}

Result<std::size_t> CrlfReader::read(std::span<char> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    TRY(const bool more, fill());
    if (!more) break;
    const CrlfConverter::Step step = converter_.convert(left_, out.subspan(done));
    left_.remove_prefix(step.taken);
    done += step.written;
  }
  return done;
}

Result<std::uint64_t> CrlfReader::skip(std::uint64_t count) {
  std::string scratch(static_cast<std::size_t>(std::min<std::uint64_t>(count, kReadMax)), '\0');
  std::uint64_t done = 0;
  while (done < count) {
    const auto want =
        static_cast<std::size_t>(std::min<std::uint64_t>(count - done, scratch.size()));
    TRY(const std::size_t n, read(std::span(scratch.data(), want)));
    if (n == 0) break;
    done += n;
  }
  return done;
}

Result<std::string> CrlfReader::read_all(std::uint64_t max) {
  std::string out;
  while (out.size() < max) {
    const std::size_t had = out.size();
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(max - had, kReadMax));
    out.resize(had + want);
    TRY(const std::size_t n, read(std::span(out.data() + had, want)));
    out.resize(had + n);
    if (n < want) break;
  }
  return out;
}

Result<std::uint64_t> count_wire_size(const File& file, std::uint64_t begin, std::uint64_t end) {
  char before = '\0';
  if (begin > 0) TRY_OK(read_at(file, std::span(&before, 1), begin - 1));
  std::string buffer(
      static_cast<std::size_t>(std::min<std::uint64_t>(end > begin ? end - begin : 0, kReadMax)),
      '\0');
  std::uint64_t size = 0;
  while (begin < end) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(end - begin, buffer.size()));
    TRY(const std::size_t n, read_at(file, std::span(buffer.data(), want), begin));
    if (n == 0) break;
    size += wire_size_of(std::string_view(buffer).substr(0, n), before);
    before = buffer[n - 1];
    begin += n;
  }
  return size;
}

}  // namespace posthorn::store
