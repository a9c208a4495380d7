// What a study is asked to do.
#ifndef BITLOSS_STUDY_OPTIONS_H_
#define BITLOSS_STUDY_OPTIONS_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bitloss/compute/arithmetic.h"

namespace bitloss {

struct StudyOptions {
  // A folder, a .gguf file or a hub name; empty: the small model that ships with bitloss.
  std::string model;

  // "fp16", "bf16" or "f32"; empty: the form that the model is stored in.
  std::string baseline = {};

  // Lanes beside the baseline, as scheme strings.
  std::vector<std::string> schemes = {"int8", "nf4", "awq", "q4_k_m", "q8_0"};

  // Checkpoints that are quantized already, each a lane as it is.
  std::vector<std::string> lanes = {};

  // The A/A control that joins the lanes where none of them is one: without it nothing says how
  // large the noise is. Empty or "none": none does.
  std::string control = {};

  // Files; empty: the held-out text that ships with bitloss; "none" alone: no text.
  std::vector<std::filesystem::path> texts;

  // Ids; each is applied to each text. A line at a time is the default because it fits any text and
  // any model.
  std::vector<std::string> protocols = {"lines-512-seed"};

  // Sequences of every protocol that are kept; none: the protocol's own number.
  std::optional<size_t> max_samples;

  // "core96", "tiny96", "none" or a file; empty: the one that suits the model.
  std::string suite;

  // How many of the suite's prompts are asked, spread evenly over it; none: all.
  std::optional<size_t> max_prompts;

  // Files of tasks by likelihood (data/tasks/task.h).
  std::vector<std::filesystem::path> tasks = {};
  // A task's file whose items stand before each context, with their right answers; empty: none.
  std::filesystem::path few_shot = {};
  // Whether contexts are put into the chat template, as what a user says.
  bool task_chat = false;
  // How many of each task's items are asked, spread evenly over it; none: all.
  std::optional<size_t> max_items = {};

  // Answers are cut here; none: what the suite says.
  std::optional<size_t> max_new_tokens;

  // Sample at this temperature with the same dice in every lane; none: greedy.
  std::optional<double> temperature;

  // Answers that every lane samples to each prompt beside that, with the same dice in every lane.
  size_t num_samples = 0;
  double sample_temperature = 0.7;

  // Instead of the model's own chat template: the name of another of its templates, "chatml" or a
  // file.
  std::string chat_template;

  // What the template is given beside the conversation, as NAME=JSON. Suites add
  // enable_thinking=false where the template knows it and nothing else is said.
  std::vector<std::string> chat_variables = {};

  // Text for fits that calibrate; empty: one that ships with bitloss and is no part of its
  // evaluation text.
  std::filesystem::path calibration;
  size_t calibration_tokens = 4096;
  size_t calibration_sequence = 512;  // tokens; AutoAWQ cuts its text into as many
  // Draws the sequences from the whole text; none: the text's first.
  std::optional<uint64_t> calibration_seed;

  // An importance matrix of llama.cpp for +imatrix; empty: the mean squares of the calibration
  // text.
  std::filesystem::path imatrix;

  // LLM.int8: activations of at least this magnitude are kept out of the int8 product.
  float int8_threshold = 6.0f;

  // The memory that the study may have resident beyond the page cache; lanes that do not fit are
  // streamed (study/room.h). 0: no bound. No number depends on it.
  uint64_t memory_bytes = 0;

  // How much of the baseline's hidden rows is kept for lanes that are added later
  // (store/baseline_rows.h); no number depends on it.
  uint64_t keep_rows_bytes = uint64_t{1} << 30;

  // How much of fitted blocks is kept beside the study (store/kept_fits.h); no number depends on
  // it.
  uint64_t keep_fits_bytes = uint64_t{2} << 30;

  // How products are summed; numbers depend on it.
  Arithmetic arithmetic = Arithmetic::kExact;

  uint64_t seed = 20250917;
  size_t num_threads = 1;
  std::filesystem::path out = "bitloss-study";
};

}  // namespace bitloss

#endif  // BITLOSS_STUDY_OPTIONS_H_
