// Folders of moved maildirs whose own names are no mailbox's: each is listed under one name that a
// client can use, keeps it, and can be opened, renamed and removed by it. And what scripts call a
// mailbox.
#include <set>

#include "harness.h"
#include "store/mailbox_name.h"

namespace posthorn::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUtf8 = ".Entw\xc3\xbcrfe";
constexpr std::string_view kUtf7 = ".Entw&APw-rfe";

class OddNames : public testing::Test {
 protected:
  static void make(const Path& path) {
    for (const char* part : {"tmp", "new", "cur"}) fs::create_directories(path / part);
    write_text(path / "cur/1276528487.M1P1.kurkku:2,S",
               "Subject: " + path.filename().native() + "\n\n");
  }
  Path maildir() const { return folder_.path() / kAlice; }
  static std::vector<std::string> names(Process& process) {
    std::vector<std::string> out;
    for (const MailboxInfo& info : process.get(process.account().list()))
      if (info.is_selectable) out.push_back(info.name);
    return out;
  }
  TempFolder folder_;
};

TEST_F(OddNames, EachHasOneNameThatStays) {
  const std::string folders[] = {std::string(kUtf8), ".R&D",  ".inbox.x", ".a.b.",
                                 ".Gel\xf6scht",     ".a..c", ".~tilde",  ".INBOX",
                                 ".tab\there",       ".Plain"};
  for (const std::string& folder : folders) make(maildir() / folder);
  std::map<std::string, std::string> seen;  // name -> subject
  {
    Process process(folder_.path());
    const auto list = names(process);
    const std::set<std::string> all(list.begin(), list.end());
    EXPECT_EQ(list.size(), std::size(folders) + 1);
    EXPECT_EQ(all.size(), list.size());
    for (const char* name : {"Entw\xc3\xbcrfe", "R&D", "INBOX.x", "a.b", "Gel\xc3\xb6scht", "a.c",
                             "_tilde", "INBOX-2", "tab_here", "Plain"})
      EXPECT_TRUE(all.contains(name)) << name;
    for (const std::string& name : list) {
      if (name == "INBOX") continue;
      const ViewPtr view = process.view(name);
      ASSERT_TRUE(view) << name;
      EXPECT_EQ(view->size(), 1U) << name;
      seen[name] = process.wire_text(view->mailbox(), view->uid_of(1));
    }
    process.close();
  }
  // Another program makes the folder that should have had the name: the name stays where it is.
  make(maildir() / kUtf7);
  Process process(folder_.path());
  const auto list = names(process);
  EXPECT_EQ(list.size(), std::size(folders) + 2);
  for (const auto& [name, text] : seen) {
    const ViewPtr view = process.view(name);
    ASSERT_TRUE(view) << name;
    EXPECT_EQ(process.wire_text(view->mailbox(), view->uid_of(1)), text) << name;
  }
  EXPECT_TRUE(process.view("Entw\xc3\xbcrfe-2"));
}

TEST_F(OddNames, TheyAreRenamedRemovedAndMadeAnew) {
  make(maildir() / kUtf8);
  make(maildir() / ".R&D");
  Process process(folder_.path());
  Account& account = process.account();
  EXPECT_EQ(process.get(account.create("R&D")), NameResult::exists);
  EXPECT_EQ(process.get(account.rename("Entw\xc3\xbcrfe", "Drafts")), NameResult::done);
  EXPECT_TRUE(fs::exists(maildir() / ".Drafts/cur"));
  EXPECT_FALSE(fs::exists(maildir() / kUtf8));
  EXPECT_EQ(process.get(account.remove("R&D")), NameResult::done);
  EXPECT_FALSE(fs::exists(maildir() / ".R&D"));
  EXPECT_EQ(names(process), (std::vector<std::string>{"INBOX", "Drafts"}));
  EXPECT_EQ(process.get(account.create("R&D")), NameResult::done);
  EXPECT_TRUE(fs::exists(maildir() / ".R&-D/cur"));
  EXPECT_EQ(process.get(account.create("Entw\xc3\xbcrfe")), NameResult::done);
  EXPECT_TRUE(fs::exists(maildir() / kUtf7 / "cur"));
}

TEST_F(OddNames, AFolderThatCannotBeMadeIsSaidSo) {
  Process process(folder_.path());
  process.account();
  write_text(maildir() / ".Work", "a file");
  EXPECT_EQ(process.get(process.account().create("Work")), NameResult::cannot);
  EXPECT_EQ(process.get(process.account().create("Work.Deep")), NameResult::cannot);
  auto delivery = process.get(process.account().begin_delivery());
  process.get(delivery->write(kMail));
  std::vector<Target> targets(1);
  targets[0] = {.mailbox = "Work", .keywords = {"no(keyword"}, .create = true, .else_inbox = true};
  const auto placed = process.get(delivery->commit(std::move(targets)));
  ASSERT_EQ(placed.size(), 1U);
  EXPECT_EQ(placed[0].result, NameResult::done);
  EXPECT_EQ(placed[0].mailbox, "INBOX");
}

TEST(OddFolderFile, AnyNameComesBack) {
  const OddFolders folders = {{"a", ".a%\n\t\x01"}, {"Entw\xc3\xbcrfe", std::string(kUtf8)}};
  EXPECT_EQ(parse_odd_folders(format_odd_folders(folders)), folders);
  EXPECT_TRUE(parse_odd_folders("..\ta\n../x\tb\n.x%00\tc\n.y\tINBOX\n.z\t\n.w\n").empty());
}

TEST(MailboxName, AsScriptsCallThem) {
  const std::pair<std::string, const char*> rows[] = {
      {"INBOX/Test", "Test"}, {"INBOX.Test", "Test"},     {"inbox/Test/Sub", "Test.Sub"},
      {"Test", "Test"},       {"Lists/Dev", "Lists.Dev"}, {"INBOX", "INBOX"},
      {"a..b", nullptr},      {"a//b", nullptr},          {"~x", nullptr},
      {"/x", nullptr},        {"INBOX.", nullptr},        {std::string(300, 'x'), nullptr},
      {"", nullptr},          {"a\nb", nullptr}};
  for (const auto& [name, expected] : rows) {
    const auto got = mailbox_name_from(name);
    ASSERT_EQ(got.has_value(), expected != nullptr) << name;
    if (got) EXPECT_EQ(*got, expected);
  }
}

}  // namespace
}  // namespace posthorn::store
