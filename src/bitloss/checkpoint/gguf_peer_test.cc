// SmolLM2-135M-Instruct, all 272 tensors: bitloss decodes them to the bits of gguf-py.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "bitloss/base/file.h"
#include "bitloss/base/hash.h"
#include "bitloss/checkpoint/checkpoint.h"

namespace bitloss {
namespace {

// tools/witness/gguf_tensors.py made the list.
TEST(GgufPeerTest, DecodesEveryTensorOfSmolLm2ToTheBitsOfGgufPy) {
  const auto checkpoint = Checkpoint::Open(BITLOSS_SMOLLM2);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  const std::string list =
      ReadFile(BITLOSS_SOURCE_DIR "/src/bitloss/checkpoint/testdata/smollm2_tensors.txt").value();
  std::istringstream lines(list);
  std::string hash, type, shape, name;
  size_t num_tensors = 0;
  while (lines >> hash >> type >> shape >> name) {
    const auto info = checkpoint.value()->Info(name);
    ASSERT_TRUE(info.ok()) << info.error().message;
    EXPECT_EQ(info.value().stored_type, type);
    EXPECT_EQ(fmt::format("{}", fmt::join(info.value().shape, "x")), shape);
    std::vector<float> values(info.value().rows * info.value().cols);
    const Status read = ReadFiniteRows(*checkpoint.value(), name, 0, info.value().rows, values);
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(Sha256Hex(std::as_bytes(std::span(values))), hash) << name;
    ++num_tensors;
  }
  EXPECT_EQ(num_tensors, 272u);
  EXPECT_EQ(num_tensors, checkpoint.value()->TensorNames().size());
}

}  // namespace
}  // namespace bitloss
