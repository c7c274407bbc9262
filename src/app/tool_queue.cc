#include "app/tool_queue.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/control.h"

namespace posthorn::app {
namespace {

constexpr std::string_view kSocket = "queue-control.sock";

int complain(std::string_view what) {
  fmt::print(stderr, "posthorn: {}\n", what);
  return 1;
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
    else
      messages.back()[key] = value;
  }
  return messages;
}

void print_message(const nlohmann::json& message) {
  const auto text = [&](const char* key) { return message.value(key, ""); };
  fmt::print("{}  {:<8} {:>9} bytes  {}  next {:<6} tries {}  <{}>\n", text("id"), text("state"),
             text("size"), text("arrived"), text("next"), text("tries"), text("sender"));
  for (const auto& recipient : message["recipients"]) {
    fmt::print("    {}\n", recipient.value("address", ""));
    if (const std::string reason = recipient.value("reason", ""); !reason.empty())
      fmt::print("        {}\n", reason);
  }
}

int list(const config::Config& config, bool json) {
  std::string after;
  std::size_t count = 0;
  while (true) {
    const auto page = ask_server(config, kSocket, net::Message("list").add("after", after));
    if (!page) return complain(page.error().what);
    const auto messages = messages_of(*page);
    for (const auto& message : messages) {
      if (json)
        fmt::print("{}\n", message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
      else
        print_message(message);
      after = message.value("id", "");
      ++count;
    }
    if (messages.empty() || !page->find("more")) break;
  }
  if (!json) fmt::print("{} message{} in the queue\n", count, count == 1 ? "" : "s");
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

}  // namespace posthorn::app
