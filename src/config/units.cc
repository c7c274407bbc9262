#include "config/units.h"

#include <charconv>
#include <fmt/format.h>
#include <span>

namespace posthorn::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr Unit kDurations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
constexpr Unit kSizes[] = {{"B", 1}, {"KB", 1U << 10U}, {"MB", 1U << 20U}, {"GB", 1U << 30U}};

std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const Unit& unit : units) {
    if (rest != unit.name) continue;
    if (number > (std::uint64_t{1} << 62U) / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

std::string with_unit(std::uint64_t value, std::span<const Unit> units, std::string_view of_zero) {
  for (std::size_t i = units.size(); i-- > 0;)
    if (value != 0 && value % units[i].factor == 0)
      return fmt::format("{}{}", value / units[i].factor, units[i].name);
  return fmt::format("0{}", of_zero);
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto count = parse_with_unit(text, kDurations);
  if (!count) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*count));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  return parse_with_unit(text, kSizes);
}

std::string format_duration(std::chrono::milliseconds time) {
  return with_unit(static_cast<std::uint64_t>(time.count()), kDurations, "s");
}

std::string format_size(std::uint64_t bytes) {
  return with_unit(bytes, kSizes, "B");
}

}  // namespace posthorn::config
