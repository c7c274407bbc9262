// Explanation: what was found and decided on the way to the answer to a login, in order, and on
// which line, row or setting each step rests. The code that decides writes it while it decides
// (weigh() in credential.cc, is_shut_out() in bans.cc), so it cannot tell of what is not done. No
// password and no hash ever gets into it, only the name of a hash's scheme.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace posthorn::auth {

enum class Point : std::uint8_t {
  name,        // which account is meant
  ban,         // whether its address may try
  throttle,    // how many failures are counted
  credential,  // where the account stands
  hash,        // what its hash is good for
  password,    // whether it is the one
  networks,    // allow_nets
  service      // what the port asks for before the login
};
constexpr std::array<std::pair<Point, std::string_view>, 8> kPoints = {
    {{Point::name, "name"},
     {Point::ban, "ban"},
     {Point::throttle, "throttle"},
     {Point::credential, "account"},
     {Point::hash, "hash"},
     {Point::password, "password"},
     {Point::networks, "networks"},
     {Point::service, "service"}}};

// What a step means for the login.
enum class Bearing : std::uint8_t {
  tells,    // nothing that hinders it
  warns,    // it may fail for this, which is not decided here: with other settings in the program
  refuses,  // it fails, whatever the password
  unasked   // something could not be asked: "try later"
};
constexpr std::array<std::pair<Bearing, std::string_view>, 4> kBearings = {
    {{Bearing::tells, "tells"},
     {Bearing::warns, "warns"},
     {Bearing::refuses, "refuses"},
     {Bearing::unasked, "unasked"}}};

struct Step {
  Point point = Point::name;
  Bearing bearing = Bearing::tells;
  std::string text;         // a plain sentence
  std::string basis = {};   // "conf/users:12", "auth.failures_max"; of what was not found, where
  std::string remedy = {};  // what to do; empty: nothing
};
using Explanation = std::vector<Step>;

// What the live server would do, without doing it.
struct LoginQuestion {
  std::string service;  // as in Attempt
  std::string user;
  std::string address = {};                  // empty: from anywhere
  std::optional<std::string> password = {};  // nullopt: what becomes of the right one
};
struct LoginOutlook {
  enum class Outcome : std::uint8_t { ok, refused, banned, unavailable };
  Outcome outcome = Outcome::unavailable;
  std::string reason;   // as auth.failed has it; empty: ok
  std::string account;  // who is meant; empty: nobody can be
  Explanation steps;
};
constexpr std::array<std::pair<LoginOutlook::Outcome, std::string_view>, 4> kOutlooks = {
    {{LoginOutlook::Outcome::ok, "ok"},
     {LoginOutlook::Outcome::refused, "refused"},
     {LoginOutlook::Outcome::banned, "banned"},
     {LoginOutlook::Outcome::unavailable, "unavailable"}}};

}  // namespace posthorn::auth
