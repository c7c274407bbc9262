#include "tools/queue_pages.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::tools {
namespace {

bool is_number(std::string_view key) {
  return key == "size" || key == "tries" || key == "next" || key == "age";
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
    else if (key == "reason" || key == "relay")
      messages.back()["recipients"].back()[key] = value;
    else if (is_number(key))  // "12s": in so many seconds; "-" while it is held
      messages.back()[key] = number_in(value);
    else
      messages.back()[key] = value;
  }
  return messages;
}

net::Message listing(const QueueFilters& filters) {
  net::Message request("list");
  for (const auto& [key, value] : {std::pair{"from", &filters.from},
                                   {"to", &filters.to},
                                   {"domain", &filters.domain},
                                   {"relay", &filters.relay},
                                   {"reason", &filters.reason},
                                   {"state", &filters.state},
                                   {"older", &filters.older}})
    if (*value) request.add(key, **value);
  return request;
}

// A page may hold nothing, and others follow: the queue looks at a bounded number for each.
Result<> visit_pages(const config::Config& config, const net::Message& request,
                     const std::function<void(const net::Message& page)>& visit) {
  std::string after;
  while (true) {
    TRY(const auto page, ask_queue(config, net::Message(request).add("after", after)));
    visit(page);
    const auto more = page.find("more");
    if (!more || *more <= after) return {};
    after = *more;
  }
}

// "2026-11-21T04:26:46.123Z deferred mx.far.test[192.0.2.1]:25 451 4.2.0 busy"
nlohmann::json attempt_of(std::string_view text) {
  const auto word = [&] {
    const std::string_view first = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(first.size() + 1, text.size()));
    return first == "-" ? nlohmann::json() : nlohmann::json(first);
  };
  nlohmann::json attempt;
  attempt["at"] = word();
  attempt["outcome"] = word();
  attempt["relay"] = word();
  attempt["reply"] = text;
  return attempt;
}

}  // namespace

Result<net::Message> ask_queue(const config::Config& config, net::Message request,
                               std::chrono::milliseconds patience) {
  TRY(auto answer, ask_server(config, kQueueSocket, std::move(request), patience));
  if (answer.verb == "ok") return answer;
  return fail(answer.verb == "refused" ? ErrorKind::permanent : ErrorKind::temporary,
              std::string(answer.get("error")));
}

Result<std::size_t> visit_queue(const config::Config& config, const QueueFilters& filters,
                                const VisitMessage& visit) {
  std::size_t count = 0;
  TRY_OK(visit_pages(config, listing(filters), [&](const net::Message& page) {
    for (const nlohmann::json& message : messages_of(page)) {
      visit(message);
      ++count;
    }
  }));
  return count;
}

Result<std::vector<std::string>> find_queue_ids(const config::Config& config,
                                                const QueueFilters& filters) {
  std::vector<std::string> ids;
  TRY_OK(visit_pages(config, listing(filters).add("only", "id"), [&](const net::Message& page) {
    for (const std::string_view id : page.all("id")) ids.emplace_back(id);
  }));
  return ids;
}

Result<std::vector<nlohmann::json>> find_messages(const config::Config& config,
                                                  const std::vector<std::string>& ids) {
  if (ids.empty()) return std::vector<nlohmann::json>{};
  net::Message request("list");
  for (const std::string& id : ids) request.add("id", id);
  TRY(const auto page, ask_queue(config, std::move(request)));
  return messages_of(page);
}

nlohmann::json shown_message(const net::Message& answer) {
  nlohmann::json message = {{"recipients", nlohmann::json::array()}};
  nlohmann::json& recipients = message["recipients"];
  for (const auto& [key, value] : answer.fields) {
    if (key == "to")
      recipients.push_back({{"address", value}, {"attempts", nlohmann::json::array()}});
    else if (key == "more")
      message["recipients_left_out"] = number_in(value.substr(0, value.find(' ')));
    else if (key == "attempts")  // its log could not be read
      message["fault"] = value;
    else if (key == "attempt" && value.starts_with('('))
      recipients.back()["attempts_left_out"] = number_in(value.substr(1, value.find(' ') - 1));
    else if (key == "attempt")
      recipients.back()["attempts"].push_back(attempt_of(value));
    else if (key == "outcome" || key == "reason")
      recipients.back()[key] = value;
    else
      message[key] = is_number(key) ? number_in(value) : nlohmann::json(value);
  }
  return message;
}

void print_json(const nlohmann::json& value) {
  fmt::print("{}\n", value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string format_messages(std::size_t count) {
  return fmt::format("{} message{}", count, count == 1 ? "" : "s");
}

std::string format_span(std::int64_t seconds) {
  seconds = std::max<std::int64_t>(seconds, 0);
  if (seconds >= 86'400) return fmt::format("{}d{}h", seconds / 86'400, seconds % 86'400 / 3600);
  if (seconds >= 3600) return fmt::format("{}h{}m", seconds / 3600, seconds % 3600 / 60);
  if (seconds >= 60) return fmt::format("{}m{}s", seconds / 60, seconds % 60);
  return fmt::format("{}s", seconds);
}

}  // namespace posthorn::tools
