#include "tools/ban.h"

#include <fmt/format.h>
#include <optional>

#include "base/ascii.h"
#include "base/log.h"
#include "tools/complain.h"
#include "tools/control.h"

namespace posthorn::tools {
namespace {

constexpr std::string_view kSocket = "lookup-control.sock";
constexpr std::int64_t kTimeMax = 10LL * 365 * 86'400'000;

// "90s", "10m", "2h", "7d" in milliseconds.
std::optional<std::int64_t> parse_time(std::string_view text) {
  constexpr std::string_view kUnits = "smhd";
  constexpr std::int64_t kEach[] = {1000, 60'000, 3'600'000, 86'400'000};
  const std::size_t unit = text.empty() ? kUnits.npos : kUnits.find(text.back());
  if (unit == kUnits.npos) return std::nullopt;
  const auto count = to_number<std::int64_t>(text.substr(0, text.size() - 1));
  if (!count || *count <= 0 || *count > kTimeMax / kEach[unit]) return std::nullopt;
  return *count * kEach[unit];
}

std::string format_left(std::int64_t ms) {
  const std::int64_t seconds = (ms + 999) / 1000;
  if (seconds >= 86'400) return fmt::format("{}d{}h", seconds / 86'400, seconds % 86'400 / 3600);
  if (seconds >= 3600) return fmt::format("{}h{}m", seconds / 3600, seconds % 3600 / 60);
  if (seconds >= 60) return fmt::format("{}m{}s", seconds / 60, seconds % 60);
  return fmt::format("{}s", seconds);
}

// An account's name is what a stranger typed.
std::string reason_of(std::string_view failures, const std::string& account) {
  if (failures == "0") return "by command";
  return fmt::format("{} failed logins{}", failures,
                     account.empty() ? "" : " as " + log::escape(account));
}

int list(const net::Message& answer) {
  std::string who, account, left;
  std::size_t shown = 0;
  for (const auto& [key, value] : answer.fields) {
    if (key == "who") who = value;
    if (key == "account") account = value;
    if (key == "left") left = format_left(to_number<std::int64_t>(value).value_or(0));
    if (key != "failures") continue;
    fmt::print("{:<40} {:>7}  {}\n", who, left, reason_of(value, account));
    ++shown;
  }
  const auto all = to_number<std::size_t>(answer.get("all")).value_or(shown);
  if (all == 0) fmt::print("nobody is banned\n");
  if (all > shown) fmt::print("and {} more\n", all - shown);
  return 0;
}

}  // namespace

int run_ban_tool(const config::Config& config, const BanOptions& options) {
  net::Message request("bans");
  if (options.action == BanAction::add) {
    const auto time = options.time.empty() ? config.auth.ban.count() : parse_time(options.time);
    if (!time) return complain("--for: a number with s, m, h or d, as 2h");
    if (*time == 0) return complain("auth.ban is 0s: say for how long, as --for 2h");
    request =
        net::Message("ban").add("address", options.address).add("ms", fmt::format("{}", *time));
  }
  if (options.action == BanAction::remove)
    request = net::Message("unban").add("address", options.address);
  const auto answer = ask_server(config, kSocket, std::move(request));
  if (!answer) return complain(answer.error().what);
  if (answer->verb != "ok") return complain(answer->get("error"));
  return options.action == BanAction::list ? list(*answer) : 0;
}

}  // namespace posthorn::tools
