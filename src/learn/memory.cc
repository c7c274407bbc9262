#include "learn/memory.h"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/assert.h"

namespace posthorn::learn {
namespace {

constexpr std::size_t kDigestBytes = 16;
constexpr std::size_t kLine = 2 * kDigestBytes + 3;  // a blank, the class, LF

std::string line_of(std::string_view digest, message::MailClass what) {
  return fmt::format("{} {}\n", digest, what == message::MailClass::spam ? 's' : 'h');
}

}  // namespace

std::string digest_of(std::string_view account, std::string_view message) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  ASSERT(context != nullptr);
  const std::string_view zero("\0", 1);
  bool is_done = EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1;
  for (const std::string_view part : {account, zero, message})
    is_done = is_done && EVP_DigestUpdate(context, part.data(), part.size()) == 1;
  is_done = is_done && EVP_DigestFinal_ex(context, digest, &size) == 1;
  EVP_MD_CTX_free(context);
  ASSERT(is_done && size >= kDigestBytes);
  std::string out;
  for (std::size_t i = 0; i < kDigestBytes; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

void Memory::remember(std::string_view digest, message::MailClass what) {
  const auto [at, is_new] = known_.insert_or_assign(std::string(digest), what);
  if (!is_new) return;
  order_.push_back(at->first);
  if (order_.size() <= max_) return;
  known_.erase(order_.front());
  order_.pop_front();
}

net::Task<> Memory::open() {
  CO_TRY(const auto text, co_await pool_.run([this] { return read_file(file_); }));
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++lines_;
    if (line.size() + 1 != kLine) continue;  // torn by a crash
    if (line.ends_with(" s")) remember(line.substr(0, 2 * kDigestBytes), message::MailClass::spam);
    if (line.ends_with(" h")) remember(line.substr(0, 2 * kDigestBytes), message::MailClass::ham);
  }
  // What follows a torn line must begin a new one.
  if (text && !text->empty() && !text->ends_with('\n')) lines_ = 2 * max_;
  co_return Result<>{};
}

std::optional<message::MailClass> Memory::find(const std::string& digest) const {
  const auto at = known_.find(digest);
  if (at == known_.end()) return std::nullopt;
  return at->second;
}

net::Task<> Memory::note(const std::string& digest, message::MailClass what) {
  remember(digest, what);
  if (lines_ >= 2 * max_) {
    std::string all;
    for (const std::string& one : order_) all += line_of(one, known_.at(one));
    CO_TRY_OK(co_await pool_.run([&] { return replace_file(disk_, file_, all); }));
    lines_ = order_.size();
    co_return Result<>{};
  }
  const std::string line = line_of(digest, what);
  CO_TRY_OK(co_await pool_.run([&]() -> Result<> {
    TRY(const File file, disk_.open(file_, OpenMode::append));
    TRY_OK(disk_.write(file, line));
    return disk_.sync(file);
  }));
  ++lines_;
  co_return Result<>{};
}

}  // namespace posthorn::learn
