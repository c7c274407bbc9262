// A mark is made here, so that what strangers publish is cut in one place.
#pragma once

#include <algorithm>
#include <string>

#include "health/page.h"

namespace posthorn::dns {

inline constexpr std::size_t kFoundMax = 120;  // bytes of what strangers publish

inline health::Mark make_mark(const std::string& name, const char* record, const char* outcome,
                              std::string found, std::string remedy = "") {
  found.resize(std::min(found.size(), kFoundMax));
  return {.name = name,
          .record = record,
          .outcome = outcome,
          .found = std::move(found),
          .remedy = std::move(remedy)};
}
inline health::Mark good(const std::string& name, const char* record, std::string found) {
  return make_mark(name, record, "good", std::move(found));
}
inline health::Mark missing(const std::string& name, const char* record, std::string found,
                            std::string remedy) {
  return make_mark(name, record, "missing", std::move(found), std::move(remedy));
}
inline health::Mark wrong(const std::string& name, const char* record, std::string found,
                          std::string remedy) {
  return make_mark(name, record, "wrong", std::move(found), std::move(remedy));
}
// Nobody could say, which is no fault of the record's.
inline health::Mark unasked(const std::string& name, const char* record, const std::string& why) {
  return make_mark(name, record, "unasked", why);
}

}  // namespace posthorn::dns
