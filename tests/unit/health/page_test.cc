// Proves what the page says of a server: one verdict, the worst first, a remedy for each trouble;
// as text that cannot steer a terminal, and as JSON in which numbers are numbers.
#include "health/page.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace posthorn::health {
namespace {

using Json = nlohmann::json;
constexpr WallTime kNow{std::chrono::milliseconds(1'795'900'000'000)};

Page good_page() {
  Page page;
  page.is_running = true;
  page.pid = 100;
  page.version = "1.2";
  page.hostname = "mx.example.org";
  page.since = kNow - 26h;
  page.config_file = "/etc/posthorn/conf/posthorn.toml";
  page.ports = {{"smtp", "0.0.0.0:25"}, {"smtp", "[::]:25"}};
  page.roles = {{.role = "edge", .state = "up", .pid = 101, .since = kNow - 26h}};
  page.checks = {{"spool", "ok", ""}, {"role.edge", "ok", ""}};
  page.spamd = {.state = "up", .reason = "", .address = "127.0.0.1:783"};
  page.certificates = {{.name = "certificate",
                        .file = "tls/cert.pem",
                        .names = {"mx.example.org"},
                        .issuer = "An Authority",
                        .ends = kNow + 48h,
                        .state = "ok",
                        .on_disk = "same",
                        .shown_on = {"smtp"}}};
  page.dns = {.state = "on", .asked = kNow - 1h};
  page.marks = {{"example.org", "MX", "good", "mx.example.org", ""}};
  return page;
}
Verdict verdict_of(const Page& page) {
  return judge(page, find_troubles(page, kNow));
}
std::string text_of(const Page& page) {
  return to_text(page, kNow, Palette::plain);
}

TEST(Verdict, OfAGoodPageIsThatEverythingWorks) {
  EXPECT_TRUE(find_troubles(good_page(), kNow).empty());
  EXPECT_EQ(verdict_of(good_page()).state, "ok");
  EXPECT_EQ(text_of(good_page()).substr(0, 17), "everything works\n");
}

TEST(Verdict, OfNoServerIsHowToStartIt) {
  EXPECT_EQ(verdict_of({}).state, "stopped");
  EXPECT_NE(text_of({}).find("systemctl start posthorn"), std::string::npos);
  EXPECT_EQ(Json::parse(to_json({}, kNow, Layout::indented))["running"], false);
}

// What is wrong, and what the page must say of it.
struct Wrong {
  const char* name;
  void (*spoil)(Page&);
  const char* state;
  const char* what;
  const char* remedy;
};
const Wrong kWrongs[] = {
    {"dead role",
     [](Page& p) {
       p.roles[0] = {.role = "edge", .state = "down", .since = kNow - 3s, .last_end = "signal 11"};
     },
     "red", "the role edge died 3s ago (signal 11)", "role=edge"},
    {"silent role", [](Page& p) { p.roles[0].state = "silent"; }, "red",
     "the role edge (pid 101) does not answer", "posthorn restart"},
    {"trail away", [](Page& p) { p.roles.push_back({.role = "trail", .state = "silent"}); },
     "warning", "the role trail", "posthorn restart"},
    {"full spool", [](Page& p) { p.checks[0] = {"spool", "red", "full"}; }, "red", "spool: full",
     "make room"},
    {"spamd needed", [](Page& p) { p.checks.push_back({"spamd", "red", "connection refused"}); },
     "red", "spamd does not answer at 127.0.0.1:783 (connection refused): mail waits",
     "systemctl start spamd"},
    {"spamd not needed",
     [](Page& p) { p.checks.push_back({"spamd", "warning", "connection refused"}); }, "warning",
     "passes unscanned", "/etc/posthorn/conf/posthorn.toml"},
    {"database", [](Page& p) { p.checks.push_back({"database", "red", "no route"}); }, "red",
     "database: no route", "systemctl status postgresql"},
    {"faulty table",
     [](Page& p) {
       p.findings = {{"maps/aliases:7", "it never ends", "break the circle"}};
       p.checks.push_back({"tables", "red", p.findings[0].text()});
     },
     "red", "tables: maps/aliases:7: it never ends", "break the circle"},
    {"doubtful table",
     [](Page& p) { p.findings = {{"maps/aliases:7", "twice", "", config::Weight::warning}}; },
     "warning", "maps/aliases:7: twice", "mend the file"},
    {"ended certificate",
     [](Page& p) {
       p.certificates[0].remedy = "posthorn certificate renew";
       p.checks.push_back({"certificate", "red", "it ends at yesterday"});
     },
     "red", "certificate: it ends at yesterday", "posthorn certificate renew"},
    {"old certificate", [](Page& p) { p.certificates[0].on_disk = "other"; }, "warning",
     "is shown on smtp as it was before", "posthorn reload"},
    {"relay login", [](Page& p) { p.relay_faults = {{"[r.test]:587", "login refused", "535 no"}}; },
     "warning", "the relay [r.test]:587 refuses the login: 535 no", "maps/relay-sasl"},
    {"relay away", [](Page& p) { p.relay_faults = {{"[r.test]:587", "down", "timed out"}}; },
     "warning", "cannot be reached: timed out", "posthorn queue retry --all"},
    {"little room",
     [](Page& p) {
       p.disks = {{.name = "mail", .path = "/m", .free = 150, .total = 900, .needs = 100}};
     },
     "warning", "mail (/m): 150 B left; below 100 B no mail is taken", "make room"},
    {"wrong DNS",
     [](Page& p) { p.marks = {{"example.org", "SPF", "wrong", "none", "publish one"}}; }, "warning",
     "DNS: SPF of example.org: none", "publish one"},
    {"edited key", [](Page& p) { p.changed_keys = {"smtp.banner", "web.webroot"}; }, "warning",
     "smtp.banner web.webroot", "posthorn restart"},
};

TEST(Verdict, TellsEachTroubleAndWhatToDo) {
  for (const Wrong& wrong : kWrongs) {
    Page page = good_page();
    wrong.spoil(page);
    const auto troubles = find_troubles(page, kNow);
    ASSERT_EQ(troubles.size(), 1U) << wrong.name;
    const Verdict verdict = judge(page, troubles);
    EXPECT_EQ(verdict.state, wrong.state) << wrong.name;
    EXPECT_NE(verdict.text.find(wrong.what), std::string::npos) << wrong.name << verdict.text;
    EXPECT_NE(verdict.remedy.find(wrong.remedy), std::string::npos) << wrong.name << verdict.remedy;
  }
}

TEST(Verdict, TheWorstStandsFirstAndAllAreTold) {
  Page page = good_page();
  for (const Wrong& wrong : kWrongs)
    if (std::string_view(wrong.name) == "relay away") wrong.spoil(page);
  page.checks.push_back({"database", "red", "no route"});
  EXPECT_EQ(verdict_of(page).text, "database: no route");
  const std::string text = text_of(page);
  EXPECT_EQ(text.find("red: database: no route\n"), 0U) << text;
  EXPECT_NE(text.find("\nwarning       the relay [r.test]:587"), std::string::npos) << text;
}

TEST(Text, IsAlignedAndNamesAPartOnce) {
  const std::string text = text_of(good_page());
  EXPECT_NE(text.find("\nports         smtp         0.0.0.0:25 [::]:25\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("\nroles         edge         up 1d 2h, pid 101\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("\ncertificates  certificate ends 2026-11-"), std::string::npos) << text;
  EXPECT_NE(text.find("\n                on smtp: as it lies on disk\n"), std::string::npos)
      << text;
}

TEST(Text, WhatStrangersSaidDoesNotSteerTheTerminal) {
  Page page = good_page();
  page.relay_faults = {{"r", "down", "\x1b]0;x\x07\r\n\xc2\x9b[2J caf\xc3\xa9"}};
  page.queue = {.messages = 1, .oldest_id = "01", .oldest_reason = "a\nverdict"};
  const std::string text = text_of(page);
  for (const char* bad : {"\x1b", "\x07", "\r", "\xc2\x9b", "\nverdict"})
    EXPECT_EQ(text.find(bad), std::string::npos);
  EXPECT_NE(text.find("caf\xc3\xa9"), std::string::npos);
}

TEST(Text, HasColoursOnlyWhereTheyAreWanted) {
  EXPECT_EQ(text_of(good_page()).find('\x1b'), std::string::npos);
  EXPECT_EQ(to_text(good_page(), kNow, Palette::coloured).find("\x1b[32meverything works\x1b[0m"),
            0U);
}

TEST(JsonForm, NumbersAreNumbersAndTheVerdictIsThere) {
  Page page = good_page();
  page.checks.push_back({"database", "red", "no \xff route"});
  const Json json = Json::parse(to_json(page, kNow, Layout::one_line));
  EXPECT_EQ(json["status"], "red");
  EXPECT_EQ(json["troubles"][0]["weight"], "red");
  EXPECT_EQ(json["pid"], 100);
  EXPECT_EQ(json["uptime_seconds"], 26 * 3600);
  EXPECT_EQ(json["listen"][1]["port"], 25);
  EXPECT_EQ(json["certificates"][0]["days_left"], 2);
  EXPECT_EQ(json["roles"][0]["seconds"], 26 * 3600);
  EXPECT_EQ(json["dns"]["marks"][0]["outcome"], "good");
  EXPECT_FALSE(json.contains("database"));
}

TEST(JsonForm, OneLineIsOneLine) {
  const std::string text = to_json(good_page(), kNow, Layout::one_line);
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
}

TEST(Durations, AreShort) {
  EXPECT_EQ(duration_text(0s), "0s");
  EXPECT_EQ(duration_text(-5s), "0s");
  EXPECT_EQ(duration_text(59s), "59s");
  EXPECT_EQ(duration_text(61s), "1m");
  EXPECT_EQ(duration_text(1h), "1h");
  EXPECT_EQ(duration_text(25h), "1d 1h");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
}

}  // namespace
}  // namespace posthorn::health
