// Which hub, which cache, which token: what the environment says, read as huggingface_hub reads it.
#ifndef BITLOSS_HUB_HUB_SETTINGS_H_
#define BITLOSS_HUB_HUB_SETTINGS_H_

#include <filesystem>
#include <string>

#include "bitloss/base/result.h"

namespace bitloss {

struct HubSettings {
  // HF_ENDPOINT, without a trailing '/'.
  std::string endpoint = "https://huggingface.co";

  // HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub, or
  // ~/.cache/huggingface/hub; "~" and "$VAR" in them are expanded. Empty: none of them is set.
  std::filesystem::path cache;

  // HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the file HF_TOKEN_PATH ($HF_HOME/token); empty: none, or
  // HF_HUB_DISABLE_IMPLICIT_TOKEN. It may stand in no message, URL or file.
  std::string token;
  std::string token_source;  // the variable or the file, for messages

  // HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE: no request at all, the cache alone.
  bool offline = false;

  // HF_HUB_DISABLE_SYMLINKS: copies in the snapshots' folders instead of links.
  bool copies = false;

  // HF_HUB_DISABLE_PROGRESS_BARS.
  bool quiet = false;

  // Seconds without a byte: HF_HUB_ETAG_TIMEOUT for metadata, HF_HUB_DOWNLOAD_TIMEOUT for files.
  long metadata_timeout = 10;
  long download_timeout = 10;

  // REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE; SSL_CERT_DIR. Empty: the system's.
  std::string certificates;
  std::string certificate_folder;
};

// kBadInput, naming the variable, for an endpoint that is no address, a time-out that is no number
// and a token with blanks or control characters inside.
Result<HubSettings> HubSettingsFromEnvironment();

}  // namespace bitloss

#endif  // BITLOSS_HUB_HUB_SETTINGS_H_
