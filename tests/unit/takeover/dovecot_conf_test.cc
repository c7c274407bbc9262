// Proves that dovecot.conf is read as Dovecot reads it (beside doveconf itself, where it is
// installed), that 2.4's files are read by their documentation, and that nothing wrong in a file
// ends the reading of the rest.
#include "takeover/dovecot_conf.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace posthorn::takeover {
namespace {

std::vector<std::string> reasons(const DovecotConf& conf) {
  std::vector<std::string> out;
  for (const config::Finding& fault : conf.faults)
    out.push_back(fault.where.substr(fault.where.rfind('/') + 1) + ": " + fault.reason);
  return out;
}
DovecotConf conf_of(const test::TempFolder& folder, std::string_view text) {
  auto conf = read_dovecot_conf(folder.write("dovecot.conf", std::string(text)));
  EXPECT_TRUE(conf) << conf.error().what;
  return conf ? *std::move(conf) : DovecotConf{};
}
std::string value_of(const DovecotConf& conf, std::string_view block, std::string_view name) {
  const DovecotBlock* found = conf.root.find_block(block);
  return found == nullptr ? "no such block" : found->value_of(name);
}

constexpr std::string_view kOdd = R"(
protocols = imap
mail_plugins = acl
plugin {
  a = "x # y"
  b = x # y
  c = "it \"q\" \\ z"
  d = 'single \'q\''
  e = $protocols more
  f = x $protocols
  g = "a" b
  i = foo\
    bar \
  baz
  j = "a { b"
  k = a#b
  m =
  n=1
  o	=	tab	
  q = "$protocols"
  s = it's # not a comment
}
plugin/r = slash
namespace x {
  prefix = "a/b"
  mailbox "My Sent" {
    auto = subscribe
  }
}
namespace x {
  mailbox "My Sent" {
    special_use = \Sent
  }
}
protocol imap {
  mail_plugins = $mail_plugins quota
}
local 10.0.0.0/8 {
 local_name foo.example.org {
  ssl = no
 }
}
service imap-login {
  inet_listener imap {
    port = 1143
  }
}
service/imap-login/inet_listener/imaps/port = 1993
passdb {
  driver = pam
}
passdb {
  driver = static
}
)";

// All settings as "way/to/name=value", in order.
void list(const DovecotBlock& block, const std::string& way, std::vector<std::string>& out) {
  for (const DovecotSetting& setting : block.settings)
    out.push_back(way + setting.name + "=" + block.value_of(setting.name));
  for (const DovecotBlock& inner : block.blocks)
    list(inner, way + inner.type + "/" + inner.name + "/", out);
}
std::vector<std::string> list(const DovecotConf& conf) {
  std::vector<std::string> out;
  list(conf.root, "", out);
  return out;
}

TEST(DovecotConf, IsReadAsDovecotDoes) {
  const test::TempFolder folder;
  const DovecotConf conf = conf_of(folder, kOdd);
  EXPECT_EQ(reasons(conf), std::vector<std::string>{});
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"a", "x # y"},
      {"b", "x"},
      {"c", R"(it "q" \ z)"},
      {"d", "single 'q'"},
      {"e", "imap more"},
      {"f", "x imap"},
      {"g", R"("a" b)"},
      {"i", "foo bar baz"},
      {"j", "a { b"},
      {"k", "a"},
      {"m", ""},
      {"n", "1"},
      {"o", "tab"},
      {"q", "$protocols"},
      {"r", "slash"},
      {"s", "it's # not a comment"},
  };
  for (const auto& [name, value] : rows) EXPECT_EQ(value_of(conf, "plugin", name), value) << name;
  const DovecotBlock* const space = conf.root.find_block("namespace", "x");
  ASSERT_NE(space, nullptr);
  const DovecotBlock* const sent = space->find_block("mailbox", "My Sent");
  ASSERT_NE(sent, nullptr);
  EXPECT_EQ(sent->value_of("auto"), "subscribe");
  EXPECT_EQ(sent->value_of("special_use"), "\\Sent");
  EXPECT_EQ(conf.root.find_block("protocol", "imap")->value_of("mail_plugins"), "acl quota");
  EXPECT_EQ(std::ranges::count(conf.root.blocks, "passdb", &DovecotBlock::type), 2);
}

// doveconf prints in the same language: what it makes of the file must be what we make of it.
TEST(DovecotConf, IsReadAsByDoveconf) {
  if (!std::filesystem::exists("/usr/bin/doveconf")) GTEST_SKIP() << "doveconf is not installed";
  const test::TempFolder folder;
  const DovecotConf ours = conf_of(folder, kOdd);
  const std::string command =
      "/usr/bin/doveconf -nx -c " + (folder.path() / "dovecot.conf").native() + " 2>/dev/null";
  FILE* const pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string text;
  std::array<char, 4096> piece{};
  for (std::size_t n = 0; (n = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
    text.append(piece.data(), n);
  EXPECT_EQ(::pclose(pipe), 0);
  const DovecotConf theirs = *read_dovecot_conf(folder.write("theirs.conf", text));
  const std::vector<std::string> known = list(ours);
  const std::vector<std::string> wanted = list(theirs);
  EXPECT_GT(wanted.size(), 25U) << text;
  for (const std::string& one : wanted) {
    // A default that it prints, and quotes that it leaves out.
    if (one == "namespace/x/location=" || one.starts_with("plugin//q=")) continue;
    EXPECT_NE(std::ranges::find(known, one), known.end()) << one;
  }
}

TEST(DovecotConf, NamesWhatIsWrongAndGoesOn) {
  const test::TempFolder folder;
  const struct {
    std::string_view text, fault;
  } rows[] = {
      {"passdb { driver = pam }\n", "1: behind a { nothing may follow on the same line"},
      {"plugin{\n}\n", "1: a name alone: \"name = value\" or \"name {\" was expected"},
      {"plugin {\n a = 1\n", "1: the block that begins here does not end"},
      {"}\n", "1: this } ends no block"},
      {"word\n", "1: a name alone: \"name = value\" or \"name {\" was expected"},
      {"= x\n", "1: no name stands in front of the ="},
      {"namespace \"x {\n", "1: the quotes of this block's name do not end"},
      {"a = b \\\n\n", "2: the line before ends in a \\ and nothing follows it: Dovecot drops it"},
      {"a = $nowhere x\n",
       "1: $nowhere: nothing sets nowhere above this line; it was taken as empty"},
  };
  for (const auto& row : rows) {
    const DovecotConf conf = conf_of(folder, "last = y\n" + std::string(row.text) + "last = z\n");
    const auto told = reasons(conf);
    ASSERT_FALSE(told.empty()) << row.text;
    EXPECT_EQ(told.front(),
              "dovecot.conf:" + std::to_string(std::stoi(std::string(row.fault)) + 1) +
                  std::string(row.fault.substr(1)));
  }
  EXPECT_EQ(reasons(conf_of(folder, "a = b \\\n")),
            std::vector<std::string>{"dovecot.conf:2: the file ends in a line that goes on"});
}

TEST(DovecotConf, ByteOrderMarkAndCrLfAreNoPartOfIt) {
  const test::TempFolder folder;
  const DovecotConf conf =
      conf_of(folder, "\xEF\xBB\xBFprotocols = imap\r\nplugin {\r\n a = b\r\n}\r\n");
  EXPECT_EQ(list(conf), (std::vector<std::string>{"protocols=imap", "plugin//a=b"}));
  EXPECT_TRUE(conf.faults.empty());
}

TEST(DovecotConf, IncludesInOrderWhereTheyStand) {
  const test::TempFolder folder;
  std::filesystem::create_directory(folder.path() / "conf.d");
  (void)folder.write("conf.d/20-b.conf", "last = b\nplugin {\n b = 1\n}\n");
  (void)folder.write("conf.d/10-a.conf", "last = a\n!include ../extra.ext\n");
  (void)folder.write("conf.d/README", "last = readme\n");
  (void)folder.write("extra.ext", "passdb {\n driver = pam\n}\n");
  (void)folder.write("inside", "mail_plugins = x\n");
  const DovecotConf conf =
      conf_of(folder,
              "!include conf.d/*.conf\n!include_try local.conf\n!include nothing-*.conf\n"
              "protocol imap {\n !include inside\n}\n!include dovecot.conf\n"
              "key = <conf.d/../extra.ext\nother = < /etc/key\n");
  EXPECT_EQ(conf.root.value_of("last"), "b");
  EXPECT_EQ(conf.root.find_block("protocol", "imap")->value_of("mail_plugins"), "x");
  ASSERT_NE(conf.root.find_block("passdb"), nullptr);
  EXPECT_EQ(conf.files.size(), 5U);
  EXPECT_TRUE(conf.root.find("key")->is_path);
  EXPECT_EQ(conf.root.value_of("key"), (folder.path() / "conf.d/../extra.ext").native());
  EXPECT_EQ(conf.root.value_of("other"), "/etc/key");
  const auto told = reasons(conf);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_NE(told[0].find("dovecot.conf:3: there is no file"), std::string::npos) << told[0];
  EXPECT_NE(told[1].find("dovecot.conf:7: "), std::string::npos) << told[1];
  EXPECT_NE(told[1].find("it includes itself"), std::string::npos) << told[1];
}

TEST(DovecotConf, LoopsAndDepthAreBounded) {
  const test::TempFolder folder;
  for (int i = 0; i < 30; ++i)
    (void)folder.write("deep" + std::to_string(i), "d = " + std::to_string(i) + "\n!include deep" +
                                                       std::to_string(i + 1) + "\n");
  (void)folder.write("ping", "!include pong\n");
  (void)folder.write("pong", "!include ping\nx = 1\n");
  std::string text = "!include deep0\n!include ping\n";
  for (int i = 0; i < 100; ++i) text += "a b {\n";
  for (int i = 0; i < 100; ++i) text += "}\n";
  const DovecotConf conf = conf_of(folder, text + "end = 1\n");
  EXPECT_EQ(conf.root.value_of("d"), "18");
  EXPECT_EQ(conf.root.value_of("x"), "1");
  EXPECT_EQ(conf.root.value_of("end"), "1");
}

TEST(DovecotConf, TenThousandLines) {
  const test::TempFolder folder;
  std::string text = "plugin {\n";
  for (int i = 0; i < 10'000; ++i) text += "  key" + std::to_string(i) + " = \"{ value\"\n";
  const DovecotConf conf = conf_of(folder, text + "}\n");
  EXPECT_EQ(value_of(conf, "plugin", "key9999"), "{ value");
  EXPECT_TRUE(conf.faults.empty());
}

TEST(DovecotConf, TwoFourByItsDocumentation) {
  const test::TempFolder folder;
  const DovecotConf conf = conf_of(folder, R"(dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
protocols {
  imap = yes
  lmtp = yes
}
group @mailboxes english {
  mailbox Trash {
    auto = subscribe
    special_use = \Trash
  }
}
namespace inbox {
  @mailboxes = english
  separator = /
}
first = x $SET:second y
second = late
second = $SET:second er
mail_path = ~/Maildir
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users
}
)");
  EXPECT_TRUE(conf.is_2_4());
  EXPECT_TRUE(conf.faults.empty());
  EXPECT_EQ(conf.root.value_of("first"), "x late er y");
  EXPECT_EQ(value_of(conf, "protocols", "lmtp"), "yes");
  const DovecotBlock* const space = conf.root.find_block("namespace", "inbox");
  ASSERT_NE(space, nullptr);
  ASSERT_NE(space->find_block("mailbox", "Trash"), nullptr);
  EXPECT_EQ(space->find_block("mailbox", "Trash")->value_of("auto"), "subscribe");
  EXPECT_EQ(conf.root.find_block("passdb", "passwd-file")->value_of("passwd_file_path"),
            "/etc/dovecot/users");
}

TEST(DovecotConf, AFileThatIsNotThereIsAnError) {
  const test::TempFolder folder;
  EXPECT_FALSE(read_dovecot_conf(folder.path() / "none"));
}

}  // namespace
}  // namespace posthorn::takeover
