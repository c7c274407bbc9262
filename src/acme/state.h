// The two records of paths.acme as texts: state.json (an entry a certificate) and an account's
// file. What another version wrote and this one does not know is passed over; a text that cannot be
// read at all is an Error. Sans-I/O.
//
//   state.json     {"certificates": [{"name": "mx.example.org", "names": [...],
//                   "issuer": "R11 (...)", "issued": 1767225600000, "ends": ..., "attempted": ...,
//                   "next": ..., "failures": 0, "revoked": false, "error": "", "remedy": "",
//                   "not_before": ..., "window": {"start": ..., "end": ..., "explanation": ""},
//                   "window_due": ...}]}                      times: milliseconds since 1970
//   account-*.json {"directory": "https://...", "account": "https://.../acct/1",
//                   "key": "-----BEGIN...", "email": "admin@example.org"}
//                  account: empty until the authority has told it
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "acme/schedule.h"

namespace posthorn::acme {

// next: when each is asked for; it stands there for people and other programs, and is not read.
std::string write_state(const std::vector<Entry>& entries, const std::vector<WallTime>& next);
Result<std::vector<Entry>> read_state(std::string_view text);

struct AccountRecord {
  std::string directory;  // its URL
  std::string account;    // its URL
  std::string key_pem;
  std::string email;  // that the authority knows
};
std::string write_account_record(const AccountRecord& record);
Result<AccountRecord> read_account_record(std::string_view text);
// "account-1f2e….json": one a directory.
std::string account_file(std::string_view directory);

}  // namespace posthorn::acme
