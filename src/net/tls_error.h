// OpenSSL's error queue as one text, emptied.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::net {

std::string tls_error(std::string_view what);

}  // namespace posthorn::net
