"use strict";
// Sorts tables by a click, or Enter, on a column's name. Without scripts they stay in order.
(function () {
  // Numbers as they are printed: "62,898", "+0.24", "1.0e-04", "93/96"; null: not a number.
  function numberOf(cell) {
    const first = cell.firstChild;
    const text = (first ? first.textContent : "").replace(/,/g, "").trim();
    const value = parseFloat(text);
    return Number.isNaN(value) ? null : value;
  }

  function compare(a, b, column, numeric) {
    const [x, y] = [a.cells[column], b.cells[column]];
    if (!numeric) return x.textContent.localeCompare(y.textContent, "en", { numeric: true });
    const [u, v] = [numberOf(x), numberOf(y)];
    if (u === null || v === null) return null;
    return u - v;
  }

  function sort(table, column, direction) {
    const body = table.tBodies[0];
    const numeric = table.tHead.rows[0].cells[column].classList.contains("num");
    const rows = Array.from(body.rows);
    // What was not measured stays at the end, whichever way the rest is sorted.
    const missing = (row) => numeric && numberOf(row.cells[column]) === null;
    const order = (a, b) => missing(a) - missing(b) || direction * (compare(a, b, column, numeric) || 0);
    rows.sort(order);
    body.append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = Array.from(table.tHead.rows[0].cells);
    if (table.tBodies[0].rows.length < 2) continue;
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.title = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
        sort(table, column, direction);
      });
    });
  }
})();
