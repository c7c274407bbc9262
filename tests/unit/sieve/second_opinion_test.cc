// libsieve as a second opinion: where both engines take a script, both give the same actions, or the
// difference stands here with the section that we follow. Scripts: those of tests/sieve/libsieve and
// what stands below.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

#include "sieve/libsieve/engine.h"
#include "tests/support/tree.h"
#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kFriend =
    "From: Alice <alice@example.org>\r\nTo: bob@example.org, Carol <carol@example.com>\r\n"
    "Cc: list@example.net\r\nSubject: Hello from the sea\r\nX-Spam-Flag: YES\r\n"
    "X-Spam-Score: 7.5\r\nX-Empty:\r\nMessage-ID: <1@example.org>\r\n\r\nHello\r\n";
constexpr const char* kShop =
    "From: shop@offers.example\r\nTo: bob+work@example.org\r\nSubject: [news] offer\r\n"
    "List-Id: <news.example.net>\r\nX-Spam-Flag: NO\r\n\r\nBuy\r\n";
constexpr const char* kBare = "Subject: only\r\n\r\n";

// Tests that both engines know, each in an `if` that files.
constexpr const char* kTests[] = {
    "header :contains \"subject\" \"sea\"",
    "header :contains \"subject\" \"SEA\"",
    "header :is \"subject\" \"hello from the sea\"",
    "header :is \"subject\" \"hello\"",
    "header :matches \"subject\" \"*from*\"",
    "header :matches \"subject\" \"h?llo*\"",
    "header :matches \"subject\" \"*sea\"",
    "header :matches \"subject\" \"sea*\"",
    "header :matches \"subject\" \"*\"",
    "header :is \"x-spam-flag\" \"yes\"",
    "header :contains [\"to\", \"cc\"] \"list@\"",
    "header :contains [\"to\", \"cc\"] [\"nobody\", \"carol\"]",
    "header :contains \"list-id\" \"news\"",
    "header :contains \"x-none\" \"a\"",
    "header :comparator \"i;octet\" :contains \"subject\" \"SEA\"",
    "header :comparator \"i;octet\" :is \"x-spam-flag\" \"YES\"",
    "header :comparator \"i;ascii-casemap\" :is \"x-spam-flag\" \"yes\"",
    "address :is \"from\" \"alice@example.org\"",
    "address :all :is \"from\" \"ALICE@EXAMPLE.ORG\"",
    "address :domain :is \"from\" \"example.org\"",
    "address :domain :is [\"to\", \"cc\"] \"example.com\"",
    "address :localpart :is \"to\" \"carol\"",
    "address :localpart :contains \"to\" \"o\"",
    "address :domain :contains \"from\" \"example\"",
    "address :domain :matches \"from\" \"*.example\"",
    "address :all :contains \"from\" \"offers\"",
    "exists \"x-spam-flag\"",
    "exists [\"from\", \"to\"]",
    "exists [\"from\", \"x-none\"]",
    "exists \"x-none\"",
    "not exists \"from\"",
    "not header :is \"x-spam-flag\" \"yes\"",
    "size :over 50",
    "size :over 1K",
    "size :under 50",
    "size :under 1M",
    "true",
    "false",
    "anyof (header :contains \"subject\" \"sea\", exists \"list-id\")",
    "anyof (false, false)",
    "allof (exists \"from\", header :is \"x-spam-flag\" \"yes\")",
    "allof (true, not false)",
    "allof (anyof (false, exists \"to\"), not size :over 1M)",
    "envelope :is \"from\" \"friend@elsewhere.test\"",
    "envelope :all :is \"to\" \"bob+work@example.org\"",
    "envelope :domain :is \"to\" \"example.org\"",
    "envelope :localpart :contains \"from\" \"friend\"",
    "envelope :contains \"from\" \"nobody\""};

// Commands, with what they require in front.
constexpr const char* kCommands[] = {
    "keep;",
    "discard;",
    "stop;",
    "",
    "redirect \"x@example.net\";",
    "require \"fileinto\"; fileinto \"a\";",
    "require \"fileinto\"; fileinto \"a\"; fileinto \"b\";",
    "require \"fileinto\"; fileinto \"a\"; keep;",
    "require \"fileinto\"; fileinto \"a\"; stop; fileinto \"b\";",
    "require \"reject\"; reject \"no\";",
    "require \"fileinto\"; redirect \"x@example.net\"; fileinto \"a\";",
    "redirect \"x@example.net\"; redirect \"y@example.net\";",
    R"(require "fileinto"; if header :contains "subject" "sea" { fileinto "sea"; }
elsif exists "list-id" { fileinto "lists"; } else { discard; })",
    "require \"fileinto\"; if false { keep; } else { fileinto \"c\"; }",
    "require [\"fileinto\", \"imap4flags\"]; setflag \"\\\\Seen\"; fileinto \"a\";",
    "require [\"fileinto\", \"imap4flags\"]; addflag \"\\\\Flagged\"; keep;",
    R"(require ["fileinto", "subaddress", "envelope"];
if envelope :detail :is "to" "work" { fileinto "work"; })",
    R"(require ["fileinto", "subaddress"];
if address :user :is "to" "bob" { fileinto "bob"; })",
    "discard; keep;",
    "if true { if false { discard; } }"};

struct Difference {
  std::string_view part;  // of the script
  std::string_view why;
};
const std::vector<Difference> kDifferences = {
    {"discard; keep;", "RFC 5228 section 4.4: discard cancels the implicit keep, it is no action"}};

std::string theirs(const libsieve::Action& action) {
  if (const auto* keep = std::get_if<libsieve::Keep>(&action))
    return fmt::format("keep {}", fmt::join(keep->flags, " "));
  if (const auto* into = std::get_if<libsieve::FileInto>(&action))
    return fmt::format("fileinto {} {}", into->mailbox, fmt::join(into->flags, " "));
  if (const auto* redirect = std::get_if<libsieve::Redirect>(&action))
    return "redirect " + redirect->address;
  if (const auto* reject = std::get_if<libsieve::Reject>(&action))
    return "reject " + reject->reason;
  return "discard";
}

std::string ours(const Action& action) {
  if (const auto* keep = std::get_if<Keep>(&action.what))
    return fmt::format("keep {}", fmt::join(keep->flags, " "));
  if (const auto* into = std::get_if<FileInto>(&action.what))
    return fmt::format("fileinto {} {}", into->place.mailbox, fmt::join(into->place.flags, " "));
  if (const auto* redirect = std::get_if<Redirect>(&action.what))
    return "redirect " + redirect->address;
  if (const auto* reject = std::get_if<Reject>(&action.what)) return "reject " + reject->reason;
  return "another";
}

// In no order: a queue does not care which comes first.
std::string sorted(std::vector<std::string> actions) {
  if (actions.empty()) actions.emplace_back("discard");
  std::ranges::sort(actions);
  return fmt::format("{}", fmt::join(actions, ", "));
}

// The scripts of tests/sieve/libsieve.
std::vector<std::string> scripts_of_files() {
  std::vector<std::string> scripts;
  for (const auto& entry :
       std::filesystem::directory_iterator(test::tests_folder() / "sieve/libsieve")) {
    if (entry.path().extension() != ".txt" || entry.path().stem() == "pigeonhole") continue;
    std::ifstream in(entry.path());
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::size_t begin = text.find("--- script\n");
    if (begin == std::string::npos) continue;
    scripts.push_back(text.substr(begin + 11, text.find("\n--- ", begin + 1) - begin - 10));
  }
  return scripts;
}

std::vector<std::string> scripts() {
  std::vector<std::string> all = scripts_of_files();
  for (const std::string_view test : kTests) {
    const bool has_envelope = test.starts_with("envelope");
    all.push_back(fmt::format("require [\"fileinto\"{}];\nif {} {{ fileinto \"hit\"; }}\n",
                              has_envelope ? ", \"envelope\"" : "", test));
  }
  for (const std::string_view command : kCommands) all.push_back(fmt::format("{}\n", command));
  return all;
}

TEST(SecondOpinionTest, BothEnginesTakeTheSameActions) {
  std::size_t compared = 0;
  std::set<std::string_view> used;
  for (const std::string& script : scripts()) {
    const auto second = libsieve::Script::parse(script, "script");
    const CompileResult first = compile(script, {});
    if (!second || !first.program) continue;
    ++compared;
    for (const char* mail : {kFriend, kShop, kBare}) {
      Tried tried;
      tried.sender = "friend@elsewhere.test";
      tried.recipient = "bob+work@example.org";
      const Outcome outcome = tried.run({first.program}, mail);
      ASSERT_EQ(outcome.end, Outcome::End::done) << script << outcome.fault;
      const std::string_view text = mail;
      const message::Headers headers(
          text.substr(0, message::find_header_end(text, message::Input::whole)->header_size));
      const auto actions = second->run({headers, text.size(), tried.sender, tried.recipient});
      ASSERT_TRUE(actions) << script << actions.error().what;
      std::vector<std::string> a, b;
      for (const Action& action : outcome.actions) a.push_back(ours(action));
      for (const libsieve::Action& action : *actions) b.push_back(theirs(action));
      if (sorted(a) == sorted(b)) continue;
      const auto known = std::ranges::find_if(kDifferences, [&](const Difference& one) {
        return script.find(one.part) != std::string::npos;
      });
      if (known != std::end(kDifferences)) {
        used.insert(known->part);
        continue;
      }
      ADD_FAILURE() << script << "ours: " << sorted(a) << "\ntheirs: " << sorted(b) << "\n" << mail;
    }
  }
  EXPECT_GE(compared, 60U);
  for (const Difference& one : kDifferences)
    EXPECT_TRUE(used.contains(one.part)) << "no difference any more: " << one.part;
}

}  // namespace
}  // namespace posthorn::sieve
