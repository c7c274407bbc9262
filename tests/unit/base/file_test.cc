// Files: what is replaced is the old one or the new one whatever fails on the way, nothing is
// followed or opened that is no plain file, and a descriptor is closed once.
#include "base/file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "tests/support/fault_disk.h"
#include "tests/support/temp_folder.h"

namespace posthorn {
namespace {

namespace fs = std::filesystem;
using test::FaultDisk;
using test::TempFolder;

std::string text_of(const Path& path) {
  const auto text = read_file(path);
  return !text ? "(" + text.error().what + ")" : *text ? **text : "(none)";
}

std::size_t entries(const Path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(File, ClosesOnceAndMoves) {
  const TempFolder folder;
  const Path path = folder.write("x", "y");
  auto opened = Disk::real().open(path, OpenMode::read);
  ASSERT_TRUE(opened);
  File file = *std::move(opened);
  const int fd = file.fd();
  EXPECT_TRUE(is_open(fd));
  EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC);
  File other = std::move(file);
  EXPECT_FALSE(file.is_open());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(other.fd(), fd);
  File& self = other;
  other = std::move(self);
  EXPECT_TRUE(is_open(fd));
  File third(::dup(fd));
  const int third_fd = third.fd();
  third = std::move(other);
  EXPECT_FALSE(is_open(third_fd));
  EXPECT_EQ(third.release(), fd);
  third.close();
  EXPECT_TRUE(is_open(fd));
  {
    const File last(fd);
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(Disk, OpenModes) {
  const TempFolder folder;
  Disk& disk = Disk::real();
  const Path path = folder.path() / "a";
  EXPECT_FALSE(disk.open(path, OpenMode::read));
  EXPECT_FALSE(disk.open(path, OpenMode::update));
  auto file = disk.open(path, OpenMode::create);
  ASSERT_TRUE(file);
  EXPECT_TRUE(disk.write(*file, "hello"));
  EXPECT_TRUE(disk.write_at(*file, "J", 0));
  EXPECT_FALSE(disk.open(path, OpenMode::create));  // never one that is there
  auto more = disk.open(path, OpenMode::append);
  ASSERT_TRUE(more);
  EXPECT_TRUE(disk.write(*more, " there"));
  EXPECT_EQ(text_of(path), "Jello there");
  EXPECT_TRUE(disk.truncate(*file, 5));
  EXPECT_TRUE(disk.sync(*file));
  EXPECT_EQ(text_of(path), "Jello");
  const auto info = find_file_info(path);
  ASSERT_TRUE(info && *info);
  EXPECT_EQ((*info)->mode & 07777U, 0600U);
  EXPECT_EQ((*info)->size, 5U);
  EXPECT_TRUE((*info)->is_regular());
}

TEST(Disk, OnlyPlainFilesAreOpened) {
  const TempFolder folder;
  const Path path = folder.path() / "x";
  const struct {
    const char* what;
    std::function<void()> make;
  } rows[] = {
      {"a link", [&] { fs::create_symlink(folder.write("target", "secret"), path); }},
      {"a dangling link", [&] { fs::create_symlink("/nowhere/x", path); }},
      {"a fifo", [&] { ::mkfifo(path.c_str(), 0600); }},  // and it does not hang
      {"a folder", [&] { fs::create_directory(path); }},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    row.make();
    EXPECT_FALSE(Disk::real().open(path, OpenMode::read));
    EXPECT_FALSE(Disk::real().open(path, OpenMode::create));
    fs::remove_all(path);
  }
}

TEST(Disk, NamesMoveAndGo) {
  const TempFolder folder;
  Disk& disk = Disk::real();
  const Path a = folder.write("a", "A"), b = folder.write("b", "B"), c = folder.path() / "c";
  EXPECT_FALSE(disk.link(a, b));
  EXPECT_TRUE(disk.link(a, c));
  EXPECT_TRUE(disk.rename(a, b));
  EXPECT_EQ(text_of(b), "A");
  EXPECT_TRUE(disk.remove(a));  // not there: no error
  EXPECT_TRUE(disk.remove(c));
  EXPECT_TRUE(disk.make_folder(folder.path() / "d"));
  EXPECT_TRUE(disk.make_folder(folder.path() / "d"));
  EXPECT_EQ(fs::status(folder.path() / "d").permissions(), fs::perms::owner_all);
  folder.write("d/x", "");
  EXPECT_FALSE(disk.remove_folder(folder.path() / "d"));
  EXPECT_FALSE(disk.remove(folder.path() / "d"));
  EXPECT_TRUE(disk.remove(folder.path() / "d/x"));
  EXPECT_TRUE(disk.remove_folder(folder.path() / "d"));
  EXPECT_FALSE(disk.sync_folder(folder.path() / "d"));
  EXPECT_TRUE(disk.sync_folder(folder.path()));
  const WallTime then{std::chrono::milliseconds(1'600'000'000'123)};
  EXPECT_TRUE(disk.set_modified(b, then));
  EXPECT_EQ((*find_file_info(b))->modified, then);
  EXPECT_FALSE(disk.set_modified(a, then));
}

TEST(Disk, AFullOneSaysSo) {
  const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (fd < 0) GTEST_SKIP() << "no /dev/full here";
  const File file(fd);
  const auto written = Disk::real().write(file, "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::temporary);
  EXPECT_NE(written.error().what.find("No space left"), std::string::npos);
}

// A pipe takes as much as it has room for: the rest is written when there is some again.
TEST(Disk, AShortWriteGoesOn) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const File in(ends[0]);
  const std::string text(300'000, 'x');
  Result<> written;
  std::thread writer([&, out = File(ends[1])]() mutable {
    written = Disk::real().write(out, text);
    out.close();
  });
  std::string got, piece(4096, '\0');
  for (ssize_t n = 0; (n = ::read(in.fd(), piece.data(), piece.size())) > 0;)
    got.append(piece, 0, static_cast<std::size_t>(n));
  writer.join();
  EXPECT_EQ(got, text);
  EXPECT_TRUE(written);
}

TEST(ReadFile, Rows) {
  const TempFolder folder;
  EXPECT_FALSE(read_file(folder.path() / "none")->has_value());
  EXPECT_EQ(text_of(folder.write("empty", "")), "");
  const std::string bytes("a\0b\r\n\xFF", 6);
  EXPECT_EQ(text_of(folder.write("bytes", bytes)), bytes);
  const Path large = folder.write("large", std::string(100, 'x'));
  EXPECT_FALSE(read_file(large, 99));
  EXPECT_TRUE(read_file(large, 100));
  EXPECT_FALSE(read_file(folder.path()));
  // One error kind says "never", the other "not now".
  EXPECT_EQ(read_file(folder.path()).error().kind, ErrorKind::permanent);
  ::mkfifo((folder.path() / "fifo").c_str(), 0600);
  EXPECT_FALSE(read_file(folder.path() / "fifo"));
  EXPECT_FALSE(find_file_info(folder.path() / "none")->has_value());
  EXPECT_FALSE(find_file_info(large / "below a file")->has_value());
  EXPECT_TRUE((*find_file_info(folder.path()))->is_folder());
}

TEST(ReadAt, GivesLessOnlyAtTheEnd) {
  const TempFolder folder;
  const auto file = Disk::real().open(folder.write("x", "0123456789"), OpenMode::read);
  ASSERT_TRUE(file);
  const struct {
    std::size_t want;
    std::uint64_t offset;
    std::string got;
  } rows[] = {{4, 0, "0123"}, {4, 8, "89"}, {4, 10, ""},
              {4, 1000, ""},  {0, 3, ""},   {10, 0, "0123456789"}};
  for (const auto& row : rows) {
    std::string buffer(row.want, '\0');
    const auto n = read_at(*file, buffer, row.offset);
    ASSERT_TRUE(n);
    EXPECT_EQ(buffer.substr(0, *n), row.got);
  }
}

TEST(ReplaceFile, ModeAndContent) {
  const TempFolder folder;
  const Path path = folder.path() / "x";
  ASSERT_TRUE(replace_file(Disk::real(), path, "one", 0640));
  EXPECT_EQ(text_of(path), "one");
  EXPECT_EQ((*find_file_info(path))->mode & 07777U, 0640U);
  ASSERT_TRUE(replace_file(Disk::real(), path, ""));
  EXPECT_EQ(text_of(path), "");
  EXPECT_EQ((*find_file_info(path))->mode & 07777U, 0600U);
  // A link is replaced, not followed.
  const Path target = folder.write("target", "secret");
  fs::create_symlink(target, folder.path() / "link");
  ASSERT_TRUE(replace_file(Disk::real(), folder.path() / "link", "mine"));
  EXPECT_EQ(text_of(target), "secret");
  EXPECT_FALSE(replace_file(Disk::real(), folder.path() / "no/folder", "x"));
  EXPECT_EQ(entries(folder.path()), 3U);
}

// Each operation fails in turn, and in turn is the last one before the end, with and without power.
TEST(ReplaceFile, IsAllOrNothing) {
  using Fault = FaultDisk::Fault;
  for (const bool power_cut : {false, true})
    for (const Fault fault : {Fault::once, Fault::for_good})
      for (int at = 1; at <= 6; ++at) {
        SCOPED_TRACE(at);
        const TempFolder folder;
        const Path path = folder.write("x", "old");
        FaultDisk disk(fault, at);
        const bool done = replace_file(disk, path, "the new text").has_value();
        EXPECT_EQ(done, at == 6);  // create, write, sync, rename, sync of the folder
        EXPECT_EQ(disk.syncs_after_failed(), 0);
        if (power_cut) disk.cut_power();
        const std::string text = text_of(path);
        if (done) EXPECT_EQ(text, "the new text");
        EXPECT_TRUE(text == "old" || text == "the new text") << text;
        if (fault == Fault::once && !power_cut) EXPECT_EQ(entries(folder.path()), 1U);
      }
}

TEST(MakeFolders, MakesWhatIsMissingAndSyncsEachName) {
  const TempFolder folder;
  FaultDisk disk;
  const Path deep = folder.path() / "a/b/c";
  ASSERT_TRUE(make_folders(disk, deep));
  EXPECT_TRUE(make_folders(disk, deep));
  EXPECT_TRUE(fs::is_directory(deep));
  EXPECT_EQ(std::ranges::count(disk.operations(), FaultDisk::Op::sync_folder), 3);
  disk.cut_power();
  EXPECT_TRUE(fs::is_directory(deep));
}

// The shared disk itself: a test that stands on it must not pass because it forgets nothing.
TEST(FaultDiskItself, ForgetsWhatWasNotSynced) {
  const TempFolder folder;
  const Path a = folder.write("a", "A"), b = folder.path() / "b", c = folder.path() / "c";
  FaultDisk disk;
  auto more = disk.open(a, OpenMode::append);
  ASSERT_TRUE(disk.write(*more, "+"));
  auto file = disk.open(b, OpenMode::create);
  ASSERT_TRUE(disk.write(*file, "kept"));
  ASSERT_TRUE(disk.sync(*file));
  ASSERT_TRUE(disk.sync_folder(folder.path()));
  ASSERT_TRUE(disk.write(*file, " lost"));
  ASSERT_TRUE(disk.rename(b, c));
  auto gone = disk.open(folder.path() / "d", OpenMode::create);
  ASSERT_TRUE(disk.write(*gone, "x"));
  ASSERT_TRUE(disk.sync(*gone));  // the bytes, but not the name
  ASSERT_TRUE(disk.remove(a));
  disk.cut_power();
  EXPECT_EQ(text_of(a), "A");
  EXPECT_EQ(text_of(b), "kept");
  EXPECT_EQ(text_of(c), "(none)");
  EXPECT_EQ(text_of(folder.path() / "d"), "(none)");
}

TEST(FaultDiskItself, FailsWhereItIsTold) {
  const TempFolder folder;
  FaultDisk disk({.fault = FaultDisk::Fault::once, .at = 2, .error = ENOSPC});
  auto file = disk.open(folder.path() / "a", OpenMode::create);
  ASSERT_TRUE(file);
  const auto written = disk.write(*file, "12345678");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().what.find("No space left"), std::string::npos);
  EXPECT_EQ(text_of(folder.path() / "a"), "1234");  // a short one
  EXPECT_TRUE(disk.write(*file, "9"));
  disk.arm({.fault = FaultDisk::Fault::once, .at = 1});
  EXPECT_FALSE(disk.sync(*file));
  EXPECT_TRUE(disk.sync(*file));  // the kernel's lie
  EXPECT_EQ(disk.syncs_after_failed(), 1);
  disk.arm({.fault = FaultDisk::Fault::for_good, .at = 2});
  EXPECT_TRUE(disk.sync_folder(folder.path()));
  EXPECT_FALSE(disk.is_killed());
  EXPECT_FALSE(disk.remove(folder.path() / "a"));
  EXPECT_FALSE(disk.remove(folder.path() / "a"));
  EXPECT_TRUE(disk.is_killed());
  EXPECT_TRUE(fs::exists(folder.path() / "a"));
}

}  // namespace
}  // namespace posthorn
