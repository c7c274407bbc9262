// The settings and bounds of a run, with the values that hold where an administrator says nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace posthorn::sieve {

struct SpamSettings {
  std::string header = "X-Spam-Score";  // whose value is the score, or Field: regex with one group
  enum class Type : std::uint8_t { score, length, text } type = Type::score;
  std::string maximum = "15";             // the score that is the worst; a number
  std::string maximum_header = {};        // or where it is found
  std::map<int, std::string> texts = {};  // of type text: the value of each result
};

struct Settings {
  // About 100 ns each; what is beyond ends the run as a fault.
  std::uint64_t steps_max = 5'000'000;
  std::size_t redirects_max = 4;
  std::size_t actions_max = 32;
  std::size_t variables_max = 255;       // names
  std::size_t variable_size_max = 4000;  // bytes of a value; what is beyond is cut off
  std::size_t variable_name_max = 64;
  std::size_t match_values_max = 32;
  std::size_t expansion_max = 1U << 20U;  // bytes of one string with its variables

  std::string recipient_delimiter = "+";
  std::string user_email = {};  // the owner's address
  std::string host = "localhost";

  std::chrono::seconds vacation_default{7 * 86400};
  std::chrono::seconds vacation_min{86400};
  std::chrono::seconds vacation_max{};  // 0: none
  std::chrono::seconds duplicate_default{12 * 3600};
  std::chrono::seconds duplicate_max{7 * 86400};
  std::size_t header_value_max = 2048;              // bytes of one that editheader adds
  std::vector<std::string> headers_protected = {};  // that editheader may neither add nor delete
  std::vector<std::string> headers_kept = {};       // that it may not delete
  std::size_t seen_max = 32;                        // ids that `duplicate` notes in one run
  std::size_t notify_max = 4;                       // notifications of one run
  SpamSettings spam = {};
  SpamSettings virus = {
      "X-Virus-Status", SpamSettings::Type::text, "5", {}, {{1, "clean"}, {5, "infected"}}};
  std::size_t loop_depth_max = 4;  // of RFC 5703's loops in one another, over includes
};

}  // namespace posthorn::sieve
