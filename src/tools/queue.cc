#include "tools/queue.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/complain.h"
#include "tools/queue_deeds.h"
#include "tools/queue_pages.h"

namespace posthorn::tools {
namespace {

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
             format_span(static_cast<std::int64_t>(number(message, "age"))),
             format_size(number(message, "size")), next, number(message, "tries"), text("sender"));
  for (const auto& recipient : message["recipients"]) {
    const std::string reason = recipient.value("reason", "");
    fmt::print("    to <{}>{}{}\n", recipient.value("address", ""), reason.empty() ? "" : ": ",
               reason);
  }
}

int list(const config::Config& config, const QueueOptions& options) {
  bool is_first = true;
  const auto count = visit_queue(config, options.filters, [&](const nlohmann::json& message) {
    if (options.json) return print_json(message);
    if (std::exchange(is_first, false))
      fmt::print("{:<13}  {:<8}  {:>6}  {:>7}  {:>6}  {:>5}  {}\n", "Id", "State", "Age", "Size",
                 "Next", "Tries", "Sender");
    print_message(message);
  });
  if (!count) return complain(count.error().what);
  if (!options.json)
    fmt::print("{} {}\n", format_messages(*count),
               options.filters.is_empty() ? "in the queue" : "of the queue");
  return 0;
}

// As Postfix prints it, column by column: scripts read it.
int mailq(const config::Config& config) {
  std::uint64_t bytes = 0;
  const auto count = visit_queue(config, {}, [&](const nlohmann::json& message) {
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

int show(const config::Config& config, const QueueOptions& options) {
  const auto answer = ask_queue(config, net::Message("show").add("id", options.ids.front()));
  if (!answer) return complain(answer.error().what);
  if (options.json) {
    print_json(shown_message(*answer));
    return 0;
  }
  for (const auto& [key, value] : answer->fields)
    if (key != "text") fmt::print("{:<10} {}\n", key, value);
  fmt::print("\n{}\n", answer->get("text"));
  return 0;
}

}  // namespace

int run_queue_tool(const config::Config& config, const QueueOptions& options) {
  switch (options.action) {
    case QueueAction::list:
      return list(config, options);
    case QueueAction::mailq:
      return mailq(config);
    case QueueAction::show:
      return show(config, options);
    default:
      return change_queue(config, options);
  }
}

}  // namespace posthorn::tools
