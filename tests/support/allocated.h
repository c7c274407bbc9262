// How much memory lies allocated now, where a sanitizer counts it; tests that ask are left out
// elsewhere.
#pragma once

#include <cstddef>
#include <gtest/gtest.h>

#if __has_feature(address_sanitizer)
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace posthorn::test {

#if __has_feature(address_sanitizer)
constexpr bool kCountsMemory = true;
inline std::size_t allocated() {
  return __sanitizer_get_current_allocated_bytes();
}
#else
constexpr bool kCountsMemory = false;
inline std::size_t allocated() {
  return 0;
}
#endif

}  // namespace posthorn::test
