#include "queue/spool.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "base/events.h"
#include "base/fnv.h"
#include "base/ids.h"
#include "message/headers.h"
#include "queue/spool_format.h"

namespace posthorn::queue {
namespace {

constexpr std::size_t kBufferMax = 65'536;
constexpr std::size_t kMessageIdMax = 500;
constexpr std::uint64_t kEnvelopeMax = 64U << 20U;

Result<std::vector<std::string>> names_in(const Path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator at(folder, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error))
    names.push_back(at->path().filename());
  if (error)
    return fail(ErrorKind::temporary, fmt::format("{}: {}", folder.native(), error.message()));
  return names;
}

bool is_id(std::string_view name) {
  if (name.size() != 13) return false;
  for (const char c : name)
    if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z')) return false;
  return true;
}

}  // namespace

FolderSync::FolderSync(Disk& disk, net::BlockingPool& pool, net::Executor executor, Path folder)
    : disk_(disk), pool_(pool), folder_(std::move(folder)), done_(std::move(executor)) {}

net::Task<> FolderSync::sync() {
  const std::uint64_t mine = ++asked_;
  while (synced_ < mine) {
    if (failed_ >= mine) co_return fail(ErrorKind::temporary, "the folder could not be synced");
    if (running_) {
      co_await done_.wait(SteadyTime::max());
      continue;
    }
    running_ = true;
    const std::uint64_t upto = asked_;
    const auto synced = co_await pool_.run([this] { return disk_.sync_folder(folder_); });
    running_ = false;
    (synced ? synced_ : failed_) = upto;
    done_.set();
  }
  co_return Result<>{};
}

Spool::Spool(const Path& root, Disk& disk, net::BlockingPool& pool, net::Executor executor)
    : root_(root),
      incoming_(root / "incoming"),
      active_(root / "active"),
      corrupt_(root / "corrupt"),
      disk_(disk),
      pool_(pool),
      active_sync_(disk, pool, std::move(executor), active_) {}

Result<std::vector<Stored>> Spool::recover() {
  for (const Path& folder : {incoming_, active_, corrupt_}) TRY_OK(make_folders(disk_, folder));
  TRY(const auto half, names_in(incoming_));
  for (const std::string& name : half) TRY_OK(sweep(incoming_ / name));
  TRY(const auto names, names_in(active_));
  std::vector<Stored> found;
  for (const std::string& name : names) {
    const std::size_t unfinished = name.find(".log.new.");
    if (unfinished != std::string::npos && is_id(std::string_view(name).substr(0, unfinished))) {
      TRY_OK(sweep(active_ / name));
      continue;
    }
    if (name.ends_with(".log") && is_id(std::string_view(name).substr(0, name.size() - 4))) {
      const auto owner = find_file_info(active_ / name.substr(0, name.size() - 4));
      if (owner && !*owner) TRY_OK(sweep(active_ / name));
      continue;
    }
    if (!is_id(name)) {
      quarantine(name, "no queue file's name");
      continue;
    }
    auto stored = load(name);
    // What cannot be read now (no descriptor is left, no right to it) may be whole: it stays.
    if (!stored &&
        (stored.error().kind == ErrorKind::permanent || stored.error().kind == ErrorKind::protocol))
      quarantine(name, stored.error().what);
    else if (!stored && stored.error().kind == ErrorKind::config)
      return std::unexpected(stored.error());
    else if (!stored)
      log_.with_queue(name).error(event::queue_disk_failed, {{"reason", stored.error().what}});
    else if (*stored)
      found.push_back(**std::move(stored));
  }
  // A name that was there after a kill need not be there after a power cut: from here on it is.
  TRY_OK(disk_.sync_folder(active_));
  return found;
}

// A file that nobody owns goes; a folder, or what cannot be removed, is in nobody's way.
Result<> Spool::sweep(const Path& path) const {
  TRY(const auto info, find_file_info(path));
  if (!info) return {};
  const auto removed = info->is_folder()
                           ? fail(ErrorKind::permanent, "a folder stands in the spool")
                           : disk_.remove(path);
  if (!removed)
    log_.error(event::queue_corrupt, {{"reason", removed.error().what}, {"file", path.native()}});
  return {};
}

void Spool::quarantine(const std::string& name, std::string_view why) {
  const std::string kept = name + "." + random_hex(4);
  log_.with_queue(name).error(event::queue_corrupt,
                              {{"reason", why}, {"file", (corrupt_ / kept).native()}});
  (void)disk_.rename(active_ / name, corrupt_ / kept);
  // Who has the message already stands in its log.
  const auto log = find_file_info(active_ / (name + ".log"));
  if (log && *log) (void)disk_.rename(active_ / (name + ".log"), corrupt_ / (kept + ".log"));
}

Result<std::string> Spool::read_log(const std::string& id) const {
  TRY(auto log, read_file(active_ / (id + ".log")));
  return log ? *std::move(log) : std::string();
}

Result<std::optional<Stored>> Spool::load(const std::string& id) {
  const Path path = active_ / id;
  TRY(const auto info, find_file_info(path));
  if (!info) return std::nullopt;
  const auto broken = [](std::string_view why) {
    return fail(ErrorKind::permanent, std::string(why));
  };
  if (!info->is_regular()) return broken("not a regular file");
  TRY(const File file, disk_.open(path, OpenMode::read));
  std::string head(kPreambleSize, '\0');
  TRY(const auto n, read_at(file, head, 0));
  const auto preamble = parse_preamble(std::string_view(head).substr(0, n));
  if (!preamble) return broken("not a spool file");
  const std::uint64_t size = preamble->envelope_size;
  if (size == 0 || size > kEnvelopeMax || size + kPreambleSize > info->size)
    return broken("the envelope is cut");
  std::string line(size, '\0');
  TRY(const auto got, read_at(file, line, kPreambleSize));
  Stored stored;
  stored.id = id;
  stored.body_offset = kPreambleSize + size;
  stored.body_size = preamble->body_size;
  stored.body_checksum = preamble->body_checksum;
  if (got != size || format_preamble(*preamble, line) != head)
    return broken("the envelope's checksum is wrong");
  if (preamble->version > kVersion)
    return fail(ErrorKind::config,
                fmt::format("{}: written by a later version of this program, which alone can "
                            "empty this queue",
                            path.native()));
  stored.version = preamble->version;
  TRY_OK(parse_envelope(std::string_view(line).substr(0, line.size() - 1), stored));
  if (stored.body_offset + stored.body_size != info->size)
    return broken("the text is not as long as it was");
  TRY(const auto log, read_log(id));
  const std::size_t sound = sound_size(log);
  apply_log(std::string_view(log).substr(0, sound), stored);
  if (sound != log.size()) {
    log_.with_queue(id).warn(event::queue_log_damaged, {{"bytes", log.size() - sound}});
    const std::scoped_lock lock(broken_lock_);
    broken_logs_.insert(id);
  }
  return stored;
}

Result<bool> Spool::is_intact(const Stored& stored) const {
  TRY(const File file, disk_.open(message_path(stored.id), OpenMode::read));
  std::string piece(kBufferMax, '\0');
  std::uint64_t sum = kFnvStart;
  for (std::uint64_t at = stored.body_offset;;) {
    TRY(const auto n, read_at(file, piece, at));
    sum = fnv1a(std::string_view(piece).substr(0, n), sum);
    at += n;
    if (n < piece.size()) return sum == stored.body_checksum;
  }
}

Result<std::vector<Spool::FoundField>> Spool::find_fields(
    const Stored& stored, const std::function<bool(std::string_view name)>& is_wanted) const {
  TRY(const File file, disk_.open(message_path(stored.id), OpenMode::read));
  message::HeaderCollector header;
  std::string piece(kBufferMax, '\0');
  for (std::uint64_t done = 0; done < stored.body_size && !header.is_whole();) {
    TRY(const auto n, read_at(file, piece, stored.body_offset + done));
    if (n == 0) break;
    header.feed(std::string_view(piece).substr(0, n));
    done += n;
  }
  header.finish();
  std::vector<FoundField> found;
  const message::Headers headers(header.block());
  for (const message::Field& field : headers.fields())
    if (is_wanted(field.name))
      found.push_back({static_cast<std::uint64_t>(field.raw.data() - header.block().data()),
                       field.raw.size(), std::string(field.name), std::string(field.value)});
  return found;
}

Result<std::optional<Stored>> Spool::read(const std::string& id) {
  if (!is_id(id)) return std::nullopt;
  return load(id);
}

Result<std::vector<LogRecord>> Spool::read_attempts(const std::string& id) const {
  TRY(const auto log, read_log(id));
  auto records = parse_log(std::string_view(log).substr(0, sound_size(log)));
  std::erase_if(records, [](const LogRecord& record) { return !record.is_attempt(); });
  return records;
}

net::Task<> Spool::append(std::string id, std::vector<LogRecord> records) {
  CO_TRY(const bool is_new, co_await pool_.run([&] { return append_now(id, records); }));
  if (is_new) CO_TRY_OK(co_await active_sync_.sync());
  const std::scoped_lock broken(broken_lock_);
  broken_logs_.erase(id);
  co_return Result<>{};
}

// True: the log's name is new, and lasts only when the folder is synced.
Result<bool> Spool::append_now(const std::string& id, const std::vector<LogRecord>& records) {
  std::string lines;
  for (const LogRecord& record : records) lines += format_record(record);
  const Path path = active_ / (id + ".log");
  bool was_broken = false;
  {
    // Whole only when this has gone well to its end.
    const std::scoped_lock broken(broken_lock_);
    was_broken = !broken_logs_.insert(id).second;
  }
  if (was_broken) {
    TRY(const auto log, read_log(id));
    TRY_OK(replace_file(disk_, path, log.substr(0, sound_size(log)) + lines));
    return false;
  }
  TRY(const auto before, find_file_info(path));
  TRY(const File file, disk_.open(path, OpenMode::append));
  TRY_OK(disk_.write(file, lines));
  TRY_OK(disk_.sync(file));
  return !before;
}

net::Task<> Spool::remove(std::string id) {
  CO_TRY_OK(co_await pool_.run([&] { return disk_.remove(active_ / id); }));
  // A disk may bring back the one name and not the other: without its log the message would be
  // nobody's yet.
  CO_TRY_OK(co_await active_sync_.sync());
  CO_TRY_OK(co_await pool_.run([&] { return disk_.remove(active_ / (id + ".log")); }));
  const std::scoped_lock lock(broken_lock_);
  broken_logs_.erase(id);
  co_return Result<>{};
}

bool Spool::is_full(const config::Queue& config) const {
  struct statvfs st{};
  if (::statvfs(root_.c_str(), &st) != 0) return false;
  return st.f_bavail * st.f_frsize < config.free_min;
}

Spool::Writer::Writer(Spool& spool, message::Envelope envelope, WallTime now) : spool_(spool) {
  stored_.envelope = std::move(envelope);
  stored_.arrived = now;
  stored_.next_try = now;
  stored_.version = kVersion;
  stored_.recipients.resize(stored_.envelope.recipients.size());
  stored_.body_checksum = kFnvStart;
  envelope_ = format_envelope(stored_);
  buffer_ = format_preamble({.envelope_size = envelope_.size(), .body_checksum = 0}, envelope_) +
            envelope_;
  stored_.body_offset = buffer_.size();
}

Spool::Writer::~Writer() {
  if (!path_.empty()) (void)spool_.disk_.remove(path_);
}

// In the pool: makes the file when there is something to write.
Result<> Spool::Writer::flush() {
  look_for_message_id();
  for (int attempt = 0; !file_.is_open(); ++attempt) {
    stored_.id = make_queue_id(stored_.arrived);
    // A clash with a message that is there would replace it at the rename.
    TRY(const auto taken, find_file_info(spool_.active_ / stored_.id));
    auto file = taken ? fail(ErrorKind::temporary, "taken")
                      : spool_.disk_.open(spool_.incoming_ / stored_.id, OpenMode::create);
    if (file) {
      file_ = *std::move(file);
      path_ = spool_.incoming_ / stored_.id;
    } else if (attempt == 5) {
      return std::unexpected(file.error());
    }
  }
  TRY_OK(spool_.disk_.write(file_, buffer_));
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

// For who looks for the message by it. The beginning is still at hand here; a header that is longer
// than the buffer may hide it.
void Spool::Writer::look_for_message_id() {
  if (file_.is_open()) return;
  const auto text = std::string_view(buffer_).substr(stored_.body_offset);
  const auto end = message::find_header_end(text, message::Input::whole);
  const message::Headers headers(text.substr(0, end ? end->header_size : text.size()));
  stored_.message_id = headers.find("Message-ID").value_or("").substr(0, kMessageIdMax);
}

// What is only known at the end: how long the text is, and its checksum.
Result<> Spool::Writer::put_preamble() {
  stored_.body_size = written_ + buffer_.size() - stored_.body_offset;
  const std::string preamble = format_preamble({.envelope_size = envelope_.size(),
                                                .body_size = stored_.body_size,
                                                .body_checksum = stored_.body_checksum},
                                               envelope_);
  if (file_.is_open()) return spool_.disk_.write_at(file_, preamble, 0);
  buffer_.replace(0, preamble.size(), preamble);
  return {};
}

net::Task<> Spool::Writer::write(std::string_view bytes) {
  if (failed_) co_return fail(ErrorKind::temporary, "the message could not be written");
  stored_.body_checksum = fnv1a(bytes, stored_.body_checksum);
  buffer_ += bytes;
  if (buffer_.size() < kBufferMax) co_return Result<>{};
  const auto written = co_await spool_.pool_.run([this] { return flush(); });
  failed_ = !written;
  co_return written;
}

net::Task<Stored> Spool::Writer::commit() {
  if (failed_) co_return fail(ErrorKind::temporary, "the message could not be written");
  failed_ = true;  // unless all of it goes well
  CO_TRY_OK(co_await spool_.pool_.run([this]() -> Result<> {
    TRY_OK(put_preamble());
    TRY_OK(flush());
    TRY_OK(spool_.disk_.sync(file_));
    TRY_OK(spool_.disk_.rename(path_, spool_.active_ / stored_.id));
    path_ = spool_.active_ / stored_.id;  // until the folder is synced it may still have to go
    return {};
  }));
  CO_TRY_OK(co_await spool_.active_sync_.sync());
  path_.clear();
  file_.close();
  failed_ = false;
  co_return stored_;
}

}  // namespace posthorn::queue
