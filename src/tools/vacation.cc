#include "tools/vacation.h"

#include <fmt/format.h>
#include <functional>
#include <iostream>
#include <iterator>
#include <sysexits.h>

#include "store/away.h"
#include "tools/account_name.h"
#include "tools/complain.h"
#include "tools/store_desk.h"

namespace posthorn::tools {
namespace {

using Take = std::function<void(const net::Message& answer)>;

net::Task<> ask(StoreDesk* desk, std::string user, const net::Message* request, const Take* take) {
  // Whoever looks makes nothing.
  const std::string_view manner = request->verb == "away" ? "look" : "open";
  CO_TRY(const auto opened,
         co_await desk->ask(user, net::Message(std::string(manner)).add("user", user), 60s));
  if (opened.verb == "none") {  // no mail yet, and so no answer to it
    (*take)(opened);
    co_return Result<>{};
  }
  if (opened.verb != "ok") co_return fail(ErrorKind::permanent, std::string(opened.get("error")));
  CO_TRY(const auto answer, co_await desk->ask(user, *request, 60s));
  if (answer.verb != "ok" && answer.verb != "none")
    co_return fail(ErrorKind::permanent, std::string(answer.get("error")));
  (*take)(answer);
  co_return Result<>{};
}

int run(const config::Config& config, const VacationOptions& options, const net::Message& request,
        const Take& take) {
  const auto user = find_account_name(config, options.user);
  if (!user) return complain(user.error().what);
  const auto done =
      work_at_store(config, [&](StoreDesk& desk) { return ask(&desk, *user, &request, &take); });
  if (done) return 0;
  return complain(done.error().what, done.error().kind == ErrorKind::temporary ? EX_TEMPFAIL : 1);
}

Result<std::string> read_input(const Path& file) {
  if (file == "-") return std::string{std::istreambuf_iterator<char>(std::cin), {}};
  TRY(auto text, read_file(file, 2 * store::kAwayTextMax));
  if (!text) return fail(ErrorKind::permanent, file.native() + ": there is no such file");
  return *std::move(text);
}

Result<std::optional<std::chrono::year_month_day>> day_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto day = store::parse_day(text);
  if (!day)
    return fail(ErrorKind::permanent,
                fmt::format("\"{}\" is no day; one is written 2026-12-24", text));
  return day;
}

Result<store::Away> away_of(const VacationOptions& options) {
  store::Away away{.subject = options.subject, .every = std::chrono::days(options.days)};
  if (options.subject.find_first_of("\r\n") != std::string::npos)
    return fail(ErrorKind::permanent, "a subject is one line");
  TRY(away.text, read_input(options.text));
  TRY(away.from, day_of(options.from));
  TRY(away.to, day_of(options.to));
  // As the store will read it: what is wrong is said before anything is asked.
  TRY(auto read, store::parse_away(store::format_away(away)));
  return read;
}

}  // namespace

int set_vacation(const config::Config& config, const VacationOptions& options) {
  const auto away = away_of(options);
  if (!away) return complain(away.error().what);
  return run(config, options, net::Message("away-set").add("text", store::format_away(*away)),
             [](const net::Message&) {});
}

int show_vacation(const config::Config& config, const VacationOptions& options) {
  return run(config, options, net::Message("away"), [](const net::Message& answer) {
    if (answer.verb == "none")
      fmt::print("off\n");
    else
      fmt::print("{}", answer.get("text"));
  });
}

int end_vacation(const config::Config& config, const VacationOptions& options) {
  return run(config, options, net::Message("away-remove"), [](const net::Message&) {});
}

}  // namespace posthorn::tools
