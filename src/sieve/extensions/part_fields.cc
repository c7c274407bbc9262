#include "sieve/extensions/part_fields.h"

#include "message/headers.h"
#include "sieve/extensions/part_text.h"

namespace posthorn::sieve {
namespace {

message::Headers headers_of(Run& run, std::size_t part) {
  const auto& parts = run.message().all_parts();
  if (part >= parts.size()) return {};
  const std::string_view header = header_of(*parts[part].part, *run.message().text());
  if (!run.spend(1 + header.size() / 64)) return {};
  return message::Headers(header);
}

}  // namespace

std::vector<std::size_t> parts_asked(Run& run, const Call& call) {
  const std::size_t at = run.part();
  // The header of the message is at hand, its text need not be.
  if (at == 0 && !call.has("anychild")) return {0};
  const auto& parts = run.message().all_parts();
  if (parts.empty()) run.ask(Answer<bool>());
  if (at >= parts.size()) return {};
  const std::size_t end = call.has("anychild") ? parts[at].end : at + 1;
  std::vector<std::size_t> places;
  for (std::size_t place = at; place < end; ++place) places.push_back(place);
  run.spend(places.size());
  return places;
}

std::vector<std::string> part_field_values(Run& run, const Call& call, std::size_t part,
                                           std::string_view field, Words words) {
  if (part == 0) return field_values(run, call, field, words);
  std::vector<std::string> values = headers_of(run, part).find_all(field);
  if (words == Words::decoded)
    for (std::string& value : values)
      if (value.find("=?") != std::string::npos) value = message::decode_words(value);
  return picked(call, std::move(values));
}

bool has_part_field(Run& run, std::size_t part, std::string_view field) {
  return part == 0 ? run.message().has(field) : headers_of(run, part).has(field);
}

}  // namespace posthorn::sieve
