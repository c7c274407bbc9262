// What an ACME directory says (RFC 8555 section 7.1), read from its JSON into values: nothing that
// is not understood is guessed, and each text has a bound. Sans-I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "acme/problem.h"
#include "base/clock.h"
#include "base/result.h"

namespace posthorn::acme {

// "letsencrypt" and "letsencrypt-staging" have short names; else the URL itself.
std::string directory_url(std::string_view setting);

struct Directory {
  std::string new_nonce, new_account, new_order;
  std::string revoke_cert;   // empty: it takes none
  std::string renewal_info;  // RFC 9773; empty: it has none
  std::string terms;         // for people; empty: there are none
  bool needs_binding = false;
};
Result<Directory> read_directory(std::string_view json);

// Of accounts, orders, authorizations and challenges together.
enum class Status {
  unknown,
  pending,
  ready,
  processing,
  valid,
  invalid,
  deactivated,
  expired,
  revoked
};

Result<Status> read_account_status(std::string_view json);

struct Order {
  Status status = Status::unknown;
  std::vector<std::string> authorizations;
  std::string finalize;
  std::string certificate;
  std::optional<Problem> error = {};
};
Result<Order> read_order(std::string_view json);

struct Challenge {
  std::string type, url, token;
  Status status = Status::unknown;
  std::optional<Problem> error = {};
};
struct Authorization {
  std::string name;
  Status status = Status::unknown;
  std::vector<Challenge> challenges;
};
Result<Authorization> read_authorization(std::string_view json);

// RFC 9773 section 4.2: when the authority would have a certificate renewed.
struct Window {
  WallTime start{}, end{};
  std::string explanation;  // a URL for people
};
Result<Window> read_window(std::string_view json);

// RFC 8555 section 7.1.6 and 7.4, 7.3, 7.6: what is signed.
struct Wish {
  std::vector<std::string> names;
  std::string replaces;  // RFC 9773 section 5: a certificate's id; empty: none
};
std::string write_order(const Wish& wish);
struct Applicant {
  std::string email;
  std::string binding;  // of jws.h; empty: none
};
std::string write_account(const Applicant& applicant);
std::string write_finalize(std::string_view request_der);
enum class Reason { unspecified = 0, key_compromise = 1, superseded = 4 };  // RFC 5280 5.3.1
std::string write_revocation(std::string_view certificate_der, Reason reason);

}  // namespace posthorn::acme
