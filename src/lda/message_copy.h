// A staged message once more, for another mailbox or another server: as it came, or as a script
// left it (editheader, replace, enclose: RFC 5293 section 4). What is in the spool stays as it is.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "net/blocking_pool.h"
#include "net/task.h"
#include "sieve/language/actions.h"
#include "store/delivery.h"

namespace posthorn::lda {

struct StagedMessage {
  store::Delivery& delivery;
  std::string_view own_fields;  // that delivery has put in front: Return-Path, Delivered-To
  std::string_view header;      // with them, without the empty line
};

// Takes wire bytes, a piece at a time.
using TakeBytes = std::function<net::Task<>(std::string_view)>;
enum class OwnFields { left_out, included };
// The whole of it in wire form, as it was staged.
net::Task<std::string> read_staged(net::BlockingPool& pool, store::Delivery& delivery);
net::Task<> copy_message(net::BlockingPool& pool, StagedMessage message, sieve::VersionPtr version,
                         OwnFields own_fields, TakeBytes take);

}  // namespace posthorn::lda
