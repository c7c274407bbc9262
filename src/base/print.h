// print_to: text behind other text, as fmt writes it. fmt's own means for that (format_to) is a
// template over the kind of output, with all of its formatting inside: every file that called it
// would compile that anew. Here it is compiled once.
#pragma once

#include <fmt/format.h>
#include <string>

namespace posthorn {

void vprint_to(std::string& out, fmt::string_view format, fmt::format_args args);

template <class... Args>
void print_to(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  vprint_to(out, format, fmt::make_format_args(args...));
}

}  // namespace posthorn
