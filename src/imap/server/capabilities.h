// What CAPABILITY names after the login (RFC 3501 section 7.2.1): no more than what is served.
#pragma once

#include <string_view>

namespace posthorn::imap {

inline constexpr std::string_view kCapabilities =
    "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE CHILDREN SPECIAL-USE UIDPLUS MOVE "
    "UNSELECT STATUS=SIZE CREATE-SPECIAL-USE METADATA OBJECTID QUOTA QUOTA=RES-STORAGE "
    "QUOTA=RES-MESSAGE";

}  // namespace posthorn::imap
