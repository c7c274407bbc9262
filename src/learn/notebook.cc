#include "learn/notebook.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "base/log.h"
#include "store/line_ends.h"

namespace posthorn::learn {
namespace {

constexpr std::string_view kMagic = "posthorn-lessons 1 ";
constexpr std::string_view kUnfinished = "new.";
constexpr std::size_t kHeadMax = 1024;  // an address has 320
constexpr std::size_t kSizeMax = 24;    // digits and LF
constexpr std::size_t kPiece = 64U << 10U;

std::optional<std::uint64_t> find_number(std::string_view name) {
  if (name.size() != 16) return std::nullopt;
  return to_number<std::uint64_t>(name, 16);
}

// The line that begins at offset, without its LF; nullopt: there is none of so many bytes.
Result<std::optional<std::string>> read_line(const File& file, std::uint64_t offset,
                                             std::size_t max) {
  std::string line(max, '\0');
  TRY(const std::size_t n, read_at(file, line, offset));
  line.resize(n);
  const std::size_t end = line.find('\n');
  if (end == std::string::npos) return std::nullopt;
  line.resize(end);
  return line;
}

// Pages, and what is half of one, of the workers from this one on; none where nothing was noted.
Result<std::vector<Path>> find_pages(const Path& store_state, std::size_t from) {
  const Path root = notebook_folder(store_state, 0).parent_path();
  std::vector<Path> pages;
  std::error_code error;
  std::filesystem::directory_iterator at(root, error);
  if (error == std::errc::no_such_file_or_directory) return pages;
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    const auto worker = to_number<std::size_t>(at->path().filename().native());
    if (!worker || *worker < from) continue;
    for (std::filesystem::directory_iterator page(at->path(), error);
         !error && page != std::filesystem::directory_iterator(); page.increment(error)) {
      const std::string name = page->path().filename().native();
      if (find_number(name) || name.starts_with(kUnfinished)) pages.push_back(page->path());
    }
  }
  if (error)
    return fail(ErrorKind::temporary, fmt::format("{}: {}", root.native(), error.message()));
  return pages;
}

}  // namespace

Result<std::optional<Page>> read_page(const Path& path, std::uint64_t number) {
  TRY(const File file, Disk::real().open(path, OpenMode::read));
  TRY(const FileInfo info, read_file_info(file));
  TRY(const auto head, read_line(file, 0, kHeadMax));
  if (!head || !head->starts_with(kMagic)) return std::nullopt;
  const std::string_view words = std::string_view(*head).substr(kMagic.size());
  const std::size_t space = words.find(' ');
  const auto what = message::find_mail_class(words.substr(0, space));
  if (!what || space == std::string_view::npos) return std::nullopt;
  Page page{.number = number,
            .what = *what,
            .account = std::string(words.substr(space + 1)),
            .messages = {},
            .next = 0,
            .bytes = info.size};
  for (std::uint64_t at = head->size() + 1; at < info.size;) {
    TRY(const auto line, read_line(file, at, kSizeMax));
    const auto size = line ? to_number<std::uint64_t>(*line) : std::nullopt;
    if (!size) return std::nullopt;
    at += line->size() + 1;
    if (*size > info.size - at) return std::nullopt;
    page.messages.push_back({at, *size});
    at += *size;
  }
  if (page.messages.empty()) return std::nullopt;
  return page;
}

Path notebook_folder(const Path& store_state, std::size_t worker) {
  return store_state / "lessons" / std::to_string(worker);
}

Result<> adopt_pages(Disk& disk, const Path& store_state, std::size_t workers) {
  const Path mine = notebook_folder(store_state, 0);
  TRY_OK(make_folders(disk, mine));
  TRY(const auto theirs, find_pages(store_state, workers));
  for (const Path& page : theirs) {
    // Linked first: one of the same microsecond is not lost under the other's name.
    if (!find_number(page.filename().native()) || !disk.link(page, mine / page.filename()))
      continue;
    TRY_OK(disk.sync_folder(mine));
    TRY_OK(disk.remove(page));
  }
  return {};
}

Result<> forget_pages(Disk& disk, const Path& store_state) {
  TRY(const auto pages, find_pages(store_state, 0));
  for (const Path& page : pages) TRY_OK(disk.remove(page));
  return {};
}

Notebook::Notebook(Path folder, Disk& disk, net::BlockingPool& pool, const Clock& clock,
                   Bounds bounds)
    : folder_(std::move(folder)), disk_(disk), pool_(pool), clock_(clock), bounds_(bounds) {}

Path Notebook::path_of(std::uint64_t page) const {
  return folder_ / fmt::format("{:016x}", page);
}

// Pages are in order even when the clock is set back.
std::uint64_t Notebook::make_number() {
  const auto now = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(clock_.now().time_since_epoch())
          .count());
  last_number_ = std::max(last_number_ + 1, now);
  return last_number_;
}

void Notebook::take_in(Page page) {
  messages_ += page.messages.size() - page.next;
  bytes_ += page.bytes;
  last_number_ = std::max(last_number_, page.number);
  const auto at = std::ranges::upper_bound(pages_, page.number, {}, &Page::number);
  pages_.insert(at, std::move(page));
}

Result<> Notebook::remove(const Path& path) const {
  TRY_OK(disk_.remove(path));
  return disk_.sync_folder(folder_);
}

Result<std::vector<Page>> Notebook::load() const {
  TRY_OK(make_folders(disk_, folder_));
  std::vector<Page> pages;
  std::vector<Path> unfit;
  std::error_code error;
  std::filesystem::directory_iterator at(folder_, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().native();
    if (name.starts_with(kUnfinished)) unfit.push_back(at->path());
    const auto number = find_number(name);
    if (!number) continue;
    TRY(auto page, read_page(at->path(), *number));
    if (page)
      pages.push_back(*std::move(page));
    else
      unfit.push_back(at->path());
  }
  if (error)
    return fail(ErrorKind::temporary, fmt::format("{}: {}", folder_.native(), error.message()));
  for (const Path& path : unfit) {
    if (!path.filename().native().starts_with(kUnfinished))
      log::Logger{}.error(
          event::lesson_failed,
          {{"error", "what stands there is no page of lessons"}, {"file", path.native()}});
    TRY_OK(disk_.remove(path));
  }
  return pages;
}

net::Task<> Notebook::open() {
  CO_TRY(auto pages, co_await pool_.run([this] { return load(); }));
  for (Page& page : pages) take_in(std::move(page));
  co_return Result<>{};
}

net::Task<> Notebook::Writer::begin() {
  page_ = Page{.number = notebook_.make_number(),
               .what = what_,
               .account = account_,
               .messages = {},
               .next = 0,
               .bytes = 0};
  const std::string head = fmt::format("{}{} {}\n", kMagic, message::to_string(what_), account_);
  const Path path = notebook_.folder_ / fmt::format("{}{:016x}", kUnfinished, page_.number);
  CO_TRY(file_, co_await notebook_.pool_.run([&]() -> Result<File> {
    TRY(File file, notebook_.disk_.open(path, OpenMode::create));
    TRY_OK(notebook_.disk_.write(file, head));
    return file;
  }));
  page_.bytes = head.size();
  co_return Result<>{};
}

net::Task<> Notebook::Writer::add(const File& file, std::uint64_t size, std::uint64_t wire_size) {
  const Bounds& bounds = notebook_.bounds_;
  if (file_.is_open() && (page_.messages.size() >= bounds.page_messages_max ||
                          page_.bytes + wire_size > bounds.page_bytes_max))
    CO_TRY_OK(co_await finish());
  if (!file_.is_open()) CO_TRY_OK(co_await begin());
  const std::string line = fmt::format("{}\n", wire_size);
  CO_TRY_OK(co_await notebook_.pool_.run([&]() -> Result<> {
    Disk& disk = notebook_.disk_;
    TRY_OK(disk.write(file_, line));
    store::CrlfReader reader(file, 0, size, store::CrlfReader::Nul::kept);
    std::string piece(kPiece, '\0');
    std::uint64_t written = 0;
    while (true) {
      TRY(const std::size_t n, reader.read(piece));
      if (n == 0) break;
      TRY_OK(disk.write(file_, std::string_view(piece).substr(0, n)));
      written += n;
    }
    if (written == wire_size) return {};
    return fail(ErrorKind::temporary, "a message has another size than it had");
  }));
  page_.messages.push_back({page_.bytes + line.size(), wire_size});
  page_.bytes += line.size() + wire_size;
  co_return Result<>{};
}

net::Task<> Notebook::Writer::finish() {
  if (!file_.is_open()) co_return Result<>{};
  const File file = std::move(file_);
  const Path path = notebook_.path_of(page_.number);
  CO_TRY_OK(co_await notebook_.pool_.run([&]() -> Result<> {
    Disk& disk = notebook_.disk_;
    TRY_OK(disk.sync(file));
    TRY_OK(disk.rename(path.parent_path() / (std::string(kUnfinished) + path.filename().native()),
                       path));
    return disk.sync_folder(notebook_.folder_);
  }));
  notebook_.take_in(std::move(page_));
  co_return Result<>{};
}

net::Awaitable<void> Notebook::Writer::abandon() {
  if (page_.number == 0) co_return;
  file_.close();
  const Path path = notebook_.folder_ / fmt::format("{}{:016x}", kUnfinished, page_.number);
  // What cannot be removed now is at the next start.
  (void)co_await notebook_.pool_.run([&] { return notebook_.disk_.remove(path); });
}

net::Task<std::string> Notebook::read_next() const {
  const Page& page = pages_.front();
  const Page::Piece piece = page.messages[page.next];
  const Path path = path_of(page.number);
  co_return co_await pool_.run([&]() -> Result<std::string> {
    TRY(const File file, Disk::real().open(path, OpenMode::read));
    std::string bytes(piece.size, '\0');
    TRY(const std::size_t n, read_at(file, bytes, piece.offset));
    if (n == piece.size) return bytes;
    return fail(ErrorKind::temporary, fmt::format("{} is shorter than it was", path.native()));
  });
}

net::Task<> Notebook::turn(std::uint64_t number) {
  const auto page = std::ranges::find(pages_, number, &Page::number);
  if (page == pages_.end()) co_return Result<>{};  // it was torn out meanwhile
  ++page->next;
  --messages_;
  if (page->next < page->messages.size()) co_return Result<>{};
  bytes_ -= page->bytes;
  pages_.erase(page);
  co_return co_await pool_.run([&] { return remove(path_of(number)); });
}

net::Task<std::size_t> Notebook::tear_out() {
  const Page page = std::move(pages_.front());
  pages_.pop_front();
  const std::size_t left = page.messages.size() - page.next;
  messages_ -= left;
  bytes_ -= page.bytes;
  CO_TRY_OK(co_await pool_.run([&] { return remove(path_of(page.number)); }));
  co_return left;
}

}  // namespace posthorn::learn
