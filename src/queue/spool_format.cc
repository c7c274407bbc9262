#include "queue/spool_format.h"

#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::queue {
namespace {

constexpr std::string_view kMagic = "PHSPOOL";
constexpr std::size_t kEnvelopeSizeAt = 9, kBodySizeAt = 20, kBodyChecksumAt = 33, kChecksumAt = 50;
static_assert(kPreambleSize == kChecksumAt + 16 + 1);

std::string number(std::uint64_t n) {
  return fmt::format("{}", n);
}

std::uint64_t parse_number(std::string_view text) {
  return to_number<std::uint64_t>(text).value_or(0);
}

WallTime parse_time(std::string_view text) {
  return WallTime(std::chrono::milliseconds(parse_number(text)));
}
std::string format_time(WallTime time) {
  return number(
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.time_since_epoch().count())));
}

constexpr std::pair<LogRecord::Kind, std::string_view> kKinds[] = {
    {LogRecord::Kind::delivered, "delivered"}, {LogRecord::Kind::failed, "failed"},
    {LogRecord::Kind::bounced, "bounced"},     {LogRecord::Kind::deferred, "deferred"},
    {LogRecord::Kind::notified, "notified"},   {LogRecord::Kind::scanned, "scanned"},
    {LogRecord::Kind::hold, "hold"},           {LogRecord::Kind::release, "release"},
    {LogRecord::Kind::warned, "warned"},       {LogRecord::Kind::tried, "tried"},
};

LogRecord parse_record(LogRecord::Kind kind, const net::Message& message) {
  const std::string_view notice = message.get("notice");
  return {.kind = kind,
          .recipient = static_cast<std::size_t>(parse_number(message.get("r"))),
          .text = std::string(message.get("text")),
          .notice = notice == "relayed"     ? Notice::relayed
                    : notice == "delivered" ? Notice::delivered
                                            : Notice::none,
          .next_try = parse_time(message.get("next")),
          .age = std::chrono::milliseconds(parse_number(message.get("age"))),
          .at = parse_time(message.get("at")),
          .is_own_refusal = message.get("ours") == "1",
          .remote = std::string(message.get("remote"))};
}

void apply(const LogRecord& record, Stored& stored) {
  if (record.recipient >= stored.recipients.size()) return;
  RecipientStatus& recipient = stored.recipients[record.recipient];
  switch (record.kind) {
    case LogRecord::Kind::delivered:
      recipient = {RecipientState::delivered, record.text, record.notice, false};
      break;
    case LogRecord::Kind::failed:
      recipient = {RecipientState::failed, record.text, Notice::none, record.is_own_refusal};
      break;
    case LogRecord::Kind::bounced:
      recipient.state = RecipientState::bounced;
      break;
    case LogRecord::Kind::notified:
      recipient.notice = Notice::none;
      break;
    case LogRecord::Kind::deferred:
      if (recipient.state != RecipientState::waiting) break;
      recipient.reason = record.text;
      if (!record.remote.empty()) recipient.asked = record.remote;
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
      stored.age = record.age;
      stored.age_at = record.at;
      break;
  }
}

// Whether it begins with the account's name, as with a tag, and has its domain.
bool is_address_of(std::string_view address, std::string_view account) {
  const std::size_t at = address.rfind('@'), own = account.rfind('@');
  return at != std::string_view::npos && own != std::string_view::npos && at >= own &&
         equals_ignoring_case(address.substr(at), account.substr(own)) &&
         equals_ignoring_case(address.substr(0, own), account.substr(0, own));
}

// The first version told a login by the Received keyword and left a redirect's account to the
// script's owner, whose address is then what the recipient was.
message::SentBy first_versions_sender(const message::Envelope& envelope, bool is_bounce) {
  using message::SentBy;
  const message::Origin& origin = envelope.origin;
  if (is_bounce) return SentBy::notice;
  if (origin.account.empty()) return SentBy::stranger;
  for (const message::Recipient& to : envelope.recipients) {
    std::string_view original = to.original;
    original.remove_prefix(original.find(';') + 1);
    if (!equals_ignoring_case(original, to.address) && is_address_of(original, origin.account))
      return SentBy::sent_on;
  }
  if (origin.protocol.ends_with('A')) return SentBy::user;
  return origin.client_address == "local" ? SentBy::program : SentBy::sent_on;
}

}  // namespace

std::string format_preamble(const Preamble& preamble, std::string_view envelope) {
  std::string text =
      fmt::format("{}{} {:010} {:012} {:016x} ", kMagic, preamble.version, preamble.envelope_size,
                  preamble.body_size, preamble.body_checksum);
  const std::uint64_t sum = fnv1a(envelope, fnv1a(text));
  return text + fmt::format("{:016x}\n", sum);
}

std::optional<Preamble> parse_preamble(std::string_view text) {
  if (text.size() != kPreambleSize || !text.starts_with(kMagic)) return std::nullopt;
  const char version = text[kMagic.size()];
  if (version < kFirstVersion || version > '9' || text[kMagic.size() + 1] != ' ')
    return std::nullopt;
  return Preamble{
      .version = version,
      .envelope_size = parse_number(text.substr(kEnvelopeSizeAt, 10)),
      .body_size = parse_number(text.substr(kBodySizeAt, 12)),
      .body_checksum = to_number<std::uint64_t>(text.substr(kBodyChecksumAt, 16), 16).value_or(0)};
}

std::string format_envelope(const Stored& stored) {
  const message::Envelope& envelope = stored.envelope;
  const message::Origin& origin = envelope.origin;
  net::Message record("envelope");
  record.add("arrived", format_time(stored.arrived))
      .add("by", message::to_string(origin.sent_by))
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
    if (!to.named.empty()) record.add("named", to.named);
    record.add("notify", fmt::format("{:d}{:d}{:d}{:d}", to.notify.never, to.notify.success,
                                     to.notify.failure, to.notify.delay));
  }
  return net::format_message("1", record);
}

Result<> parse_envelope(std::string_view line, Stored& stored) {
  TRY(const auto tagged, net::parse_message(line));
  message::Envelope& envelope = stored.envelope;
  message::Origin& origin = envelope.origin;
  bool is_bounce = false;
  for (const auto& [key, value] : tagged.message.fields) {
    if (key == "arrived")
      stored.arrived = parse_time(value);
    else if (key == "bounce")
      is_bounce = value == "1";
    else if (key == "by")
      origin.sent_by = message::find_sent_by(value);
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
    else if (key == "named" && !envelope.recipients.empty())
      envelope.recipients.back().named = value;
    else if (key == "notify" && !envelope.recipients.empty() && value.size() == 4)
      envelope.recipients.back().notify = {value[0] == '1', value[1] == '1', value[2] == '1',
                                           value[3] == '1'};
  }
  if (envelope.recipients.empty())
    return fail(ErrorKind::permanent, "an envelope without recipients");
  if (stored.version == kFirstVersion) {
    origin.sent_by = first_versions_sender(envelope, is_bounce);
    if (origin.sent_by == message::SentBy::sent_on) origin.account.clear();
  }
  stored.recipients.resize(envelope.recipients.size());
  return {};
}

std::string format_record(const LogRecord& record) {
  for (const auto& [kind, name] : kKinds) {
    if (kind != record.kind) continue;
    net::Message message{std::string(name)};
    message.add("r", number(record.recipient)).add("text", record.text);
    if (record.notice != Notice::none)
      message.add("notice", record.notice == Notice::relayed ? "relayed" : "delivered");
    if (record.is_own_refusal) message.add("ours", "1");
    if (kind == LogRecord::Kind::tried)
      message.add("next", format_time(record.next_try))
          .add("age", number(static_cast<std::uint64_t>(record.age.count())))
          .add("at", format_time(record.at));
    // Optional: a reader of before passes over them.
    if (record.is_attempt() && record.at != WallTime{}) message.add("at", format_time(record.at));
    if (record.is_attempt() && !record.remote.empty()) message.add("remote", record.remote);
    const std::string line = net::format_message("1", message);
    return fmt::format("{:016x} {}", fnv1a(line), line);
  }
  return {};
}

std::size_t sound_size(std::string_view text) {
  std::size_t size = 0;
  while (true) {
    const std::string_view rest = text.substr(size);
    const std::size_t lf = rest.find('\n');
    if (lf == std::string_view::npos || lf < 17 || rest[16] != ' ') return size;
    const std::string_view line = rest.substr(17, lf - 16);
    if (fmt::format("{:016x}", fnv1a(line)) != rest.substr(0, 16)) return size;
    if (!net::parse_message(line.substr(0, line.size() - 1))) return size;
    size += lf + 1;
  }
}

std::vector<LogRecord> parse_log(std::string_view text) {
  std::vector<LogRecord> records;
  while (true) {
    const std::size_t lf = text.find('\n');
    if (lf == std::string_view::npos) return records;
    const auto tagged = net::parse_message(text.substr(17, lf - 17));
    if (!tagged) return records;
    for (const auto& [kind, name] : kKinds)
      if (name == tagged->message.verb) records.push_back(parse_record(kind, tagged->message));
    text.remove_prefix(lf + 1);
  }
}

void apply_log(std::string_view text, Stored& stored) {
  for (const LogRecord& record : parse_log(text)) apply(record, stored);
}

}  // namespace posthorn::queue
