// A study's texts, cut by its protocols.
#ifndef BITLOSS_STUDY_TEXTS_H_
#define BITLOSS_STUDY_TEXTS_H_

#include <vector>

#include "bitloss/base/result.h"
#include "bitloss/data/protocol.h"
#include "bitloss/store/records.h"
#include "bitloss/study/model_files.h"
#include "bitloss/study/options.h"

namespace bitloss {

struct StudyText {
  ProtocolRecord record;
  Windows windows;
};

// Every text of the options (or the held-out text that ships with bitloss) under every protocol.
Result<std::vector<StudyText>> LoadTexts(const ModelFiles& model, const StudyOptions& options);

}  // namespace bitloss

#endif  // BITLOSS_STUDY_TEXTS_H_
