// The spool alone: what was said to be on disk is on disk, whole and once, whatever operation the
// machine stopped at or failed in; and what a disk has damaged is never taken for a message, nor
// for a list of recipients that was never written.
#include "queue/spool.h"

#include <cerrno>
#include <sys/stat.h>

#include "harness.h"
#include "queue/spool_format.h"

namespace posthorn::queue {
namespace {

namespace fs = std::filesystem;
using Kind = LogRecord::Kind;

LogRecord line(Kind kind, std::size_t recipient = 0, std::string text = {}) {
  LogRecord record;
  record.kind = kind;
  record.recipient = recipient;
  record.text = std::move(text);
  return record;
}

// A Spool and what it stands on.
struct OpenSpool {
  OpenSpool(const Path& folder, Disk& disk)
      : spool(folder / "spool", disk, pool, loop.executor()) {}
  Result<std::string> write(const message::Envelope& envelope, std::string_view text) {
    return loop.run(write_all(spool, envelope, text));
  }
  static net::Task<std::string> write_all(Spool& spool, message::Envelope envelope,
                                          std::string_view text) {
    Spool::Writer writer(spool, std::move(envelope), WallTime(1'000'000ms));
    for (std::size_t at = 0; at < text.size(); at += 30'000)
      CO_TRY_OK(co_await writer.write(text.substr(at, 30'000)));
    CO_TRY(const auto stored, co_await writer.commit());
    co_return stored.id;
  }
  Result<> append(const std::string& id, std::vector<LogRecord> records) {
    return loop.run(spool.append(id, std::move(records)));
  }
  test::TestLoop loop;
  net::BlockingPool pool{1};
  Spool spool;
};

std::string text_of(const Spool& spool, const Stored& stored) {
  return read_text(spool.message_path(stored.id)).substr(stored.body_offset, stored.body_size);
}

const std::string kShort = "Subject: short\r\n\r\nbody\r\n";
const std::string kLong = "Subject: long\r\n\r\n" + std::string(200'000, 'x') + "\r\n";

message::Envelope three() {
  message::Envelope envelope = envelope_to({"a@example.org", "b@far.test", "c@far.test"});
  envelope.recipients[1].original = "rfc822;old\tb\n@far.test";
  envelope.recipients[2].notify = {
      .never = false, .success = true, .failure = true, .delay = false};
  envelope.id = "env id\n=";
  envelope.ret = message::Ret::headers;
  envelope.origin.helo = "evil\r\n\twords\\";
  return envelope;
}

// What the rest of the program was told.
struct Told {
  struct Mail {
    message::Envelope envelope;
    std::string text;
    std::map<std::size_t, RecipientState> certain;   // recorded: must be found so
    std::map<std::size_t, RecipientState> possible;  // its recording failed: may be found so
    bool held = false, maybe_held = false;
    bool removing = false, removed = false;
  };
  std::map<std::string, Mail> mails;
};

void note(OpenSpool& run, Told& told, const std::string& id, Kind kind, std::size_t recipient) {
  const bool done = run.append(id, {line(kind, recipient, "250 said\nso")}).has_value();
  Told::Mail& mail = told.mails[id];
  if (kind == Kind::hold) (done ? mail.held : mail.maybe_held) = true;
  const auto state = kind == Kind::delivered ? RecipientState::delivered
                     : kind == Kind::failed  ? RecipientState::failed
                                             : RecipientState::bounced;
  if (kind == Kind::delivered || kind == Kind::failed || kind == Kind::bounced)
    (done ? mail.certain : mail.possible)[recipient] = state;
}

std::string take(OpenSpool& run, Told& told, const message::Envelope& envelope,
                 const std::string& text) {
  const auto id = run.write(envelope, text);
  if (!id) return {};
  told.mails[*id] = {.envelope = envelope, .text = text};
  return *id;
}

void finish(OpenSpool& run, Told& told, const std::string& id) {
  told.mails[id].removing = true;
  told.mails[id].removed = run.loop.run(run.spool.remove(id)).has_value();
}

// Everything a queue does to its spool; goes on after a failure as the queue would.
void work(OpenSpool& run, Told& told) {
  if (!run.spool.recover()) return;
  const std::string first = take(run, told, three(), kShort);
  const std::string second = take(run, told, three(), kLong);
  for (const std::string& id : {first, second}) {
    if (id.empty()) continue;
    note(run, told, id, Kind::delivered, 0);
    note(run, told, id, Kind::deferred, 1);
    note(run, told, id, Kind::failed, 2);
  }
  // The bounce is there before its cause is done with.
  message::Envelope notice = envelope_to({"sender@example.org"}, "");
  notice.origin.sent_by = message::SentBy::notice;
  const std::string bounce = take(run, told, notice, kShort);
  if (!first.empty() && !bounce.empty()) note(run, told, first, Kind::bounced, 2);
  if (!second.empty()) note(run, told, second, Kind::hold, 0);
  if (!bounce.empty()) {
    note(run, told, bounce, Kind::delivered, 0);
    if (told.mails[bounce].certain.contains(0)) finish(run, told, bounce);
  }
  const std::string third = take(run, told, three(), kShort);
  if (!third.empty()) note(run, told, third, Kind::delivered, 2);
}

void expect_mail(const Told::Mail& mail, const Stored& stored, const Spool& spool) {
  EXPECT_EQ(stored.envelope, mail.envelope);
  EXPECT_EQ(text_of(spool, stored), mail.text);
  EXPECT_TRUE(spool.is_intact(stored).value_or(false));
  if (mail.held) EXPECT_TRUE(stored.is_held);
  if (!mail.held && !mail.maybe_held) EXPECT_FALSE(stored.is_held);
  for (std::size_t i = 0; i < stored.recipients.size(); ++i) {
    const RecipientState state = stored.recipients[i].state;
    const auto certain = mail.certain.find(i), possible = mail.possible.find(i);
    if (possible != mail.possible.end() && state == possible->second) continue;
    EXPECT_EQ(state, certain == mail.certain.end() ? RecipientState::waiting : certain->second)
        << "recipient " << i;
  }
}

// Starts anew on a sound disk.
void expect_kept(const Path& folder, const Told& told) {
  FaultDisk disk;
  OpenSpool run(folder, disk);
  const auto found = run.spool.recover();
  ASSERT_TRUE(found) << found.error().what;
  std::set<std::string> seen;
  std::size_t strangers = 0;
  for (const Stored& stored : *found) {
    EXPECT_TRUE(seen.insert(stored.id).second) << stored.id << " is there twice";
    const auto mail = told.mails.find(stored.id);
    if (mail != told.mails.end()) {
      expect_mail(mail->second, stored, run.spool);
      EXPECT_FALSE(mail->second.removed) << "removed, and there again";
      continue;
    }
    // Never acknowledged: whole and new, or not at all.
    ++strangers;
    EXPECT_TRUE(run.spool.is_intact(stored).value_or(false));
    for (const RecipientStatus& recipient : stored.recipients)
      EXPECT_EQ(recipient.state, RecipientState::waiting);
  }
  EXPECT_LE(strangers, 1U);
  for (const auto& [id, mail] : told.mails)
    if (!mail.removing) EXPECT_TRUE(seen.contains(id)) << id << " was acknowledged and is gone";
  EXPECT_TRUE(names_in(folder / "spool/incoming").empty());
  EXPECT_TRUE(names_in(folder / "spool/corrupt").empty());
  for (const std::string& name : names_in(folder / "spool/active"))
    EXPECT_TRUE(seen.contains(name.substr(0, 13))) << name << " belongs to nothing";
  // And it works on: what is recorded now is there the next time.
  Told more;
  for (const Stored& stored : *found) {
    ASSERT_TRUE(run.append(stored.id, {line(Kind::delivered, 0, "now")}));
  }
  const auto again = run.spool.recover();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->size(), found->size());
  for (const Stored& stored : *again)
    EXPECT_EQ(stored.recipients[0].state, RecipientState::delivered) << stored.id;
}

int operations() {
  TempFolder folder;
  FaultDisk disk;
  OpenSpool run(folder.path(), disk);
  Told told;
  work(run, told);
  EXPECT_EQ(told.mails.size(), 4U);
  return disk.count();
}

struct Fall {
  const char* name;
  FaultDisk::Fault fault;
  int error;
  bool power_cut;
};
void PrintTo(const Fall& fall, std::ostream* out) {
  *out << fall.name;
}

class SpoolFalls : public testing::TestWithParam<Fall> {};

TEST_P(SpoolFalls, AtEveryOperation) {
  const CapturedLog log;
  const int all = operations();
  EXPECT_GT(all, 40);
  for (int at = 1; at <= all && !HasFailure(); ++at) {
    SCOPED_TRACE("at operation " + std::to_string(at));
    TempFolder folder;
    FaultDisk disk({.fault = GetParam().fault, .at = at, .error = GetParam().error});
    Told told;
    {
      OpenSpool run(folder.path(), disk);
      work(run, told);
    }
    EXPECT_EQ(disk.syncs_after_failed(), 0);
    if (GetParam().power_cut) disk.cut_power();
    if (GetParam().fault == FaultDisk::Fault::once && at > 10) EXPECT_GE(told.mails.size(), 3U);
    expect_kept(folder.path(), told);
  }
}

using Fault = FaultDisk::Fault;
std::string name_of(const testing::TestParamInfo<Fall>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(Rows, SpoolFalls,
                         testing::Values(Fall{"killed", Fault::for_good, EIO, false},
                                         Fall{"power_cut", Fault::for_good, EIO, true},
                                         Fall{"io_error_then_power_cut", Fault::once, EIO, true},
                                         Fall{"no_space", Fault::once, ENOSPC, false}),
                         name_of);
INSTANTIATE_TEST_SUITE_P(CrashRows, SpoolFalls,
                         testing::Values(Fall{"no_space_then_power_cut", Fault::once, ENOSPC, true},
                                         Fall{"quota", Fault::once, EDQUOT, true},
                                         Fall{"io_error", Fault::once, EIO, false},
                                         Fall{"no_descriptor", Fault::once, EMFILE, true},
                                         Fall{"read_only", Fault::once, EROFS, true}),
                         name_of);

// The fault comes while the log grows, and only then power goes.
TEST(Spool, ALogThatCouldNotBeSyncedIsWrittenAnew) {
  const CapturedLog log;
  for (const FaultDisk::Op op : {FaultDisk::Op::write, FaultDisk::Op::sync}) {
    TempFolder folder;
    FaultDisk disk;
    std::string id;
    {
      OpenSpool run(folder.path(), disk);
      ASSERT_TRUE(run.spool.recover());
      id = *run.write(three(), kShort);
      ASSERT_TRUE(run.append(id, {line(Kind::delivered, 0)}));
      disk.arm({.fault = Fault::once, .at = op == FaultDisk::Op::write ? 2 : 3});
      EXPECT_FALSE(run.append(id, {line(Kind::delivered, 1)}));
      EXPECT_EQ(disk.operations().back(), op);
      EXPECT_TRUE(run.append(id, {line(Kind::delivered, 2)}));
      EXPECT_EQ(disk.syncs_after_failed(), 0);
    }
    disk.cut_power();
    FaultDisk sound;
    OpenSpool run(folder.path(), sound);
    const auto found = run.spool.recover();
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 1U);
    EXPECT_EQ(found->front().recipients[0].state, RecipientState::delivered);
    EXPECT_EQ(found->front().recipients[2].state, RecipientState::delivered);
  }
}

// Killed before the folder was synced, started, and then the power went: what was found at the
// start has been counted on.
TEST(Spool, WhatAStartFindsIsThereForGood) {
  TempFolder folder;
  FaultDisk disk;
  std::string id;
  {
    OpenSpool run(folder.path(), disk);
    ASSERT_TRUE(run.spool.recover());
    disk.arm({.fault = Fault::for_good, .at = 5});  // create, write, sync, rename, no folder's sync
    EXPECT_FALSE(run.write(three(), kShort));
    EXPECT_EQ(names_in(folder.path() / "spool/active").size(), 1U);
    disk.arm({});
  }
  {
    OpenSpool run(folder.path(), disk);
    const auto found = run.spool.recover();
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 1U);
    id = found->front().id;
    ASSERT_TRUE(run.append(id, {line(Kind::delivered, 0)}));
  }
  disk.cut_power();
  FaultDisk sound;
  OpenSpool run(folder.path(), sound);
  const auto found = run.spool.recover();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().recipients[0].state, RecipientState::delivered);
}

TEST(Spool, AWriterThatFailedOnceTakesNothingMore) {
  TempFolder folder;
  FaultDisk disk;
  OpenSpool run(folder.path(), disk);
  ASSERT_TRUE(run.spool.recover());
  struct Steps {
    static net::Task<int> run(Spool& spool, FaultDisk& disk) {
      int taken = 0;
      Spool::Writer writer(spool, three(), WallTime(1ms));
      disk.arm({.fault = Fault::once, .at = 2, .error = ENOSPC});  // after the open: the write
      taken += (co_await writer.write(kLong)).has_value() ? 1 : 0;
      taken += (co_await writer.write(kLong)).has_value() ? 1 : 0;
      taken += (co_await writer.commit()).has_value() ? 1 : 0;
      Spool::Writer other(spool, three(), WallTime(1ms));
      disk.arm({.fault = Fault::once, .at = 3, .error = EIO});  // open, write, sync
      taken += (co_await other.commit()).has_value() ? 1 : 0;
      taken += (co_await other.commit()).has_value() ? 1 : 0;  // not the same pages again
      co_return taken;
    }
  };
  EXPECT_EQ(run.loop.run(Steps::run(run.spool, disk)).value_or(-1), 0);
  EXPECT_EQ(disk.syncs_after_failed(), 0);
  EXPECT_TRUE(names_in(folder.path() / "spool/incoming").empty());
  EXPECT_TRUE(names_in(folder.path() / "spool/active").empty());
}

TEST(Spool, WhatWasNotCommittedLeavesNothing) {
  TempFolder folder;
  FaultDisk disk;
  OpenSpool run(folder.path(), disk);
  ASSERT_TRUE(run.spool.recover());
  struct Steps {
    static net::Task<> run(Spool& spool) {
      Spool::Writer writer(spool, three(), WallTime(1ms));
      co_return co_await writer.write(kLong);
    }
  };
  EXPECT_TRUE(run.loop.run(Steps::run(run.spool)));
  EXPECT_TRUE(names_in(folder.path() / "spool/incoming").empty());
}

// A reader of before passes over when and who; a log of before says neither.
TEST(Spool, AttemptsAreReadBack) {
  const TempFolder folder;
  FaultDisk disk;
  OpenSpool run(folder.path(), disk);
  ASSERT_TRUE(run.spool.recover());
  const auto id = run.write(three(), kShort);
  ASSERT_TRUE(id);
  EXPECT_TRUE(run.spool.read_attempts(*id)->empty());
  LogRecord later = line(Kind::deferred, 2, "451 a\tb\n");
  later.at = WallTime(7'000ms);
  later.remote = "mx.far.test[192.0.2.1]:25";
  LogRecord tried = line(Kind::tried);
  tried.at = WallTime(8'000ms);
  ASSERT_TRUE(run.append(*id, {line(Kind::delivered, 0, "250 ok"), later, tried}));
  const auto attempts = run.spool.read_attempts(*id);
  ASSERT_TRUE(attempts);
  ASSERT_EQ(attempts->size(), 2U);
  EXPECT_EQ((*attempts)[0].at, WallTime{});
  EXPECT_EQ((*attempts)[0].remote, "");
  EXPECT_EQ((*attempts)[1].at, later.at);
  EXPECT_EQ((*attempts)[1].remote, later.remote);
  EXPECT_EQ((*attempts)[1].text, later.text);
}

// A spool with a victim and a bystander, as they are on disk.
class SpoolDamage : public testing::Test {
 protected:
  void SetUp() override {
    OpenSpool run(folder_.path(), disk_);
    ASSERT_TRUE(run.spool.recover());
    victim_ = *run.write(three(), kShort);
    other_ = *run.write(envelope_to({"x@example.org"}), kShort);
    LogRecord tried = line(Kind::tried);
    tried.next_try = WallTime(5'000'000ms);
    ASSERT_TRUE(run.append(
        victim_, {line(Kind::delivered, 0, "250 ok"), line(Kind::failed, 1, "550 no"), tried}));
    message_ = read_text(active() / victim_);
    log_text_ = read_text(active() / (victim_ + ".log"));
  }
  Path active() const { return folder_.path() / "spool/active"; }
  Path corrupt() const { return folder_.path() / "spool/corrupt"; }

  // The victim as the spool finds it now, and that the bystander is found as ever.
  std::optional<Stored> recovered(OpenSpool& run) {
    const auto found = run.spool.recover();
    EXPECT_TRUE(found);
    std::optional<Stored> victim;
    std::size_t others = 0;
    for (const Stored& stored : found.value_or(std::vector<Stored>{})) {
      if (stored.id == victim_) victim = stored;
      others += stored.id == other_ ? 1 : 0;
    }
    EXPECT_EQ(others, 1U);
    return victim;
  }
  void restore() {
    fs::remove_all(active() / victim_);
    fs::remove_all(active() / (victim_ + ".log"));
    for (const std::string& name : names_in(corrupt())) fs::remove_all(corrupt() / name);
    write_text(active() / victim_, message_);
    write_text(active() / (victim_ + ".log"), log_text_);
  }
  // The message file is not what was written.
  void expect_not_taken(OpenSpool& run, const CapturedLog& log) {
    const auto victim = recovered(run);
    if (victim) {
      EXPECT_EQ(victim->envelope, three());
      EXPECT_FALSE(run.spool.is_intact(*victim).value_or(true)) << "a damaged text goes unnoticed";
      return;
    }
    EXPECT_EQ(names_in(corrupt()).size(), 2U);  // with its log
    EXPECT_EQ(log.count("event=queue.corrupt"), 1);
    EXPECT_FALSE(fs::exists(active() / victim_));
  }
  // Its log is not: recipients may be undone that were done, never the other way round.
  void expect_careful(OpenSpool& run, const CapturedLog& log, bool is_whole) {
    const auto victim = recovered(run);
    ASSERT_TRUE(victim);
    EXPECT_EQ(victim->envelope, three());
    ASSERT_EQ(victim->recipients.size(), 3U);
    const RecipientState right[] = {RecipientState::delivered, RecipientState::failed,
                                    RecipientState::waiting};
    bool less = victim->tries != 1;
    for (std::size_t i = 0; i < 3; ++i) {
      less |= victim->recipients[i].state != right[i];
      EXPECT_TRUE(victim->recipients[i].state == right[i] ||
                  victim->recipients[i].state == RecipientState::waiting);
    }
    // A log that ends with a whole line is not damaged: nothing more was ever written.
    if (less && !is_whole) EXPECT_EQ(log.count("event=queue.log.damaged"), 1);
  }

  TempFolder folder_;
  FaultDisk disk_;
  std::string victim_, other_, message_, log_text_;
};

TEST_F(SpoolDamage, AMessageCutAtEachByte) {
  for (std::size_t size = 0; size < message_.size() && !HasFailure(); ++size) {
    SCOPED_TRACE(size);
    restore();
    write_text(active() / victim_, message_.substr(0, size));
    const CapturedLog log;
    OpenSpool run(folder_.path(), disk_);
    expect_not_taken(run, log);
    EXPECT_FALSE(fs::exists(active() / victim_)) << "a cut message is quarantined at once";
  }
}

TEST_F(SpoolDamage, AMessageWithEachByteFlipped) {
  OpenSpool run(folder_.path(), disk_);
  for (const char mask : {'\x01', '\x20'})
    for (std::size_t at = 0; at < message_.size() && !HasFailure(); ++at) {
      SCOPED_TRACE(at);
      restore();
      std::string text = message_;
      text[at] = static_cast<char>(text[at] ^ mask);
      write_text(active() / victim_, text);
      const CapturedLog log;
      expect_not_taken(run, log);
    }
}

TEST_F(SpoolDamage, AMessageWithMoreBehindIt) {
  for (const std::string& more : {std::string(1, '\0'), std::string(4096, '\0'), kShort}) {
    restore();
    write_text(active() / victim_, message_ + more);
    const CapturedLog log;
    OpenSpool run(folder_.path(), disk_);
    expect_not_taken(run, log);
  }
}

TEST_F(SpoolDamage, ALogCutAtEachByteAndWithEachByteFlipped) {
  for (std::size_t at = 0; at < log_text_.size() && !HasFailure(); ++at)
    for (const int how : {0, 0x01, 0x20}) {
      SCOPED_TRACE(std::to_string(at) + " mask " + std::to_string(how));
      restore();
      std::string text = log_text_;
      if (how == 0)
        text.resize(at);
      else
        text[at] = static_cast<char>(text[at] ^ how);
      write_text(active() / (victim_ + ".log"), text);
      const CapturedLog log;
      OpenSpool run(folder_.path(), disk_);
      expect_careful(run, log, how == 0 && (text.empty() || text.ends_with('\n')));
      // What is recorded behind the damage is believed the next time.
      ASSERT_TRUE(run.append(victim_, {line(Kind::delivered, 2)}));
      const auto victim = recovered(run);
      ASSERT_TRUE(victim);
      EXPECT_EQ(victim->recipients[2].state, RecipientState::delivered);
    }
}

TEST_F(SpoolDamage, ThingsThatAreNoMessages) {
  const std::string nuls(4096, '\0');
  struct Row {
    const char* what;
    std::string name;
    std::function<void(const Path&)> make;
    bool is_quarantined = true;
  };
  const auto file = [](std::string text) {
    return [text](const Path& path) { write_text(path, text); };
  };
  const auto make_folder = [](const Path& path) {
    fs::create_directory(path);
    write_text(path / "x", "y");
  };
  const std::string id = "0123456789ABC";
  const std::vector<Row> rows = {
      {"zero length", id, file("")},
      {"NULs", id, file(nuls)},
      {"a foreign file with an id's name", id, file("hello\n")},
      {"a foreign file", "core.1234", file("hello\n")},
      {"a hidden file", ".hidden", file("")},
      {"a folder", "folder", make_folder},
      {"a folder with an id's name", id, make_folder},
      {"a symbolic link", id, [](const Path& path) { fs::create_symlink("/etc/passwd", path); }},
      {"a dangling link", id, [](const Path& path) { fs::create_symlink("/none", path); }},
      {"a fifo", id, [](const Path& path) { ::mkfifo(path.c_str(), 0600); }},
      {"a log without a message", id + ".log", file(log_text_), false},
      {"a folder as log without a message", id + ".log", make_folder, false},
      {"an unfinished new log", victim_ + ".log.new.01234567", file(log_text_), false},
      {"only a preamble", id, file(message_.substr(0, 67))},
      {"another's message", id, file("PHSPOOL9" + message_.substr(8))},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    restore();
    row.make(active() / row.name);
    const CapturedLog log;
    {
      OpenSpool run(folder_.path(), disk_);
      EXPECT_TRUE(recovered(run));
    }
    EXPECT_EQ(log.count("event=queue.corrupt"),
              row.is_quarantined || fs::is_directory(active() / row.name) ? 1 : 0);
    EXPECT_EQ(names_in(corrupt()).size(), row.is_quarantined ? 1U : 0U);
    fs::remove_all(active() / row.name);
  }
}

// A later version's file is no damaged one: nothing is moved, and the start is refused.
TEST_F(SpoolDamage, ALaterVersionsQueueIsLeftAsItIs) {
  const auto preamble = parse_preamble(std::string_view(message_).substr(0, kPreambleSize));
  ASSERT_TRUE(preamble);
  Preamble later = *preamble;
  later.version = '3';
  const std::string envelope = message_.substr(kPreambleSize, preamble->envelope_size);
  const std::string file = format_preamble(later, envelope) + message_.substr(kPreambleSize);
  write_text(active() / victim_, file);
  OpenSpool run(folder_.path(), disk_);
  const auto found = run.spool.recover();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::config);
  EXPECT_TRUE(found.error().what.contains(victim_)) << found.error().what;
  EXPECT_EQ(read_text(active() / victim_), file);
  EXPECT_TRUE(names_in(corrupt()).empty());
}

// As the first version wrote it, to the octet: what an upgrade finds in the queue.
TEST(Spool, AFileOfTheFirstVersionIsRead) {
  const TempFolder folder;
  fs::create_directories(folder.path() / "spool/active");
  const Path path = folder.path() / "spool/active/0123456789ABC";
  write_text(path,
             "PHSPOOL1 0000000301 000000000024 160224abcd480502 f02b40e9d3902215\n"
             "1\tenvelope\tarrived=1000000\tbounce=0\tsender=sender@example.org\tenvid=env id\\n="
             "\tret=2\t8bit=0\tutf8=0\tsession=S1\taddress=\tname=\thelo=evil\\r\\n\\twords\\\\"
             "\tprotocol=\taccount=\tto=a@example.org\toriginal=\tnotify=0011\tto=b@far.test"
             "\toriginal=rfc822;old\\tb\\n@far.test\tnotify=0011\tto=c@far.test\toriginal="
             "\tnotify=0110\n" +
                 kShort);
  write_text(path.native() + ".log",
             "49074acc986abb7f 1\tdelivered\tr=0\ttext=250 ok\n"
             "5578fcd7e9ef6319 1\tfailed\tr=1\ttext=550 no\n"
             "48a4962cf1bbf440 1\ttried\tr=0\ttext=\tnext=5000000\tage=0\tat=0\n");
  FaultDisk disk;
  OpenSpool run(folder.path(), disk);
  const auto found = run.spool.recover();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  const Stored& stored = found->front();
  EXPECT_EQ(stored.envelope, three());
  EXPECT_EQ(stored.version, '1');
  EXPECT_EQ(stored.arrived, WallTime(1'000'000ms));
  EXPECT_EQ(stored.recipients[0].state, RecipientState::delivered);
  EXPECT_EQ(stored.recipients[1].state, RecipientState::failed);
  EXPECT_EQ(stored.recipients[2].state, RecipientState::waiting);
  EXPECT_EQ(stored.next_try, WallTime(5'000'000ms));
  EXPECT_EQ(stored.tries, 1U);
  EXPECT_TRUE(run.spool.is_intact(stored).value_or(false));
  EXPECT_EQ(text_of(run.spool, stored), kShort);
}

// As the second version wrote it: who sent it, and what the stranger named.
TEST(Spool, AFileOfTheSecondVersion) {
  const TempFolder folder;
  FaultDisk disk;
  OpenSpool run(folder.path(), disk);
  ASSERT_TRUE(run.spool.recover());
  message::Envelope envelope = three();
  envelope.origin.sent_by = message::SentBy::trusted_network;
  envelope.recipients[1].named = "old\tb@example.org";
  envelope.token = "is not for the disk";
  const auto id = run.write(envelope, kShort);
  ASSERT_TRUE(id);
  const std::string file = read_text(run.spool.message_path(*id));
  EXPECT_EQ(file.substr(kPreambleSize),
            "1\tenvelope\tarrived=1000000\tby=trusted-network\tsender=sender@example.org"
            "\tenvid=env id\\n=\tret=2\t8bit=0\tutf8=0\tsession=S1\taddress=\tname="
            "\thelo=evil\\r\\n\\twords\\\\\tprotocol=\taccount=\tto=a@example.org\toriginal="
            "\tnotify=0011\tto=b@far.test\toriginal=rfc822;old\\tb\\n@far.test"
            "\tnamed=old\\tb@example.org\tnotify=0011\tto=c@far.test\toriginal=\tnotify=0110\n" +
                kShort);
  EXPECT_TRUE(file.starts_with("PHSPOOL2 "));
  ASSERT_TRUE(run.append(
      *id, {{.kind = Kind::failed, .recipient = 1, .text = "554 5.7.1 no", .is_own_refusal = true},
            line(Kind::failed, 2, "550 no")}));
  OpenSpool again(folder.path(), disk);
  const auto found = again.spool.recover();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  envelope.token.clear();
  EXPECT_EQ(found->front().envelope, envelope);
  EXPECT_EQ(found->front().version, '2');
  EXPECT_FALSE(found->front().recipients[0].is_own_refusal);
  EXPECT_TRUE(found->front().recipients[1].is_own_refusal);
  EXPECT_FALSE(found->front().recipients[2].is_own_refusal);
}

// The first version did not say who sent a message; what follows from its fields is the least that
// it can have been.
TEST(Spool, WhoSentAMessageOfTheFirstVersion) {
  using message::SentBy;
  const struct {
    std::string fields;
    SentBy sent_by;
  } rows[] = {
      {"bounce=0\tprotocol=ESMTPS\taccount=\tto=a@x.test", SentBy::stranger},
      {"bounce=0\tprotocol=ESMTPSA\taccount=\tto=a@x.test", SentBy::stranger},
      {"bounce=1\tprotocol=\taccount=\tto=a@x.test", SentBy::notice},
      {"bounce=0\tprotocol=ESMTPSA\taccount=al@x.test\tto=a@far.test\toriginal=rfc822;a@far.test",
       SentBy::user},
      {"bounce=0\tprotocol=ESMTPSA\taccount=al@x.test\tto=a@far.test\toriginal=rfc822;list@x.test",
       SentBy::user},
      {"bounce=0\taddress=local\tprotocol=ESMTP\taccount=root@x.test\tto=a@x.test",
       SentBy::program},
      {"bounce=0\tprotocol=ESMTPS\taccount=al@x.test\tto=a@far.test", SentBy::sent_on},
      // Her script sends on what a user sent her: that one's Received keyword, her account.
      {"bounce=0\tprotocol=ESMTPSA\taccount=al@x.test\tto=a@far.test\toriginal=rfc822;Al+t@x.test",
       SentBy::sent_on},
      {"bounce=0\tby=user\tprotocol=ESMTPS\taccount=\tto=a@x.test", SentBy::stranger},
  };
  for (const auto& row : rows) {
    Stored stored;
    stored.version = kFirstVersion;
    ASSERT_TRUE(parse_envelope("1\tenvelope\t" + row.fields, stored)) << row.fields;
    EXPECT_EQ(stored.envelope.origin.sent_by, row.sent_by) << row.fields;
    EXPECT_EQ(stored.envelope.origin.account.empty(),
              !message::is_ours(row.sent_by) || row.sent_by == SentBy::notice)
        << row.fields;
  }
}

TEST_F(SpoolDamage, AFolderInIncomingHindersNobody) {
  fs::create_directory(folder_.path() / "spool/incoming/folder");
  write_text(folder_.path() / "spool/incoming/0123456789ABC", "half");
  const CapturedLog log;
  OpenSpool run(folder_.path(), disk_);
  EXPECT_TRUE(recovered(run));
  EXPECT_EQ(names_in(folder_.path() / "spool/incoming"), std::vector<std::string>{"folder"});
  EXPECT_EQ(log.count("event=queue.corrupt"), 1);
}

TEST_F(SpoolDamage, AFutureTimeOfTheFileIsNothing) {
  fs::last_write_time(active() / victim_, fs::file_time_type::clock::now() + 24h * 3650);
  OpenSpool run(folder_.path(), disk_);
  EXPECT_TRUE(recovered(run));
}

TEST_F(SpoolDamage, ALogThatIsAFolderSetsTheMessageAside) {
  fs::remove(active() / (victim_ + ".log"));
  fs::create_directory(active() / (victim_ + ".log"));
  const CapturedLog log;
  OpenSpool run(folder_.path(), disk_);
  EXPECT_FALSE(recovered(run));
  EXPECT_EQ(names_in(corrupt()).size(), 2U);
}

// "Could not read" is not "broken": with no descriptor left the mail of a whole queue would be set
// aside.
TEST_F(SpoolDamage, WhatCannotBeReadNowStaysWhereItIs) {
  for (const int error : {EMFILE, EIO, EACCES, ENOMEM}) {
    FaultDisk disk({.fault = Fault::once, .at = 1, .error = error, .with_reads = true});
    const CapturedLog log;
    OpenSpool run(folder_.path(), disk);
    const auto found = run.spool.recover();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->size(), 1U);
    EXPECT_EQ(log.count("event=queue.disk.failed"), 1);
    EXPECT_TRUE(names_in(corrupt()).empty());
    EXPECT_TRUE(fs::exists(active() / victim_) && fs::exists(active() / other_));
  }
}

}  // namespace
}  // namespace posthorn::queue
