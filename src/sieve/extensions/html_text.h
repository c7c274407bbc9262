// The text that a reader of HTML sees: tags, comments, scripts and styles gone, entities as the
// letters they are. One pass; a stranger's page may be anything.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::sieve {

std::string text_of_html(std::string_view html);

}  // namespace posthorn::sieve
