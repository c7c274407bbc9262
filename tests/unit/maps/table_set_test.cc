// Proves that tables are checked together before any of them counts: loops, aliases to nowhere,
// domains that are not ours, each with file and line; that a set with a fault leaves the one of
// before in use, whatever became of the file; and that no lookup ever sees a half of one while
// tables are changed a thousand times.
#include "maps/table_set.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/leased.h"
#include "tests/support/tables.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::maps {
namespace {

struct SetTest : testing::Test {
  SetTest() {
    files.write("domains", "example.test ok\nother.test ok\n");
    files.write("mailboxes", "alice@example.test ok\nbob@example.test ok\n");
  }
  std::vector<std::string> faults() {
    const Loaded loaded = load_tables(files.config());
    EXPECT_NE(loaded.set, nullptr);  // as much of it as can be answered by
    std::vector<std::string> texts;
    for (const config::Finding& finding : loaded.faults) texts.push_back(finding.text());
    return texts;
  }
  test::TableFiles files;
};

// A domain in UTF-8 and its A-label are one (RFC 5890), whichever of them the tables have.
TEST_F(SetTest, DomainsInBothForms) {
  files.write("domains", "m\xc3\xbcller.test ok\nxn--strae-oqa.test ok\n");
  files.write("mailboxes", "info@xn--mller-kva.test ok\nbob@xn--strae-oqa.test ok\n");
  files.write("aliases",
              "@m\xc3\xbcller.test info@m\xc3\xbcller.test\n"
              "team@xn--strae-oqa.test bob@xn--strae-oqa.test\n");
  files.write("senders", "sales@m\xc3\xbcller.test info@m\xc3\xbcller.test\n");
  const Loaded loaded = load_tables(files.config());
  ASSERT_TRUE(loaded.set) << loaded.faults.front().text();
  const TableSet& set = *loaded.set;
  test::TestLoop loop;
  const auto has = [&](const TableList& list, const char* key) {
    return loop.run(list.find(key)).value().value.has_value();
  };
  for (const char* domain : {"m\xc3\xbcller.test", "xn--mller-kva.test",
                             "stra\xc3\x9f"
                             "e.test",
                             "xn--strae-oqa.test"})
    EXPECT_TRUE(has(set.domains, domain)) << domain;
  EXPECT_FALSE(has(set.domains, "mueller.test"));
  EXPECT_FALSE(has(set.domains, "xn--mller.test"));
  EXPECT_TRUE(has(set.mailboxes, "info@xn--mller-kva.test"));
  EXPECT_TRUE(has(set.senders, "sales@xn--mller-kva.test"));
  EXPECT_TRUE(loop.run(set.aliases.find_part("@xn--mller-kva.test")).value().value.has_value());
  EXPECT_TRUE(has(set.aliases,
                  "team@stra\xc3\x9f"
                  "e.test"));
}

TEST_F(SetTest, AliasRows) {
  const struct {
    std::string aliases;
    std::size_t line;  // 0: no fault
    std::string says;
  } rows[] = {
      {"", 0, ""},
      {"a@example.test alice@example.test", 0, ""},
      {"a@example.test alice@example.test, x@foreign.example", 0, ""},
      {"a@example.test b@example.test\nb@example.test bob@example.test", 0, ""},
      {"@example.test alice@example.test", 0, ""},
      {"@other.test @example.test", 0, ""},
      {"@other.test @not..one", 1, "no address"},
      {"@other.test @", 1, "no address"},
      {"a@example.test Alice <alice@example.test>", 0, ""},
      {"a@example.test \"Smith, A\" <alice@example.test>; bob@example.test", 0, ""},
      {"a@example.test alice@example.test; x@y@z", 1, "x@y@z is no address"},
      {"a@example.test alice@foreign..example", 1, "no address"},
      {"a@example.test ,", 1, "leads to no address"},
      {"a@example.test alice+tag@example.test", 0, ""},
      {"bob@example.test bob@example.test, alice@example.test", 0, ""},  // a copy
      {"a@example.test alice", 1, "no address"},
      {"a@example.test |/bin/sh", 1, "no address"},
      {"a@example.test :include:/etc/passwd", 1, "no address"},
      {"a@foreign.example alice@example.test", 1, "foreign.example"},
      {"alone alice@example.test", 1, "no domain"},
      {"a@example.test b@example.test\nb@example.test a@example.test", 1, "->"},
      {"a@example.test b@example.test\nb@example.test c@example.test\nc@example.test "
       "a@example.test",
       1, "->"},
      {"a@example.test b@other.test\n@other.test a@example.test", 1, "->"},
      // A catch-all makes every address of the domain exist.
      {"@example.test alice@example.test\na@example.test nobody@example.test", 0, ""},
  };
  for (const auto& row : rows) {
    files.write("aliases", row.aliases);
    const auto texts = faults();
    if (row.line == 0) {
      EXPECT_TRUE(texts.empty()) << row.aliases << "\n" << texts.front();
      continue;
    }
    ASSERT_FALSE(texts.empty()) << row.aliases;
    EXPECT_TRUE(texts.front().starts_with(fmt::format("{}:{}: ", files.path("aliases"), row.line)))
        << texts.front();
    EXPECT_NE(texts.front().find(row.says), std::string::npos) << texts.front();
  }
}

// What nobody has any more keeps nobody from his mail: it is told of, and the set counts.
TEST_F(SetTest, TargetsThatAreGone) {
  const struct {
    std::string aliases;
    std::vector<std::string> warnings;  // the line, and what follows the alias
  } rows[] = {
      {"# c\na@example.test nobody@example.test",
       {"2: a@example.test leads to nobody@example.test, which is neither a mailbox nor an alias: "
        "its mail is refused"}},
      {"a@example.test alice@example.test,\n  nobody@example.test",
       {"1: a@example.test leads to nobody@example.test, which is neither a mailbox nor an alias"}},
      {"a@example.test gone@example.test, gone2@example.test, bob@example.test",
       {"1: a@example.test leads to gone@example.test, which is neither a mailbox nor an alias",
        "1: a@example.test leads to gone2@example.test, which is neither a mailbox nor an alias"}},
      {"bob@other.test @example.test\ncarol@other.test @example.test",
       {"2: carol@other.test leads to @example.test, which is neither a mailbox nor an alias: its "
        "mail is refused"}},
      {"@other.test @example.test\na@example.test x@other.test, alice@other.test",
       {"2: a@example.test leads to x@other.test, which is neither a mailbox nor an alias"}},
      {"@other.test @example.test\na@example.test alice+t@other.test", {}},
      {"@other.test @far.example\na@example.test x@other.test",
       {"1: @other.test leads to @far.example, which is not in maps/domains: every name of it is "
        "taken, and sent on to another server; `posthorn domain add far.example`, if it is ours; "
        "or name single addresses"}},
  };
  for (const auto& row : rows) {
    files.write("aliases", row.aliases);
    const Loaded loaded = load_tables(files.config());
    EXPECT_TRUE(loaded.set) << row.aliases;
    std::vector<std::string> texts, expected;
    for (const config::Finding& finding : loaded.warnings) texts.push_back(finding.text());
    for (const std::string& warning : row.warnings)
      expected.push_back(files.path("aliases") + ":" + warning);
    EXPECT_EQ(texts, expected) << row.aliases;
  }
}

// virtual(5): "@a @b" is the same name in the other domain; an exact address goes before it.
TEST_F(SetTest, AliasDomains) {
  files.write("domains", "example.test ok\nother.test ok\na.test ok\nb.test ok\nc.test ok\n");
  const struct {
    std::string aliases;
    std::size_t line;
    std::string says;
  } rows[] = {
      {"@a.test @b.test\n@b.test @c.test\n@c.test @example.test", 0, ""},
      {"@a.test @a.test", 1, "@a.test -> @a.test"},
      {"@a.test @b.test\n@b.test @a.test", 1, "@a.test -> @b.test -> @a.test"},
      {"@a.test @b.test\n@b.test @c.test\n@c.test @a.test", 1,
       "@a.test -> @b.test -> @c.test -> @a.test"},
      {"@a.test @b.test\nx@b.test x@a.test", 2, "x@b.test -> x@a.test -> x@b.test"},
      {"@a.test @b.test\nx@b.test y@a.test", 0, ""},  // to y@b.test, which is nobody
      {"@a.test @b.test\nx@b.test y@a.test\ny@b.test x@a.test", 2,
       "x@b.test -> y@a.test -> y@b.test -> x@a.test -> x@b.test"},
      {"x@a.test @b.test\n@b.test @a.test", 1, "x@a.test -> x@b.test -> x@a.test"},
      {"@a.test @foreign.example", 0, ""},
      {"bob@example.test @example.test", 0, ""},  // himself: his own mailbox
  };
  for (const auto& row : rows) {
    files.write("aliases", row.aliases);
    const auto texts = faults();
    ASSERT_EQ(texts.empty(), row.line == 0) << row.aliases;
    if (row.line == 0) continue;
    EXPECT_TRUE(texts.front().starts_with(fmt::format("{}:{}: ", files.path("aliases"), row.line)))
        << texts.front();
    EXPECT_NE(texts.front().find(row.says + ";"), std::string::npos) << texts.front();
  }
  // Beside patterns, which may answer for what seems to be missing, only the form is looked at.
  files.config().maps.aliases = {"text:aliases", "regexp:patterns"};
  files.write("patterns", "/^(.*)@b\\.test$/ $1@example.test\n");
  files.write("aliases", "@a.test @b.test\nx@example.test nobody@example.test\n");
  EXPECT_TRUE(faults().empty());
  files.write("aliases", "@a.test @b..test\n");
  EXPECT_EQ(faults().size(), 1U);
}

TEST(AddressLists, AreReadAsPeopleWriteThem) {
  using List = std::vector<std::string>;
  const struct {
    std::string value;
    List items;
  } rows[] = {
      {"a@x, b@y c@z", {"a@x", "b@y", "c@z"}},
      {"a@x\n b@y\r\nc@z", {"a@x", "b@y", "c@z"}},
      {"a@x;b@y ;", {"a@x", "b@y"}},
      {"Bob <Bob@X>", {"bob@x"}},
      {"Bob Smith <bob@x>, <c@y>", {"bob@x", "c@y"}},
      {"\"Smith, Bob; jr\" <bob@x>;c@y", {"bob@x", "c@y"}},
      {"a@x Bob<bob@x>", {"a@x", "bob@x"}},
      {"\"a b\"@x, \"c,d\"@y", {"\"a b\"@x", "\"c,d\"@y"}},
      {"\"a <b@c>\"@x", {"\"a <b@c>\"@x"}},
      {" \t\n", {}},
      {",;,", {}},
      {"a@x>", {"a@x", ">"}},
  };
  for (const auto& row : rows) EXPECT_EQ(split_list(row.value), row.items) << row.value;
}

// RFC 5321 section 4.5.1.
TEST_F(SetTest, SomebodyGetsPostmastersMail) {
  const auto warnings = [&] {
    const Loaded loaded = load_tables(files.config());
    EXPECT_TRUE(loaded.set);
    return loaded.warnings.empty() ? "" : loaded.warnings.front().text();
  };
  EXPECT_EQ(warnings(), "");
  files.config().server.postmaster = "nobody@example.test";
  EXPECT_NE(warnings().find("server.postmaster: nobody@example.test is neither"),
            std::string::npos);
  files.config().server.postmaster = "admin@far.example";
  files.write("mailboxes", "# none yet\n");
  EXPECT_EQ(warnings(), "");
  files.config().server.postmaster.clear();
  EXPECT_NE(warnings().find("domains:1: nobody gets the mail of postmaster"), std::string::npos);
}

// Lines that are understood and do nothing, or not what was meant; with the near ones that do.
TEST_F(SetTest, LinesThatAreSurelyNotMeant) {
  files.config().server.hostname = "mail.example.test";
  files.config().listen.smtp = {"0.0.0.0:25"};
  files.write("domains", "example.test ok\nold.test ok\n");
  const struct {
    const char *table, *line;
    std::string told;  // empty: nothing; "f …": a fault; "n …": a note
  } rows[] = {
      {"senders", "info@example.test alice@example.test, bob@example.test", ""},
      {"senders", "info@elsewhere.test alice@example.test", ""},
      {"senders", "@example.test \"Alice A.\" <alice@example.test>", ""},
      {"senders", "info@example.test @example.test", "@example.test is no account"},
      {"senders", "info@example.test a@@b", "a@@b is no account"},
      {"senders", "info alice@example.test", "info is never asked for: it has no domain"},
      {"transport", "far.test smtp:[h.test]:587", ""},
      {"transport", ".far.test smtp:", ""},
      {"transport", "* smtp:[relay.test]", ""},
      {"transport", "bob@far.test error:gone", ""},
      {"transport", "@far.test smtp:[h.test]", "@far.test is never asked for"},
      {"transport", "*.far.test smtp:[h.test]", "*.far.test is never asked for"},
      {"transport", "example.test smtp:[h.test]", "not used: example.test is in maps/domains"},
      {"transport", "x@example.test smtp:[h.test]", "not used: example.test is in maps/domains"},
      {"transport", "far.test smtp:[mail.example.test]", "[mail.example.test] is this server"},
      {"transport", "far.test smtp:[127.0.0.1]:25", "[127.0.0.1]:25 is this server itself"},
      {"transport", "far.test smtp:[127.0.0.1]:2525", ""},
      {"transport", "far.test smtp:[h.test", "f \"smtp:[h.test\" is no transport"},
      {"transport", "far.test smtp:[h.test]:x", "f \"smtp:[h.test]:x\" is no transport"},
      {"relay-sasl", "[h.test]:587 user:pass", ""},
      {"relay-sasl", "[h.test]:587 user:", "the login of [h.test]:587 has no password"},
      {"aliases", "alice@example.test alice@example.test, bob@example.test", ""},
      {"aliases", "alice@example.test alice+copy@example.test, bob@example.test", ""},
      {"aliases", "alice@example.test bob@example.test",
       "n the mailbox alice@example.test gets no mail: the alias comes first"},
      {"aliases", "@old.test @example.test", ""},
      {"aliases", "@old.test @new.test", "@old.test leads to @new.test, which is not in"},
      {"aliases", "m\xFCller@example.test bob@example.test", "not in UTF-8"},
  };
  for (const auto& row : rows) {
    files.write(row.table, std::string(row.line) + "\n");
    const Loaded loaded = load_tables(files.config());
    std::vector<std::string> texts;
    for (const config::Finding& finding : loaded.faults) texts.push_back("f " + finding.reason);
    for (const config::Finding& finding : loaded.warnings)
      texts.push_back((finding.weight == config::Weight::note ? "n " : "") + finding.reason);
    files.write(row.table, "");
    if (row.told.empty()) {
      EXPECT_EQ(texts, std::vector<std::string>{}) << row.line;
      continue;
    }
    ASSERT_FALSE(texts.empty()) << row.line;
    EXPECT_TRUE(texts.front().starts_with(row.told)) << row.line << " -> " << texts.front();
  }
  // Where several domains are ours and none is the default, an account may have none.
  files.write("senders", "info@example.test alice\n");
  EXPECT_TRUE(load_tables(files.config()).warnings.empty());
  files.config().server.default_domain = "example.test";
  EXPECT_EQ(load_tables(files.config()).warnings.size(), 1U);
}

// Nothing is known of such a file, so that what it would decide waits.
TEST_F(SetTest, AFileInUtf16) {
  files.write("aliases", std::string("\xFF\xFE"
                                     "a\0@\0",
                                     6));
  const Loaded loaded = load_tables(files.config());
  ASSERT_EQ(loaded.faults.size(), 1U);
  EXPECT_TRUE(
      loaded.faults.front().text().ends_with("aliases:1: the file is in UTF-16; save it as UTF-8"));
  test::TestLoop loop;
  EXPECT_FALSE(loop.run(loaded.set->aliases.find("info@example.test")));
}

// A row is believed no more than a line; where it stands is the table and its id.
TEST_F(SetTest, RowsAreCheckedAsLinesAre) {
  files.config().maps.domains = files.config().maps.mailboxes =
      files.config().maps.aliases = {"pgsql:"};
  std::map<Question, std::vector<Entry>> rows;
  const auto findings = [&] {
    const Loaded loaded = load_tables(
        files.config(),
        {.rows = [&](Question question) -> Result<RowList> { return RowList{rows[question]}; }});
    std::vector<std::string> texts;
    for (const config::Finding& finding : loaded.faults) texts.push_back(finding.text());
    for (const config::Finding& finding : loaded.warnings) texts.push_back("w " + finding.text());
    return texts;
  };
  using Texts = std::vector<std::string>;
  rows[Question::domains] = {{"example.test", ".", 1}, {"other.test", ".", 2}};
  rows[Question::mailboxes] = {{"bob@example.test", "", 4}};
  rows[Question::aliases] = {{"info@example.test", "Bob <bob@example.test>\n;bob@example.test ", 7},
                             {"@other.test", "@example.test", 8}};
  EXPECT_EQ(findings(), Texts{});
  rows[Question::domains].push_back({"blank.test ", ".", 3});
  rows[Question::mailboxes].push_back({"Carol@example.test", "", 5});
  EXPECT_EQ(findings(),
            (Texts{"pgsql:domains:3: \"blank.test \" has a blank or a line end in it, and is never "
                   "found",
                   "pgsql:mailboxes:5: \"Carol@example.test\" is never found: keys are in lower "
                   "case, without # in front"}));
  rows[Question::domains].pop_back();
  rows[Question::mailboxes].pop_back();
  rows[Question::aliases] = {{"a@example.test", " \n", 9},
                             {"b@example.test", "bob", 10},
                             {"c@example.test", "d@example.test", 11},
                             {"d@example.test", "c@example.test", 12},
                             {"e@example.test", "x\x01@y", 13}};
  EXPECT_EQ(findings().size(), 5U);  // the control character first, and all the others
  rows[Question::aliases].pop_back();
  rows[Question::aliases].push_back({"f@example.test", "bob@example.test, gone@other.test", 14});
  rows[Question::aliases].push_back({"@other.test", "@example.test", 15});
  EXPECT_EQ(
      findings(),
      (Texts{"pgsql:aliases:9: a@example.test leads to no address",
             "pgsql:aliases:10: bob is no address; write NAME@DOMAIN, or @DOMAIN, several with "
             "commas between",
             "pgsql:aliases:11: c@example.test never ends: c@example.test -> d@example.test "
             "-> c@example.test; take one of these lines out, or send it to a mailbox",
             "pgsql:aliases:12: d@example.test never ends: d@example.test -> c@example.test "
             "-> d@example.test; take one of these lines out, or send it to a mailbox",
             "w pgsql:aliases:14: f@example.test leads to gone@other.test, which is neither "
             "a mailbox nor an alias"}));
}

TEST_F(SetTest, OtherFiles) {
  const struct {
    std::string file, text;
    std::size_t line;
  } rows[] = {
      {"mailboxes", "alice@example.test ok\ncarol@foreign.example ok\n", 2},
      {"mailboxes", "alice ok\n", 1},
      {"mailboxes", "@example.test ok\n", 1},
      {"mailboxes", "alice@example.test\n", 1},
      {"domains", "example.test ok\nother.test\n", 2},
      {"transport", "x.example smtp:[mail.example]\ny.example pigeon:\n", 2},
      {"relay-sasl", "[mail.example]:587 user:password\n[x.example] password\n", 2},
      {"senders", "a@b\n", 1},
  };
  for (const auto& row : rows) {
    files.write("domains", "example.test ok\n");
    files.write("mailboxes", "alice@example.test ok\n");
    files.write(row.file, row.text);
    const auto texts = faults();
    ASSERT_FALSE(texts.empty()) << row.text;
    EXPECT_TRUE(texts.front().starts_with(fmt::format("{}:{}: ", files.path(row.file), row.line)))
        << texts.front();
    files.write(row.file, "");
  }
  files.write("domains", "example.test ok\n");
  files.config().maps.mailboxes = {"ldap:x"};
  EXPECT_EQ(faults().size(), 1U);
  test::TestLoop loop;
  EXPECT_FALSE(loop.run(load_tables(files.config()).set->mailboxes.find("alice@example.test")));
  files.config().maps.mailboxes = {"regexp:patterns"};
  files.write("patterns", "/a/ b\n/(/ c\n");
  ASSERT_EQ(faults().size(), 1U);
  EXPECT_TRUE(faults().front().starts_with(files.path("patterns") + ":2: ")) << faults().front();
}

TEST_F(SetTest, DepthIsBoundedAndCheckedInLinearTime) {
  const auto chain = [](std::size_t aliases) {
    std::string text;
    for (std::size_t i = 0; i + 1 < aliases; ++i)
      text += fmt::format("a{}@example.test a{}@example.test\n", i, i + 1);
    return text + fmt::format("a{}@example.test alice@example.test\n", aliases - 1);
  };
  files.write("aliases", chain(10));
  EXPECT_TRUE(faults().empty());
  files.write("aliases", chain(11));
  EXPECT_EQ(faults().size(), 1U);
  files.write("aliases", chain(5'000));
  EXPECT_EQ(faults().size(), 4'990U);
  // Ten levels of lists, each naming ten of the next: ten thousand million ways to walk.
  std::string lists;
  for (int level = 0; level < 9; ++level)
    for (int i = 0; i < 10; ++i) {
      lists += fmt::format("l{}x{}@example.test ", level, i);
      for (int j = 0; j < 10; ++j)
        lists +=
            level < 8 ? fmt::format("l{}x{}@example.test,", level + 1, j) : "alice@example.test,";
      lists += "\n";
    }
  files.write("aliases", lists);
  EXPECT_TRUE(faults().empty());
}

struct ReloadTest : SetTest {
  ~ReloadTest() override {
    watched.files().stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  std::string lookup(const std::string& key) {
    const auto set = reloader.current();
    const auto found = loop.run(set->mailboxes.find(key));
    EXPECT_TRUE(found);
    return found.value_or(Found{}).value.value_or("-");
  }
  test::TestLoop loop;
  Reloader reloader{loop.scope(), loop.pool(), files.config()};
  test::Watched watched{loop, files.config().maps.poll_interval, reloader};
};

TEST_F(ReloadTest, AFaultKeepsTheSetOfBefore) {
  files.write("aliases", "info@example.test alice@example.test\n");
  ASSERT_TRUE(watched.start().empty());
  const auto before = reloader.current();
  EXPECT_EQ(before->domain_names, (std::vector<std::string>{"example.test", "other.test"}));
  const struct {
    std::string file;
    std::optional<std::string> text;  // nullopt: removed
    std::string says;
  } rows[] = {
      {"mailboxes", "alice@example.test ok\nbroken\n", ":2: "},
      {"mailboxes", "", ":1: "},
      {"mailboxes", std::nullopt, ":1: "},
      {"mailboxes", "alice@example.test ok\nbob@exam", ":2: "},  // torn in a key
      {"domains", "other.test ok\n", ":1: "},                    // its mailboxes are nobody's now
      {"domains", "", ":1: "},
      {"aliases", "info@example.test nobody\n", ":1: "},
      {"aliases", "", ":1: "},
      {"aliases", std::nullopt, ":1: "},
      {"aliases", std::string("info@example.test a\0b\n", 23), ":1: "},
  };
  for (const auto& row : rows) {
    const auto good = read_file(files.path(row.file));
    ASSERT_TRUE(good && *good);
    if (row.text)
      files.write(row.file, *row.text);
    else
      files.remove(row.file);
    const auto faults = watched.reload();
    ASSERT_FALSE(faults.empty()) << row.file << row.text.value_or("gone");
    EXPECT_NE(faults.front().text().find(row.says), std::string::npos) << faults.front().text();
    EXPECT_EQ(reloader.current(), before);
    EXPECT_EQ(watched.faults().size(), faults.size());
    files.write(row.file, **good);
  }
  // A folder, a pipe and a file without leave to read are no tables.
  files.remove("aliases");
  std::filesystem::create_directory(files.path("aliases"));
  EXPECT_FALSE(watched.reload().empty());
  files.remove("aliases");
  ASSERT_EQ(::mkfifo(files.path("aliases").c_str(), 0600), 0);
  EXPECT_FALSE(watched.reload().empty());
  EXPECT_EQ(reloader.current(), before);
  files.remove("aliases");
  // One that is meant to be empty says so.
  files.write("aliases", "# none any more\n");
  EXPECT_TRUE(watched.reload().empty());
  EXPECT_NE(reloader.current(), before);
  EXPECT_TRUE(watched.faults().empty());
  EXPECT_EQ(lookup("alice@example.test"), "ok");
}

TEST_F(ReloadTest, AHugeFileIsRefused) {
  ASSERT_TRUE(watched.start().empty());
  files.write("senders", "# a hole\n");
  std::filesystem::resize_file(files.path("senders"), (256ULL << 20U) + 1);
  const auto faults = watched.reload();
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_NE(faults.front().text().find("senders:1: "), std::string::npos);
  EXPECT_EQ(lookup("alice@example.test"), "ok");
}

// Without a form of before, what is on faulty lines cannot be asked, and all else can.
TEST_F(ReloadTest, AStartWithAFaultServesWhatItCan) {
  files.write("mailboxes", "alice@example.test ok\nbroken\nbob@example.test\n");
  const auto faults = watched.start();
  ASSERT_EQ(faults.size(), 2U);
  EXPECT_EQ(faults.front().where, files.path("mailboxes") + ":2");
  EXPECT_EQ(lookup("alice@example.test"), "ok");
  EXPECT_EQ(lookup("nobody@example.test"), "-");
  EXPECT_FALSE(loop.run(reloader.current()->mailboxes.find("bob@example.test")));
  files.write("mailboxes", "alice@example.test ok\nbob@example.test ok\n");
  loop.until([this] { return watched.faults().empty(); });
  EXPECT_EQ(lookup("bob@example.test"), "ok");
}

TEST_F(ReloadTest, AMissingTableDecidesNothing) {
  for (const std::string name : {"domains", "mailboxes", "aliases", "senders", "transport"}) {
    const auto good = read_file(files.path(name));
    files.remove(name);
    Reloader other(loop.scope(), loop.pool(), files.config());
    test::Watched another(loop, 1h, other);
    const auto faults = another.start();
    ASSERT_EQ(faults.size(), 1U) << name;
    EXPECT_NE(faults.front().text().find("touch "), std::string::npos);
    const auto set = other.current();
    EXPECT_EQ(bool(loop.run(set->mailboxes.find("alice@example.test"))), name != "mailboxes");
    EXPECT_EQ(bool(loop.run(set->aliases.find("x@example.test"))), name != "aliases");
    EXPECT_EQ(bool(loop.run(set->domains.find("example.test"))), name != "domains");
    another.files().stop();
    loop.until([this] { return loop.scope().running() == 0; });
    files.write(name, **good);
  }
}

// What served yesterday serves today, whatever was done to the files in the night.
TEST_F(ReloadTest, AStartWithAFaultUsesTheFormOfBefore) {
  std::filesystem::create_directories(files.config().paths.state / "lookup");
  files.write("aliases", "info@example.test alice@example.test\n");
  EXPECT_TRUE(watched.start().empty());
  loop.until([this] {
    const LastGood kept(files.config().paths.state / "lookup");
    return kept.read(files.path("mailboxes")) && kept.read(files.path("domains")) &&
           kept.read(files.path("aliases"));
  });
  const struct {
    std::string name;
    std::optional<std::string> text;
  } rows[] = {{"mailboxes", "alice@example.test ok\nbroken\n"},
              {"mailboxes", ""},
              {"mailboxes", std::nullopt},
              {"aliases", std::nullopt},
              {"domains", "nowhere.test ok\n"},  // good alone; the others do not go with it
              {"aliases", "a@example.test b@example.test\nb@example.test a@example.test\n"}};
  for (const auto& row : rows) {
    const auto good = read_file(files.path(row.name));
    if (row.text)
      files.write(row.name, *row.text);
    else
      files.remove(row.name);
    Reloader next(loop.scope(), loop.pool(), files.config());
    test::Watched watch(loop, 50ms, next);
    EXPECT_FALSE(watch.start().empty()) << row.name;
    const auto asked = [&](const TableList& list, const std::string& key) {
      return loop.run(list.find(key)).value_or(Found{"an error"}).value.value_or("-");
    };
    EXPECT_EQ(asked(next.current()->mailboxes, "bob@example.test"), "ok") << row.name;
    EXPECT_EQ(asked(next.current()->aliases, "info@example.test"), "alice@example.test");
    EXPECT_EQ(asked(next.current()->domains, "example.test"), "ok");
    EXPECT_EQ(next.generation(), 1U);
    files.write(row.name, **good + "# mended\n");
    loop.until([&] { return next.generation() == 2; });
    EXPECT_TRUE(watch.faults().empty());
    watch.files().stop();
    loop.idle(200ms);  // what it still has to keep is kept
  }
}

TEST_F(ReloadTest, AnEditIsLiveWithinTwoSeconds) {
  test::Watched slow(loop, 1s, reloader);
  ASSERT_TRUE(slow.start().empty());
  loop.idle(100ms);
  files.write("mailboxes", "alice@example.test ok\ncarol@example.test ok\n");
  const SteadyTime end = test::soon(2s);
  while (lookup("carol@example.test") == "-") {
    ASSERT_LT(Clock::system().steady_now(), end);
    loop.idle(20ms);
  }
}

TEST_F(ReloadTest, AnEditBehindASymbolicLinkIsSeen) {
  files.write("real", "alice@example.test ok\n");
  files.remove("mailboxes");
  std::filesystem::create_symlink("real", files.path("mailboxes"));
  ASSERT_TRUE(watched.start().empty());
  files.write("real", "alice@example.test ok\ncarol@example.test ok\n");
  loop.until([this] { return reloader.generation() > 1; });
  EXPECT_EQ(lookup("carol@example.test"), "ok");
}

TEST_F(ReloadTest, AFileThatIsBeingWrittenIsNotReadHalf) {
  ASSERT_TRUE(watched.start().empty());
  // Grows with every look: a new line each 20 ms for half a second, then it is left alone.
  std::string text = "alice@example.test ok\n";
  const SteadyTime end = test::soon(500ms);
  for (int i = 0; Clock::system().steady_now() < end; ++i) {
    text += fmt::format("u{}@example.test ok\n", i);
    files.write("mailboxes", text);
    loop.idle(20ms);
    EXPECT_EQ(reloader.generation(), 1U);
  }
  loop.until([this] { return reloader.generation() == 2; });
}

// A file that cannot be read for a while looks the same when that has passed.
TEST_F(ReloadTest, WhatCouldNotBeReadIsTriedAgain) {
  ASSERT_TRUE(watched.start().empty());
  files.write("mailboxes", "alice@example.test ok\ncarol@example.test ok\n");
  {
    const test::Leased leased(files.path("mailboxes"));
    if (!leased.is_held()) GTEST_SKIP() << "no leases on this file system";
    loop.until([this] { return !watched.faults().empty(); });
    loop.idle(200ms);
    EXPECT_EQ(lookup("alice@example.test"), "ok");
    EXPECT_FALSE(watched.faults().empty());
  }
  loop.until([this] { return reloader.generation() == 2; });
  EXPECT_TRUE(watched.faults().empty());
  EXPECT_EQ(lookup("carol@example.test"), "ok");
  loop.idle(300ms);
  EXPECT_EQ(reloader.generation(), 2U);  // and then no more
}

TEST_F(ReloadTest, AFileThatComesBackTheSameIsSeen) {
  files.write("aliases", "info@example.test alice@example.test\n");
  ASSERT_TRUE(watched.start().empty());
  files.write("aliases", "info@example.test bob@example.test\n");
  std::filesystem::rename(files.path("aliases"), files.path("away"));
  EXPECT_FALSE(watched.reload().empty());
  std::filesystem::rename(files.path("away"), files.path("aliases"));
  loop.until([this] { return watched.faults().empty(); });
  EXPECT_EQ(reloader.generation(), 2U);
}

// The set in use always has alice, and is of one generation: mailboxes and aliases carry its
// number.
TEST_F(ReloadTest, AThousandReloadsNeverMissAUser) {
  const auto write = [&](int generation) {
    files.write("mailboxes", fmt::format("alice@example.test {}\n", generation));
    files.write("aliases", fmt::format("info@example.test alice@example.test\n"));
  };
  write(0);
  ASSERT_TRUE(watched.start().empty());
  struct Watch {
    static net::Awaitable<void> run(Reloader* tables, bool* stop, std::size_t* lookups,
                                    std::size_t* missed) {
      while (!*stop) {
        const auto set = tables->current();
        const auto found = co_await set->mailboxes.find("alice@example.test");
        const auto alias = co_await set->aliases.find("info@example.test");
        if (!found || !found->value || !alias || !alias->value) ++*missed;
        ++*lookups;
        co_await net::sleep(1ms);
      }
    }
  };
  bool stop = false;
  std::size_t lookups = 0, missed = 0;
  for (int i = 0; i < 4; ++i) loop.scope().spawn(Watch::run(&reloader, &stop, &lookups, &missed));
  std::weak_ptr<const TableSet> first = reloader.current();
  for (int i = 1; i <= 1'000; ++i) {
    write(i);
    if (i % 10 == 0) files.write("aliases", "broken\n");
    const auto faults = watched.reload();
    EXPECT_EQ(faults.empty(), i % 10 != 0);
  }
  EXPECT_EQ(lookup("alice@example.test"), "1000");  // its own file has no fault
  stop = true;
  loop.until([this] { return loop.scope().running() <= 1; });
  EXPECT_EQ(missed, 0U);
  EXPECT_GT(lookups, 1'000U);
  EXPECT_TRUE(first.expired());  // no set outlives its last reader
}

// Two loads at once: the one that began later has read the newer file, whichever ends first.
TEST_F(ReloadTest, ReloadsAtOnceEndWithTheNewest) {
  ASSERT_TRUE(watched.start().empty());
  struct Load {
    static net::Awaitable<void> run(net::WatchedFiles* tables, int* left) {
      (void)co_await tables->reload();
      --*left;
    }
  };
  for (int round = 0; round < 50; ++round) {
    int left = 0;
    for (int i = 0; i < 4; ++i) {
      files.write("mailboxes", fmt::format("alice@example.test {}-{}\n", round, i));
      ++left;
      loop.scope().spawn(Load::run(&watched.files(), &left));
    }
    loop.until([&] { return left == 0; });
    EXPECT_EQ(lookup("alice@example.test"), fmt::format("{}-3", round));
  }
}

TEST(TableList, AsksInOrderAndStopsAtAnError) {
  test::TestLoop loop;
  TableList list;
  auto first = std::make_unique<test::FakeTable>();
  auto second = std::make_unique<test::FakeTable>();
  auto* a = first.get();
  second->values = {{"k", "second"}, {"only", "second"}};
  a->values = {{"k", "first"}};
  list.tables.push_back(std::move(first));
  list.tables.push_back(std::move(second));
  EXPECT_EQ(loop.run(list.find("k"))->value, "first");
  EXPECT_EQ(loop.run(list.find("only"))->value, "second");
  EXPECT_EQ(loop.run(list.find("none"))->value, std::nullopt);
  // An answer is as old as the oldest that led to it.
  a->freshness = Freshness::old;
  EXPECT_EQ(loop.run(list.find("only"))->freshness, Freshness::old);
  EXPECT_EQ(loop.run(list.find_part("none"))->freshness, Freshness::old);
  a->freshness = Freshness::current;
  EXPECT_EQ(loop.run(list.find("only"))->freshness, Freshness::current);
  // A table that cannot be asked is not one that says no: the next one does not answer for it.
  a->broken = true;
  const auto found = loop.run(list.find("only"));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::temporary);
}

}  // namespace
}  // namespace posthorn::maps
