#include "bitloss/cli/topics.h"

#include <fmt/format.h>

#include "bitloss/cli/exit_codes.h"
#include "bitloss/data/protocol.h"
#include "bitloss/quant/kv_format.h"

namespace bitloss {
namespace {

constexpr std::string_view kSchemes = R"(
  FORMAT      what the bits mean: nf4, int4_group:64:asym, q4_k, fp8_e4m3:row
  +FIT        how codes and scales are chosen: +awq, +gptq, +hqq; without one, each weight is
              rounded to the nearest value
  @EXECUTION  how products are computed: @w8a8, @fp8, @ggml; without one, weights are decoded
              and multiplied by real activations
  +head=...   a format for the output matrix, which stays as it is otherwise
  +kv=...     how the keys and values of attention are kept; +k= and +v= apart

Presets are names for schemes that others know: int8, nf4, awq, gptq. 'bitloss schemes' lists
everything, with bits per weight, what each preset stands for, and what goes with what.
)";

constexpr std::string_view kStatistics =
    R"(perplexity      exp of the mean loss of a text's tokens; means nothing without its protocol
change          of the lane from the baseline, token by token, then summed
KL              nats per token by which the lane's distribution over the whole vocabulary differs
same top-1      share of tokens at which lane and baseline find the same token most likely
interval        [low, high]: holds the true value 19 times of 20, had other text been drawn
clusters        articles, blocks or prompts: what varies independently, and what intervals rest on;
                "effective" counts unequal ones for less
noise floor     what the baseline differs from itself under another, equally good arithmetic
                (a control lane, as control-bf16)
margin          the largest harm that is still called none, fixed before the data are seen

What may be concluded is chosen from the interval alone:

harm shown        all of the interval lies beyond the margin
small harm shown  all of it lies between 0 and the margin
equivalent        neither a loss nor a gain beyond the margin fits the data
not worse         no loss beyond the margin fits the data
gain shown        better than the baseline, so not the same as it
not resolved      the data allow both: more text would tell
not measured      nothing to judge, and why
)";

constexpr std::string_view kEnvironment =
    R"(HF_HUB_CACHE, HF_HOME  where models by name are looked for and kept; else
                       ~/.cache/huggingface/hub
HF_ENDPOINT            the hub; else https://huggingface.co
HF_TOKEN               what a hub knows you by, for models that not everybody may have
HF_HUB_OFFLINE         1: no request to any hub, as --offline
BITLOSS_CUDA_PLUGIN    the file of the CUDA plugin, instead of the one beside the program
BITLOSS_MPI_PLUGIN     the file of the MPI plugin, likewise
NO_COLOR               bitloss writes no colours, with it or without
TERM=dumb              progress as plain lines, as where standard error is no terminal
)";

std::string ProtocolsText() {
  std::string text = "A protocol is how text becomes scored tokens, and these one perplexity:\n\n";
  for (const Protocol& protocol : Protocols()) {
    text += fmt::format("{:<15} {}\n", protocol.id, protocol.summary);
  }
  return text;
}

}  // namespace

std::string SchemeGrammar() {
  return fmt::format(
      "A scheme is FORMAT[+FIT][@EXECUTION][+head=FORMAT][+kv=KV], a preset's name, or a file type "
      "of\nllama.cpp with options of llama-quantize's behind ':' (pure, "
      "token-embedding-type=TYPE,\n"
      "output-tensor-type=TYPE, tensor-type=REGEX=TYPE) and +imatrix or nothing. `baseline` is "
      "the\n"
      "format of the model's own weights. +kv= (or +k=, +v=) rounds keys and values:\n{}.",
      fmt::join(KvFormatNames(), ", "));
}

std::vector<Topic> Topics() {
  return {
      {"scheme", "how a quantized form is written",
       fmt::format("{}\n{}", SchemeGrammar(), kSchemes)},
      {"protocols", "how text becomes scored tokens", ProtocolsText()},
      {"statistics", "the words of a report", std::string(kStatistics)},
      {"exit-codes", "what the program's exit code says", ExitCodesTable()},
      {"environment", "variables that are read", std::string(kEnvironment)},
  };
}

}  // namespace bitloss
