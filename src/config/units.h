// Times and sizes as people write them: "30s", "2d", "50MB"; a whole number and one unit.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn::config {

// nullopt: no number with a unit of its kind (ms s m h d; B KB MB GB), or one that is too large.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::optional<std::uint64_t> parse_size(std::string_view text);
// With the largest unit that it is a whole number of.
std::string format_duration(std::chrono::milliseconds time);
std::string format_size(std::uint64_t bytes);

}  // namespace posthorn::config
