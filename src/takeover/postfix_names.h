// Which names are settings of Postfix. Sans-I/O.
#pragma once

#include <span>
#include <string_view>

namespace posthorn::takeover {

std::span<const std::string_view> postfix_names();  // in order
bool is_postfix_name(std::string_view name);

}  // namespace posthorn::takeover
