// The words that TOML's reader has for a fault, in ours.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::config {

// What is wrong with a line of TOML and what to write there, in this program's words; those of the
// parser stand behind them. line counts from 1.
std::string explain_toml_fault(std::string_view text, std::size_t line, std::string_view parser);

}  // namespace posthorn::config
