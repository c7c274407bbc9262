#include "lda/memory.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <vector>

#include "base/ascii.h"
#include "base/assert.h"

namespace posthorn::lda {
namespace {

constexpr std::size_t kFileMax = 64U << 20U;
constexpr std::size_t kDeadMin = 1000;  // lines: fewer are not worth writing the file anew

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

std::size_t Memory::Hash::operator()(const Digest& digest) const {
  return std::hash<std::string_view>()({digest.data(), digest.size()});
}

std::size_t Memory::size() const {
  std::size_t all = 0;
  for (const Notes& notes : notes_) all += notes.size();
  return all;
}

// A NUL stands in neither a handle nor an address, so no two notes have one text.
Memory::Digest Memory::digest_of(const Note& note) {
  const std::string text = note.handle + '\0' + note.id;
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  std::size_t size = bytes.size();
  ASSERT(EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(), bytes.data(), &size) ==
         1);
  Digest digest{};
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (std::size_t i = 0; i < digest.size(); i += 2) {
    digest[i] = kDigits[bytes[i / 2] >> 4U];
    digest[i + 1] = kDigits[bytes[i / 2] & 15U];
  }
  return digest;
}

std::string Memory::line_of(Remembered kind, const Digest& digest, Second end) {
  return fmt::format("{} {} {}\n", static_cast<char>(kind), end,
                     std::string_view(digest.data(), digest.size()));
}

void Memory::take_line(std::string_view line, Second now) {
  Digest digest{};
  const std::size_t blank = line.size() < 2 ? std::string_view::npos : line.find(' ', 2);
  const bool is_whole = blank != std::string_view::npos && line[1] == ' ' &&
                        kKinds.find(line[0]) != std::string_view::npos &&
                        line.size() - blank - 1 == digest.size();
  const auto end = is_whole ? to_number<Second>(line.substr(2, blank - 2)) : std::nullopt;
  if (!end) {
    must_rewrite_ = true;
    return;
  }
  std::memcpy(digest.data(), line.data() + blank + 1, digest.size());
  Notes& notes = of(static_cast<Remembered>(line[0]));
  if (*end > now)
    notes[digest] = *end;
  else
    notes.erase(digest);
}

Result<> Memory::load(WallTime now) {
  notes_ = {};
  lines_ = 0;
  TRY(const auto text, read_file(path_, kFileMax));
  must_rewrite_ = !text;
  if (!text) return {};
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t lf = rest.find('\n');
    const bool is_whole = lf != std::string_view::npos;
    ++lines_;
    take_line(is_whole ? rest.substr(0, lf) : std::string_view(), seconds_of(now));
    rest.remove_prefix(is_whole ? lf + 1 : rest.size());
  }
  return {};
}

bool Memory::has(const Note& note, WallTime now) const {
  const Notes& notes = notes_[kKinds.find(static_cast<char>(note.kind))];
  const auto found = notes.find(digest_of(note));
  return found != notes.end() && found->second > seconds_of(now);
}

// False: all that there are of this kind must be kept.
bool Memory::make_room(Remembered kind, Second now) {
  Notes& notes = of(kind);
  if (notes.size() < kNotesMax) return true;
  std::erase_if(notes, [&](const auto& one) { return one.second <= now; });
  if (notes.size() < kNotesMax) return true;
  if (kind == Remembered::answer) return false;
  // A tenth at once, so that a full memory does not look through itself at each note.
  std::vector<Second> ends;
  for (const auto& [digest, end] : notes) ends.push_back(end);
  const auto tenth = ends.begin() + static_cast<std::ptrdiff_t>(ends.size() / 10);
  std::ranges::nth_element(ends, tenth);
  std::size_t over = ends.size() / 10 + 1;
  std::erase_if(notes,
                [&](const auto& one) { return one.second <= *tenth && over > 0 && over-- > 0; });
  must_rewrite_ = true;
  return true;
}

Result<Memory::Noted> Memory::note(const Note& note, WallTime now, std::chrono::seconds period) {
  const Digest digest = digest_of(note);
  const Second at = seconds_of(now);
  constexpr Second kPeriodMax = Second{100} * 366 * 86'400;  // a script may ask for any number
  const Second end = at + std::clamp<Second>(period.count(), 0, kPeriodMax);
  Notes& notes = of(note.kind);
  if (!notes.contains(digest) && !make_room(note.kind, at)) return Noted::full;
  const auto [place, is_new] = notes.try_emplace(digest, end);
  const Second before = std::exchange(place->second, end);
  const auto written = write(line_of(note.kind, digest, end), at);
  if (written) return Noted::durable;
  if (is_new)
    notes.erase(digest);
  else
    notes[digest] = before;
  return std::unexpected(written.error());
}

Result<> Memory::forget(const Note& note, WallTime now) {
  const Digest digest = digest_of(note);
  if (of(note.kind).erase(digest) == 0) return {};
  return write(line_of(note.kind, digest, 0), seconds_of(now));
}

// line: what is new; notes_ has it already.
Result<> Memory::write(const std::string& line, Second now) {
  if (must_rewrite_ || lines_ > 2 * size() + kDeadMin) return rewrite(now);
  // After a failed write or sync nobody knows what the file holds.
  must_rewrite_ = true;
  TRY(const File file, disk_.open(path_, OpenMode::append));
  TRY_OK(disk_.write(file, line));
  TRY_OK(disk_.sync(file));
  must_rewrite_ = false;
  ++lines_;
  return {};
}

Result<> Memory::rewrite(Second now) {
  std::string text;
  for (std::size_t i = 0; i < notes_.size(); ++i) {
    std::erase_if(notes_[i], [&](const auto& one) { return one.second <= now; });
    for (const auto& [digest, end] : notes_[i])
      text += line_of(static_cast<Remembered>(kKinds[i]), digest, end);
  }
  TRY_OK(replace_file(disk_, path_, text));
  lines_ = size();
  must_rewrite_ = false;
  return {};
}

}  // namespace posthorn::lda
