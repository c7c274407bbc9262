// The name that was meant: for faults that say more than "unknown".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace posthorn::sieve {

// ", did you mean `fileinto`?", or nothing: no name is near. In any case of letters.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> names,
                         std::string_view prefix = {});

}  // namespace posthorn::sieve
