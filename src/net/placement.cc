#include "net/placement.h"

namespace posthorn::net {

std::string_view to_string(AccountService service) {
  switch (service) {
    case AccountService::lmtp:
      return "lmtp";
    case AccountService::imap:
      return "imap";
    case AccountService::pop3:
      return "pop3";
    case AccountService::managesieve:
      return "managesieve";
    case AccountService::quota:
      return "quota";
    case AccountService::control:
      break;
  }
  return "control";
}

}  // namespace posthorn::net
