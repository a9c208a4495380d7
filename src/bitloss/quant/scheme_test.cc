#include "bitloss/quant/scheme.h"

#include <gmock/gmock.h>

#include "bitloss/quant/scheme_file_type.h"
#include "bitloss/quant/scheme_table.h"

namespace bitloss {
namespace {

using testing::HasSubstr;

constexpr size_t kSmolLm2Widths[] = {576, 1536};
constexpr size_t kQwenWidths[] = {896, 4864};

TEST(SchemeTest, Int8IsTheIntegerProductWithOutlierColumnsApart) {
  const Scheme scheme = ParseScheme("int8", {.int8_threshold = 4.0f}).value();
  EXPECT_EQ(scheme.format.name, "int8_row");
  EXPECT_EQ(scheme.execution.kind, Execution::Kind::kLlmInt8);
  EXPECT_EQ(scheme.execution.outlier_threshold, 4.0f);
  EXPECT_EQ(scheme.head_format.name, "f16");
}

TEST(SchemeTest, Int8RowAloneMultipliesRealActivations) {
  EXPECT_EQ(ParseScheme("int8_row").value().execution.kind, Execution::Kind::kRealActivations);
}

TEST(SchemeTest, ThresholdInTheTextWins) {
  EXPECT_EQ(ParseScheme("int8_row@llm.int8:0").value().execution.outlier_threshold, 0.0f);
}

TEST(SchemeTest, AwqTakesTheLargestGroupThatDividesEveryWidth) {
  const Scheme scheme = ParseScheme("awq").value();
  EXPECT_TRUE(scheme.chooses_group);
  EXPECT_EQ(scheme.fit, FitKind::kAwq);
  EXPECT_EQ(ResolveForWidths(scheme, kSmolLm2Widths).value().format.name, "int4_group:64:asym");
  EXPECT_EQ(ResolveForWidths(scheme, kQwenWidths).value().format.name, "int4_group:128:asym");
}

TEST(SchemeTest, AutoGroupKeepsBitsAndSymmetry) {
  const Scheme scheme = ParseScheme("int3_group:auto:sym+awq").value();
  EXPECT_EQ(ResolveForWidths(scheme, kSmolLm2Widths).value().format.name, "int3_group:64:sym");
}

TEST(SchemeTest, NamesTheWidthThatNoGroupDivides) {
  constexpr size_t kWidths[] = {576, 100};
  EXPECT_EQ(ResolveForWidths(ParseScheme("rtn4").value(), kWidths).error().message,
            "scheme 'rtn4': none of the group sizes 128, 64 and 32 divides the width 100");
  EXPECT_THAT(
      ResolveForWidths(ParseScheme("int4_group:128").value(), kSmolLm2Widths).error().message,
      HasSubstr("rows of 576 weights do not divide into groups of 128"));
}

TEST(SchemeTest, SuffixesChangeAPreset) {
  const Scheme scheme = ParseScheme("awq+nearest+head=int8_row").value();
  EXPECT_EQ(scheme.fit, FitKind::kNearest);
  EXPECT_EQ(scheme.head_format.name, "int8_row");
  EXPECT_EQ(scheme.text, "awq+nearest+head=int8_row");
}

TEST(SchemeTest, ControlsAreTheBaselineUnderAnotherArithmetic) {
  for (const char* text : {"control-bf16", "control-fp16", "fp16@bf16"}) {
    const Scheme scheme = ParseScheme(text).value();
    EXPECT_EQ(scheme.format.name, "f16");
    EXPECT_TRUE(IsControl(scheme)) << text;
  }
  for (const char* text :
       {"fp16", "nf4@bf16", "control-bf16+noise:0.1", "f16@bf16+head=int8_row"}) {
    EXPECT_FALSE(IsControl(ParseScheme(text).value())) << text;
  }
}

TEST(SchemeTest, WhatIsLeftAloneFollowsTheBaseline) {
  const Format& bf16 = BF16Format();
  EXPECT_EQ(OnBaseline(ParseScheme("nf4").value(), bf16).head_format.name, "bf16");
  EXPECT_EQ(OnBaseline(ParseScheme("nf4+head=f16").value(), bf16).head_format.name, "f16");
  EXPECT_TRUE(QuantizesHead(OnBaseline(ParseScheme("nf4+head=f16").value(), bf16)));
  EXPECT_FALSE(QuantizesHead(OnBaseline(ParseScheme("nf4").value(), bf16)));
  // A cast is one lane in one format.
  EXPECT_EQ(OnBaseline(ParseScheme("fp16").value(), bf16).head_format.name, "f16");
  const Scheme control = OnBaseline(ParseScheme("control-bf16").value(), bf16);
  EXPECT_EQ(control.format.name, "bf16");
  EXPECT_TRUE(IsControl(control));
  EXPECT_FALSE(IsControl(OnBaseline(ParseScheme("f16@bf16").value(), bf16)));
}

TEST(SchemeTest, KeysAndValuesAreRoundedTogetherOrApart) {
  const Scheme both = ParseScheme("fp16+kv=q8_0").value();
  EXPECT_EQ(SuffixOf(both.execution.kv), "+kv=q8_0");
  const Scheme apart = ParseScheme("int8+k=q8_0+v=q4_0:plain").value();
  EXPECT_EQ(SuffixOf(apart.execution.kv), "+k=q8_0+v=q4_0:plain");
  EXPECT_EQ(apart.execution.kind, Execution::Kind::kLlmInt8);
  EXPECT_EQ(SuffixOf(ParseScheme("int8_row+kv=f16@w8a8").value().execution.kv), "+kv=f16");
  EXPECT_FALSE(IsControl(ParseScheme("control-bf16+kv=f16").value()));
  EXPECT_THAT(ParseScheme("fp16+kv=q6_k").error().message, HasSubstr("unknown format of keys"));
}

TEST(SchemeTest, NoiseIsRelativeToTheStandardDeviation) {
  const Scheme scheme = ParseScheme("fp16+noise:0.01").value();
  EXPECT_EQ(scheme.fit, FitKind::kNoise);
  EXPECT_EQ(scheme.fit_options.noise, 0.01);
  for (const char* text : {"fp16+noise", "fp16+noise:", "fp16+noise:0", "fp16+noise:2",
                           "fp16+noise:nan", "fp16+noise:0.1x"}) {
    EXPECT_THAT(ParseScheme(text).error().message, HasSubstr("write +noise:S")) << text;
  }
}

TEST(SchemeTest, WrittenOutInFull) {
  const Scheme scheme = ParseScheme("int2_group:32:sym+awq").value();
  EXPECT_EQ(scheme.format.name, "int2_group:32:sym");
  EXPECT_EQ(scheme.fit, FitKind::kAwq);
  EXPECT_FALSE(scheme.chooses_group);
}

TEST(SchemeTest, UnknownNamesAreRefusedWithTheNearestKnownOnes) {
  const auto scheme = ParseScheme("nf-4");
  EXPECT_EQ(scheme.error().kind, ErrorKind::kUnsupported);
  EXPECT_THAT(scheme.error().message, HasSubstr("unknown scheme 'nf-4'; nearest known: nf4, "));
  EXPECT_FALSE(ParseScheme("").ok());
}

TEST(SchemeTest, UnknownFitsAndExecutionsAreRefusedByName) {
  EXPECT_THAT(ParseScheme("nf4+gtpq").error().message, HasSubstr("unknown fit '+gtpq'"));
  EXPECT_THAT(ParseScheme("nf4@int").error().message, HasSubstr("unknown execution '@int'"));
  EXPECT_FALSE(ParseScheme("nf4+").ok());
  EXPECT_FALSE(ParseScheme("nf4@").ok());
}

TEST(SchemeTest, RefusesWhatDoesNotGoTogether) {
  EXPECT_THAT(ParseScheme("nf4@llm.int8").error().message, HasSubstr("not of nf4"));
  EXPECT_THAT(ParseScheme("nf4+awq").error().message, HasSubstr("use int4_group"));
  EXPECT_THAT(ParseScheme("int8_row+awq").error().message, HasSubstr("use int4_group"));
  EXPECT_THAT(ParseScheme("int8_group:32:sym+hqq").error().message,
              HasSubstr("use int8_group:64:float"));
  EXPECT_THAT(ParseScheme("nf4+hqq").error().message, HasSubstr("use int4_group:64:float"));
  EXPECT_TRUE(ParseScheme("int8_row+gptq@w8a8").ok());
  EXPECT_THAT(ParseScheme("nf4_dq+gptq").error().message, HasSubstr("makes its scales of others"));
  EXPECT_THAT(ParseScheme("nf4:auto").error().message, HasSubstr("takes no parameters"));
}

TEST(SchemeTest, ANameThatIsAFormatsIsTheFormatAndWithGgufBeforeItTheFileType) {
  for (const char* text : {"q6_k", "Q6_K", "iq4_xs", "Q4_K", "tq2_0"}) {
    EXPECT_FALSE(FileTypeOf(ParseScheme(text).value().format)) << text;
  }
  for (const auto& [text, name] : {std::pair{"gguf:q6_k", "Q6_K"},
                                   {"GGUF:Q4_K", "Q4_K_M"},
                                   {"q4_k_m", "Q4_K_M"},
                                   {"Q3_K_L", "Q3_K_L"},
                                   {"mxfp4_moe", "MXFP4_MOE"}}) {
    const Scheme scheme = ParseScheme(text).value();
    ASSERT_TRUE(FileTypeOf(scheme.format)) << text;
    EXPECT_EQ(FileTypeOf(scheme.format)->type->name, name);
    EXPECT_FALSE(scheme.format.encode(scheme.format, Matrix(1, 256)).ok());
    EXPECT_THAT(ResolveForWidths(scheme, kSmolLm2Widths).error().message,
                HasSubstr("a file type is of a whole model"));
  }
  EXPECT_THAT(ParseScheme("AWQ").value().format.name, HasSubstr("int4_group"));
}

TEST(SchemeTest, FileTypesTakeOptionsAndImportancesAndNothingElse) {
  const Scheme scheme = ParseScheme("Q4_K_M:pure:Tensor-Type=ATTN_V=Q8_0+imatrix").value();
  EXPECT_EQ(scheme.format.name, "gguf:q4_k_m:pure:tensor-type=attn_v=q8_0");
  EXPECT_EQ(FileTypeOf(scheme.format)->options.tensors[0].first, "attn_v");
  EXPECT_EQ(scheme.fit, FitKind::kImatrix);
  EXPECT_THAT(ParseScheme("q4_k_m:purest").error().message,
              HasSubstr("scheme 'q4_k_m:purest': 'purest' is no option of a file type"));
  EXPECT_THAT(ParseScheme("q4_k_m+awq").error().message, HasSubstr("not by +awq"));
  EXPECT_THAT(ParseScheme("q4_k_m@w8a8").error().message, HasSubstr("with @ggml"));
  EXPECT_THAT(ParseScheme("q4_k_m+head=q8_0").error().message,
              HasSubstr("write gguf:q4_k_m:output-tensor-type=TYPE"));
  EXPECT_THAT(ParseScheme("gguf:q4_k_x").error().message,
              HasSubstr("unknown file type 'q4_k_x'; known are q4_k_s, q4_k_m, "));
  EXPECT_THAT(ParseScheme("gguf").error().message, HasSubstr("unknown file type 'gguf'"));
  EXPECT_THAT(ParseScheme("q4_k_n").error().message, HasSubstr("nearest known: q4_k"));
}

TEST(SchemeTest, FormatsThatNeedImportancesAreRefusedWithoutThem) {
  EXPECT_THAT(ParseScheme("iq2_xs").error().message, HasSubstr("write iq2_xs+imatrix"));
  EXPECT_THAT(ParseScheme("iq3_xxs+awq").error().message, HasSubstr("write iq3_xxs+imatrix"));
  EXPECT_TRUE(ParseScheme("iq2_xs+imatrix").ok());
  EXPECT_TRUE(ParseScheme("iq3_s").ok());
}

TEST(SchemeTest, RefusesAThresholdThatIsNone) {
  for (const std::string_view text : {"int8_row@llm.int8:-1", "int8_row@llm.int8:nan",
                                      "int8_row@llm.int8:6x", "int8_row@llm.int8:"}) {
    EXPECT_EQ(ParseScheme(text).error().kind, ErrorKind::kBadInput) << text;
  }
}

TEST(SchemeTest, EveryPresetStandsForWhatItSays) {
  for (const Preset& preset : Presets()) {
    const Scheme by_name = ParseScheme(preset.name).value();
    const Scheme by_meaning = ParseScheme(preset.meaning).value();
    EXPECT_EQ(by_name.format.name, by_meaning.format.name) << preset.name;
    EXPECT_EQ(by_name.fit, by_meaning.fit) << preset.name;
    EXPECT_EQ(by_name.execution.kind, by_meaning.execution.kind) << preset.name;
    EXPECT_EQ(by_name.head_format.name, by_meaning.head_format.name) << preset.name;
  }
}

TEST(SchemeTableTest, ListsFormatsFitsAndPresetsWithTheirBits) {
  const std::vector<SchemeRow> rows = SchemeTable();
  EXPECT_EQ(rows.size(), FormatFamilies().size() + Fits().size() + Executions().size() - 1 +
                             Presets().size() + FileTypes().size());
  const auto nf4 = std::ranges::find(rows, "nf4", &SchemeRow::name);
  EXPECT_EQ(nf4->bits_per_weight, 4.5);
  const auto awq = std::ranges::find_if(rows, [](const SchemeRow& row) {
    return row.kind == SchemeRow::Kind::kPreset && row.name == "awq";
  });
  EXPECT_EQ(awq->meaning, "int4_group:auto:asym+awq");
  EXPECT_EQ(awq->bits_per_weight, 4.0 + 20.0 / 128);
  for (const SchemeRow& row : rows) EXPECT_FALSE(row.summary.empty()) << row.name;
}

}  // namespace
}  // namespace bitloss
