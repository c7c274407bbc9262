// The running queue's messages as its control socket tells them, page by page, and as JSON; what
// all of `posthorn queue` says in the same words.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/line_channel.h"
#include "tools/control.h"
#include "tools/queue.h"

namespace posthorn::tools {

inline constexpr std::string_view kQueueSocket = "queue-control.sock";

// permanent: the queue does not understand the question, and says why in a sentence.
Result<net::Message> ask_queue(const config::Config& config, net::Message request,
                               std::chrono::milliseconds patience = kAnswerTimeout);

using VisitMessage = std::function<void(const nlohmann::json& message)>;
// Every message for which the filters hold; their number. tests/schemas/queue_list.json.
Result<std::size_t> visit_queue(const config::Config& config, const QueueFilters& filters,
                                const VisitMessage& visit);
// The ids alone.
Result<std::vector<std::string>> find_queue_ids(const config::Config& config,
                                                const QueueFilters& filters);
// Of those that are still there, in the order of their ids; for a page's worth of them.
Result<std::vector<nlohmann::json>> find_messages(const config::Config& config,
                                                  const std::vector<std::string>& ids);
// The answer to "show". tests/schemas/queue_show.json.
nlohmann::json shown_message(const net::Message& answer);

void print_json(const nlohmann::json& value);    // a line
std::string format_messages(std::size_t count);  // "1 message", "12 messages"
std::string format_span(std::int64_t seconds);   // the two greatest units: "3d4h", "45s"

}  // namespace posthorn::tools
