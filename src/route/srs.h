// Sender Rewriting Scheme: mail that goes on to another server under its first sender fails that
// sender's SPF, so it goes on as SRS0=hash=day=domain=local@ours, and a bounce to that address
// finds its way back. Forwarded once more it becomes SRS1=hash=first host==…, which keeps the first
// rewriting and leaves out those between. The hash keeps strangers from making such addresses,
// which this server relays to: HMAC-SHA-1 of the lower-cased rest, six letters of base64, good for
// three weeks. The form is that of Mail::SRS and postsrsd. Sans-I/O.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace posthorn::route {

class Srs {
 public:
  enum class Fault { forged, expired };

  Srs() = default;  // off
  // The first secret signs, all are taken. An empty domain: off.
  Srs(std::string_view domain, std::vector<std::string> secrets);
  bool is_on() const { return !domain_.empty() && !secrets_.empty(); }

  // nullopt: it stays as it is (the null sender, no domain, an address literal, or too long for a
  // local part).
  std::optional<std::string> forward(std::string_view sender, WallTime now) const;
  // Is the address one of ours, good or forged? It is to be asked before any table is.
  bool is_ours(std::string_view address) const;
  // Where mail to it goes.
  std::expected<std::string, Fault> reverse(std::string_view address, WallTime now) const;

 private:
  std::string sign(std::string_view secret, std::string_view text) const;
  bool verify(std::string_view hash, std::string_view text) const;
  std::string signed_local(std::string_view tag, std::string_view rest) const;

  std::string domain_;  // lower case
  std::vector<std::string> secrets_;
};

}  // namespace posthorn::route
