#include "bitloss/hub/hub_url.h"

#include <gtest/gtest.h>

namespace bitloss {
namespace {

TEST(HubUrl, AnOriginIsSchemeHostAndPort) {
  EXPECT_EQ(OriginOf("https://Hub.Co/a?b"), "https://hub.co:443");
  EXPECT_EQ(OriginOf("HTTP://hub.co"), "http://hub.co:80");
  EXPECT_EQ(OriginOf("http://hub.co:8080/a"), "http://hub.co:8080");
  EXPECT_EQ(OriginOf("http://[::1]:8080/a"), "http://[::1]:8080");
  EXPECT_EQ(OriginOf("https://[::1]"), "https://[::1]:443");
}

TEST(HubUrl, WhatReadersDisagreeAboutIsNoAddress) {
  for (const char* url : {"", "https", "https://", "https:///a", "ftp://a", "file:///a",
                          "https://a@b", "https://a:@b", "https://a:b", "https://a:",
                          "https://a\\@b", "https://a b", "https://a\n", "//a", "a"}) {
    EXPECT_EQ(OriginOf(url), std::nullopt) << url;
  }
}

TEST(HubUrl, ALocationIsReadAgainstItsRequest) {
  EXPECT_EQ(ResolveLocation("https://hub.co/a", "/b?c"), "https://hub.co:443/b?c");
  EXPECT_EQ(ResolveLocation("https://hub.co/a", "//evil/b"), "https://evil/b");
  EXPECT_EQ(ResolveLocation("https://hub.co/a", "http://cdn/b"), "http://cdn/b");
  for (const char* location : {"", "b", "javascript:x", "///b", "/b c"}) {
    EXPECT_EQ(ResolveLocation("https://hub.co/a", location), std::nullopt) << location;
  }
}

TEST(HubUrl, OnlyThisMachineIsSafeWithoutEncryption) {
  for (const char* url :
       {"https://a", "http://127.0.0.1:1", "http://localhost", "http://[::1]:2"}) {
    EXPECT_FALSE(IsOpenToOthers(url)) << url;
  }
  for (const char* url : {"http://a", "http://127.evil.co", "http://localhost.evil.co"}) {
    EXPECT_TRUE(IsOpenToOthers(url)) << url;
  }
}

TEST(HubUrl, EverythingThatMeansSomethingIsEncoded) {
  EXPECT_EQ(PercentEncoded("refs/pr/1"), "refs%2Fpr%2F1");
  EXPECT_EQ(PercentEncoded("a/b c?#%\xC3\xA9", "/"), "a/b%20c%3F%23%25%C3%A9");
}

}  // namespace
}  // namespace bitloss
