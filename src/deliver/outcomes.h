// What an attempt says where no server said it. Private to this folder.
#pragma once

#include <string>

#include "deliver/attempt.h"

namespace posthorn::deliver {

inline Outcome deferred(std::string reason, std::string remote = {}) {
  return {.kind = Outcome::Kind::deferred,
          .reply = {},
          .reason = std::move(reason),
          .remote = std::move(remote)};
}

inline Outcome failed(smtp::Reply reply, std::string remote = {}) {
  return {.kind = Outcome::Kind::failed,
          .reply = reply,
          .reason = smtp::to_string(reply),
          .remote = std::move(remote)};
}

}  // namespace posthorn::deliver
