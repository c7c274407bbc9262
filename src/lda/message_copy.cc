#include "lda/message_copy.h"

#include "store/line_ends.h"

namespace posthorn::lda {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

// Each of the lines once, where a line begins.
std::string without_lines(std::string header, std::string_view lines) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n') + 1);
    if (line.empty()) break;
    lines.remove_prefix(line.size());
    std::size_t at = header.starts_with(line) ? 0 : header.find("\n" + std::string(line));
    if (at == std::string::npos) continue;
    if (at != 0) ++at;
    header.erase(at, line.size());
  }
  return header;
}

enum class Begins { anywhere, behind_header };

net::Task<> copy_rest(net::BlockingPool& pool, store::CrlfReader& reader, Begins begins,
                      const TakeBytes& take) {
  std::string piece;
  for (bool is_first = begins == Begins::behind_header;; is_first = false) {
    piece.resize(kPiece);
    CO_TRY(const std::size_t n, co_await pool.run([&] { return reader.read(piece); }));
    if (n == 0) co_return Result<>{};
    std::string_view bytes = std::string_view(piece).substr(0, n);
    // The empty line behind the header, which was written already.
    if (is_first && bytes.starts_with("\r\n")) bytes.remove_prefix(2);
    CO_TRY_OK(co_await take(bytes));
  }
}

}  // namespace

net::Task<std::string> read_staged(net::BlockingPool& pool, store::Delivery& delivery) {
  CO_TRY(const auto staged, co_await delivery.reread());
  co_return co_await pool.run([&] {
    store::CrlfReader reader(staged.file, 0, staged.size, store::CrlfReader::Nul::kept);
    return reader.read_all(staged.wire_size);
  });
}

net::Task<> copy_message(net::BlockingPool& pool, StagedMessage message, sieve::VersionPtr version,
                         OwnFields own_fields, TakeBytes take) {
  if (version) {
    std::string header = version->header;
    if (own_fields == OwnFields::left_out)
      header = without_lines(std::move(header), message.own_fields);
    CO_TRY_OK(co_await take(header + "\r\n"));
    if (version->body) co_return co_await take(*version->body);
  }
  CO_TRY(const auto staged, co_await message.delivery.reread());
  store::CrlfReader reader(staged.file, 0, staged.size, store::CrlfReader::Nul::kept);
  std::uint64_t passed = 0;
  if (version)
    passed = store::wire_size_of(message.header);
  else if (own_fields == OwnFields::left_out)
    passed = message.own_fields.size();
  CO_TRY_OK(co_await pool.run([&] { return reader.skip(passed); }));
  co_return co_await copy_rest(pool, reader, version ? Begins::behind_header : Begins::anywhere,
                               take);
}

}  // namespace posthorn::lda
