#include "imap/server/fetch_sections.h"

#include <algorithm>
#include <fmt/format.h>

#include "message/headers.h"
#include "store/line_ends.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kPiece = 65'536;

// header: with its empty line. A line that is no field has none of the names.
std::string pick_fields(std::string_view header, const Section& section) {
  const message::Headers headers(header);
  const auto is_named = [&](const message::Field& field) {
    return std::ranges::any_of(section.fields, [&](const std::string& name) {
      return message::equals_ignoring_case(name, field.name);
    });
  };
  if (section.kind == Section::Kind::header_fields_not) return headers.without(is_named);
  std::string out;
  for (const message::Field& field : headers.fields())
    if (is_named(field)) out += field.raw;
  return out + "\r\n";
}

// <begin.count> of a range; a begin behind its end gives nothing.
Range64 cut(Range64 range, const Section& section) {
  if (!section.partial) return range;
  const std::uint64_t size = range.end - range.begin;
  const std::uint64_t begin = std::min(section.partial->first, size);
  const std::uint64_t count = std::min(section.partial->second, size - begin);
  return {range.begin + begin, range.begin + begin + count};
}

std::string_view part_of(std::string_view text, Range64 range) {
  return text.substr(static_cast<std::size_t>(range.begin),
                     static_cast<std::size_t>(range.end - range.begin));
}

// nullopt: there is no such part (NIL).
std::optional<Range64> place_of(const Section& section, const SectionSource& source) {
  if (!section.path.empty()) return source.root ? range_of(*source.root, section) : std::nullopt;
  const std::uint64_t header_end = source.loaded.header.size();
  if (section.kind == Section::Kind::header) return Range64{0, header_end};
  return Range64{section.kind == Section::Kind::text ? header_end : 0, source.opened.wire_size};
}

}  // namespace

bool is_of_header(const Section& section) {
  return section.path.empty() && section.kind != Section::Kind::all;
}

net::Task<> SectionWriter::add(const Section& section, const SectionSource& source) {
  if (section.kind == Section::Kind::header_fields ||
      section.kind == Section::Kind::header_fields_not)
    co_return co_await add_fields(section, source);
  const auto place = place_of(section, source);
  if (!place) {
    responses_.text() += section.label + " NIL";
    co_return Result<>{};
  }
  const Range64 wanted = cut(*place, section);
  responses_.text() += fmt::format("{} {{{}}}\r\n", section.label, wanted.end - wanted.begin);
  if (source.loaded.text && wanted.end <= source.loaded.text->size()) {
    responses_.text() += part_of(*source.loaded.text, wanted);
    co_return Result<>{};
  }
  if (section.partial) co_return co_await stream_on(source.opened.uid, wanted);
  co_return co_await stream(source.opened, wanted);
}

net::Task<> SectionWriter::add_fields(const Section& section, const SectionSource& source) {
  std::optional<std::string> text;
  if (section.path.empty()) {
    text = source.loaded.header;
  } else if (const auto place = place_of(section, source)) {
    CO_TRY(text, co_await pool_.run([&]() -> Result<std::string> {
      store::CrlfReader reader(source.opened.file, 0, source.opened.size);
      TRY_OK(reader.skip(place->begin));
      return reader.read_all(
          std::min<std::uint64_t>(place->end - place->begin, message::kHeaderMax));
    }));
  }
  if (!text) {
    responses_.text() += section.label + " NIL";
    co_return Result<>{};
  }
  const std::string picked = pick_fields(*text, section);
  const Range64 wanted = cut({0, picked.size()}, section);
  responses_.text() += fmt::format("{} {{{}}}\r\n", section.label, wanted.end - wanted.begin);
  responses_.text() += part_of(picked, wanted);
  co_return Result<>{};
}

net::Task<> SectionWriter::stream(const store::OpenMessage& opened, Range64 wanted) {
  store::CrlfReader reader(opened.file, 0, opened.size);
  CO_TRY_OK(co_await pool_.run([&] { return reader.skip(wanted.begin); }));
  co_return co_await send(reader, wanted.end - wanted.begin);
}

// A client that fetches a large message in ranges goes on where the last one ended.
net::Task<> SectionWriter::stream_on(store::Uid uid, Range64 wanted) {
  if (!resume_ || resume_->uid != uid || resume_->at > wanted.begin) {
    resume_ = std::make_unique<FetchResume>();
    CO_TRY(auto opened, co_await view_.mailbox().open_message(uid));
    if (!opened) co_return fail(ErrorKind::temporary, "a message went while it was sent");
    resume_->uid = uid;
    resume_->opened = *std::move(opened);
    resume_->reader = store::CrlfReader(resume_->opened.file, 0, resume_->opened.size);
  }
  CO_TRY(const std::uint64_t passed,
         co_await pool_.run([&] { return resume_->reader.skip(wanted.begin - resume_->at); }));
  resume_->at += passed + (wanted.end - wanted.begin);
  co_return co_await send(resume_->reader, wanted.end - wanted.begin);
}

net::Task<> SectionWriter::send(store::CrlfReader& reader, std::uint64_t left) {
  std::string piece;
  while (left > 0) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece)));
    CO_TRY(const auto n, co_await pool_.run([&] { return reader.read(piece); }));
    if (n == 0) co_return fail(ErrorKind::temporary, "a message became shorter while it was sent");
    responses_.text().append(piece, 0, n);
    left -= n;
    CO_TRY_OK(co_await responses_.flush_if_large());
  }
  co_return Result<>{};
}

}  // namespace posthorn::imap
