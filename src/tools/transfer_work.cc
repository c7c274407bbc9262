#include "tools/transfer_work.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <map>
#include <ranges>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "message/headers.h"
#include "message/mbox.h"
#include "store/annotations.h"
#include "store/dovecot_files.h"
#include "store/file_name.h"
#include "store/line_ends.h"
#include "store/mailbox_name.h"
#include "store/maildir.h"
#include "store/uidlist.h"
#include "tools/progress.h"
#include "tools/script_work.h"

namespace posthorn::tools {
namespace {

constexpr std::uint64_t kMessageMax = 2ULL << 30U;
constexpr int kRenamesMax = 5;

// A message on its way, whichever form it has outside.
struct Carried {
  std::string text;  // LF lines
  store::Flags flags = 0;
  std::vector<std::string> keywords;
  std::optional<WallTime> date;
  store::Uid uid = 0;
};

std::string seconds_of(WallTime time) {
  const auto since = time.time_since_epoch();
  return std::to_string(
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(since).count()));
}

net::Task<> stage(Desk desk, std::string folder, Carried mail) {
  std::string wire;
  store::CrlfConverter().append(mail.text, wire);
  for (std::size_t at = 0; at < wire.size(); at += store::kDeskPieceMax)
    CO_TRY_OK(co_await desk(net::Message("piece").add(
        "bytes", std::string_view(wire).substr(at, store::kDeskPieceMax))));
  std::erase_if(mail.keywords, [](const std::string& word) { return !store::is_keyword(word); });
  for (std::size_t at = 0; at < mail.keywords.size(); at += store::kDeskKeywordsMax) {
    net::Message some("keywords");
    for (std::size_t i = at; i < std::min(at + store::kDeskKeywordsMax, mail.keywords.size()); ++i)
      some.add("keyword", mail.keywords[i]);
    CO_TRY_OK(co_await desk(std::move(some)));
  }
  net::Message last("stage");
  last.add("mailbox", folder).add("flags", std::to_string(mail.flags));
  if (mail.uid != 0) last.add("uid", std::to_string(mail.uid));
  if (mail.date) last.add("date", seconds_of(*mail.date));
  CO_TRY_OK(co_await desk(std::move(last)));
  co_return Result<>{};
}

// All that was staged appears in its folders.
net::Task<> commit(Desk desk) {
  progress().say("are read and put in their places");
  CO_TRY_OK(co_await desk(net::Message("commit")));
  co_return Result<>{};
}

Carried carried_from(message::MboxMessage one) {
  const message::MboxMarks& marks = one.marks;
  const auto flag_if = [](bool is_set, store::Flags flag) {
    return is_set ? flag : store::Flags{0};
  };
  return {.text = std::move(one.text),
          .flags = static_cast<store::Flags>(flag_if(marks.seen, store::flag::seen) |
                                             flag_if(marks.answered, store::flag::answered) |
                                             flag_if(marks.flagged, store::flag::flagged) |
                                             flag_if(marks.deleted, store::flag::deleted) |
                                             flag_if(marks.draft, store::flag::draft)),
          .keywords = marks.keywords,
          .date = one.date};
}

// One folder of a maildir, in the order of its UIDs where they are known.
net::Task<std::size_t> stage_folder(Desk desk, Path path, std::string folder) {
  CO_TRY(auto scan, store::scan_maildir(path));
  CO_TRY(const auto keyword_file, read_file(path / "dovecot-keywords"));
  CO_TRY(const auto high_file, read_file(path / "posthorn-keywords"));
  const auto letter_names = store::parse_keywords(keyword_file.value_or(""));
  const auto high = store::parse_high_keywords(high_file.value_or(""));
  store::KeywordNames names;
  for (const auto& [number, name] : high.names) names.set(number, name);
  for (std::size_t letter = 0; letter < letter_names.size(); ++letter)
    names.set(letter, letter_names[letter]);
  CO_TRY(const auto uid_file, read_file(path / "dovecot-uidlist"));
  std::map<std::string, store::Uid, std::less<>> uids;
  if (uid_file) {
    if (const auto list = store::parse_uidlist(*uid_file)) {
      for (const auto& line : list->lines) uids.emplace(line.base, line.uid);
      CO_TRY_OK(co_await desk(net::Message("origin")
                                  .add("mailbox", folder)
                                  .add("uidvalidity", std::to_string(list->uidvalidity))
                                  .add("uidnext", std::to_string(list->next))));
    }
  }
  const auto uid_of = [&](const store::FolderFile& file) {
    const auto at = uids.find(file.base());
    return at == uids.end() ? 0 : at->second;
  };
  std::ranges::sort(scan.files, {}, [&](const store::FolderFile& file) {
    return std::pair<store::Uid, std::string_view>(uid_of(file) - 1, file.base());
  });
  std::size_t count = 0;
  for (const store::FolderFile& file : scan.files) {
    const Path at = path / (file.place == store::Place::in_new ? "new" : "cur") / file.name;
    CO_TRY(auto text, read_file(at, kMessageMax));
    CO_TRY(const auto info, find_file_info(at));
    if (!text || !info) continue;  // gone meanwhile
    const store::Letters letters = store::parse_info(file.info());
    Carried mail{.text = *std::move(text),
                 .flags = letters.flags,
                 .keywords = {},
                 .date = info->modified,
                 .uid = uid_of(file)};
    auto keywords = store::Keywords::of_mask(letters.keywords);
    if (const auto mark = high.marks.find(file.base()); mark != high.marks.end())
      keywords = keywords | mark->second;
    for (const std::string_view name : names.names_of(keywords)) mail.keywords.emplace_back(name);
    CO_TRY_OK(co_await stage(desk, folder, std::move(mail)));
    progress().count_one(folder);
    ++count;
  }
  co_return count;
}

Result<> write_all(const File& file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.fd(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("write", "the mbox file", errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

struct Listed {
  store::Uid uid = 0;
  store::Flags flags = 0;
  std::int64_t date = 0;
};

std::optional<Listed> parse_listed(std::string_view text) {
  std::istringstream in{std::string(text)};
  Listed one;
  unsigned flags = 0;
  if (!(in >> one.uid >> flags >> one.date)) return std::nullopt;
  one.flags = static_cast<store::Flags>(flags);
  return one;
}

// nullopt: it was expunged meanwhile.
net::Task<std::optional<std::string>> read_text(Desk desk, std::string folder, store::Uid uid) {
  std::string text;
  for (;;) {
    CO_TRY(const auto answer, co_await desk(net::Message("read")
                                                .add("mailbox", folder)
                                                .add("uid", std::to_string(uid))
                                                .add("offset", std::to_string(text.size()))));
    if (answer.verb == "gone") co_return std::nullopt;
    const std::string_view bytes = answer.get("bytes");
    if (bytes.empty()) co_return text;
    text += bytes;
    if (text.size() > kMessageMax) co_return fail(ErrorKind::permanent, "a message without end");
  }
}

net::Task<bool> export_one(Desk desk, const File& output, std::string folder, Listed one) {
  CO_TRY(auto text, co_await read_text(desk, folder, one.uid));
  if (!text) co_return false;
  message::MboxMessage message;
  message.text = *std::move(text);
  message.date = WallTime(std::chrono::seconds(one.date));
  message.marks = {.seen = (one.flags & store::flag::seen) != 0,
                   .old = true,
                   .answered = (one.flags & store::flag::answered) != 0,
                   .flagged = (one.flags & store::flag::flagged) != 0,
                   .deleted = (one.flags & store::flag::deleted) != 0,
                   .draft = (one.flags & store::flag::draft) != 0,
                   .keywords = {}};
  for (std::size_t before = 0;;) {
    CO_TRY(const auto words, co_await desk(net::Message("words")
                                               .add("mailbox", folder)
                                               .add("uid", std::to_string(one.uid))
                                               .add("from", std::to_string(before))));
    for (const std::string_view name : words.all("keyword"))
      message.marks.keywords.emplace_back(name);
    if (message.marks.keywords.size() - before < store::kDeskKeywordsMax) break;
    before = message.marks.keywords.size();
  }
  const auto end =
      message::find_header_end(message.text, message::Input::whole).value_or(message::HeaderEnd{});
  std::string sender = message::Headers(std::string_view(message.text).substr(0, end.header_size))
                           .find("Return-Path")
                           .value_or("");
  std::erase_if(sender, [](char c) { return c == '<' || c == '>'; });
  message.sender = std::move(sender);
  CO_TRY_OK(write_all(output, message::format_mbox_message(message)));
  co_return true;
}

net::Task<std::vector<std::string>> list_folders_of(Desk desk) {
  std::vector<std::string> folders;
  for (;;) {
    CO_TRY(const auto answer, co_await desk(net::Message("folders").add(
                                  "after", folders.empty() ? "" : folders.back())));
    if (answer.fields.empty()) co_return folders;
    for (const std::string_view name : answer.all("name")) folders.emplace_back(name);
  }
}

Result<> copy_dated(const Path& from, const Path& to) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(from, error);
  if (!error) std::filesystem::copy_file(from, to, error);
  if (!error) std::filesystem::last_write_time(to, time, error);
  if (error) return fail(ErrorKind::temporary, fmt::format("{}: {}", to.native(), error.message()));
  return {};
}

// A message's file may get another name while it is looked for. false: it went.
Result<bool> copy_message(const Path& from, store::FileLocation at, const Path& to) {
  for (int attempt = 0;; ++attempt) {
    const auto copied = copy_dated(at.path_in(from), at.path_in(to));
    if (copied) return true;
    TRY(auto now, store::find_message_file(from, at.base));
    if (!now) return false;
    if (attempt == kRenamesMax) return std::unexpected(copied.error());
    at = *std::move(now);
  }
}

// What Dovecot would find: the files of messages, and then the lists beside them, which so name at
// least all that were copied.
Result<std::size_t> copy_folder(const Path& from, const Path& to, std::string_view folder) {
  for (const char* name : {"", "cur", "new", "tmp"})
    TRY_OK(Disk::real().make_folder(*name == '\0' ? to : to / name));
  TRY(const auto scan, store::scan_maildir(from));
  std::size_t count = 0;
  for (const store::FolderFile& file : scan.files) {
    TRY(const bool is_copied, copy_message(from, file.location(), to));
    if (!is_copied) continue;
    ++count;
    progress().count_one(folder);
  }
  TRY(const auto names, store::list_names(from));
  for (const std::string& name : names)
    if (name == "subscriptions" || name == "maildirfolder" || name == "posthorn-keywords" ||
        name == store::kAnnotationsFile || name == store::kAccountAnnotationsFile ||
        (name.starts_with("dovecot-") && (name == "dovecot-uidlist" || name == "dovecot-keywords" ||
                                          name.starts_with("dovecot-uidvalidity"))))
      TRY_OK(copy_dated(from / name, to / name));
  return count;
}

}  // namespace

net::Task<net::Message> Desk::operator()(net::Message request) const {
  CO_TRY(auto answer, co_await ask_(std::move(request)));
  if (answer.verb == "ok" || answer.verb == "gone" || answer.verb == "none") co_return answer;
  const std::string_view error = answer.get("error");
  co_return fail(ErrorKind::permanent, error.empty() ? "the store refuses" : std::string(error));
}

net::Task<std::size_t> import_mbox(Desk desk, const File& input, std::string folder) {
  struct stat info{};
  const off_t begin = ::lseek(input.fd(), 0, SEEK_CUR);
  if (::fstat(input.fd(), &info) == 0 && S_ISREG(info.st_mode) && begin >= 0)
    progress().expect_bytes(static_cast<std::uint64_t>(std::max<off_t>(0, info.st_size - begin)));
  message::MboxReader reader;
  std::vector<char> buffer(256 * 1024);
  std::size_t count = 0;
  for (bool is_end = false; !is_end;) {
    const ssize_t n = ::read(input.fd(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) co_return fail_errno("read", "the mbox file", errno);
    is_end = n == 0;
    if (is_end)
      reader.finish();
    else
      reader.feed({buffer.data(), static_cast<std::size_t>(n)});
    if (reader.is_foreign())
      co_return fail(ErrorKind::permanent, "it does not begin with a From line: no mbox file");
    while (auto one = reader.take()) {
      const std::uint64_t end = one->end;
      CO_TRY_OK(co_await stage(desk, folder, carried_from(*std::move(one))));
      progress().count_one(folder, end);
      ++count;
    }
  }
  CO_TRY_OK(co_await commit(desk));
  co_return count;
}

net::Task<std::size_t> import_maildir(Desk desk, Path maildir, std::string folder) {
  CO_TRY(const auto folders, store::list_folders(maildir));
  const std::string above = folder == "INBOX" ? "" : folder + store::kSeparator;
  struct Source {
    Path path;
    std::string folder;
  };
  std::vector<Source> sources{{maildir, folder}};
  store::OddFolders odd;
  const auto is_taken = [&](std::string_view name) {
    return odd.contains(name) || std::ranges::binary_search(folders, store::folder_of(name));
  };
  for (const std::string& one : folders) {
    auto name = store::name_of_folder(one);
    if (!name && store::stamp_of(maildir / one / "cur") != store::Stamp{}) {
      name = store::readable_name(one, is_taken);
      if (name) odd.emplace(*name, one);
    }
    if (name) sources.push_back({maildir / one, above + *name});
  }
  std::size_t all = 0;
  for (const Source& source : sources) {
    CO_TRY(const auto scan, store::scan_maildir(source.path));
    all += scan.files.size();
  }
  progress().expect_messages(all);
  std::size_t count = 0;
  for (const Source& source : sources) {
    CO_TRY(const std::size_t more, co_await stage_folder(desk, source.path, source.folder));
    count += more;
  }
  if (folder == "INBOX") CO_TRY_OK(co_await import_scripts(desk, maildir));
  CO_TRY(const auto text, read_file(maildir / "subscriptions"));
  for (const Source& source : sources | std::views::drop(1))
    CO_TRY_OK(co_await desk(net::Message("create").add("name", source.folder)));
  CO_TRY_OK(co_await commit(desk));
  for (const std::string& name : store::parse_subscriptions(text.value_or("")).names)
    CO_TRY_OK(
        co_await desk(net::Message("subscribe")
                          .add("name", above.empty() || name != "INBOX" ? above + name : folder)));
  co_return count;
}

net::Task<std::size_t> export_mbox(Desk desk, const File& output, std::string folder) {
  std::size_t count = 0;
  store::Uid after = 0;
  for (;;) {
    CO_TRY(const auto answer,
           co_await desk(
               net::Message("list").add("mailbox", folder).add("after", std::to_string(after))));
    if (answer.fields.empty()) co_return count;
    for (const std::string_view text : answer.all("message")) {
      const auto one = parse_listed(text);
      if (!one || one->uid <= after) co_return fail(ErrorKind::protocol, "a strange answer");
      after = one->uid;
      CO_TRY(const bool is_there, co_await export_one(desk, output, folder, *one));
      if (!is_there) continue;
      ++count;
      progress().count_one(folder);
    }
  }
}

net::Task<std::size_t> export_one_mbox(Desk desk, const File& output, std::string folder) {
  CO_TRY(const std::size_t count, co_await export_mbox(desk, output, folder));
  CO_TRY(auto left, co_await list_folders_of(desk));
  std::erase(left, folder);
  progress().end();
  fmt::print(stderr, "took {}", folder);
  if (!left.empty())
    fmt::print(stderr, "; left {} (--folder names another; a folder as the place takes all)",
               fmt::join(left, ", "));
  fmt::print(stderr, "\n");
  co_return count;
}

net::Task<std::size_t> export_mboxes(Desk desk, Path place) {
  CO_TRY(const auto folders, co_await list_folders_of(desk));
  std::size_t count = 0;
  for (const std::string& folder : folders) {
    CO_TRY(const File output, Disk::real().open(place / (folder + ".mbox"), OpenMode::create));
    CO_TRY(const std::size_t more, co_await export_mbox(desk, output, folder));
    progress().end();
    fmt::print(stderr, "took {}: {} message{}\n", folder, more, more == 1 ? "" : "s");
    count += more;
  }
  co_return count;
}

net::Task<std::size_t> export_maildir(Desk desk, Path account, Path place) {
  CO_TRY_OK(co_await desk(net::Message("settle")));
  CO_TRY(std::size_t count, copy_folder(account, place, "INBOX"));
  CO_TRY(const auto folders, store::list_folders(account));
  CO_TRY(const auto odd_text, read_file(account / store::kOddFoldersFile, 16U << 20U));
  std::map<std::string, std::string> names;
  for (const auto& [name, folder] : store::parse_odd_folders(odd_text.value_or("")))
    names.emplace(folder, name);
  for (const std::string& folder : folders) {
    const auto odd = names.find(folder);
    const auto name = odd != names.end() ? odd->second : store::name_of_folder(folder);
    if (!name) continue;
    CO_TRY(const std::size_t more,
           copy_folder(account / folder, place / store::folder_of(*name), *name));
    count += more;
  }
  CO_TRY_OK(export_scripts(account, place));
  co_return count;
}

}  // namespace posthorn::tools
