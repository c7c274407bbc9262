// The addresses of this machine's interfaces, as an address literal writes them.
#pragma once

#include <string>
#include <vector>

namespace posthorn::net {

// Loopback's, and those of the interfaces as they are now. To be asked before a fence goes up that
// leaves no socket to ask by; then it is loopback's alone.
std::vector<std::string> own_addresses();

// "127.0.0.1", "2001:db8:0::1" in the one form that is compared; empty: it is none.
std::string canonical_address(const std::string& text);

}  // namespace posthorn::net
