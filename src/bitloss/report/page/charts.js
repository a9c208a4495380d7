"use strict";
// Draws the charts with Vega in place of the static drawings. Expressions are interpreted, not
// compiled: the page's policy allows no eval. Colours are the style sheet's, so that a chart follows
// light, dark and print.
(function () {
  if (!window.vega) return;

  const laneColor = "'var(--lane-' + datum.color + ')'";
  const color = () => ({ signal: laneColor });
  const muted = "var(--muted)";
  const axis = {
    labelColor: muted, titleColor: muted, domainColor: "var(--line)", tickColor: "var(--line)",
    gridColor: "var(--line)", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal",
    labelFont: "inherit", titleFont: "inherit", titlePadding: 8,
  };

  // Names of bands that would run into each other on a phone.
  const slanted = {
    labelAngle: -40, labelAlign: "right", labelBaseline: "top", labelFontSize: 11, titlePadding: 28,
  };

  // An interval that touches zero must not stretch the axis without end.
  function logDomain(points) {
    const lows = points.map((p) => Math.max(p.low === undefined ? p.kl : p.low, p.kl / 3));
    const highs = points.map((p) => Math.max(p.high === undefined ? p.kl : p.high, p.kl));
    return [Math.min(...lows) * 0.8, Math.max(...highs) * 1.25];
  }

  // 1, 2 and 5 times the powers of ten, or the powers alone where there are many.
  function logTicks([low, high]) {
    const factors = Math.log10(high / low) < 3.2 ? [1, 2, 5] : [1];
    const ticks = [];
    for (let d = Math.floor(Math.log10(low)); d <= Math.log10(high); d++) {
      for (const f of factors) {
        const tick = Number(`${f}e${d}`);
        if (tick >= low && tick <= high) ticks.push(tick);
      }
    }
    return ticks;
  }

  const short = (x) => Number(x.toPrecision(3)).toString();
  const interval = (p) =>
    p.low === undefined ? "no interval" : `95% [${short(p.low)}, ${short(p.high)}]`;

  function yAxis(domain, title) {
    return {
      scale: "y", orient: "left", grid: true, title, values: logTicks(domain), format: "~g",
      titleAnchor: "end", titleAngle: 0, titleAlign: "left", titleX: -50, titleY: -14, domain: false,
      ticks: false, ...axis,
    };
  }

  // The bar of an interval, cut where the axis ends.
  function bars(x, domain) {
    const y = (field, edge) => ({ signal: `scale('y', clamp(datum.${field}, ${edge[0]}, ${edge[1]}))` });
    return {
      type: "rule", from: { data: "points" },
      encode: { update: {
        x, y: y("low", domain), y2: y("high", domain), stroke: color(), strokeWidth: { value: 2 },
        opacity: { signal: "isValid(datum.low) ? 0.7 : 0" },
      } },
    };
  }

  function scatter(data, width, cost) {
    const points = data.points
      .filter((p) => p[cost] !== undefined)
      .map((p) => ({
        ...p, x: p[cost], hollow: /^dominated/.test(cost === "size" ? p.standing : p.standing_speed),
      }));
    const domain = logDomain(points);
    const rule = data.baseline[cost];
    const xs = points.map((p) => p.x).concat(rule === undefined ? [] : [rule]);
    const pad = (Math.max(...xs) - Math.min(...xs)) * 0.08 || Math.max(...xs) * 0.05;
    const unit = cost === "size" ? "size of all weights, MB" : "tokens per second, writing";
    const digits = (x) => (x < 100 ? x.toFixed(1) : x.toFixed(0));
    for (const p of points) {
      const amount = cost === "size" ? `${digits(p.x)} MB` : `${digits(p.x)} tokens/s`;
      p.tip = `${p.lane}\n${amount}\nKL ${short(p.kl)} nats/token, ${interval(p)}\n` +
        (cost === "size" ? p.standing : p.standing_speed);
    }
    const x = { scale: "x", field: "x" };
    const marks = [
      bars(x, domain),
      {
        type: "symbol", from: { data: "points" },
        encode: { update: {
          x, y: { scale: "y", field: "kl" }, size: { value: 110 }, strokeWidth: { value: 2 },
          fill: { signal: `datum.hollow ? 'var(--bg)' : ${laneColor}` }, stroke: color(),
          tooltip: { field: "tip" },
        } },
      },
      {
        type: "text", from: { data: "points" },
        encode: { update: {
          x, y: { scale: "y", field: "kl" }, text: { field: "lane" }, fill: { value: "var(--fg)" },
          fontSize: { value: 13 }, font: { value: "inherit" }, baseline: { value: "middle" },
          align: { field: "align" }, dx: { field: "dx" }, dy: { field: "dy" },
        } },
      },
    ];
    if (rule !== undefined) {
      marks.unshift({
        type: "rule",
        encode: { update: {
          x: { scale: "x", value: rule }, y: { value: 0 }, y2: { signal: "height" },
          stroke: { value: muted }, strokeDash: { value: [4, 4] },
        } },
      }, {
        type: "text",
        encode: { update: {
          x: { scale: "x", value: rule }, y: { value: 8 }, text: { value: data.baseline.lane },
          align: { value: rule > (Math.max(...xs) + Math.min(...xs)) / 2 ? "right" : "left" },
          dx: { value: rule > (Math.max(...xs) + Math.min(...xs)) / 2 ? -6 : 6 },
          fill: { value: muted }, fontSize: { value: 12 }, font: { value: "inherit" },
        } },
      });
    }
    placeLabels(points, domain, [Math.max(0, Math.min(...xs) - pad), Math.max(...xs) + pad], width);
    return {
      width, height: width < 500 ? 280 : 340, data: [{ name: "points", values: points }],
      scales: [
        { name: "x", type: "linear", range: "width", zero: false,
          domain: [Math.max(0, Math.min(...xs) - pad), Math.max(...xs) + pad] },
        { name: "y", type: "log", range: "height", domain },
      ],
      axes: [
        yAxis(domain, data.title),
        { scale: "x", orient: "bottom", title: unit, tickCount: width < 500 ? 4 : 8, ...axis },
      ],
      marks,
    };
  }

  // Labels stand beside their points: to the right, or else where they cover least of points (10),
  // labels (10) and error bars (2). The static drawing (chart.cc) places them alike.
  function placeLabels(points, domain, xDomain, width) {
    const height = width < 500 ? 280 : 340;
    const x = (p) => ((p.x - xDomain[0]) / (xDomain[1] - xDomain[0])) * width;
    const y = (kl) => (1 - Math.log(kl / domain[0]) / Math.log(domain[1] / domain[0])) * height;
    const taken = [];
    for (const p of points) {
      taken.push([x(p) - 6, y(p.kl) - 6, x(p) + 6, y(p.kl) + 6, 10]);
      if (p.low === undefined) continue;
      taken.push([x(p) - 5, y(p.high), x(p) + 5, y(Math.max(p.low, domain[0])), 2]);
    }
    for (const p of [...points].sort((a, b) => b.kl - a.kl)) {
      const length = 7 * p.lane.length;
      let least = Infinity;
      for (const dy of [0, 16, -16, 32, -32]) {
        for (const align of ["left", "right"]) {
          const left = align === "left" ? x(p) + 11 : x(p) - 11 - length;
          const box = [left, y(p.kl) + dy - 8, left + length, y(p.kl) + dy + 8, 10];
          let cost = left < 4 || box[2] > width + 8 || box[1] < -12 || box[3] > height ? 100 : 0;
          for (const t of taken) {
            if (box[0] < t[2] && t[0] < box[2] && box[1] < t[3] && t[1] < box[3]) cost += t[4];
          }
          if (cost >= least) continue;
          least = cost;
          Object.assign(p, { align, dx: align === "left" ? 11 : -11, dy, box });
        }
      }
      taken.push(p.box);
    }
  }

  function lines(data, width) {
    const points = data.points.filter((p) => p.kl > 0);
    const domain = logDomain(points);
    for (const p of points) {
      p.tip = `${p.lane}, ${p.band}\nKL ${short(p.kl)} nats/token, ${interval(p)}\n` +
        `${p.tokens.toLocaleString("en")} tokens`;
    }
    const x = { scale: "x", field: "band", band: 0.5 };
    return {
      width, height: width < 500 ? 240 : 280, data: [{ name: "points", values: points }],
      scales: [
        { name: "x", type: "band", range: "width", domain: data.bands },
        { name: "y", type: "log", range: "height", domain },
      ],
      axes: [
        yAxis(domain, data.y_title),
        { scale: "x", orient: "bottom", title: data.x_title, ...axis, ...(width < 500 ? slanted : {}) },
      ],
      marks: [
        {
          type: "group", from: { facet: { name: "lane", data: "points", groupby: ["lane", "color"] } },
          marks: [{
            type: "line", from: { data: "lane" },
            encode: { update: {
              x, y: { scale: "y", field: "kl" }, stroke: color(), strokeWidth: { value: 2 },
            } },
          }],
        },
        bars(x, domain),
        {
          type: "symbol", from: { data: "points" },
          encode: { update: {
            x, y: { scale: "y", field: "kl" }, size: { value: 60 }, fill: color(),
            stroke: { value: "var(--bg)" }, tooltip: { field: "tip" },
          } },
        },
      ],
    };
  }

  // Kaplan-Meier curves: steps down from 1, each with its pointwise band.
  function survival(data, width) {
    const points = [];
    for (const line of data.lines) {
      const shared = { lane: line.lane, color: line.color };
      const from = { t: 0, s: 1, low: 1, high: 1 };
      const steps = line.points.map(([t, s, low = s, high = s]) => ({ t, s, low, high }));
      const last = { ...(steps[steps.length - 1] || from), t: data.tokens };
      for (const p of [from, ...steps, last]) {
        const percent = (x) => `${(100 * x).toFixed(0)}`;
        points.push({
          ...shared, ...p,
          tip: `${line.lane}\n${percent(p.s)} % of answers share their first ${p.t} tokens\n` +
            `95% [${percent(p.low)}, ${percent(p.high)}] %`,
        });
      }
    }
    const x = { scale: "x", field: "t" };
    const y = (field) => ({ scale: "y", field });
    const step = { value: "step-after" };
    return {
      width, height: width < 500 ? 240 : 280, data: [{ name: "points", values: points }],
      scales: [
        { name: "x", type: "linear", range: "width", domain: [0, data.tokens], nice: false },
        { name: "y", type: "linear", range: "height", domain: [0, 1] },
      ],
      axes: [
        { ...yAxis([1, 1], "answers that are the baseline's so far"), values: [0, 0.25, 0.5, 0.75, 1], format: "%" },
        { scale: "x", orient: "bottom", title: "tokens of the answer", tickCount: width < 500 ? 4 : 8, ...axis },
      ],
      marks: [
        {
          type: "group", from: { facet: { name: "lane", data: "points", groupby: ["lane", "color"] } },
          marks: [{
            type: "area", from: { data: "lane" },
            encode: { update: {
              x, y: y("low"), y2: y("high"), interpolate: step, fill: color(), fillOpacity: { value: Math.max(0.04, 0.2 / data.lines.length) },
            } },
          }, {
            type: "line", from: { data: "lane" },
            encode: { update: {
              x, y: y("s"), interpolate: step, stroke: color(), strokeWidth: { value: 2 },
            } },
          }],
        },
        {
          type: "symbol", from: { data: "points" },
          encode: { update: {
            x, y: y("s"), size: { value: 60 }, fill: color(), fillOpacity: { value: 0 },
            tooltip: { field: "tip" },
          }, hover: { fillOpacity: { value: 1 } } },
        },
      ],
    };
  }

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "tooltip");
  document.body.append(tip);

  function showTip(handler, event, item, value) {
    tip.hidden = value === undefined || value === null || value === "";
    if (tip.hidden) return;
    tip.textContent = value;
    const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${event.clientY + 16}px`;
  }

  function draw(figure) {
    const drawing = figure.querySelector(".drawing");
    const data = JSON.parse(figure.querySelector("script").textContent);
    const fallback = drawing.innerHTML;
    let cost = "size";
    let view = null;

    function render() {
      const width = Math.max(220, Math.min(900, figure.clientWidth) - 75);
      const kinds = { lines, survival, scatter };
      const chart = kinds[data.kind](data, width, cost);
      if (chart.data[0].values.length === 0) return;
      // Read aloud, a chart is its description; its numbers are in a table.
      for (const mark of chart.marks) mark.aria = false;
      const spec = {
        $schema: "vega", description: drawing.dataset.label || "", autosize: "pad",
        padding: { left: 5, right: 10, top: 22, bottom: 5 }, ...chart,
      };
      if (view) view.finalize();
      drawing.replaceChildren();
      view = new window.vega.View(window.vega.parse(spec, {}, { ast: true }), {
        expr: window.vega.expressionInterpreter, renderer: "svg", container: drawing, hover: true,
        tooltip: showTip,
      });
      view.runAsync().then(() => { figure.dataset.drawn = cost; }, restore);
    }

    // The static drawing is better than none.
    function restore(error) {
      drawing.innerHTML = fallback;
      throw error;
    }

    if (data.kind === "scatter" && data.points.some((p) => p.speed !== undefined)) {
      const label = document.createElement("label");
      label.className = "axis";
      label.append("Against ");
      const select = document.createElement("select");
      select.name = "cost";
      for (const [value, text] of [["size", "size"], ["speed", "speed"]]) {
        select.append(new Option(text, value));
      }
      select.addEventListener("change", () => { cost = select.value; render(); });
      label.append(select);
      figure.prepend(label);
    }
    drawing.dataset.label = (fallback.match(/aria-label="([^"]*)"/) || ["", ""])[1];
    render();
    let shown = figure.clientWidth;
    function redraw() {
      if (figure.clientWidth === shown) return;
      shown = figure.clientWidth;
      render();
    }
    window.addEventListener("resize", redraw);
    // What is folded has no width yet.
    const fold = figure.closest("details.fold");
    if (fold) fold.addEventListener("toggle", redraw);
  }

  for (const figure of document.querySelectorAll("figure.chart")) draw(figure);
})();
