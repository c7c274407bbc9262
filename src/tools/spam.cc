#include "tools/spam.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "filter/filter.h"
#include "filter/marks.h"
#include "filter/report.h"
#include "lda/site_scripts.h"
#include "lda/trial.h"
#include "message/headers.h"
#include "net/own_loop.h"
#include "process/generation.h"
#include "process/instance.h"
#include "process/status_page.h"
#include "store/line_ends.h"
#include "tools/complain.h"
#include "tools/explain_spam.h"

namespace posthorn::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMailMax = 64U << 20U;

// CRLF lines, without the fields that the filter put on top of it when it came: it is asked about
// the mail as it was then.
Result<std::string> read_mail(const config::Config& config, const Path& path) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    TRY(auto read, read_file(path, kMailMax));
    if (!read) return fail(ErrorKind::config, fmt::format("{}: no such file", path.native()));
    text = *std::move(read);
  }
  if (text.size() < 2) return fail(ErrorKind::config, fmt::format("{} is empty", path.native()));
  std::string wire;
  store::CrlfConverter().append(text, wire);
  const std::size_t end = std::min(wire.find("\r\n\r\n"), wire.size() - 2) + 2;
  const std::string_view block = std::string_view(wire).substr(0, end);
  return message::Headers(block).without([&](const message::Field& field) {
    return filter::is_filter_field(config.filter, field.name);
  }) + wire.substr(end);
}

Result<filter::Verdict> ask(const config::Config& config, const std::string& user,
                            std::string_view mail) {
  TRY(const auto address, net::parse_address(config.filter.spamd));
  net::OwnLoop loop;
  filter::Spamd spamd(loop.scope(), config.filter.timeout, address);
  auto report = loop.run(ask_report(spamd, user, mail));
  spamd.stop();
  loop.run();
  return report;
}

// What the site makes of it (filter.spam_score).
void apply_own_score(const config::Filter& settings, filter::Verdict& report) {
  const auto bound = config::parse_score(settings.spam_score);
  const auto score = config::parse_score(report.score);
  if (!bound || !score) return;
  report.is_spam = *score >= *bound;
  report.required = settings.spam_score;
}

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

// The fields that the filter would put on top of it.
std::string fields_of(const config::Filter& settings, const filter::Verdict& report) {
  std::vector<std::string_view> names;
  for (const filter::Rule& rule : report.rules) names.emplace_back(rule.name);
  filter::Verdict verdict{.is_spam = report.is_spam, .score = report.score};
  verdict.headers = fmt::format(
      "{}X-Spam-Status: {}, score={} required={} tests={}\r\n",
      report.is_spam ? "X-Spam-Flag: YES\r\n" : "", report.is_spam ? "Yes" : "No", report.score,
      report.required, names.empty() ? "none" : fmt::format("{}", fmt::join(names, ",\r\n\t")));
  filter::apply_scores(settings, verdict);
  return verdict.headers;
}

// What becomes of it then by the administrator's scripts; a user's own are not asked.
std::vector<std::string> follow_scripts(const config::Config& config, const std::string& user,
                                        const filter::Verdict& report, const std::string& mail) {
  if (filter::is_discarded(config.filter, report)) return {"discard (filter.discard_score)"};
  const lda::SiteRead site = lda::read_site(config, nullptr, LastGood());
  return lda::describe(lda::try_scripts(lda::order_of(*site.set, config, user, std::nullopt),
                                        {.wire = fields_of(config.filter, report) + mail}, config,
                                        lda::Tracing::off)
                           .outcome);
}

}  // namespace

int explain_spam(const config::Config& config, const SpamOptions& options) {
  std::error_code error;
  if (options.mail != "-" && !std::filesystem::exists(options.mail, error))
    return explain_past_spam(config, options.mail.native(),
                             options.json ? Format::json : Format::text);
  if (config.filter.spamd.empty())
    return complain("there is no spam filter: filter.spamd names none", 2);
  const auto mail = read_mail(config, options.mail);
  if (!mail) return complain(mail.error().what, 2);
  const std::string& user = options.user.empty() ? config.filter.user : options.user;
  auto report = ask(config, user, *mail);
  if (!report) return complain(report.error().what, 2);
  apply_own_score(config.filter, *report);
  const auto actions = follow_scripts(config, user, *report, *mail);
  if (options.json) {
    Json json = json_of(*report);
    json["scripts"] = actions;
    print_json(json);
  } else {
    print_verdict(*report);
    for (const std::string& action : actions) fmt::print("scripts: {}\n", action);
  }
  return report->is_spam ? 1 : 0;
}

int print_spam_stats(const config::Config& config, const SpamOptions& options) {
  const auto pid = process::find_instance(config);
  if (!pid) return complain(pid.error().what);
  if (!*pid) return complain("the server is not running");
  const metrics::Snapshot counted = process::ask_metrics(config);
  Json json;
  const auto add = [&](const std::string& part, std::string_view name, std::int64_t value) {
    json[part][std::string(name)] = value;
    if (!options.json) fmt::print("{}.{} {}\n", part, name, value);
  };
  for (const std::string_view verdict : metrics::kVerdictValues)
    if (verdict != "other")
      add("verdicts", verdict, metrics::find(counted, metric::filter_verdicts, verdict));
  for (const std::string_view what : metrics::kMailClassValues)
    for (const std::string_view result : metrics::kLessonValues)
      if (what != "other" && result != "other")
        add("lessons", fmt::format("{}.{}", what, result),
            metrics::find(counted, metric::lessons, result, what));
  add("lessons", "waiting", metrics::find(counted, metric::lessons_waiting));
  if (options.json) print_json(json);
  return 0;
}

}  // namespace posthorn::tools
