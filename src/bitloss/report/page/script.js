"use strict";
// Filters the answers. Without scripts every prompt is there and the controls are not.
(function () {
  const filters = document.getElementById("filters");
  if (!filters) return;
  const prompts = Array.from(document.querySelectorAll(".prompt"));
  const choice = (name) => filters.querySelector(`[name=${name}]`).value;

  // "1:same 2:lost" -> [["1", "same"], ["2", "lost"]]
  const statuses = (prompt) =>
    prompt.dataset.lanes.split(" ").filter(Boolean).map((pair) => pair.split(":"));

  const matches = (status, wanted) =>
    wanted === "all" || status === wanted || (wanted === "differs" && status !== "same");

  function apply() {
    const category = choice("category");
    const lane = choice("lane");
    const wanted = choice("show");
    let shown = 0;
    for (const prompt of prompts) {
      const visible =
        (category === "all" || prompt.dataset.category === category) &&
        (wanted === "all" ||
          statuses(prompt).some(([of, status]) =>
            (lane === "all" || of === lane) && matches(status, wanted)));
      prompt.hidden = !visible;
      if (visible) shown += 1;
      for (const answer of prompt.querySelectorAll("[data-lane]")) {
        answer.hidden = lane !== "all" && answer.dataset.lane !== lane && answer.dataset.lane !== "0";
      }
    }
    document.getElementById("shown").textContent = `${shown} of ${prompts.length} prompts`;
  }

  filters.addEventListener("change", apply);
  document.getElementById("toggle").addEventListener("click", () => {
    const visible = prompts.filter((prompt) => !prompt.hidden);
    const open = visible.some((prompt) => !prompt.open);
    for (const prompt of visible) prompt.open = open;
  });
  filters.hidden = false;
  apply();
})();
