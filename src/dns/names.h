// Names as the DNS has them.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::dns {

// Lower case, without the final dot, and of letters of other scripts what stands for them in the
// DNS (RFC 5891): "Müller.example." is "xn--mller-kva.example". Empty: it can be no name.
std::string to_dns_name(std::string_view text);
// It is the zone's name, or below it.
bool is_within(std::string_view name, std::string_view zone);

}  // namespace posthorn::dns
