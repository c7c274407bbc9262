// What a new server must be told, as a value: by the dialogue of `posthorn init` (dialogue.h), or
// by its flags. Both are checked by the same code.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::setup {

struct Account {
  std::string address;  // empty: none yet
  std::string password;
  bool is_made = false;  // and not known to anybody yet
};

struct Relay {
  std::string hop;    // "[smtp.sendgrid.net]:587"; empty: mail goes to the recipients' servers
  std::string login;  // empty: it wants none
  std::string password;
};

struct Acme {
  std::string directory;  // "letsencrypt", "letsencrypt-staging", a URL; empty: off
  std::string email;
  bool are_terms_agreed = false;
};

struct Answers {
  std::string hostname;
  std::vector<std::string> domains;
  Account account;
  Relay relay;
  Acme acme;
};

// "smtp.example.net:2525" is "[smtp.example.net]:2525", "sendgrid" its host; the port is 587 where
// none is given. nullopt: it is no host, or one at a port that cannot be; why says so.
std::optional<std::string> meant_relay(std::string_view typed, std::string& why);
// The login that there always is with this relay; empty: each has his own.
std::string usual_login(std::string_view hop);
std::optional<std::string> find_relay_login_fault(std::string_view login);
std::optional<std::string> find_relay_password_fault(std::string_view password);

// "staging" means letsencrypt-staging.
std::string meant_directory(std::string_view typed);
std::optional<std::string> find_directory_fault(std::string_view directory);
// Where its terms can be read; of one that is not known by name the directory itself tells.
std::string terms_of(std::string_view directory);

}  // namespace posthorn::setup
