// libcurl, opened when something is first fetched: it brings some thirty libraries with it, which a
// program that touches no network should not need.
#ifndef BITLOSS_HUB_CURL_LIBRARY_H_
#define BITLOSS_HUB_CURL_LIBRARY_H_

#include <curl/curl.h>

#include "bitloss/base/result.h"

namespace bitloss {

struct CurlLibrary {
  decltype(&curl_global_init) global_init;
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_reset) easy_reset;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
};

// Open until the program ends. kUnsupported, with what to install, where there is none.
Result<const CurlLibrary*> OpenCurl();

}  // namespace bitloss

#endif  // BITLOSS_HUB_CURL_LIBRARY_H_
