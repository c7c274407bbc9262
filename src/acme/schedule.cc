#include "acme/schedule.h"

#include <algorithm>

#include "base/fnv.h"

namespace posthorn::acme {
namespace {

constexpr std::chrono::milliseconds kFirst = std::chrono::minutes(10);
constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24);
// Renewals of many servers that began in the same hour spread over so much of a life, to the early
// side.
constexpr int kJitterPart = 30;

bool covers(const std::vector<std::string>& have, const std::vector<std::string>& wanted) {
  return std::ranges::all_of(
      wanted, [&](const std::string& name) { return std::ranges::find(have, name) != have.end(); });
}

std::chrono::milliseconds part_of(std::chrono::milliseconds whole, double part) {
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(static_cast<double>(whole.count()) * part));
}

}  // namespace

double fraction_of(const std::string& text) {
  // FNV leaves texts that end alike near each other: its bits are mixed once more.
  std::uint64_t hash = fnv1a(text);
  hash = (hash ^ hash >> 33U) * 0xff51'afd7'ed55'8ccdU;
  constexpr unsigned kBits = 20;
  return static_cast<double>(hash >> (64 - kBits)) / static_cast<double>(1U << kBits);
}

std::chrono::milliseconds backoff(std::uint32_t failures, const std::string& name) {
  if (failures == 0) return 0ms;
  const auto wait = std::min(kLongest, kFirst * (1 << std::min(failures - 1, 12U)));
  return wait + part_of(wait / 5, fraction_of(name));
}

Due find_due(const Entry& entry, const std::optional<Life>& life) {
  Due due;
  if (!life) {
    due = {WallTime{}, "there is none yet"};
  } else if (!covers(life->names, entry.names)) {
    due = {WallTime{}, "it lacks a name"};
  } else if (entry.is_revoked) {
    due = {WallTime{}, "it is revoked"};
  } else if (entry.window) {
    // RFC 9773 section 4.2: a moment within the window, evenly; one in the past means now.
    const auto width = entry.window->end - entry.window->start;
    due = {entry.window->start + part_of(width, fraction_of(life->fingerprint)),
           "the authority wants it renewed"};
    // It has the say, but not beyond the certificate's end.
    due.at = std::min(due.at, life->ends);
  } else {
    const auto whole = life->ends - life->begins;
    due = {life->ends - whole / 3 - part_of(whole / kJitterPart, fraction_of(life->fingerprint)),
           "a third of its life is left"};
  }
  if (entry.failures > 0) {
    const WallTime later = entry.attempted + backoff(entry.failures, entry.name);
    if (later > due.at) due = {later, "the last attempt failed"};
  }
  if (entry.not_before > due.at) due = {entry.not_before, "the authority wants it no sooner"};
  return due;
}

}  // namespace posthorn::acme
