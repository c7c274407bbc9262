// FNV-1a, 64 bits: the same on every machine and in every version, so it may stand on disk and
// decide who owns an account. It finds accidents; it is no defence against anybody.
#pragma once

#include <cstdint>
#include <string_view>

namespace posthorn {

inline constexpr std::uint64_t kFnvStart = 14'695'981'039'346'656'037U;

// Goes on from hash, so that a text may come in pieces.
constexpr std::uint64_t fnv1a(std::string_view bytes, std::uint64_t hash = kFnvStart) {
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1'099'511'628'211U;
  }
  return hash;
}

}  // namespace posthorn
