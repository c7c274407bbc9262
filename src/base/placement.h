// Which worker owns an account. The one place that knows; later the answer may name another
// machine.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/fnv.h"

namespace posthorn {

// Stable over versions: two workers must never own one account.
constexpr std::size_t worker_of(std::string_view account, std::size_t workers) {
  return static_cast<std::size_t>(fnv1a(account) % workers);
}

}  // namespace posthorn
