"""The report that a study's records make, as far as it can be told from the documents."""
import json

from samples import sampled_result
from suite_results import add_exploratory, suite_result
from text_results import text_result
from values import Skipped, present
from verdicts import add_floor, add_verdicts, suite_floor, text_floor


def lane_facts(study, lane):
    row = lane.row
    facts = {"scheme": row["scheme"], "baseline": lane.baseline, "definition": row["definition"],
             "size": present(weight_bytes=row["weight_bytes"],
                             bits_per_weight=8 * row["weight_bytes"] /
                             study.manifest["model"]["num_parameters"],
                             quantized_bits_per_weight=row["quantized_bits_per_weight"],
                             cache_bytes_per_token=json.loads(row["coverage"])
                             .get("cache", {}).get("bytes_per_token")),
             "identity": json.loads(row.get("identity", "{}")),
             "coverage": json.loads(row["coverage"]), "calibration": json.loads(row["calibration"])}
    if lane.control:
        facts["control"] = True
    if row["group_size"] is not None:
        facts["group_size"] = row["group_size"]
    if json.loads(row.get("not_run", "[]")):
        facts["not_run"] = json.loads(row["not_run"])
    if json.loads(row["notes"]):
        facts["notes"] = json.loads(row["notes"])
    if lane.index in study.peak_memory:
        facts["peak_memory_bytes"] = study.peak_memory[lane.index]
    return facts | {"speed": Skipped("speeds: what may differ between two runs")}


def model_facts(manifest):
    model = manifest["model"]
    facts = {"name": model["name"], "architecture": model["architecture"],
             "parameters": model["num_parameters"], "identity": model["identity"],
             "tokenizer_identity": manifest["tokenizer_identity"]}
    if model.get("stored_types"):
        facts["stored"] = {"types": model["stored_types"], "bytes": model["stored_bytes"]}
    return facts


def lane_result(study, lane):
    protocols = []
    for index in range(len(study.manifest["protocols"])):
        result = text_result(study, lane.index, index)
        result["tokens_hash"] = Skipped("hashes of token ids: ids are not stored")
        protocols.append(result)
    suites = []
    for index in range(len(study.manifest["suites"])):
        result = suite_result(study, lane.index, index)
        sampled = sampled_result(study, lane.index, index)
        suites.append(result | ({"samples": sampled} if sampled else {}))
    return lane_facts(study, lane) | {"protocols": protocols, "suites": suites}


def is_complete(results):
    return all(part["complete"] for result in results
               for part in result["protocols"] + result["suites"])


def recompute(study):
    results = [lane_result(study, lane) for lane in study.lanes]
    mean = lambda field: lambda result: result.get(field, {}).get("mean")
    for index in range(len(study.manifest["protocols"])):
        add_floor(study.lanes, [r["protocols"][index] for r in results], index, mean("kl"),
                  text_floor)
    for index in range(len(study.manifest["suites"])):
        add_floor(study.lanes, [r["suites"][index] for r in results], index, mean("answer_kl"),
                  suite_floor)
    add_exploratory(study, [(lane.index, results[lane.index]["suites"])
                            for lane in study.lanes if not lane.baseline and not lane.control])
    confirmatory = add_verdicts(study, results)
    manifest = study.manifest
    versions = {"numeric_version": manifest["numeric_version"]} \
        if manifest.get("numeric_version") else {}
    return versions | {
            "schema": "bitloss.report/1", "bitloss_version": manifest["bitloss_version"],
            "complete": is_complete(results), "model": model_facts(manifest),
            "seed": manifest["seed"], "options": study.options(),
            "machine": Skipped("machine: what may differ between two runs"),
            "lanes": results} | ({"confirmatory": confirmatory} if confirmatory else {})
