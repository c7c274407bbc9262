// Text for a terminal: paragraphs filled to its width.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace posthorn::setup {

// Each line of the text by itself; what continues it stands under where its own indent (its blanks,
// and behind them a "1. " or "- ") ends. A word with more columns than there are stays whole: it
// may be one to copy. So do spans in backquotes, and lines that begin with four blanks, which are
// commands.
std::string fill(std::string_view text, std::size_t columns);

}  // namespace posthorn::setup
