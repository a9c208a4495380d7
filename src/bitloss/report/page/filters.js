"use strict";
// Filters the answers. Without scripts every prompt is there and the controls are not.
(function () {
  // "1:same 2:lost" -> [["1", "same"], ["2", "lost"]]
  const statuses = (prompt) =>
    prompt.dataset.lanes.split(" ").filter(Boolean).map((pair) => pair.split(":"));

  const matches = (status, wanted) =>
    wanted === "all" || status === wanted || (wanted === "differs" && status !== "same");

  function browse(browser) {
    const filters = browser.querySelector(".filters");
    const prompts = Array.from(browser.querySelectorAll(".prompt"));
    const rest = browser.querySelector(".rest");
    const choice = (name) => filters.querySelector(`[name=${name}]`).value;

    function apply() {
      const category = choice("category");
      const lane = choice("lane");
      const wanted = choice("show");
      const filtered = category !== "all" || lane !== "all" || wanted !== "all";
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
          answer.hidden =
            lane !== "all" && answer.dataset.lane !== lane && answer.dataset.lane !== "0";
        }
      }
      if (rest) {
        const left = Array.from(rest.querySelectorAll(".prompt")).some((prompt) => !prompt.hidden);
        rest.hidden = !left;
        if (filtered) rest.open = true;
      }
      browser.querySelector(".shown").textContent = `${shown} of ${prompts.length} prompts`;
    }

    filters.addEventListener("change", apply);
    browser.querySelector(".toggle").addEventListener("click", () => {
      const visible = prompts.filter((prompt) => !prompt.hidden && (!rest || rest.open || !rest.contains(prompt)));
      const open = visible.some((prompt) => !prompt.open);
      for (const prompt of visible) prompt.open = open;
    });
    filters.hidden = false;
    apply();
  }

  const browsers = Array.from(document.querySelectorAll(".browser"));
  browsers.forEach(browse);

  // On paper nothing can be opened: what a lane lost or regained is printed open.
  window.addEventListener("beforeprint", () => {
    for (const prompt of document.querySelectorAll(".browser > .prompt:not([hidden])")) {
      prompt.open = true;
    }
  });
})();
