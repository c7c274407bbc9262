// The pages of src/web/pages/, embedded by the build, and how one becomes a body.
#pragma once

#include "web/proto/page_template.h"

namespace posthorn::web {

// name: "start.html", "style.css", "autoconfig.xml", …; empty: there is no such file.
std::string_view page_file(std::string_view name);

// The page with its places filled. Fields that do not fit its file are a fault of ours: the unit
// tests fill every page.
std::string fill_page(std::string_view name, const Fields& fields);

}  // namespace posthorn::web
