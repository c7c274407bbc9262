// Any bytes as a message and its log in the spool: a message is given only if its envelope is whole
// and has recipients, its places add up to the file, and of the log counts what was written whole:
// cut anywhere, it says what its whole lines before the cut say.
//
// The first line of the input is the envelope, the second the log's records divided by 0xFF, the
// rest the body; sums and sizes are made here, so that a mutation reaches what lies behind them.
// The same bytes are tried as they are, too.
#include <asio/io_context.hpp>
#include <fmt/format.h>
#include <fstream>

#include "queue/spool.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  return hash;
}

// A spool in a folder of its own, gone at the end.
class Bench {
 public:
  Bench() : root_(make_root()), pool_(1), spool_(root_, Disk::real(), pool_, loop_.get_executor()) {
    test::require(spool_.recover().has_value());
  }
  ~Bench() { std::filesystem::remove_all(root_); }

  std::optional<queue::Stored> read(std::string_view message, std::string_view log) {
    put(spool_.message_path(kId), message);
    put(spool_.message_path(kId + ".log"), log);
    auto stored = spool_.read(kId);
    if (!stored) test::require(stored.error().kind != ErrorKind::temporary);
    return stored ? *std::move(stored) : std::nullopt;
  }

 private:
  static inline const std::string kId = "0000000000001";
  static Path make_root() {
    std::string name = (std::filesystem::temp_directory_path() / "posthorn-fuzz.XXXXXX").native();
    test::require(::mkdtemp(name.data()) != nullptr);
    return name;
  }
  static void put(const Path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  Path root_;
  asio::io_context loop_;
  net::BlockingPool pool_;
  queue::Spool spool_;
};

void check(const queue::Stored& stored, std::string_view file) {
  test::require(!stored.envelope.recipients.empty());
  test::require(stored.recipients.size() == stored.envelope.recipients.size());
  test::require(stored.body_offset + stored.body_size == file.size());
  const std::string_view line = file.substr(37, stored.body_offset - 37);
  test::require(line.ends_with('\n') && file.starts_with("PHSPOOL1 "));
  test::require(file.substr(20, 16) == fmt::format("{:016x}", checksum(line)));
}

bool is_same(const queue::Stored& a, const queue::Stored& b) {
  for (std::size_t i = 0; i < a.recipients.size(); ++i)
    if (a.recipients[i].state != b.recipients[i].state ||
        a.recipients[i].reason != b.recipients[i].reason)
      return false;
  return a.is_scanned == b.is_scanned && a.headers == b.headers && a.is_held == b.is_held &&
         a.was_warned == b.was_warned && a.tries == b.tries && a.next_try == b.next_try;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Bench bench;
  std::string_view rest = test::text_of(data, size);
  if (const auto raw = bench.read(rest, rest)) check(*raw, rest);

  const std::string envelope = std::string(test::take_line(rest)) + "\n";
  std::string_view records = test::take_line(rest);
  std::string log;
  std::size_t before_last = 0;
  while (!records.empty()) {
    const std::string record = std::string(records.substr(0, records.find('\xFF'))) + "\n";
    records.remove_prefix(std::min(records.size(), record.size()));
    before_last = log.size();
    log += fmt::format("{:016x} {}", checksum(record), record);
  }
  const std::string file = fmt::format("PHSPOOL1 {:010} {:016x}\n{}{}", envelope.size(),
                                       checksum(envelope), envelope, rest);
  const auto stored = bench.read(file, log);
  if (!stored) return 0;
  check(*stored, file);
  test::require(stored->body_size == rest.size());
  test::require(!bench.read(std::string_view(file).substr(0, file.size() - rest.size() - 1), log));
  std::string flipped = file;
  flipped[37 + size % envelope.size()] ^= 1;
  test::require(!bench.read(flipped, log));

  if (log.empty()) return 0;
  const std::size_t cut = before_last + size % (log.size() - before_last);
  const auto torn = bench.read(file, std::string_view(log).substr(0, cut));
  const auto shorter = bench.read(file, std::string_view(log).substr(0, before_last));
  test::require(torn && shorter && is_same(*torn, *shorter));
  return 0;
}
