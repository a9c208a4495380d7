# cmake -DFOLDER=... -DVEGA=... -DOUTPUT=... -P embed_page.cmake
#
# Writes a C++ file that holds the page's files as they are. GCC takes raw strings of any length.
set(text "// Made by embed_page.cmake.\n#include \"bitloss/report/page_files.h\"\n\nnamespace bitloss {\n")

# embed(function content)
function(embed function content)
  string(APPEND text "std::string_view ${function}() {\n  return R\"bitloss_file(${content})bitloss_file\";\n}\n")
  set(text "${text}" PARENT_SCOPE)
endfunction()

foreach(pair "PageSkeleton=page/page.html" "PageStyle=page/style.css"
             "ReportJsonSchemaFile=report.schema.json")
  string(REPLACE "=" ";" pair "${pair}")
  list(GET pair 0 function)
  list(GET pair 1 file)
  file(READ "${FOLDER}/${file}" content)
  embed(${function} "${content}")
endforeach()

set(script "")
foreach(file folds.js filters.js tables.js charts.js)
  file(READ "${FOLDER}/page/${file}" content)
  string(APPEND script "${content}")
endforeach()
embed(PageScript "${script}")

# Vega comes as modules that each expect the others by CommonJS names; this is all the loader that
# they need. Only what the charts use: no maps, no force layouts, no word clouds.
file(READ "${FOLDER}/page/vega-license.txt" license)
set(bundle "/*\n${license}*/\n\"use strict\";(function(){const loaded={};\nfunction need(name){if(!(name in loaded))throw new Error(\"no module \"+name);return loaded[name];}\nfunction put(name,define){const module={exports:{}};define(module.exports,need,module);loaded[name]=module.exports;}\n")
foreach(module util canvas time format loader expression event-selector scale dataflow scenegraph
               statistics selection functions runtime encode transforms view-transforms view parser
               interpreter)
  file(READ "${VEGA}/vega-${module}.min.js" content)
  string(REGEX REPLACE "\n//# sourceMappingURL=[^\n]*" "" content "${content}")
  # The file is called selection, the package selections.
  string(REGEX REPLACE "^selection$" "selections" name "${module}")
  string(APPEND bundle "put(\"vega-${name}\",function(exports,require,module){${content}\n});\n")
endforeach()
string(APPEND bundle "Object.assign(loaded[\"vega-dataflow\"].transforms,loaded[\"vega-transforms\"],loaded[\"vega-view-transforms\"],loaded[\"vega-encode\"]);\nwindow.vega={parse:loaded[\"vega-parser\"].parse,View:loaded[\"vega-view\"].View,expressionInterpreter:loaded[\"vega-interpreter\"].expressionInterpreter};\n})();")
embed(PageVega "${bundle}")

string(APPEND text "}  // namespace bitloss\n")
file(WRITE "${OUTPUT}" "${text}")
