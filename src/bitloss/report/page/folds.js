"use strict";
// Opens a folded section when something leads into it, and all of them for printing.
(function () {
  function open(hash) {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (!target) return;
    const fold = target.querySelector(":scope > details.fold") || target.closest("details.fold");
    if (fold) fold.open = true;
  }

  window.addEventListener("hashchange", () => open(location.hash));
  for (const link of document.querySelectorAll("a[href^='#']")) {
    link.addEventListener("click", () => open(link.hash));
  }
  open(location.hash);
  window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details.fold")) fold.open = true;
  });
})();
