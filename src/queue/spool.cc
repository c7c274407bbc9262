#include "queue/spool.h"

#include <charconv>
#include <fmt/format.h>
#include <sys/statvfs.h>

#include "base/events.h"
#include "base/ids.h"

namespace posthorn::queue {
namespace {

constexpr std::string_view kMagic = "PHSPOOL1 ";
constexpr std::size_t kPreambleSize = 9 + 10 + 1 + 16 + 1;
constexpr std::size_t kBufferMax = 65'536;
constexpr std::uint64_t kEnvelopeMax = 64U << 20U;

std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1'099'511'628'211U;
  }
  return hash;
}

std::string number(std::uint64_t n) {
  return fmt::format("{}", n);
}

std::uint64_t parse_number(std::string_view text) {
  std::uint64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

WallTime parse_time(std::string_view text) {
  return WallTime(std::chrono::milliseconds(parse_number(text)));
}
std::string format_time(WallTime time) {
  return number(
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.time_since_epoch().count())));
}

std::string format_envelope(const Stored& stored) {
  const message::Envelope& envelope = stored.envelope;
  const message::Origin& origin = envelope.origin;
  net::Message record("envelope");
  record.add("arrived", format_time(stored.arrived))
      .add("bounce", stored.is_bounce ? "1" : "0")
      .add("sender", envelope.sender);
  record.add("envid", envelope.id)
      .add("ret", number(static_cast<unsigned>(envelope.ret)))
      .add("8bit", envelope.eight_bit ? "1" : "0");
  record.add("utf8", envelope.smtputf8 ? "1" : "0")
      .add("session", origin.session)
      .add("address", origin.client_address);
  record.add("name", origin.client_name)
      .add("helo", origin.helo)
      .add("protocol", origin.protocol)
      .add("account", origin.account);
  for (const message::Recipient& to : envelope.recipients) {
    record.add("to", to.address).add("original", to.original);
    record.add("notify", fmt::format("{:d}{:d}{:d}{:d}", to.notify.never, to.notify.success,
                                     to.notify.failure, to.notify.delay));
  }
  return net::format_message("1", record);
}

Result<> parse_envelope(std::string_view line, Stored& stored) {
  TRY(const auto tagged, net::parse_message(line));
  message::Envelope& envelope = stored.envelope;
  message::Origin& origin = envelope.origin;
  for (const auto& [key, value] : tagged.message.fields) {
    if (key == "arrived")
      stored.arrived = parse_time(value);
    else if (key == "bounce")
      stored.is_bounce = value == "1";
    else if (key == "sender")
      envelope.sender = value;
    else if (key == "envid")
      envelope.id = value;
    else if (key == "ret")
      envelope.ret = value == "1"   ? message::Ret::full
                     : value == "2" ? message::Ret::headers
                                    : message::Ret::unset;
    else if (key == "8bit")
      envelope.eight_bit = value == "1";
    else if (key == "utf8")
      envelope.smtputf8 = value == "1";
    else if (key == "session")
      origin.session = value;
    else if (key == "address")
      origin.client_address = value;
    else if (key == "name")
      origin.client_name = value;
    else if (key == "helo")
      origin.helo = value;
    else if (key == "protocol")
      origin.protocol = value;
    else if (key == "account")
      origin.account = value;
    else if (key == "to")
      envelope.recipients.push_back({value, {}, {}});
    else if (key == "original" && !envelope.recipients.empty())
      envelope.recipients.back().original = value;
    else if (key == "notify" && !envelope.recipients.empty() && value.size() == 4)
      envelope.recipients.back().notify = {value[0] == '1', value[1] == '1', value[2] == '1',
                                           value[3] == '1'};
  }
  if (envelope.recipients.empty())
    return fail(ErrorKind::permanent, "an envelope without recipients");
  stored.recipients.resize(envelope.recipients.size());
  return {};
}

constexpr std::pair<LogRecord::Kind, std::string_view> kKinds[] = {
    {LogRecord::Kind::delivered, "delivered"}, {LogRecord::Kind::failed, "failed"},
    {LogRecord::Kind::bounced, "bounced"},     {LogRecord::Kind::deferred, "deferred"},
    {LogRecord::Kind::scanned, "scanned"},     {LogRecord::Kind::hold, "hold"},
    {LogRecord::Kind::release, "release"},     {LogRecord::Kind::warned, "warned"},
    {LogRecord::Kind::tried, "tried"},
};

std::string format_record(const LogRecord& record) {
  for (const auto& [kind, name] : kKinds) {
    if (kind != record.kind) continue;
    net::Message message{std::string(name)};
    message.add("r", number(record.recipient))
        .add("text", record.text)
        .add("next", format_time(record.next_try));
    const std::string line = net::format_message("1", message);
    return fmt::format("{:016x} {}", checksum(line), line);
  }
  return {};
}

void apply(const LogRecord& record, Stored& stored) {
  if (record.recipient >= stored.recipients.size()) return;
  RecipientStatus& recipient = stored.recipients[record.recipient];
  switch (record.kind) {
    case LogRecord::Kind::delivered:
      recipient = {RecipientState::delivered, record.text};
      break;
    case LogRecord::Kind::failed:
      recipient = {RecipientState::failed, record.text};
      break;
    case LogRecord::Kind::bounced:
      recipient.state = RecipientState::bounced;
      break;
    case LogRecord::Kind::deferred:
      if (recipient.state == RecipientState::waiting) recipient.reason = record.text;
      break;
    case LogRecord::Kind::scanned:
      stored.is_scanned = true;
      stored.headers = record.text;
      break;
    case LogRecord::Kind::hold:
      stored.is_held = true;
      break;
    case LogRecord::Kind::release:
      stored.is_held = false;
      break;
    case LogRecord::Kind::warned:
      stored.was_warned = true;
      break;
    case LogRecord::Kind::tried:
      ++stored.tries;
      stored.next_try = record.next_try;
      break;
  }
}

// Whole lines with a right checksum; what follows the first bad one is not believed.
void apply_log(std::string_view text, Stored& stored) {
  while (true) {
    const std::size_t lf = text.find('\n');
    if (lf == std::string_view::npos || lf < 17) return;
    const std::string_view line = text.substr(17, lf - 16);
    if (fmt::format("{:016x}", checksum(line)) != text.substr(0, 16)) return;
    const auto tagged = net::parse_message(line.substr(0, line.size() - 1));
    if (!tagged) return;
    for (const auto& [kind, name] : kKinds)
      if (name == tagged->message.verb)
        apply({kind, static_cast<std::size_t>(parse_number(tagged->message.get("r"))),
               std::string(tagged->message.get("text")), parse_time(tagged->message.get("next"))},
              stored);
    text.remove_prefix(lf + 1);
  }
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
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(incoming_, error))
    TRY_OK(disk_.remove(entry.path()));
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(active_, error))
    names.push_back(entry.path().filename());
  if (error)
    return fail(ErrorKind::temporary, fmt::format("{}: {}", active_.native(), error.message()));
  std::vector<Stored> found;
  for (const std::string& name : names) {
    if (name.ends_with(".log") && is_id(std::string_view(name).substr(0, name.size() - 4))) {
      const auto owner = find_file_info(active_ / name.substr(0, name.size() - 4));
      if (owner && !*owner) TRY_OK(disk_.remove(active_ / name));
      continue;
    }
    if (!is_id(name)) {
      quarantine(name, "no queue file's name");
      continue;
    }
    auto stored = load(name);
    if (!stored)
      quarantine(name, stored.error().what);
    else if (*stored)
      found.push_back(**std::move(stored));
  }
  return found;
}

void Spool::quarantine(const std::string& name, std::string_view why) {
  log_.with_queue(name).error(event::queue_corrupt,
                              {{"reason", why}, {"file", (corrupt_ / name).native()}});
  (void)disk_.rename(active_ / name, corrupt_ / (name + "." + random_hex(4)));
}

Result<std::optional<Stored>> Spool::load(const std::string& id) const {
  const Path path = active_ / id;
  TRY(const auto info, find_file_info(path));
  if (!info) return std::nullopt;
  const auto broken = [](std::string_view why) {
    return fail(ErrorKind::permanent, std::string(why));
  };
  TRY(const File file, disk_.open(path, OpenMode::read));
  std::string preamble(kPreambleSize, '\0');
  TRY(const auto n, read_at(file, preamble, 0));
  if (n != kPreambleSize || !preamble.starts_with(kMagic) || preamble.back() != '\n')
    return broken("not a spool file");
  const std::uint64_t size = parse_number(std::string_view(preamble).substr(9, 10));
  if (size == 0 || size > kEnvelopeMax || size + kPreambleSize > info->size)
    return broken("the envelope is cut");
  std::string line(size, '\0');
  TRY(const auto got, read_at(file, line, kPreambleSize));
  if (got != size ||
      fmt::format("{:016x}", checksum(line)) != std::string_view(preamble).substr(20, 16) ||
      line.back() != '\n')
    return broken("the envelope's checksum is wrong");
  Stored stored;
  stored.id = id;
  TRY_OK(parse_envelope(std::string_view(line).substr(0, line.size() - 1), stored));
  stored.body_offset = kPreambleSize + size;
  stored.body_size = info->size - stored.body_offset;
  TRY(const auto log, read_file(active_ / (id + ".log")));
  if (log) apply_log(*log, stored);
  return stored;
}

Result<std::optional<Stored>> Spool::read(const std::string& id) const {
  if (!is_id(id)) return std::nullopt;
  return load(id);
}

Result<> Spool::append(const std::string& id, const std::vector<LogRecord>& records) {
  std::string lines;
  for (const LogRecord& record : records) lines += format_record(record);
  const Path path = active_ / (id + ".log");
  TRY(const auto before, find_file_info(path));
  TRY(const File file, disk_.open(path, OpenMode::append));
  TRY_OK(disk_.write(file, lines));
  TRY_OK(disk_.sync(file));
  if (!before) TRY_OK(disk_.sync_folder(active_));
  return {};
}

Result<> Spool::remove(const std::string& id) {
  TRY_OK(disk_.remove(active_ / id));
  return disk_.remove(active_ / (id + ".log"));
}

bool Spool::is_full(const config::Queue& config) const {
  struct statvfs st{};
  if (::statvfs(root_.c_str(), &st) != 0) return false;
  return st.f_bavail * st.f_frsize < config.free_min;
}

Spool::Writer::Writer(Spool& spool, message::Envelope envelope, WallTime now, bool is_bounce)
    : spool_(spool) {
  stored_.envelope = std::move(envelope);
  stored_.arrived = now;
  stored_.next_try = now;
  stored_.is_bounce = is_bounce;
  stored_.recipients.resize(stored_.envelope.recipients.size());
  const std::string line = format_envelope(stored_);
  buffer_ = fmt::format("{}{:010} {:016x}\n{}", kMagic, line.size(), checksum(line), line);
  stored_.body_offset = buffer_.size();
}

Spool::Writer::~Writer() {
  if (!path_.empty()) (void)spool_.disk_.remove(path_);
}

// In the pool: makes the file when there is something to write.
Result<> Spool::Writer::flush() {
  for (int attempt = 0; !file_.is_open(); ++attempt) {
    stored_.id = make_queue_id(Clock::system().now());
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

net::Task<> Spool::Writer::write(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() < kBufferMax) co_return Result<>{};
  co_return co_await spool_.pool_.run([this] { return flush(); });
}

net::Task<Stored> Spool::Writer::commit() {
  CO_TRY_OK(co_await spool_.pool_.run([this]() -> Result<> {
    TRY_OK(flush());
    TRY_OK(spool_.disk_.sync(file_));
    TRY_OK(spool_.disk_.rename(path_, spool_.active_ / stored_.id));
    path_ = spool_.active_ / stored_.id;  // until the folder is synced it may still have to go
    return {};
  }));
  CO_TRY_OK(co_await spool_.active_sync_.sync());
  path_.clear();
  file_.close();
  stored_.body_size = written_ - stored_.body_offset;
  co_return stored_;
}

}  // namespace posthorn::queue
