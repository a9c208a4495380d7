#include "bitloss/hub/hub_name.h"

#include <gtest/gtest.h>

namespace bitloss {
namespace {

TEST(HubName, APartIsWhatFollowsTheColonAndARevisionWhatFollowsTheAt) {
  const HubName plain = ParseHubName(HubKind::kModel, "Owner/na.me_1-b").value();
  EXPECT_EQ(plain.id, "Owner/na.me_1-b");
  EXPECT_EQ(plain.revision, "main");
  EXPECT_EQ(plain.part, "");
  const HubName full = ParseHubName(HubKind::kModel, "o/n@refs/pr/1:Q4_K_M").value();
  EXPECT_EQ(full.id, "o/n");
  EXPECT_EQ(full.revision, "refs/pr/1");
  EXPECT_EQ(full.part, "Q4_K_M");
  EXPECT_EQ(full.Text(), "o/n@refs/pr/1:Q4_K_M");
  EXPECT_EQ(ParseHubName(HubKind::kDataSet, "o/n:a/b.txt").value().part, "a/b.txt");
}

TEST(HubName, WhatAUrlOrPathCouldBeBentWithIsRefused) {
  for (const char* name :
       {"",        "/",       "a",          "a/",           "/a",        "a/b/c",
        "a/..",    "../a",    "./a",        "a/b.git",      "a/b--c",    "a/-b",
        "a/b.",    "a/b c",   "a/b?c",      "a/b#c",        "a/b%2F",    "a/\xC3\xA9",
        "a/b@",    "a/b@/c",  "a/b@c/../d", "a/b@-c",       "a/b@c\nd",  "a/b:",
        "a/b:c/d", "a/b:c d", "a/b@c@d",    "a/model.gguf", "http://a/b"}) {
    EXPECT_FALSE(ParseHubName(HubKind::kModel, name).ok()) << name;
  }
  for (const char* name : {"a/b", "a/b:", "a/b:/c", "a/b:../c", "a/b:c//d", "a/b:c\\d", "a/b:c/"}) {
    EXPECT_FALSE(ParseHubName(HubKind::kDataSet, name).ok()) << name;
  }
  EXPECT_FALSE(ParseHubName(HubKind::kModel, "a/" + std::string(97, 'b')).ok());
}

TEST(HubName, PathsStayBelowTheirFolder) {
  for (const char* path : {"a", "a/b", "..a/b..", ".a", "a b", "\xC3\xA9"}) {
    EXPECT_TRUE(IsSafeHubPath(path)) << path;
  }
  for (const char* path :
       {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "./a", "a\\b", "a\x7F", "a\x01", "\xFF"}) {
    EXPECT_FALSE(IsSafeHubPath(path)) << path;
  }
  EXPECT_FALSE(IsSafeHubPath(std::string("a\0b", 3)));
  EXPECT_FALSE(IsSafeHubPath(std::string(256, 'a')));
}

}  // namespace
}  // namespace bitloss
