// Script, mail, expected actions: each file of tests/sieve/libsieve is one test.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <map>

#include "sieve/libsieve/engine.h"
#include "tests/support/tree.h"

namespace posthorn::sieve::libsieve {
namespace {

std::map<std::string, std::string> sections_of(const std::filesystem::path& file) {
  std::map<std::string, std::string> sections;
  std::ifstream in(file);
  std::string line, name;
  while (std::getline(in, line)) {
    if (line.starts_with("--- ")) {
      name = line.substr(4);
      sections[name];
    } else if (!name.empty()) {
      sections[name] += line + "\n";
    }
  }
  return sections;
}

std::string with_flags(std::string text, const std::vector<std::string>& flags) {
  for (const std::string& flag : flags) text += " " + flag;
  return text;
}

std::string describe(const Action& action) {
  std::string text = "discard";
  if (const auto* keep = std::get_if<Keep>(&action)) text = with_flags("keep", keep->flags);
  if (const auto* into = std::get_if<FileInto>(&action))
    text = with_flags("fileinto " + into->mailbox, into->flags);
  if (const auto* redirect = std::get_if<Redirect>(&action)) text = "redirect " + redirect->address;
  if (const auto* reject = std::get_if<Reject>(&action)) text = "reject " + reject->reason;
  for (std::size_t at = 0; (at = text.find_first_of("\r\n", at)) != std::string::npos; at += 2)
    text.replace(at, 1, text[at] == '\r' ? "\\r" : "\\n");
  return text;
}

class Scripts : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(Scripts, Actions) {
  auto sections = sections_of(GetParam());
  const auto script = Script::parse(sections["script"], "script");
  if (sections.contains("fault")) {
    std::string wanted = sections["fault"];
    wanted.pop_back();
    ASSERT_FALSE(script) << "the script was taken";
    EXPECT_TRUE(script.error().what.starts_with(wanted)) << script.error().what;
    return;
  }
  ASSERT_TRUE(script) << script.error().what;
  const std::string_view mail = sections["mail"];
  const message::Headers headers(
      mail.substr(0, message::find_header_end(mail, message::Input::whole)->header_size));
  const auto actions = script->run(
      {headers, sections["mail"].size(), "friend@elsewhere.test", "bob+work@example.org"});
  ASSERT_TRUE(actions) << actions.error().what;
  std::string text;
  for (const Action& action : *actions) text += describe(action) + "\n";
  EXPECT_EQ(text, sections["actions"]);
}

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry :
       std::filesystem::directory_iterator(test::tests_folder() / "sieve/libsieve"))
    if (entry.path().extension() == ".txt") found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

INSTANTIATE_TEST_SUITE_P(Sieve, Scripts, ::testing::ValuesIn(files()),
                         [](const auto& info) { return info.param.stem().string(); });

}  // namespace
}  // namespace posthorn::sieve::libsieve
