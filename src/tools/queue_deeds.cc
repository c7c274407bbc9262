#include "tools/queue_deeds.h"

#include <algorithm>
#include <fmt/format.h>
#include <iostream>
#include <unistd.h>

#include "base/ascii.h"
#include "tools/complain.h"
#include "tools/control.h"
#include "tools/queue_pages.h"

namespace posthorn::tools {
namespace {

constexpr int kWrongWords = 2;
constexpr std::size_t kShownMax = 10;         // messages, of those that are asked about
constexpr std::size_t kRecipientsMax = 3;     // of each
constexpr std::size_t kBatch = 200;           // ids an order
constexpr std::size_t kNamedMax = 1'000'000;  // ids in standard input

struct Words {
  std::string_view verb, done, not_for_now;
};

Words words_of(QueueAction action) {
  switch (action) {
    case QueueAction::retry:
      return {"retry", "to be tried now", "held: release them first"};
    case QueueAction::hold:
      return {"hold", "held", ""};
    case QueueAction::release:
      return {"release", "released", "not held"};
    default:
      return {"delete", "deleted", ""};
  }
}

struct Counts {
  std::size_t done = 0, gone = 0, not_for_now = 0, failed = 0;
  std::string reason;  // where it was one, and was not done
};

// Which are meant is said in one way; nullopt: it is.
std::optional<std::string> find_fault(const QueueOptions& options) {
  const bool has_filters = !options.filters.is_empty();
  const std::string_view verb = words_of(options.action).verb;
  if (options.ids.empty() && !has_filters && !options.all)
    return fmt::format(
        "queue {}: say which messages: queue ids, filters (--from, --to, --domain, --relay, "
        "--reason, --state, --older), or --all",
        verb);
  if (!options.ids.empty() && has_filters)
    return fmt::format("queue {}: either queue ids or filters, not both", verb);
  if (options.all && (has_filters || !options.ids.empty()))
    return fmt::format("queue {}: --all means every message; with it stand neither ids nor filters",
                       verb);
  return std::nullopt;
}

// The first word of each line: "mailq | …" has marks behind the id.
std::vector<std::string> read_ids() {
  std::vector<std::string> ids;
  std::string line;
  while (ids.size() < kNamedMax && std::getline(std::cin, line)) {
    std::string_view id = trim(line, " \t\r");
    id = id.substr(0, id.find_first_of(" \t*!"));
    if (!id.empty()) ids.emplace_back(id);
  }
  return ids;
}

std::string line_of(const nlohmann::json& message) {
  std::string recipients;
  std::size_t count = 0;
  for (const auto& recipient : message["recipients"])
    if (++count <= kRecipientsMax)
      recipients += fmt::format("{}<{}>", count == 1 ? "" : ", ", recipient.value("address", ""));
  if (count > kRecipientsMax) recipients += fmt::format(" and {} more", count - kRecipientsMax);
  return fmt::format("  {}  <{}> to {}, here for {}", message.value("id", ""),
                     message.value("sender", ""), recipients,
                     format_span(message.value("age", std::int64_t{0})));
}

enum class Consent { given, refused };

// Says what it would take, and asks. On standard error: what is told of the deed stands alone.
Result<Consent> ask_first(const config::Config& config, const QueueOptions& options,
                          const std::vector<std::string>& ids) {
  TRY(const auto shown,
      find_messages(config, {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(
                                                            std::min(ids.size(), kShownMax))}));
  fmt::print(stderr, "{} would be deleted, for all recipients and without a bounce:\n",
             format_messages(ids.size()));
  for (const nlohmann::json& message : shown) fmt::print(stderr, "{}\n", line_of(message));
  if (ids.size() > kShownMax) fmt::print(stderr, "  and {} more\n", ids.size() - kShownMax);
  if (options.yes) return Consent::given;
  if (::isatty(STDIN_FILENO) == 0)
    return fail(ErrorKind::permanent,
                "nothing was deleted: there is no terminal to ask on; with --yes it is not asked");
  fmt::print(stderr, "Delete {}? [y/N] ", ids.size() == 1 ? "it" : "them");
  std::string answer;
  std::getline(std::cin, answer);
  return equals_ignoring_case(answer, "y") || equals_ignoring_case(answer, "yes")
             ? Consent::given
             : Consent::refused;
}

Result<Counts> carry_out(const config::Config& config, std::string_view verb,
                         const std::vector<std::string>& ids) {
  Counts counts;
  const auto number = [](const net::Message& answer, std::string_view key) {
    return to_number<std::size_t>(answer.get(key)).value_or(0);
  };
  for (std::size_t begin = 0; begin < ids.size(); begin += kBatch) {
    net::Message order{std::string(verb)};
    for (std::size_t i = begin; i < std::min(ids.size(), begin + kBatch); ++i)
      order.add("id", ids[i]);
    TRY(const auto answer, ask_server(config, kQueueSocket, std::move(order)));
    counts.reason = answer.get("error");
    if (!answer.find("done")) return fail(ErrorKind::temporary, counts.reason);
    counts.done += number(answer, "done");
    counts.gone += number(answer, "gone");
    counts.not_for_now += number(answer, "not_for_now");
    counts.failed += number(answer, "failed");
  }
  return counts;
}

void tell(const Words& words, const Counts& counts, const QueueOptions& options) {
  if (options.json)
    return print_json({{"action", words.verb},
                       {"done", counts.done},
                       {"gone", counts.gone},
                       {"not_for_now", counts.not_for_now},
                       {"failed", counts.failed}});
  fmt::print("{} {}\n", format_messages(counts.done), words.done);
  if (counts.not_for_now > 0)
    fmt::print("{} left alone: {}\n", format_messages(counts.not_for_now), words.not_for_now);
  if (counts.gone > 0) fmt::print("{} not there (any more)\n", format_messages(counts.gone));
  if (counts.failed > 0)
    fmt::print("{} left: the disk refused it, and the log says why\n",
               format_messages(counts.failed));
}

}  // namespace

int change_queue(const config::Config& config, const QueueOptions& options) {
  const Words words = words_of(options.action);
  if (const auto fault = find_fault(options)) return complain(*fault, kWrongWords);
  const bool is_named = !options.ids.empty();
  std::vector<std::string> ids = options.ids;
  if (ids == std::vector<std::string>{"-"}) ids = read_ids();
  if (!is_named) {
    auto found = find_queue_ids(config, options.filters);
    if (!found) return complain(found.error().what);
    ids = *std::move(found);
  }
  // Whoever names ids has looked at them.
  if (options.action == QueueAction::remove && !is_named && !ids.empty()) {
    const auto consent = ask_first(config, options, ids);
    if (!consent) return complain(consent.error().what);
    if (*consent == Consent::refused) return complain("nothing was deleted");
  }
  const auto counts = carry_out(config, words.verb, ids);
  if (!counts) return complain(counts.error().what);
  if (is_named && ids.size() == 1 && !counts->reason.empty() && !options.json)
    return complain(counts->reason);
  tell(words, *counts, options);
  return counts->failed > 0 || (is_named && counts->done < ids.size()) ? 1 : 0;
}

int retry_whole_queue(const config::Config& config) {
  const auto ids = find_queue_ids(config, {});
  if (!ids) return complain(ids.error().what);
  const auto counts = carry_out(config, "retry", *ids);
  return counts ? 0 : complain(counts.error().what);
}

}  // namespace posthorn::tools
