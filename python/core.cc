// bitloss._core: LogitStudy, divergences and clustered means for Python. The package around it
// (python/bitloss) is what users see; here arrays come in without copies, loops run without the
// interpreter's lock, and errors go out as exceptions with their one line.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <memory>
#include <optional>

#include "bitloss/compare/logit_study.h"
#include "bitloss/metrics/divergence.h"
#include "bitloss/stats/clustered_mean.h"

namespace nb = nanobind;

namespace bitloss {
namespace {

// An Error on its way to Python.
struct Raised {
  Error error;
};

template <class T>
T OrRaise(Result<T> result) {
  if (!result.ok()) throw Raised{result.error()};
  return std::move(result).value();
}
void OrRaise(const Status& status) {
  if (!status.ok()) throw Raised{status.error()};
}

const char* ExceptionName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kBadInput:
      return "BadInput";
    case ErrorKind::kNotFound:
      return "NotFound";
    case ErrorKind::kUnsupported:
      return "Unsupported";
    case ErrorKind::kIo:
      return "IoError";
  }
  return "Error";
}

void RaiseInPython(const std::exception_ptr& raised, void*) {
  try {
    std::rethrow_exception(raised);
  } catch (const Raised& e) {
    const nb::object type =
        nb::module_::import_("bitloss._errors").attr(ExceptionName(e.error.kind));
    PyErr_SetString(type.ptr(), e.error.message.c_str());
  }
}

// Numbers of any type and shape, in the memory of whoever made them.
using Array = nb::ndarray<nb::ro, nb::device::cpu>;

LogitType TypeOf(const Array& array) {
  const nb::dlpack::dtype type = array.dtype();
  if (type == nb::dtype<float>()) return LogitType::kF32;
  if (type == nb::dtype<double>()) return LogitType::kF64;
  const auto code = static_cast<nb::dlpack::dtype_code>(type.code);
  if (type.bits == 16 && code == nb::dlpack::dtype_code::Float) return LogitType::kF16;
  if (type.bits == 16 && code == nb::dlpack::dtype_code::Bfloat) return LogitType::kBF16;
  throw Raised{BadInput("logits of another type than float16, bfloat16, float32 and float64")};
}

// (n, V), or (1, n, V) as models return a batch of one.
LogitRows RowsOf(const Array& array) {
  const LogitType type = TypeOf(array);
  const size_t axes = array.ndim();
  if (axes != 2 && !(axes == 3 && array.shape(0) == 1)) {
    throw Raised{BadInput("logits of {} axes; they are (tokens, vocabulary)", axes)};
  }
  if (array.shape(axes - 1) > 1 && array.stride(axes - 1) != 1) {
    throw Raised{BadInput("the logits of a row are not neighbours in memory")};
  }
  return {array.data(), type, array.shape(axes - 2), array.shape(axes - 1), array.stride(axes - 2)};
}

// Asks Python now and then whether Ctrl-C was pressed. Called without its lock.
class Interruption {
 public:
  bool operator()() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::milliseconds(50)) return false;
    last_ = now;
    const nb::gil_scoped_acquire locked;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    return false;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

std::vector<LogitRows> RowsOf(const std::vector<Array>& lanes) {
  std::vector<LogitRows> rows;
  for (const Array& lane : lanes) rows.push_back(RowsOf(lane));
  return rows;
}

// A study that Python may close while it still holds units of it, so that the folder is let go of.
struct OpenStudy {
  explicit OpenStudy(LogitStudy opened) : study(std::move(opened)) {}
  LogitStudy& get() {
    if (!study) throw Raised{BadInput("the comparison is closed")};
    return *study;
  }
  std::optional<LogitStudy> study;
};

struct OpenUnit {
  void Add(size_t first_row, const std::vector<Array>& lanes) {
    study->get();
    const std::vector<LogitRows> rows = RowsOf(lanes);
    Interruption interruption;
    const nb::gil_scoped_release unlocked;
    OrRaise(tiles.Add(first_row, rows, [&] { return interruption(); }));
  }
  void Put() { OrRaise(study->get().Put(std::move(tiles))); }

  std::shared_ptr<OpenStudy> study;
  LogitStudy::Tiles tiles;
};

std::shared_ptr<OpenStudy> Open(const std::string& folder, std::vector<std::string> names,
                                const std::vector<std::pair<uint64_t, double>>& sizes,
                                const std::pair<std::string, std::string>& model_and_text,
                                size_t num_threads) {
  LogitStudyOptions options{
      .folder = folder, .model = model_and_text.first, .text = model_and_text.second};
  if (num_threads > 0) options.num_threads = num_threads;
  for (size_t i = 0; i < names.size(); ++i) {
    options.lanes.push_back({std::move(names[i]), sizes.at(i).first, sizes.at(i).second});
  }
  return std::make_shared<OpenStudy>(OrRaise(LogitStudy::Open(options)));
}

template <class T>
nb::ndarray<nb::numpy, T> ToNumpy(std::vector<T> values) {
  auto* kept = new std::vector<T>(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::ndarray<nb::numpy, T>(kept->data(), {kept->size()}, owner);
}

struct RowDivergences {
  std::vector<double> kl, kl_reverse, entropy, entropy_lane, nll, nll_lane;
  std::vector<bool> top1_agrees;
};

// Of each row; losses where tokens are given, one for each row.
RowDivergences Divergences(const LogitRows& base, const LogitRows& lane,
                           std::span<const int64_t> tokens, Interruption& interruption) {
  if (base.rows != lane.rows || base.cols != lane.cols) {
    throw Raised{
        BadInput("{} x {} logits beside {} x {}", base.rows, base.cols, lane.rows, lane.cols)};
  }
  if (!tokens.empty() && tokens.size() != base.rows) {
    throw Raised{BadInput("{} tokens for {} rows of logits", tokens.size(), base.rows)};
  }
  RowDivergences out;
  std::vector<float> base_scratch, lane_scratch;
  for (size_t row = 0; row < base.rows; ++row) {
    interruption();
    const std::span<const float> p = base.Row(row, base_scratch);
    const std::span<const float> q = lane.Row(row, lane_scratch);
    const auto summary_of = [&](std::span<const float> logits) {
      Result<RowSummary> summary = Summarize(logits);
      if (!summary.ok()) throw Raised{Within(fmt::format("row {}", row), summary.error())};
      return summary.value();
    };
    const RowSummary of_p = summary_of(p);
    const RowSummary of_q = summary_of(q);
    const Divergence divergence = Compare(p, of_p, q, of_q);
    out.kl.push_back(divergence.kl);
    out.kl_reverse.push_back(divergence.kl_reverse);
    out.top1_agrees.push_back(divergence.top1_agrees);
    out.entropy.push_back(of_p.entropy);
    out.entropy_lane.push_back(of_q.entropy);
    if (tokens.empty()) continue;
    if (tokens[row] < 0 || static_cast<uint64_t>(tokens[row]) >= base.cols) {
      throw Raised{BadInput("token {} is {}, of {} logits", row, tokens[row], base.cols)};
    }
    const auto token = static_cast<size_t>(tokens[row]);
    out.nll.push_back(-LogProb(p[token], of_p));
    out.nll_lane.push_back(-LogProb(q[token], of_q));
  }
  return out;
}

nb::dict DivergenceOf(const Array& base, const Array& lane, const std::vector<int64_t>& tokens) {
  const LogitRows p = RowsOf(base);
  const LogitRows q = RowsOf(lane);
  RowDivergences rows;
  {
    Interruption interruption;
    const nb::gil_scoped_release unlocked;
    rows = Divergences(p, q, tokens, interruption);
  }
  nb::dict out;
  out["kl"] = ToNumpy(std::move(rows.kl));
  out["kl_reverse"] = ToNumpy(std::move(rows.kl_reverse));
  out["entropy"] = ToNumpy(std::move(rows.entropy));
  out["entropy_lane"] = ToNumpy(std::move(rows.entropy_lane));
  out["nll"] = ToNumpy(std::move(rows.nll));
  out["nll_lane"] = ToNumpy(std::move(rows.nll_lane));
  std::vector<uint8_t> agrees(rows.top1_agrees.begin(), rows.top1_agrees.end());
  out["top1_agrees"] = ToNumpy(std::move(agrees));
  return out;
}

Range RangeNamed(const std::string& name) {
  if (name == "any") return Range::kAny;
  if (name == "positive") return Range::kPositive;
  if (name == "share") return Range::kShare;
  throw Raised{BadInput("range '{}'; there are any, positive and share", name)};
}

nb::dict MeanOf(const std::vector<double>& values, const std::vector<uint32_t>& clusters,
                const std::string& range, double confidence) {
  if (values.size() != clusters.size()) {
    throw Raised{BadInput("{} values of {} clusters", values.size(), clusters.size())};
  }
  if (values.empty()) throw Raised{BadInput("no values")};
  if (!(confidence > 0.5 && confidence < 1)) {
    throw Raised{BadInput("confidence {}; it lies between 0.5 and 1", confidence)};
  }
  const MeanOptions options{.confidence = confidence, .range = RangeNamed(range)};
  std::vector<UnitSum> sums;
  for (size_t i = 0; i < values.size(); ++i) sums.push_back({clusters[i], values[i], 1});
  ThreadPool threads(DefaultNumThreads());
  const Estimate estimate = ClusteredMean(sums, threads, options);
  nb::dict out;
  out["value"] = estimate.value;
  out["low"] = estimate.interval ? nb::cast(estimate.interval->low) : nb::none();
  out["high"] = estimate.interval ? nb::cast(estimate.interval->high) : nb::none();
  out["num_clusters"] = estimate.num_clusters;
  out["effective_clusters"] = estimate.effective_clusters;
  return out;
}

}  // namespace
}  // namespace bitloss

NB_MODULE(_core, m) {
  using namespace bitloss;  // NOLINT: the module is this namespace's
  m.doc() = "What bitloss computes, for the package around it";
  nb::register_exception_translator(RaiseInPython);

  nb::class_<OpenUnit>(m, "Unit")
      .def("add", &OpenUnit::Add, nb::arg("first_row"), nb::arg("lanes"))
      .def("put", &OpenUnit::Put);
  nb::class_<OpenStudy>(m, "Study")
      .def(
          "has", [](OpenStudy& open, size_t unit) { return OrRaise(open.get().Has(unit)); },
          nb::arg("unit"))
      .def("check_lanes_differ", [](OpenStudy& open) { OrRaise(open.get().CheckLanesDiffer()); })
      .def("close", [](OpenStudy& open) { open.study.reset(); });
  m.def(
      "begin_unit",
      [](std::shared_ptr<OpenStudy> open, size_t unit, uint32_t cluster,
         std::vector<int32_t> tokens, size_t first_scored) {
        auto tiles = OrRaise(open->get().Begin({unit, cluster, std::move(tokens), first_scored}));
        return OpenUnit{std::move(open), std::move(tiles)};
      },
      nb::arg("study"), nb::arg("unit"), nb::arg("cluster"), nb::arg("tokens"),
      nb::arg("first_scored"));
  m.def("open_study", &Open, nb::arg("folder"), nb::arg("names"), nb::arg("sizes"),
        nb::arg("model_and_text"), nb::arg("num_threads"));
  m.def("divergence", &DivergenceOf, nb::arg("base"), nb::arg("lane"), nb::arg("tokens"));
  m.def("mean", &MeanOf, nb::arg("values"), nb::arg("clusters"), nb::arg("range"),
        nb::arg("confidence"));
}
