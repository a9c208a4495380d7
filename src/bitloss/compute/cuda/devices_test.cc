// Choosing a device by name, and what is said where the plugin or a GPU is not there. Runs without
// a GPU.
#include "bitloss/compute/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "bitloss/compute/cuda/cuda_plugin.h"

namespace bitloss {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class DevicesTest : public ::testing::Test {
 protected:
  static DeviceChoice Choice(std::string name) {
    return {std::move(name), {"/nowhere/libbitloss_cuda.so", BITLOSS_CUDA_PLUGIN}};
  }
  ThreadPool threads_{1};
};

TEST_F(DevicesTest, TheCpuNeedsNoPlugin) {
  const auto backend = MakeBackend({"cpu", {}}, threads_);
  ASSERT_TRUE(backend.ok());
  EXPECT_THAT(backend.value()->Describe(), StartsWith("cpu, "));
}

TEST_F(DevicesTest, AutoTakesTheCpuWhereThereIsNoPlugin) {
  const auto backend = MakeBackend({"auto", {"/nowhere/libbitloss_cuda.so"}}, threads_);
  ASSERT_TRUE(backend.ok());
  EXPECT_THAT(backend.value()->Describe(), StartsWith("cpu, "));
}

TEST_F(DevicesTest, NamesThatAreNoDevice) {
  for (const std::string name : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "CUDA"}) {
    const auto backend = MakeBackend(Choice(name), threads_);
    ASSERT_FALSE(backend.ok()) << name;
    EXPECT_EQ(backend.error().kind, ErrorKind::kBadInput);
    EXPECT_THAT(backend.error().message, HasSubstr("there is no device '" + name + "'"));
  }
}

TEST_F(DevicesTest, WithoutThePluginCudaSaysSo) {
  const auto backend = MakeBackend({"cuda", {"/nowhere/libbitloss_cuda.so"}}, threads_);
  ASSERT_FALSE(backend.ok());
  EXPECT_EQ(backend.error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(backend.error().message,
            "device cuda: no CUDA plugin is beside the program; it was built without CUDA");
}

TEST_F(DevicesTest, AFileThatIsNoPluginIsRefused) {
  const auto plugin =
      LoadCudaPlugin(std::vector<std::filesystem::path>{BITLOSS_SOURCE_DIR "/README.md"});
  ASSERT_FALSE(plugin.ok());
  EXPECT_THAT(plugin.error().message, StartsWith("cannot load the CUDA plugin: "));
}

TEST_F(DevicesTest, ThePluginOfThisBuildLoads) {
  if (std::string_view(BITLOSS_CUDA_PLUGIN).empty()) GTEST_SKIP() << "built without CUDA";
  const auto plugin = LoadCudaPlugin(Choice("cuda").cuda_plugins);
  ASSERT_TRUE(plugin.ok()) << plugin.error().message;
}

// With a GPU: it opens. Without: one line says why.
TEST_F(DevicesTest, CudaOpensOrSaysWhyNot) {
  if (std::string_view(BITLOSS_CUDA_PLUGIN).empty()) GTEST_SKIP() << "built without CUDA";
  const auto backend = MakeBackend(Choice("cuda:0"), threads_);
  if (backend.ok()) {
    EXPECT_THAT(backend.value()->Describe(), StartsWith("cuda:0, "));
    return;
  }
  EXPECT_EQ(backend.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(backend.error().message, StartsWith("device cuda:0: no "));
  EXPECT_EQ(backend.error().message.find('\n'), std::string::npos);
  EXPECT_EQ(DescribeGpus(Choice("cuda")).size(), 1u);
}

}  // namespace
}  // namespace bitloss
