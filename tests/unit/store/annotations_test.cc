// What lies beside the messages and is no cache: ids of mailboxes (RFC 8474), special uses (RFC
// 6154), annotations (RFC 5464). Over a restart, a deleted index, a kill and a power cut.
#include <sqlite3.h>

#include "harness.h"
#include "store/email_id.h"
#include "store/uidlist.h"
#include "tests/support/fault_disk.h"

namespace posthorn::store {
namespace {

namespace fs = std::filesystem;

using test::FaultDisk;

TEST(Annotation, NamesThatEntriesMayHave) {
  const std::pair<std::string, const char*> rows[] = {
      {"/shared/comment", "/shared/comment"},
      {"/PRIVATE/Comment", "/private/comment"},
      {"/private/a b/c", "/private/a b/c"},
      {"/shared", "/shared"},
      {"/private", "/private"},
      {"", nullptr},
      {"/", nullptr},
      {"shared/comment", nullptr},
      {"/comment", nullptr},
      {"/sharedx/comment", nullptr},
      {"/shared/comment/", nullptr},
      {"/shared//comment", nullptr},
      {"/shared/com*", nullptr},
      {"/shared/com%", nullptr},
      {"/shared/t\tb", nullptr},
      {"/shared/\xc3\xa4", nullptr},
      {std::string("/shared/\0", 9), nullptr},
      {"/shared/" + std::string(247, 'x'), "same"},
      {"/shared/" + std::string(248, 'x'), nullptr},
  };
  for (const auto& [name, expected] : rows) {
    const auto checked = check_annotation_name(name);
    ASSERT_EQ(checked.has_value(), expected != nullptr) << name;
    if (checked) EXPECT_EQ(*checked, std::string_view(expected) == "same" ? name : expected);
  }
  for (const char* name : {"/shared/comment", "/shared/imapsieve/script", "/private/specialuse",
                           "/shared/vendor/cmu/x", "/private/vendorx/y"})
    EXPECT_TRUE(may_have_value(name)) << name;
  for (const char* name : {"/shared", "/private/vendor", "/private/vendor/cmu"})
    EXPECT_FALSE(may_have_value(name)) << name;
}

TEST(Annotation, ReadBackAsTheyWere) {
  const Annotations all = {{"/private/comment", "two\r\nlines\tand \\ more"},
                           {"/private/empty", ""},
                           {"/shared/x", std::string("n\0l \\0", 6)}};
  EXPECT_EQ(parse_annotations(format_annotations(all)), all);
  EXPECT_EQ(parse_annotations("no tab\n/shared/x\t1\n/x\ty\n\n/shared\tz\n/Shared/Y\t\\q\\"),
            (Annotations{{"/shared/x", "1"}, {"/shared/y", "\\q\\"}}));
}

TEST(Annotation, Limits) {
  Annotations all;
  EXPECT_EQ(apply({{"/shared/a", std::string(kAnnotationValueMax, 'x')}}, all),
            AnnotationResult::done);
  EXPECT_EQ(apply({{"/shared/a", std::string(kAnnotationValueMax + 1, 'x')}}, all),
            AnnotationResult::too_long);
  for (std::size_t i = 1; i < kAnnotationsMax; ++i)
    ASSERT_EQ(apply({{"/shared/n" + std::to_string(i), "x"}}, all), AnnotationResult::done);
  EXPECT_EQ(apply({{"/shared/one-more", "x"}}, all), AnnotationResult::too_many);
  all.erase("/shared/one-more");
  EXPECT_EQ(apply({{"/shared/n1", std::nullopt}, {"/shared/one-more", "x"}}, all),
            AnnotationResult::done);
  EXPECT_EQ(apply({{"/shared", "x"}}, all), AnnotationResult::bad_name);
  all.clear();
  for (int i = 0; i < 15; ++i)
    ASSERT_EQ(
        apply({{"/shared/b" + std::to_string(i), std::string(kAnnotationValueMax, 'x')}}, all),
        AnnotationResult::done);
  EXPECT_EQ(apply({{"/shared/b15", std::string(kAnnotationValueMax, 'x')}}, all),
            AnnotationResult::too_many);
}

class Beside : public testing::Test {
 protected:
  Path maildir(const char* folder = "") const { return folder_.path() / kAlice / folder; }
  void remove_index() {
    for (const char* suffix : {"", "-wal", "-shm"})
      fs::remove(maildir() / (std::string("posthorn.index") + suffix));
  }
  static std::string id_of(Process& process, const std::string& mailbox) {
    return process.get(process.account().mailbox_id(mailbox)).value_or("(none)");
  }
  static Annotations all_of(Process& process, const std::string& mailbox) {
    return process.get(process.account().annotations(mailbox))
        .value_or(Annotations{{"/shared/none", "there is no such mailbox"}});
  }
  static AnnotationResult set(Process& process, const std::string& mailbox, std::string entry,
                              std::optional<std::string> value) {
    std::vector<AnnotationChange> changes;
    changes.push_back({std::move(entry), std::move(value)});
    return process.get(process.account().annotate(mailbox, std::move(changes)));
  }
  // "Name=\\Use" of those with one.
  static std::string uses(Process& process) {
    std::string out;
    for (const MailboxInfo& info : process.get(process.account().list()))
      if (info.use != SpecialUse::none)
        out += info.name + "=" + std::string(to_string(info.use)) + " ";
    return out;
  }

  TempFolder folder_;
};

TEST_F(Beside, AnIdLastsAsLongAsItsMailbox) {
  std::string inbox, work;
  {
    Process process(folder_.path());
    EXPECT_EQ(process.get(process.account().create("Work")), NameResult::done);
    inbox = id_of(process, "INBOX");
    work = id_of(process, "Work");
    EXPECT_EQ(inbox.size(), 33U);
    EXPECT_TRUE(inbox.starts_with('F'));
    EXPECT_NE(inbox, work);
    EXPECT_EQ(process.get(process.account().status("Work"))->mailbox_id, work);
    EXPECT_EQ(process.view("Work")->mailbox().mailbox_id(), work);
    EXPECT_EQ(process.get(process.account().rename("Work", "Play")), NameResult::done);
    EXPECT_EQ(id_of(process, "Play"), work);
    EXPECT_EQ(id_of(process, "Work"), "(none)");
    EXPECT_EQ(process.get(process.account().find_by_id(work)), "Play");
    process.close();
  }
  remove_index();
  {
    Process process(folder_.path());
    EXPECT_EQ(process.get(process.account().find_by_id(work)), "Play");
    EXPECT_EQ(process.get(process.account().find_by_id(inbox)), "INBOX");
    EXPECT_EQ(id_of(process, "Play"), work);
    EXPECT_EQ(process.get(process.account().find_by_id("Fffff")), std::nullopt);
    EXPECT_EQ(process.get(process.account().find_by_id("../x")), std::nullopt);
    EXPECT_EQ(process.get(process.account().find_by_id("")), std::nullopt);
    EXPECT_EQ(process.get(process.account().remove("Play")), NameResult::done);
    EXPECT_EQ(process.get(process.account().find_by_id(work)), std::nullopt);
    EXPECT_EQ(process.get(process.account().create("Play")), NameResult::done);
    EXPECT_NE(id_of(process, "Play"), work);
    // RFC 3501 section 6.3.5: the messages move, INBOX stays.
    EXPECT_EQ(process.get(process.account().rename("INBOX", "Old")), NameResult::done);
    EXPECT_EQ(id_of(process, "INBOX"), inbox);
    EXPECT_NE(id_of(process, "Old"), inbox);
  }
}

TEST_F(Beside, DovecotsIdsAreTakenOver) {
  for (const char* part : {"cur", "new", "tmp"}) {
    fs::create_directories(maildir() / part);
    for (const char* folder : {".Old", ".Older", ".Odd"})
      fs::create_directories(maildir(folder) / part);
  }
  write_text(maildir(".Old") / "cur/1.a.b:2,S", "Subject: x\n\n");
  write_text(maildir(".Older") / "cur/1.a.b:2,S", "Subject: x\n\n");
  write_text(maildir(".Odd") / "cur/1.a.b:2,S", "Subject: x\n\n");
  write_text(maildir(".Old") / "dovecot-uidlist",
             "3 V1275660208 N8 G3085f01b7f11094c501100008c4a11c1\n7 :1.a.b\n");
  write_text(maildir(".Older") / "dovecot-uidlist", "1 1100532544 8\n7 1.a.b\n");
  write_text(maildir(".Odd") / "dovecot-uidlist", "3 V1275660208 N8 Gwhat/is:this\n7 :1.a.b\n");
  std::string older, odd;
  {
    Process process(folder_.path());
    EXPECT_EQ(process.get(process.account().find_by_id("F3085f01b7f11094c501100008c4a11c1")),
              "Old");
    EXPECT_EQ(id_of(process, "Old"), "F3085f01b7f11094c501100008c4a11c1");
    older = id_of(process, "Older");
    odd = id_of(process, "Odd");
    EXPECT_EQ(older.size(), 33U);
    EXPECT_EQ(odd.size(), 33U);
    // And no UID is lost by that.
    for (const char* name : {"Old", "Older", "Odd"})
      EXPECT_EQ(process.view(name)->uids(), std::vector<Uid>{7}) << name;
  }
  remove_index();
  Process process(folder_.path());
  EXPECT_EQ(id_of(process, "Older"), older);
  EXPECT_EQ(id_of(process, "Odd"), odd);
  EXPECT_EQ(process.view("Older")->uids(), std::vector<Uid>{7});
}

// RFC 8474 section 4: no two mailboxes have the same id.
TEST_F(Beside, ACopiedFolderHasItsOwnIdAMovedOneKeepsIt) {
  std::string work, copy;
  {
    Process process(folder_.path());
    process.get(process.account().create("Work"));
    process.deliver("Work", kMail);
    work = id_of(process, "Work");
    process.close();
  }
  fs::copy(maildir(".Work"), maildir(".Copy"), fs::copy_options::recursive);
  {
    Process process(folder_.path());
    EXPECT_EQ(id_of(process, "Work"), work);
    copy = id_of(process, "Copy");
    EXPECT_NE(copy, work);
    EXPECT_EQ(process.view("Copy")->uids(), std::vector<Uid>{1});
    fs::rename(maildir(".Work"), maildir(".Moved"));
    EXPECT_EQ(id_of(process, "Moved"), work);
    process.close();
  }
  remove_index();
  Process process(folder_.path());
  EXPECT_EQ(id_of(process, "Copy"), copy);
  EXPECT_EQ(id_of(process, "Moved"), work);
  EXPECT_EQ(process.get(process.account().find_by_id(copy)), "Copy");
}

TEST_F(Beside, AnnotationsGoWithTheirMailbox) {
  {
    Process process(folder_.path());
    process.get(process.account().create("Work.2026"));
    EXPECT_EQ(set(process, "Work.2026", "/private/comment", "a\r\nb"), AnnotationResult::done);
    EXPECT_EQ(set(process, "inbox", "/shared/comment", "of INBOX"), AnnotationResult::done);
    EXPECT_EQ(set(process, "", "/shared/comment", "of the account"), AnnotationResult::done);
    EXPECT_EQ(set(process, "None", "/shared/comment", "x"), AnnotationResult::not_found);
    EXPECT_EQ(set(process, "a..b", "/shared/comment", "x"), AnnotationResult::not_found);
    process.get(process.account().rename("Work", "Play"));
  }
  remove_index();
  {
    Process process(folder_.path());
    EXPECT_EQ(all_of(process, "Play.2026"), (Annotations{{"/private/comment", "a\r\nb"}}));
    EXPECT_EQ(all_of(process, "INBOX"), (Annotations{{"/shared/comment", "of INBOX"}}));
    EXPECT_EQ(all_of(process, ""), (Annotations{{"/shared/comment", "of the account"}}));
    process.get(process.account().remove("Play.2026"));
    process.get(process.account().create("Play.2026"));
    EXPECT_EQ(all_of(process, "Play.2026"), Annotations{});
    // RFC 5464 section 4.1: copied when INBOX is renamed.
    process.get(process.account().rename("INBOX", "Old"));
    EXPECT_EQ(all_of(process, "INBOX"), (Annotations{{"/shared/comment", "of INBOX"}}));
    EXPECT_EQ(all_of(process, "Old"), (Annotations{{"/shared/comment", "of INBOX"}}));
    EXPECT_EQ(set(process, "Old", "/shared/comment", std::nullopt), AnnotationResult::done);
    EXPECT_EQ(set(process, "Old", "/shared/comment", std::nullopt), AnnotationResult::done);
    EXPECT_EQ(all_of(process, "Old"), Annotations{});
    EXPECT_FALSE(fs::exists(maildir(".Old") / kAnnotationsFile));
  }
}

TEST_F(Beside, AllOfAnAccountsFilesHaveABound) {
  Process process(folder_.path());
  const std::string value(kAnnotationValueMax, 'x');
  AnnotationResult result = AnnotationResult::done;
  int mailboxes = 0;
  for (; mailboxes < 40 && result == AnnotationResult::done; ++mailboxes) {
    const std::string name = "m" + std::to_string(mailboxes);
    process.get(process.account().create(name));
    std::vector<AnnotationChange> changes;
    for (int i = 0; i < 15; ++i) changes.push_back({"/shared/v" + std::to_string(i), value});
    result = process.get(process.account().annotate(name, std::move(changes)));
  }
  EXPECT_EQ(result, AnnotationResult::too_many);
  EXPECT_EQ(mailboxes, 18);  // 17 of 15 * 64 KiB are less than 16 MiB
  EXPECT_EQ(set(process, "m17", "/shared/small", "x"), AnnotationResult::done);
  EXPECT_EQ(set(process, "m0", "/shared/v0", "less"), AnnotationResult::done);
}

TEST_F(Beside, AUseThatAUserGaveComesBeforeTheConfigurations) {
  const std::string defaults = "Archive=\\Archive Drafts=\\Drafts Junk=\\Junk Sent=\\Sent ";
  {
    Process process(folder_.path());
    process.get(process.account().ensure_defaults());
    EXPECT_EQ(uses(process), defaults + "Trash=\\Trash ");
    EXPECT_EQ(process.get(process.account().find_by_use(SpecialUse::trash)), "Trash");
    EXPECT_EQ(all_of(process, "Trash"), (Annotations{{"/private/specialuse", "\\Trash"}}));
    EXPECT_EQ(process.get(process.account().create("Bin", SpecialUse::trash)), NameResult::done);
    EXPECT_EQ(process.get(process.account().create("Bin2", SpecialUse::trash)),
              NameResult::use_taken);
    EXPECT_FALSE(process.get(process.account().has_mailbox("Bin2")));
    EXPECT_EQ(process.get(process.account().create("Bin", SpecialUse::sent)), NameResult::exists);
    process.get(process.account().rename("Bin", "Tonne"));
  }
  remove_index();
  {
    Process process(folder_.path());
    EXPECT_EQ(uses(process), defaults + "Tonne=\\Trash ");
    EXPECT_EQ(process.get(process.account().find_by_use(SpecialUse::trash)), "Tonne");
    EXPECT_EQ(all_of(process, "Trash"), Annotations{});
    EXPECT_EQ(set(process, "Work", "/private/specialuse", "\\Junk"), AnnotationResult::not_found);
    process.get(process.account().create("Work"));
    EXPECT_EQ(set(process, "Work", "/private/specialuse", "\\Trash"), AnnotationResult::bad_use);
    EXPECT_EQ(set(process, "Work", "/private/specialuse", "\\All"), AnnotationResult::bad_use);
    EXPECT_EQ(set(process, "", "/private/specialuse", "\\Junk"), AnnotationResult::bad_name);
    EXPECT_EQ(set(process, "Archive", "/private/specialuse", ""), AnnotationResult::done);
    EXPECT_EQ(uses(process), "Drafts=\\Drafts Junk=\\Junk Sent=\\Sent Tonne=\\Trash ");
    EXPECT_EQ(process.get(process.account().find_by_use(SpecialUse::archive)), std::nullopt);
    // What was the user's is gone: the configuration's counts again.
    process.get(process.account().remove("Tonne"));
    EXPECT_EQ(process.get(process.account().find_by_use(SpecialUse::trash)), "Trash");
    EXPECT_EQ(set(process, "Archive", "/private/specialuse", std::nullopt), AnnotationResult::done);
    EXPECT_EQ(uses(process), defaults + "Trash=\\Trash ");
    process.get(process.account().remove("Trash"));
    EXPECT_EQ(process.get(process.account().find_by_use(SpecialUse::trash)), std::nullopt);
    EXPECT_EQ(process.get(process.account().find_by_use(SpecialUse::none)), std::nullopt);
  }
}

// As a script asks (RFC 5490, 8579, 9042).
TEST_F(Beside, WhatAScriptAsks) {
  Process process(folder_.path());
  Account& account = process.account();
  process.get(account.ensure_defaults());
  process.get(account.create("Bin", SpecialUse::trash));
  EXPECT_TRUE(process.get(account.has_mailbox("inbox")));
  EXPECT_TRUE(process.get(account.has_mailbox("Bin")));
  for (const char* name : {"None", "a..b", "", "~x"})
    EXPECT_FALSE(process.get(account.has_mailbox(name))) << name;
  EXPECT_EQ(process.get(account.special_use("Bin")), SpecialUse::trash);
  EXPECT_EQ(process.get(account.special_use("Trash")), SpecialUse::none);
  EXPECT_EQ(process.get(account.special_use("Junk")), SpecialUse::junk);
  EXPECT_EQ(process.get(account.special_use("None")), std::nullopt);
  EXPECT_EQ(set(process, "Bin", "/shared/imapsieve/script", "x"), AnnotationResult::done);
  EXPECT_EQ(process.get(account.annotation("Bin", "/Shared/IMAPsieve/script")), "x");
  EXPECT_EQ(process.get(account.annotation("Bin", "/shared/comment")), std::nullopt);
  EXPECT_EQ(process.get(account.annotation("None", "/shared/comment")), std::nullopt);
  EXPECT_EQ(process.get(account.annotation("Bin", "comment")), std::nullopt);
  EXPECT_EQ(process.get(account.annotation("", "/shared/comment")), std::nullopt);
  EXPECT_EQ(set(process, "", "/shared/comment", "y"), AnnotationResult::done);
  EXPECT_EQ(process.get(account.annotation("", "/shared/comment")), "y");
  write_text(maildir(".Bin") / kAnnotationsFile, "");
  EXPECT_EQ(process.get(account.special_use("Trash")), SpecialUse::trash);
}

// What another program has put there, or taken away.
TEST_F(Beside, FilesOfOthersAreSeen) {
  Process process(folder_.path());
  process.get(process.account().create("Work"));
  process.get(process.account().create("Bin", SpecialUse::trash));
  EXPECT_EQ(uses(process), "Bin=\\Trash ");
  write_text(maildir(".Work") / kAnnotationsFile, "/private/specialuse\t\\Junk\n");
  fs::rename(maildir(".Bin"), maildir(".Moved"));
  EXPECT_EQ(process.get(process.account().find_by_use(SpecialUse::trash)), "Moved");
  EXPECT_EQ(uses(process), "Moved=\\Trash Work=\\Junk ");
  fs::remove(maildir(".Work") / kAnnotationsFile);
  EXPECT_EQ(uses(process), "Moved=\\Trash ");
}

// RFC 8474 section 5.1: the id is that of the content, whatever becomes of the message.
TEST_F(Beside, AnEmailIdIsThatOfTheContent) {
  const auto ids_in = [](Process& process, const char* mailbox) {
    const ViewPtr view = process.view(mailbox);
    std::vector<std::string> ids;
    for (const EmailId& one :
         process.get(view->mailbox().load_email_ids(std::vector<Uid>(view->uids()))))
      ids.push_back(one.id);
    return ids;
  };
  std::vector<std::string> ids;
  {
    Process process(folder_.path());
    process.get(process.account().create("Work"));
    process.deliver("INBOX", kMail);
    process.deliver("INBOX", "Subject: other\r\n\r\n");
    process.deliver("INBOX", kMail);
    ids = ids_in(process, "INBOX");
    ASSERT_EQ(ids.size(), 3U);
    EXPECT_EQ(ids[0].size(), 41U);
    EXPECT_EQ(ids[0].front(), 'M');
    EXPECT_EQ(ids[2], ids[0]);
    EXPECT_NE(ids[1], ids[0]);
    const ViewPtr view = process.view();
    process.get(view->mailbox().copy({1}, "Work"));
    process.get(view->mailbox().move({2}, "Work"));
    EXPECT_EQ(ids_in(process, "Work"), (std::vector{ids[0], ids[1]}));
    EXPECT_EQ(ids_in(process, "INBOX"), (std::vector{ids[0], ids[2]}));
    // What is kept is asked of no file.
    for (const auto& file : fs::directory_iterator(maildir("cur"))) fs::remove(file.path());
    EXPECT_EQ(process.get(view->mailbox().load_email_ids({1, 2, 3, 4})).size(), 2U);
    process.close();
  }
  remove_index();
  Process process(folder_.path());
  EXPECT_EQ(ids_in(process, "Work"), (std::vector{ids[0], ids[1]}));
}

// An index of before gets the table that it lacks.
TEST_F(Beside, AnIndexWithoutDigestsIsTakenOn) {
  {
    Process process(folder_.path());
    process.deliver("INBOX", kMail);
    process.close();
  }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((maildir() / "posthorn.index").c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "DROP TRIGGER digests_removed; DROP TABLE digests", nullptr, nullptr,
                         nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  Process process(folder_.path());
  const ViewPtr view = process.view();
  EXPECT_EQ(view->uids(), std::vector<Uid>{1});
  EXPECT_EQ(process.get(view->mailbox().load_email_ids({1})).size(), 1U);
}

// Each operation on the disk fails in turn, as a kill and as a power cut: what was told holds.
TEST_F(Beside, CrashAtEveryOperation) {
  struct Told {
    std::string id, value;
    bool has_use = false, is_renamed = false;
  };
  const auto work = [](Process& process, Told& told) {
    if (!process.task(process.accounts().open("alice@example.org"))) return;
    Account& account = process.account();
    const auto note = [&](const std::string& value) {
      std::vector<AnnotationChange> changes;
      changes.push_back({"/shared/comment", value});
      const auto done = process.task(account.annotate("Work", std::move(changes)));
      if (done && *done == AnnotationResult::done) told.value = value;
    };
    if (auto made = process.task(account.create("Bin", SpecialUse::trash)))
      told.has_use = *made == NameResult::done;
    if (const auto id = process.task(account.mailbox_id("Work")); id && *id) told.id = **id;
    note("one");
    note("two");
    if (auto moved = process.task(account.rename("Work", "Play")))
      told.is_renamed = *moved == NameResult::done;
  };
  int all = 1000;
  for (int at = 1; at <= 2 * all && !HasFailure(); ++at) {
    const bool is_power_cut = at % 2 == 0;
    SCOPED_TRACE(at);
    TempFolder folder;
    {
      Process process(folder.path());
      process.get(process.account().create("Work"));
      process.close();
    }
    Told told;
    FaultDisk disk(FaultDisk::Fault::for_good, (at + 1) / 2);
    {
      Process process(folder.path(), disk);
      work(process, told);
    }
    all = std::min(all, told.is_renamed ? at / 2 : all);
    if (is_power_cut) {
      disk.cut_power();
      lose_index(folder.path() / kAlice / "posthorn.index", "", 1);
    }
    Process process(folder.path(), Disk::real(), Clock::system(),
                    is_power_cut ? "boot-2" : "boot-1");
    const std::string name = process.get(process.account().has_mailbox("Play")) ? "Play" : "Work";
    if (told.is_renamed) EXPECT_EQ(name, "Play");
    if (!told.id.empty()) EXPECT_EQ(id_of(process, name), told.id);
    const Annotations found = all_of(process, name);
    const std::string value = found.contains("/shared/comment") ? found.at("/shared/comment") : "";
    EXPECT_GE(value.empty()    ? 0
              : value == "one" ? 1
                               : 2,
              told.value.empty()    ? 0
              : told.value == "one" ? 1
                                    : 2)
        << value << " was " << told.value;
    if (told.has_use) EXPECT_EQ(uses(process), "Bin=\\Trash ");
  }
  EXPECT_LT(all, 1000);
  EXPECT_GT(all, 20);
}

}  // namespace
}  // namespace posthorn::store
