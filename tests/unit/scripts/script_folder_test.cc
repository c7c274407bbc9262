// Users' Sieve scripts on disk: Pigeonhole's layout, hostile links, the old layout, and a kill -9
// or a power cut at each step.
#include "scripts/script_folder.h"

#include <filesystem>
#include <gtest/gtest.h>

#include "scripts/script_name.h"
#include "tests/support/fault_disk.h"
#include "tests/support/temp_folder.h"

namespace posthorn::scripts {
namespace {

namespace fs = std::filesystem;
using test::FaultDisk;
using test::read_text;
using test::TempFolder;
using test::write_text;

// "a b* c": the active one has a star.
std::string listed(ScriptFolder& folder) {
  const auto all = folder.list();
  if (!all) return "failed: " + all.error().what;
  std::string text;
  for (const Listed& one : *all)
    text += (text.empty() ? "" : " ") + one.name + (one.is_active ? "*" : "");
  return text;
}

std::string active_text(const Path& account) {
  const auto active = ScriptFolder(account).find_active();
  if (!active) return "failed: " + active.error().what;
  return *active ? (**active).text : "none";
}

std::string text_of(ScriptFolder& folder, std::string_view name) {
  const auto text = folder.find_text(name);
  if (!text) return "failed: " + text.error().what;
  return text->value_or("none");
}

void lay_link(const Path& home, const std::string& target) {
  fs::create_symlink(target, home / ".dovecot.sieve");
}

TEST(ScriptName, WhatMayBeOneAndWhatNot) {
  for (const std::string& name :
       {std::string("a"), std::string("Urlaub für Jörg"), std::string("日本語"), std::string(".."),
        std::string("a.sieve"), std::string("\"quoted\\\""), std::string(kScriptNameMax, 'x')}) {
    EXPECT_TRUE(is_script_name(name)) << name;
    EXPECT_EQ(script_of_file(file_of_script(name)), name);
  }
  for (const std::string& name :
       {std::string(), std::string("a/b"), std::string("../x"), std::string("a\nb"),
        std::string("a\rb"), std::string("nul\0x", 5), std::string("del\x7f"),
        std::string("\xc2\x9b"), std::string("\xe2\x80\xa8"), std::string("\xe2\x80\xa9"),
        std::string("\xff"), std::string(kScriptNameMax + 1, 'x')})
    EXPECT_FALSE(is_script_name(name)) << testing::PrintToString(name);
  EXPECT_FALSE(script_of_file("a"));
  EXPECT_FALSE(script_of_file(".sieve"));
}

TEST(ScriptFolder, EachChangeAsPigeonholeLaysIt) {
  const TempFolder temp;
  const Path& home = temp.path();
  ScriptFolder folder(home);
  EXPECT_EQ(listed(folder), "");
  EXPECT_EQ(active_text(home), "none");
  EXPECT_EQ(folder.put("a", "keep;"), Outcome::done);
  EXPECT_EQ(folder.put("für b", "discard;"), Outcome::done);
  EXPECT_EQ(listed(folder), "a für b");
  EXPECT_EQ(read_text(home / "sieve/für b.sieve"), "discard;");
  EXPECT_EQ(text_of(folder, "a"), "keep;");
  EXPECT_EQ(text_of(folder, "c"), "none");
  EXPECT_EQ(text_of(folder, "../a"), "none");

  EXPECT_EQ(folder.activate("für b"), Outcome::done);
  EXPECT_EQ(fs::read_symlink(home / ".dovecot.sieve"), "sieve/für b.sieve");
  EXPECT_EQ(listed(folder), "a für b*");
  EXPECT_EQ(active_text(home), "discard;");
  EXPECT_EQ(folder.activate("c"), Outcome::not_found);
  EXPECT_EQ(listed(folder), "a für b*");

  EXPECT_EQ(folder.remove("für b"), Outcome::is_active);
  EXPECT_EQ(folder.rename("für b", "a"), Outcome::exists);
  EXPECT_EQ(folder.rename("c", "d"), Outcome::not_found);
  EXPECT_EQ(folder.rename("a", "x/y"), Outcome::bad_name);
  EXPECT_EQ(folder.rename("für b", "z"), Outcome::done);  // and stays active
  EXPECT_EQ(listed(folder), "a z*");
  EXPECT_EQ(active_text(home), "discard;");
  EXPECT_EQ(folder.rename("a", "b"), Outcome::done);
  EXPECT_EQ(folder.put("z", "stop;"), Outcome::done);
  EXPECT_EQ(active_text(home), "stop;");
  EXPECT_EQ(listed(folder), "b z*");

  EXPECT_TRUE(folder.deactivate().has_value());
  EXPECT_FALSE(fs::exists(fs::symlink_status(home / ".dovecot.sieve")));
  EXPECT_TRUE(folder.deactivate().has_value());
  EXPECT_EQ(folder.remove("z"), Outcome::done);
  EXPECT_EQ(folder.remove("z"), Outcome::not_found);
  EXPECT_EQ(listed(folder), "b");
  EXPECT_EQ(test::names_in(home / "sieve"), std::vector<std::string>{"b.sieve"});
}

TEST(ScriptFolder, BoundsOnNumberAndSize) {
  const TempFolder temp;
  ScriptFolder folder(temp.path(), {.scripts_max = 2, .size_max = 10});
  EXPECT_EQ(folder.put("a", std::string(10, '#')), Outcome::done);
  EXPECT_EQ(folder.put("b", std::string(11, '#')), Outcome::too_large);
  EXPECT_EQ(folder.may_put("b", 10), Outcome::done);
  EXPECT_EQ(folder.may_put("b", 11), Outcome::too_large);
  EXPECT_EQ(folder.put("b", ""), Outcome::done);
  EXPECT_EQ(folder.put("c", ""), Outcome::too_many);
  EXPECT_EQ(folder.may_put("c", 0), Outcome::too_many);
  EXPECT_EQ(folder.put("a", "keep;"), Outcome::done);  // no further one
  EXPECT_EQ(folder.may_put("a/b", 0), Outcome::bad_name);
  EXPECT_EQ(listed(folder), "a b");
}

TEST(ScriptFolder, TheStampSaysWhetherToReadAgain) {
  const TempFolder temp;
  ScriptFolder folder(temp.path());
  ASSERT_EQ(folder.put("a", "keep;"), Outcome::done);
  ASSERT_EQ(folder.put("b", "keep;"), Outcome::done);
  ASSERT_EQ(folder.activate("a"), Outcome::done);
  const auto first = folder.find_active();
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((**first).name, "a");
  EXPECT_EQ((**first).text, "keep;");
  const auto again = folder.find_active((**first).stamp);
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((**again).stamp, (**first).stamp);
  EXPECT_EQ((**again).text, "");
  ASSERT_EQ(folder.activate("b"), Outcome::done);
  const auto other = folder.find_active((**first).stamp);
  ASSERT_TRUE(other && *other);
  EXPECT_EQ((**other).name, "b");
  EXPECT_EQ((**other).text, "keep;");
  ASSERT_EQ(folder.put("b", "stop;"), Outcome::done);
  EXPECT_EQ((**folder.find_active((**other).stamp)).text, "stop;");
}

TEST(ScriptFolder, OnlyTheLastNameOfTheLinkCounts) {
  const TempFolder temp;
  write_text(temp.path() / "secret.sieve", "secret");
  const std::pair<std::string, std::string> rows[] = {
      {"sieve/a.sieve", "keep;"},
      {"/var/mail/example.org/alice/home/sieve/a.sieve", "keep;"},
      {"../../bob/sieve/a.sieve", "keep;"},
      {"a.sieve", "keep;"},
      {"sieve/none.sieve", "none"},
      {"../secret.sieve", "none"},
      {"sieve/link.sieve", "none"},
      {"sieve/folder.sieve", "none"},
      {"/etc/passwd", "none"},
      {"sieve/", "none"},
      {".dovecot.sieve", "none"},  // itself: of a script called .dovecot, which is not there
  };
  int number = 0;
  for (const auto& [target, text] : rows) {
    const Path home = temp.path() / std::to_string(++number);
    fs::create_directories(home / "sieve/folder.sieve");
    write_text(home / "sieve/a.sieve", "keep;");
    fs::create_symlink("../../secret.sieve", home / "sieve/link.sieve");
    lay_link(home, target);
    EXPECT_EQ(active_text(home), text) << target;
    ScriptFolder folder(home);
    EXPECT_EQ(listed(folder), text == "none" ? "a" : "a*") << target;
    EXPECT_EQ(text_of(folder, "link"), "none");
    // A link that leads nowhere makes no later script active.
    if (target == "sieve/none.sieve") {
      EXPECT_EQ(folder.put("none", "keep;"), Outcome::done);
      EXPECT_EQ(listed(folder), "a none");
    }
    EXPECT_EQ(folder.activate("a"), Outcome::done) << target;
    EXPECT_EQ(fs::read_symlink(home / ".dovecot.sieve"), "sieve/a.sieve");
  }
  EXPECT_EQ(read_text(temp.path() / "secret.sieve"), "secret");
}

TEST(ScriptFolder, AFolderThatIsALinkIsNotEntered) {
  const TempFolder temp;
  fs::create_directories(temp.path() / "bob");
  fs::create_directories(temp.path() / "alice");
  write_text(temp.path() / "bob/a.sieve", "bob's");
  fs::create_symlink("../bob", temp.path() / "alice/sieve");
  lay_link(temp.path() / "alice", "sieve/a.sieve");
  ScriptFolder folder(temp.path() / "alice");
  EXPECT_EQ(listed(folder), "");
  EXPECT_EQ(active_text(temp.path() / "alice"), "none");
  EXPECT_FALSE(folder.put("a", "mine"));
  EXPECT_FALSE(folder.remove("a"));
  EXPECT_EQ(read_text(temp.path() / "bob/a.sieve"), "bob's");
}

TEST(ScriptFolder, TheOldLayoutIsAPlainFile) {
  const TempFolder temp;
  const Path& home = temp.path();
  write_text(home / ".dovecot.sieve", "keep;");
  ScriptFolder folder(home);
  EXPECT_EQ(listed(folder), "dovecot.orig*");
  EXPECT_EQ(text_of(folder, "dovecot.orig"), "keep;");
  EXPECT_EQ(active_text(home), "keep;");
  EXPECT_EQ(folder.remove("dovecot.orig"), Outcome::is_active);
  EXPECT_EQ(folder.put("a", "stop;"), Outcome::done);
  EXPECT_EQ(listed(folder), "a dovecot.orig*");
  EXPECT_EQ(fs::read_symlink(home / ".dovecot.sieve"), "sieve/dovecot.orig.sieve");
  EXPECT_EQ(folder.activate("a"), Outcome::done);
  EXPECT_EQ(folder.remove("dovecot.orig"), Outcome::done);
  EXPECT_EQ(listed(folder), "a*");

  // Where the name is taken, nothing is lost.
  ASSERT_EQ(folder.put("dovecot.orig", "first"), Outcome::done);
  fs::remove(home / ".dovecot.sieve");
  write_text(home / ".dovecot.sieve", "second");
  EXPECT_EQ(listed(folder), "a dovecot.orig dovecot.orig-2*");
  EXPECT_EQ(folder.activate("a"), Outcome::done);
  EXPECT_EQ(text_of(folder, "dovecot.orig"), "first");
  EXPECT_EQ(text_of(folder, "dovecot.orig-2"), "second");
}

TEST(ScriptFolder, DockerMailserversHome) {
  const TempFolder temp;
  const Path& account = temp.path();
  fs::create_directories(account / "home/sieve");
  write_text(account / "home/sieve/a.sieve", "keep;");
  lay_link(account / "home", "sieve/a.sieve");
  ScriptFolder folder(account);
  EXPECT_EQ(listed(folder), "a*");
  EXPECT_EQ(active_text(account), "keep;");
  EXPECT_EQ(folder.put("b", "stop;"), Outcome::done);
  EXPECT_EQ(read_text(account / "home/sieve/b.sieve"), "stop;");
  EXPECT_FALSE(fs::exists(account / "sieve"));

  // home/ without scripts, or that is a link, is none.
  for (const bool is_link : {false, true}) {
    const TempFolder other;
    const Path bob = other.path() / "bob";
    fs::create_directories(bob);
    if (is_link)
      fs::create_directory_symlink(account / "home", bob / "home");
    else
      fs::create_directories(bob / "home");
    ScriptFolder scripts(bob);
    EXPECT_EQ(listed(scripts), "");
    EXPECT_EQ(scripts.put("b", "mine"), Outcome::done);
    EXPECT_EQ(read_text(bob / "sieve/b.sieve"), "mine");
  }
  EXPECT_EQ(read_text(account / "home/sieve/b.sieve"), "stop;");
}

// Each change from one of three beginnings, stopped before each call, with and without a power cut:
// what is shown behind it is the state of before or the one of after, whole, and the change can be
// made again.
struct Change {
  std::string name;
  std::function<Result<>(ScriptFolder&)> make;
};

Result<> must(Result<Outcome> outcome) {
  if (!outcome) return std::unexpected(outcome.error());
  if (*outcome != Outcome::done) return fail(ErrorKind::permanent, "refused");
  return {};
}

const Change kChanges[] = {
    {"put new", [](ScriptFolder& f) { return must(f.put("new", "new text")); }},
    {"put over", [](ScriptFolder& f) { return must(f.put("a", "other text")); }},
    {"put over the other", [](ScriptFolder& f) { return must(f.put("b", "other text")); }},
    {"activate", [](ScriptFolder& f) { return must(f.activate("b")); }},
    {"deactivate", [](ScriptFolder& f) { return f.deactivate(); }},
    {"remove", [](ScriptFolder& f) { return must(f.remove("b")); }},
    {"rename", [](ScriptFolder& f) { return must(f.rename("b", "c")); }},
    {"rename the active one", [](ScriptFolder& f) { return must(f.rename("a", "c")); }},
};

void lay_out(const Path& home, const std::string& form) {
  fs::create_directories(home);
  if (form == "plain") {
    write_text(home / ".dovecot.sieve", "plain text");
    fs::create_directories(home / "sieve");
    write_text(home / "sieve/a.sieve", "text a");
    write_text(home / "sieve/b.sieve", "text b");
    return;
  }
  FaultDisk disk;  // which does not wait for the real one
  ScriptFolder folder(home, {}, disk);
  ASSERT_EQ(folder.put("a", "text a"), Outcome::done);
  ASSERT_EQ(folder.put("b", "text b"), Outcome::done);
  if (form == "active") ASSERT_EQ(folder.activate("a"), Outcome::done);
}

std::string whole_state(const Path& home) {
  ScriptFolder folder(home);
  std::string text = listed(folder) + " active=" + active_text(home);
  const auto all = folder.list();
  if (!all) return text;
  for (const Listed& one : *all) text += " " + text_of(folder, one.name);
  return text;
}

TEST(ScriptFolder, AStopAtAnyStepLeavesTheOldStateOrTheNew) {
  int stops = 0;
  for (const std::string form : {"none", "active", "plain"})
    for (const Change& change : kChanges)
      for (const bool is_power_cut : {false, true})
        for (int at = 1;; ++at) {
          ASSERT_LT(at, 100);
          const TempFolder temp;
          const Path home = temp.path() / "home";
          lay_out(home, form);
          const std::string before = whole_state(home);
          const Path undisturbed = temp.path() / "other";
          lay_out(undisturbed, form);
          FaultDisk faultless;
          ScriptFolder other(undisturbed, {}, faultless);
          ASSERT_TRUE(change.make(other)) << change.name;
          const std::string after = whole_state(undisturbed);
          FaultDisk disk(FaultDisk::Fault::for_good, at);
          ScriptFolder folder(home, {}, disk);
          const auto made = change.make(folder);
          const bool is_stopped = disk.is_killed();
          if (is_power_cut) disk.cut_power();
          const std::string found = whole_state(home);
          const std::string where =
              form + ", " + change.name + ", step " + std::to_string(at) + ": " + found;
          if (made)
            EXPECT_EQ(found, after) << where;
          else
            EXPECT_TRUE(found == before || found == after) << where;
          if (!is_stopped) break;
          ++stops;
          if (found == before) {
            ScriptFolder again(home, {}, faultless);
            EXPECT_TRUE(change.make(again)) << where;
            EXPECT_EQ(whole_state(home), after) << where;
          }
        }
  EXPECT_GT(stops, 200);
}

TEST(ScriptFolder, AFullDiskIsToldAndChangesNothing) {
  for (int at = 1; at <= 4; ++at) {
    const TempFolder temp;
    lay_out(temp.path() / "home", "active");
    FaultDisk disk({.fault = FaultDisk::Fault::once, .at = at, .error = ENOSPC});
    ScriptFolder folder(temp.path() / "home", {}, disk);
    const auto put = folder.put("a", "other");
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().kind, ErrorKind::temporary);
    EXPECT_EQ(active_text(temp.path() / "home"), "text a");
    EXPECT_EQ(folder.put("a", "other"), Outcome::done);
  }
}

}  // namespace
}  // namespace posthorn::scripts
