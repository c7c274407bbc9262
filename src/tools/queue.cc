#include "tools/queue.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "tools/complain.h"
#include "tools/control.h"

namespace posthorn::tools {
namespace {

constexpr std::string_view kSocket = "queue-control.sock";

bool is_number(std::string_view key) {
  return key == "size" || key == "tries" || key == "next";
}

nlohmann::json number_in(std::string_view text) {
  if (text.ends_with('s')) text.remove_suffix(1);
  const auto number = to_number<std::uint64_t>(text);
  return number ? nlohmann::json(*number) : nlohmann::json();
}

// Each message of the listing as JSON, from the flat fields of a page.
std::vector<nlohmann::json> messages_of(const net::Message& page) {
  std::vector<nlohmann::json> messages;
  for (const auto& [key, value] : page.fields) {
    if (key == "more") continue;
    if (key == "id")
      messages.push_back({{"id", value}, {"recipients", nlohmann::json::array()}});
    else if (messages.empty())
      continue;
    else if (key == "to")
      messages.back()["recipients"].push_back({{"address", value}});
    else if (key == "reason")
      messages.back()["recipients"].back()["reason"] = value;
    else if (is_number(key))  // "12s": in so many seconds; "-" while it is held
      messages.back()[key] = number_in(value);
    else
      messages.back()[key] = value;
  }
  return messages;
}

using Visit = std::function<void(const nlohmann::json& message)>;

// Every message, page by page; their number.
Result<std::size_t> visit_queue(const config::Config& config, const Visit& visit) {
  std::string after;
  std::size_t count = 0;
  while (true) {
    TRY(const auto page, ask_server(config, kSocket, net::Message("list").add("after", after)));
    const auto messages = messages_of(page);
    for (const auto& message : messages) {
      visit(message);
      after = message.value("id", "");
      ++count;
    }
    if (messages.empty() || !page.find("more")) return count;
  }
}

std::uint64_t number(const nlohmann::json& message, const char* key) {
  const auto found = message.find(key);
  return found != message.end() && found->is_number() ? found->get<std::uint64_t>() : 0;
}

// "2026-11-21T04:26:46.123Z"
std::time_t arrival_of(const nlohmann::json& message) {
  std::tm time{};
  ::strptime(message.value("arrived", "").c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  return ::timegm(&time);
}

// The two greatest units: "3d4h", "2h10m", "45s".
std::string format_span(std::int64_t seconds) {
  seconds = std::max<std::int64_t>(seconds, 0);
  if (seconds >= 86'400) return fmt::format("{}d{}h", seconds / 86'400, seconds % 86'400 / 3600);
  if (seconds >= 3600) return fmt::format("{}h{}m", seconds / 3600, seconds % 3600 / 60);
  if (seconds >= 60) return fmt::format("{}m{}s", seconds / 60, seconds % 60);
  return fmt::format("{}s", seconds);
}

std::string format_size(std::uint64_t bytes) {
  if (bytes >= 10U << 20U) return fmt::format("{} MB", bytes >> 20U);
  if (bytes >= 10U << 10U) return fmt::format("{} KB", bytes >> 10U);
  return fmt::format("{} B", bytes);
}

void print_message(const nlohmann::json& message) {
  const auto text = [&](const char* key) { return message.value(key, ""); };
  const std::string state = text("state");
  const std::string next = state == "hold" ? "-"
                           : state == "active"
                               ? "now"
                               : format_span(static_cast<std::int64_t>(number(message, "next")));
  fmt::print("{:<13}  {:<8}  {:>6}  {:>7}  {:>6}  {:>5}  <{}>\n", text("id"), state,
             format_span(std::time(nullptr) - arrival_of(message)),
             format_size(number(message, "size")), next, number(message, "tries"), text("sender"));
  for (const auto& recipient : message["recipients"]) {
    const std::string reason = recipient.value("reason", "");
    fmt::print("    to <{}>{}{}\n", recipient.value("address", ""), reason.empty() ? "" : ": ",
               reason);
  }
}

int list(const config::Config& config, bool json) {
  bool is_first = true;
  const auto count = visit_queue(config, [&](const nlohmann::json& message) {
    if (json) {
      fmt::print("{}\n", message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
      return;
    }
    if (std::exchange(is_first, false))
      fmt::print("{:<13}  {:<8}  {:>6}  {:>7}  {:>6}  {:>5}  {}\n", "Id", "State", "Age", "Size",
                 "Next", "Tries", "Sender");
    print_message(message);
  });
  if (!count) return complain(count.error().what);
  if (!json) fmt::print("{} message{} in the queue\n", *count, *count == 1 ? "" : "s");
  return 0;
}

// As Postfix prints it, column by column: scripts read it.
int mailq(const config::Config& config) {
  std::uint64_t bytes = 0;
  const auto count = visit_queue(config, [&](const nlohmann::json& message) {
    if (bytes == 0)
      fmt::print("-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n");
    const std::string state = message.value("state", "");
    const char mark = state == "active" ? '*' : state == "hold" ? '!' : ' ';
    const std::time_t arrived = arrival_of(message);
    std::tm local{};
    std::array<char, 32> date{};
    ::localtime_r(&arrived, &local);
    std::strftime(date.data(), date.size(), "%a %b %e %H:%M:%S", &local);
    const std::string sender = message.value("sender", "");
    bytes += std::max<std::uint64_t>(number(message, "size"), 1);
    fmt::print("{:<11}{} {:>7} {}  {}\n", message.value("id", ""), mark, number(message, "size"),
               date.data(), sender.empty() ? "MAILER-DAEMON" : sender);
    for (const auto& recipient : message["recipients"]) {
      if (const std::string reason = recipient.value("reason", ""); !reason.empty())
        fmt::print("{:>80}\n", "(" + reason + ")");
      fmt::print("{:41}{}\n", "", recipient.value("address", ""));
    }
    fmt::print("\n");
  });
  if (!count) return complain(count.error().what);
  if (*count == 0)
    fmt::print("Mail queue is empty\n");
  else
    fmt::print("-- {} Kbytes in {} Request{}.\n", (bytes + 1023) / 1024, *count,
               *count == 1 ? "" : "s");
  return 0;
}

int show(const config::Config& config, const std::string& id) {
  const auto answer = ask_server(config, kSocket, net::Message("show").add("id", id));
  if (!answer) return complain(answer.error().what);
  if (answer->verb != "ok") return complain(answer->get("error"));
  for (const auto& [key, value] : answer->fields)
    if (key != "text") fmt::print("{:<10} {}\n", key, value);
  fmt::print("\n{}\n", answer->get("text"));
  return 0;
}

}  // namespace

int run_queue_tool(const config::Config& config, const QueueOptions& options) {
  if (options.action == QueueAction::list) return list(config, options.json);
  if (options.action == QueueAction::mailq) return mailq(config);
  if (options.action == QueueAction::show) return show(config, options.id);
  const std::string id = options.all ? "all" : options.id;
  if (id.empty()) return complain("name a queue id, or --all");
  const std::string_view verb = options.action == QueueAction::retry     ? "retry"
                                : options.action == QueueAction::hold    ? "hold"
                                : options.action == QueueAction::release ? "release"
                                                                         : "delete";
  const auto answer = ask_server(config, kSocket, net::Message(std::string(verb)).add("id", id));
  if (!answer) return complain(answer.error().what);
  if (answer->verb != "ok") return complain(answer->get("error"));
  return 0;
}

}  // namespace posthorn::tools
