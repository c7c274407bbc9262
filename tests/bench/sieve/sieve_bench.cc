// What Sieve costs: a script of a hundred rules on a mail of 5 KB (the goal is 100 microseconds),
// one `:contains` on mail after mail, compiling, and the memory of the programs of 10 000 users
// (the goal is 100 MB).
#include <benchmark/benchmark.h>
#include <chrono>
#include <string>
#include <vector>

#include "sieve/compile.h"
#include "tests/unit/sieve/world_for_tests.h"

namespace {

using namespace posthorn::sieve;

std::string mail() {
  std::string text = "Return-Path: <news@lists.example.org>\r\n";
  for (int i = 0; i < 4; ++i)
    text +=
        "Received: from mx" + std::to_string(i) +
        ".example.org (mx.example.org [192.0.2.1])\r\n\tby mail.example.net with ESMTPS id 4K2" +
        "QD4MX\r\n\tfor <bob@example.net>; Mon, 30 Nov 2026 10:00:00 +0000\r\n";
  text +=
      "From: \"News of the week\" <news@lists.example.org>\r\nTo: Bob <bob@example.net>\r\n"
      "Cc: ann@example.org, carl@example.com\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= from the "
      "list\r\n"
      "Date: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@lists.example.org>\r\n"
      "List-Id: <news.lists.example.org>\r\nX-Spam-Score: 1.2\r\nMIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n\r\n";
  while (text.size() < 5'000) text += "A line of the letter, as letters have them.\r\n";
  return text;
}

// Rules as people write them, of which none holds but the last.
std::string script(int rules, const std::string& user) {
  std::string text =
      "require [\"fileinto\", \"envelope\", \"variables\", \"relational\", \"subaddress\"];\r\n";
  for (int i = 0; i + 1 < rules; ++i) {
    const std::string n = std::to_string(i);
    const char* const tests[] = {"header :contains \"subject\" \"offer ",
                                 "address :is \"from\" \"x", "header :matches \"list-id\" \"*<list",
                                 "envelope :domain \"from\" \"d",
                                 "header :is [\"x-spam-flag\", \"x-list\"] \"l"};
    text += "# rule:[" + user + n + "]\r\nif anyof (" + tests[i % 5] + n +
            "\") {\r\n  fileinto \"" + user + "/" + n + "\";\r\n  stop;\r\n}\r\n";
  }
  return text + "if header :contains \"list-id\" \"news\" { fileinto \"News\"; }\r\n";
}

class Running {
 public:
  explicit Running(const std::string& text) : program_(compile(text, {}).program) {
    world_.wire = mail();
    const auto end =
        posthorn::message::find_header_end(world_.wire, posthorn::message::Input::whole);
    mail_ = {.header = std::string_view(world_.wire).substr(0, end->header_size),
             .size = world_.wire.size(),
             .sender = "news@lists.example.org",
             .recipient = "bob+news@example.net"};
  }
  Outcome run() { return run_programs({&program_, 1}, {mail_, world_, settings_, now_}); }

 private:
  WorldForTests world_;
  Settings settings_;
  Mail mail_;
  ProgramPtr program_;
  std::chrono::system_clock::time_point now_ = std::chrono::system_clock::now();
};

void hundred_rules(benchmark::State& state) {
  Running running(script(100, "bob"));
  for (auto _ : state) benchmark::DoNotOptimize(running.run());
}
BENCHMARK(hundred_rules)->Unit(benchmark::kMicrosecond);

// A million mails are so many seconds as one is microseconds.
void contains(benchmark::State& state) {
  Running running(
      "if header :contains \"subject\" \"Gr\xC3\xBC\xC3\x9F"
      "e\" { discard; }");
  for (auto _ : state) benchmark::DoNotOptimize(running.run());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(contains)->Unit(benchmark::kMicrosecond);

void body_contains(benchmark::State& state) {
  Running running("require \"body\"; if body :contains \"no such line\" { discard; }");
  for (auto _ : state) benchmark::DoNotOptimize(running.run());
}
BENCHMARK(body_contains)->Unit(benchmark::kMicrosecond);

void compile_hundred_rules(benchmark::State& state) {
  const std::string text = script(100, "bob");
  for (auto _ : state) benchmark::DoNotOptimize(compile(text, {}));
}
BENCHMARK(compile_hundred_rules)->Unit(benchmark::kMicrosecond);

// Of as many rules as the argument says, each user's own.
void ten_thousand_users(benchmark::State& state) {
  double bytes = 0;
  for (auto _ : state) {
    std::vector<ProgramPtr> programs;
    bytes = 0;
    for (int i = 0; i < 10'000; ++i) {
      programs.push_back(
          compile(script(static_cast<int>(state.range(0)), "user" + std::to_string(i)), {})
              .program);
      bytes += static_cast<double>(programs.back()->memory());
    }
  }
  state.counters["MB"] = bytes / 1e6;
}
BENCHMARK(ten_thousand_users)->Arg(20)->Arg(100)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
