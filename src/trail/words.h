// Words: the details of a record, ready to stand in a sentence. They are others' words, some of
// them strangers': cut where they are too long, without anything that a terminal obeys or that
// changes the order in which it shows text, and in quotes where one could be taken for more of the
// sentence. A detail that is not there gives an empty word.
#pragma once

#include <string>
#include <string_view>

#include "trail/record.h"

namespace posthorn::trail {

// As people read the clock here: local time.
std::string local_day(WallTime at);                   // "Mon 30 Nov 2026"
std::string local_time(WallTime at);                  // "03:12:07"
std::string local_time(WallTime at, WallTime today);  // "Tue 1 Dec 2026 03:12:07" on another day
std::string format_span(std::chrono::milliseconds span);  // the two greatest units: "1d 2h", "45s"

std::string clean_text(std::string_view text, std::size_t size_max = 300);
// An address, a host, a name; in quotes where it is more than one word.
std::string clean_name(std::string_view text);
std::string quote_text(std::string_view text);

class Words {
 public:
  explicit Words(const Record& record) : record_(&record) {}

  const Record& record() const { return *record_; }
  std::string_view get(std::string_view key) const;  // "-" is nothing, too
  bool has(std::string_view key) const { return !get(key).empty(); }
  // It is there, and may be empty.
  bool is_told(std::string_view key) const;
  std::string name(std::string_view key, std::string_view without) const;
  std::string names(std::string_view key, std::string_view without) const;  // "a@x, b@y and c@z"
  std::string sender(std::string_view key) const;                           // "<>" if it is empty
  // before + the detail + behind; nothing where it is not there.
  std::string with(std::string_view before, std::string_view key,
                   std::string_view behind = "") const;
  std::string quoted(std::string_view before, std::string_view key,
                     std::string_view behind = "") const;
  std::string span(std::string_view before, std::string_view key) const;  // of milliseconds
  std::string client() const;  // "mail.far.test [192.0.2.1]", "192.0.2.1", "a client"
  std::string time(std::string_view key) const;  // of a time as the log writes it
  std::string child() const;                     // ", by mail 4XYZ"

 private:
  const Record* record_;
};

}  // namespace posthorn::trail
