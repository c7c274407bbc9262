// Which worker owns an account. The one place that knows; later the answer may name another
// machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace posthorn {

// FNV-1a of the account, stable over versions: two workers must never own one account.
constexpr std::size_t worker_of(std::string_view account, std::size_t workers) {
  std::uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char c : account) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1'099'511'628'211U;
  }
  return static_cast<std::size_t>(hash % workers);
}

}  // namespace posthorn
