#include "base/ids.h"

#include <cstdint>
#include <string_view>
#include <sys/random.h>

#include "base/assert.h"

namespace posthorn {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

std::string random_letters(std::size_t count) {
  std::string bytes = random_bytes(count);
  for (char& c : bytes) c = kAlphabet[static_cast<unsigned char>(c) & 31U];
  return bytes;
}

}  // namespace

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const ssize_t n = getrandom(bytes.data() + done, count - done, 0);
    ASSERT(n > 0);
    done += static_cast<std::size_t>(n);
  }
  return bytes;
}

std::string random_hex(std::size_t count) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(count * 2);
  for (const char c : random_bytes(count)) {
    hex += kDigits[static_cast<unsigned char>(c) >> 4U];
    hex += kDigits[static_cast<unsigned char>(c) & 15U];
  }
  return hex;
}

std::string make_session_id() {
  return random_letters(8);
}

std::string make_queue_id(WallTime now) {
  std::string id(8, '0');
  auto value = static_cast<std::uint64_t>(now.time_since_epoch().count());
  for (std::size_t i = id.size(); i-- > 0; value >>= 5U) id[i] = kAlphabet[value & 31U];
  return id + random_letters(5);
}

}  // namespace posthorn
