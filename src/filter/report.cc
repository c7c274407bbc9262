#include "filter/report.h"

#include <fmt/format.h>

namespace posthorn::filter {
namespace {

net::Task<std::string> ask(Spamd& spamd, std::string_view method, const std::string& user,
                           std::string_view message) {
  std::string head = fmt::format("{} SPAMC/1.5\r\nContent-length: {}\r\n", method, message.size());
  if (!user.empty()) head += fmt::format("User: {}\r\n", clean(user));
  return spamd.ask(head + "\r\n", message);
}

Result<SpamdAnswer> good_answer(std::string_view text) {
  TRY(SpamdAnswer answer, parse_answer(text));
  if (answer.code == 0) return answer;
  return fail(ErrorKind::temporary, fmt::format("spamd says \"{}\"", answer.said));
}

}  // namespace

net::Task<Verdict> ask_report(Spamd& spamd, std::string user, std::string_view message) {
  CO_TRY(const std::string text, co_await ask(spamd, "REPORT", user, message));
  CO_TRY(const SpamdAnswer answer, good_answer(text));
  const std::string* const said = answer.find("spam");
  if (said == nullptr) co_return fail(ErrorKind::temporary, "spamd: the answer has no verdict");
  Verdict report = parse_verdict(*said);
  report.rules = parse_rules(answer.body);
  if (!report.rules.empty()) co_return report;
  CO_TRY(const auto names, co_await ask_symbols(spamd, std::move(user), message));
  for (const std::string& name : names) report.rules.push_back({name, {}, {}});
  co_return report;
}

net::Task<std::vector<std::string>> ask_symbols(Spamd& spamd, std::string user,
                                                std::string_view message) {
  CO_TRY(const std::string text, co_await ask(spamd, "SYMBOLS", user, message));
  CO_TRY(const SpamdAnswer answer, good_answer(text));
  std::vector<std::string> names;
  for (Rule& rule : parse_text(answer.body).rules) names.push_back(std::move(rule.name));
  co_return names;
}

}  // namespace posthorn::filter
