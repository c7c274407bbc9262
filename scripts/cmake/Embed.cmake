# Writes ${OUTPUT}: ${FUNCTION}(name) of the namespace posthorn::${NAMESPACE}, declared in ${HEADER}: the text of each of
# ${FILES} (separated by |) by its name without folders, or nothing.
string(REPLACE "|" ";" files "${FILES}")
set(text "// Made by the build from the files that it names.\n#include \"${HEADER}\"\n\nnamespace posthorn::${NAMESPACE} {\n\nstd::string_view ${FUNCTION}(std::string_view name) {\n")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME)
  file(READ ${file} content)
  string(APPEND text "  if (name == \"${name}\") return R\"posthorn(${content})posthorn\";\n")
endforeach()
string(APPEND text "  return {};\n}\n\n}  // namespace posthorn::${NAMESPACE}\n")
file(WRITE ${OUTPUT} "${text}")
