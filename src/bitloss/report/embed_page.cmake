# cmake -DFOLDER=... -DOUTPUT=... -P embed_page.cmake
#
# Writes a C++ file that holds the page's files as they are. GCC takes raw strings of any length.
set(text "// Made by embed_page.cmake.\n#include \"bitloss/report/page_files.h\"\n\nnamespace bitloss {\n")
foreach(pair "PageSkeleton=page/page.html" "PageStyle=page/style.css" "PageScript=page/script.js"
             "ReportJsonSchemaFile=report.schema.json")
  string(REPLACE "=" ";" pair "${pair}")
  list(GET pair 0 function)
  list(GET pair 1 file)
  file(READ "${FOLDER}/${file}" content)
  string(APPEND text "std::string_view ${function}() {\n  return R\"bitloss_file(${content})bitloss_file\";\n}\n")
endforeach()
string(APPEND text "}  // namespace bitloss\n")
file(WRITE "${OUTPUT}" "${text}")
