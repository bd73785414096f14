// The page of a bench: charts, a choice for a budget and a recall, a table that can be sorted. The data is in the page.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const rows = data.rows;
  const state = { n: data.n, budget: null, recall: 0.9, prefer: "bytes", disk: false, picked: null, pointed: null };
  const $ = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";

  // --- numbers ---

  const total = (row) => row.bytes + row.fixed / state.n;
  const grouped = (value, digits = 0) =>
    value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const size = (bytes) => {
    for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
      if (bytes < 1000 || unit === "TB") return `${grouped(bytes, unit === "B" || bytes >= 100 ? 0 : 1)} ${unit}`;
      bytes /= 1000;
    }
  };
  const short = (value) => grouped(value, value < 100 ? 1 : 0);
  const speed = (value) => grouped(value, value < 10 ? 1 : 0);

  // Rows in memory that no other row beats in both bytes and value, by bytes.
  function frontier(value) {
    const best = [];
    const inMemory = rows.filter((row) => row.rerank !== "disk" && row[value] !== null);
    inMemory.sort((a, b) => total(a) - total(b) || b[value] - a[value]);
    for (const row of inMemory) if (!best.length || row[value] > best[best.length - 1][value]) best.push(row);
    return best;
  }

  // --- the choice ---

  // The first setting of a row that reaches the recall, or its best one.
  function setting(row) {
    const enough = row.sweep.find((point) => point.recall >= state.recall);
    return enough || row.sweep.reduce((best, point) => (point.recall > best.recall ? point : best));
  }

  function choice() {
    const inMemory = rows.filter((row) => row.rerank !== "disk");
    const allowed = state.disk || !inMemory.length ? rows : inMemory;
    const fits = allowed.filter((row) => state.budget === null || total(row) <= state.budget);
    if (!fits.length) {
      const least = allowed.reduce((a, b) => (total(a) <= total(b) ? a : b));
      return { row: least, note: `Nothing measured fits ${short(state.budget)} bytes; the smallest is shown.` };
    }
    const enough = fits.filter((row) => setting(row).recall >= state.recall);
    if (!enough.length) {
      const best = fits.reduce((a, b) => (setting(b).recall > setting(a).recall ? b : a));
      return { row: best, note: `No configuration reaches a recall of ${state.recall}; the best is shown.` };
    }
    const faster = (a, b) => setting(b).speed - setting(a).speed;
    const smaller = (a, b) => total(a) - total(b);
    enough.sort(state.prefer === "bytes" ? (a, b) => smaller(a, b) || faster(a, b) : (a, b) => faster(a, b) || smaller(a, b));
    return { row: enough[0], note: "" };
  }

  function showChoice() {
    const chosen = state.picked ? { row: state.picked, note: "Picked from the charts or the table." } : choice();
    const { row, note } = chosen;
    const point = setting(row);
    state.shown = row;
    $("choice-name").textContent = row.label;
    $("choice-note").textContent = note;
    $("choice-back").hidden = !state.picked;
    const facts = [
      [`memory for ${grouped(state.n)} ${data.unit}s`, size(total(row) * state.n)],
      [`bytes per ${data.unit}, all in`, short(total(row))],
      [`recall@${data.k}, measured`, point.recall.toFixed(3)],
      [data.speedName, speed(point.speed)],
    ];
    if (row.nlist > 1) facts.push(["lists probed", `${point.nprobe} of ${row.nlist}`]);
    if (row.ndcg !== null) facts.push(["nDCG@10", row.ndcg.toFixed(3)]);
    if (row.disk) facts.push(["on disk", size(row.disk * state.n)]);
    facts.push(["built in", `${row.build.toFixed(1)} s`]);
    $("choice-facts").replaceChildren(
      ...facts.map(([name, value]) => {
        const item = document.createElement("div");
        item.append(element("dt", name), element("dd", value));
        return item;
      })
    );
    const nprobe = row.nlist > 1 ? `, nprobe=${point.nprobe}` : "";
    $("code").textContent = row.code.replace("$NPROBE", nprobe);
    mark();
  }

  function element(name, text) {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  }

  // --- charts ---

  const charts = data.charts.map((spec) => ({ ...spec, box: $(spec.id), points: [] }));

  function svg(name, attributes, parent, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  }

  function scale(low, high, from, to, log) {
    const f = log ? Math.log2 : (v) => v;
    return (value) => from + ((f(value) - f(low)) / (f(high) - f(low) || 1)) * (to - from);
  }

  function ticks(low, high, log) {
    const found = [];
    if (log === 2) for (let v = 2 ** Math.ceil(Math.log2(low)); v <= high; v *= 2) found.push(v);
    else if (log)
      for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10)
        for (const m of [1, 2, 5]) if (m * power >= low && m * power <= high) found.push(m * power);
    if (!log) {
      const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25].find((s) => (high - low) / s <= 7) || 0.5;
      for (let v = Math.ceil(low / step) * step; v <= high + 1e-9; v += step) found.push(v);
    }
    while (found.length > 9) for (let i = found.length - 2; i > 0; i -= 2) found.splice(i, 1);
    return found;
  }

  // What a chart shows of a row: its points, of which the first one with `main` stands for it.
  function pointsOf(chart, row) {
    if (chart.kind === "memory")
      return row[chart.y] === null ? [] : [{ x: total(row), y: row[chart.y], main: true, row }];
    const enough = row.sweep.findIndex((point) => point.recall >= row.recall - 0.002);
    const shown = row.sweep.slice(0, (enough < 0 ? row.sweep.length : enough) + 1);
    const points = shown.map((point) => ({ x: point.recall, y: point.speed, main: point.served, row, point }));
    if (!points.some((p) => p.main)) points[points.length - 1].main = true;
    return points;
  }

  function draw(chart) {
    const width = Math.max(280, chart.box.clientWidth), narrow = width < 560;
    const height = narrow ? width * 0.95 : Math.min(460, width * 0.55);
    const at = { left: 52, right: width - 14, top: 14, bottom: height - 46 };
    const memory = chart.kind === "memory";
    const lines = rows.map((row) => pointsOf(chart, row)).filter((points) => points.length);
    const all = lines.flat();
    const xs = all.map((p) => p.x), ys = all.map((p) => p.y);
    const shares = memory ? ys : xs, counts = memory ? xs : ys;
    const low = Math.max(0, Math.floor((Math.min(...shares) - 0.03) * 20) / 20);
    const high = chart.y === "ndcg" ? Math.max(...shares) + 0.02 : 1.012;
    const least = Math.min(...counts) * 0.8, most = Math.max(...counts) * 1.3;
    const x = memory ? scale(least, most, at.left, at.right, true) : scale(low, high, at.left, at.right, false);
    const y = memory ? scale(low, high, at.bottom, at.top, false) : scale(least, most, at.bottom, at.top, true);

    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": chart.label });
    for (const value of memory ? ticks(least, most, 2) : ticks(low, high, 0)) {
      svg("line", { x1: x(value), x2: x(value), y1: at.top, y2: at.bottom, class: "grid" }, root);
      const text = memory ? grouped(value) : value.toFixed(2);
      svg("text", { x: x(value), y: at.bottom + 18, class: "tick middle" }, root, text);
    }
    for (const value of memory ? ticks(low, high, 0) : ticks(least, most, 10)) {
      svg("line", { x1: at.left, x2: at.right, y1: y(value), y2: y(value), class: "grid" }, root);
      const text = memory ? value.toFixed(2) : grouped(value, value < 1 ? 1 : 0);
      svg("text", { x: at.left - 7, y: y(value) + 4, class: "tick end" }, root, text);
    }
    svg("text", { x: at.right, y: height - 8, class: "tick end" }, root, memory ? data.bytesAxis : `recall@${data.k}`);
    svg("text", { x: at.left, y: 10, class: "tick" }, root, chart.yName);

    const best = frontier(memory ? chart.y : "recall");
    if (memory && best.length) {
      let path = `M${x(total(best[0]))},${y(best[0][chart.y])}`;
      for (const row of best.slice(1)) path += `H${x(total(row))}V${y(row[chart.y])}`;
      svg("path", { d: `${path}H${at.right}`, class: "frontier-line" }, root);
    }
    for (const group of memory ? families(lines) : lines) {
      const path = group.map((p, i) => `${i ? "L" : "M"}${x(p.x)},${y(p.y)}`).join("");
      const faint = memory || !best.includes(group[0].row) ? " faint" : "";
      const css = `row-line${faint}${group[0].row.rerank === "none" ? "" : " dashed"}`;
      const line = svg("path", { d: path, class: css, stroke: `var(--${group[0].row.color})` }, root);
      if (!memory) line.dataset.row = rows.indexOf(group[0].row);
    }
    const list = svg("g", { role: "listbox", "aria-label": `${chart.label}: configurations` }, root);
    chart.points = [];
    for (const p of all) {
      const spot = { ...p, px: x(p.x), py: y(p.y) };
      const node = shape(p, spot, best.includes(p.row), list);
      if (p.main) {
        node.setAttribute("role", "option");
        node.setAttribute("tabindex", "-1");
        node.setAttribute("aria-label", told(p.row, p.point));
        node.dataset.row = rows.indexOf(p.row);
        chart.points.push({ ...spot, node });
      }
    }
    chart.points.sort((a, b) => a.px - b.px);
    if (chart.points.length) chart.points[0].node.setAttribute("tabindex", "0");
    chart.all = all.map((p) => ({ ...p, px: x(p.x), py: y(p.y) }));
    chart.box.replaceChildren(root);
    name(chart, root, best, at);
    listen(chart, root, list);
  }

  // Lines of one family and kind of rerank, by bytes.
  function families(lines) {
    const groups = new Map();
    for (const [point] of lines) {
      const key = point.row.family + point.row.rerank;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(point);
    }
    return [...groups.values()].map((group) => group.sort((a, b) => a.x - b.x));
  }

  function shape(p, { px, py }, best, parent) {
    const r = p.main ? (best ? 5 : 4) : 2;
    const look = { fill: `var(--${p.row.color})`, class: p.main ? "spot" : "dot-on-line" };
    if (p.row.rerank === "ram") return svg("rect", { x: px - r, y: py - r, width: 2 * r, height: 2 * r, ...look }, parent);
    if (p.row.rerank === "disk")
      return svg("path", { d: `M${px},${py - r - 1}L${px + r + 1},${py + r}H${px - r - 1}Z`, ...look }, parent);
    return svg("circle", { cx: px, cy: py, r, ...look }, parent);
  }

  // Names beside the points of the frontier, where they cover neither another name nor a point.
  function name(chart, root, best, at) {
    const taken = chart.points.map((p) => ({ x0: p.px - 4, x1: p.px + 4, y0: p.py - 4, y1: p.py + 4 }));
    const places = [[-8, -4, "end"], [8, 10, "start"], [0, -9, "middle"], [8, -4, "start"], [0, 17, "middle"]];
    for (const p of chart.points.filter((each) => best.includes(each.row) || each.row.rerank === "disk")) {
      const width = p.row.label.length * 6.3;
      for (const [dx, dy, anchor] of places) {
        const left = p.px + dx - (anchor === "end" ? width : anchor === "middle" ? width / 2 : 0);
        const box = { x0: left, x1: left + width, y0: p.py + dy - 10, y1: p.py + dy + 3 };
        if (box.x0 < at.left || box.x1 > at.right || box.y0 < at.top - 4 || box.y1 > at.bottom) continue;
        if (taken.some((o) => box.x0 < o.x1 && o.x0 < box.x1 && box.y0 < o.y1 && o.y0 < box.y1)) continue;
        taken.push(box);
        const look = { x: p.px + dx, y: p.py + dy, "text-anchor": anchor, fill: `var(--${p.row.color})`, class: "name" };
        svg("text", look, root, p.row.label);
        break;
      }
    }
  }

  function told(row, point) {
    const at = point || { recall: row.recall };
    const parts = [row.label, `${short(total(row))} bytes`, `recall ${at.recall.toFixed(3)}`];
    if (row.ndcg !== null) parts.push(`nDCG ${row.ndcg.toFixed(3)}`);
    if (point) {
      parts.push(`${speed(point.speed)} queries/s`);
      if (point.low < point.high) parts.push(`(${speed(point.low)} to ${speed(point.high)})`);
      if (row.nlist > 1) parts.push(`nprobe ${point.nprobe}`);
    }
    return parts.join(", ");
  }

  function listen(chart, root, list) {
    const nearest = (event) => {
      const box = root.getBoundingClientRect(), unit = root.viewBox.baseVal.width / box.width;
      const mx = (event.clientX - box.left) * unit, my = (event.clientY - box.top) * unit;
      let best = null, least = 28;
      for (const p of chart.all) {
        const distance = Math.hypot(p.px - mx, p.py - my);
        if (distance < least) [best, least] = [p, distance];
      }
      return best;
    };
    root.addEventListener("pointermove", (event) => point(nearest(event), chart));
    root.addEventListener("pointerleave", () => point(null, chart));
    root.addEventListener("click", (event) => {
      const p = nearest(event);
      if (p) pick(p.row);
    });
    list.addEventListener("focusin", (event) => {
      const p = chart.points.find((each) => each.node === event.target);
      if (p) point(p, chart);
    });
    list.addEventListener("focusout", () => point(null, chart));
    list.addEventListener("keydown", (event) => {
      const here = chart.points.findIndex((p) => p.node === document.activeElement);
      const last = chart.points.length - 1;
      const to = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: last };
      if (event.key in to) {
        const next = chart.points[Math.min(last, Math.max(0, to[event.key]))].node;
        chart.points[here].node.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      } else if (event.key === "Enter" || event.key === " ") pick(chart.points[here].row);
      else return;
      event.preventDefault();
    });
  }

  function point(p, chart) {
    const tip = $("tip");
    state.pointed = p ? p.row : null;
    tip.hidden = !p;
    if (p) {
      tip.textContent = told(p.row, p.point);
      const box = chart.box.getBoundingClientRect();
      const left = Math.min(box.left + p.px + 12, document.documentElement.clientWidth - tip.offsetWidth - 8);
      tip.style.left = `${Math.max(8, left) + scrollX}px`;
      tip.style.top = `${box.top + p.py + 14 + scrollY}px`;
    }
    mark();
  }

  function pick(row) {
    state.picked = row;
    showChoice();
  }

  // Which row is chosen and which is pointed at, in both charts and the table.
  function mark() {
    for (const node of document.querySelectorAll("[data-row]")) {
      const row = rows[node.dataset.row];
      node.classList.toggle("chosen", row === state.shown);
      node.classList.toggle("pointed", row === state.pointed);
      if (node.getAttribute("role") === "option") node.setAttribute("aria-selected", row === state.shown);
    }
    for (const button of document.querySelectorAll("button.pick"))
      button.setAttribute("aria-pressed", rows[button.closest("tr").dataset.row] === state.shown);
  }

  // --- the table ---

  const table = $("rows");
  function refreshTable() {
    const best = frontier("recall");
    for (const line of table.tBodies[0].rows) {
      const row = rows[line.dataset.row];
      line.classList.toggle("frontier", best.includes(row));
      const cell = line.querySelector(".total");
      cell.textContent = short(total(row));
      cell.dataset.value = total(row);
    }
  }

  function sort(button) {
    const head = button.closest("th"), column = head.cellIndex, text = head.dataset.text === "yes";
    const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    const value = (line) => line.cells[column].dataset.value;
    const order = (a, b) => (text ? value(a).localeCompare(value(b)) : (Number(value(a)) || 0) - (Number(value(b)) || 0));
    const sorted = [...table.tBodies[0].rows].sort(order);
    table.tBodies[0].append(...(direction === "ascending" ? sorted : sorted.reverse()));
  }

  for (const button of table.querySelectorAll("th button")) button.addEventListener("click", () => sort(button));
  table.tBodies[0].addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    if (line) pick(rows[line.dataset.row]);
  });
  for (const kind of ["pointerover", "focusin"])
    table.tBodies[0].addEventListener(kind, (event) => {
      const line = event.target.closest("tr");
      state.pointed = line ? rows[line.dataset.row] : null;
      mark();
    });
  table.tBodies[0].addEventListener("pointerleave", () => {
    state.pointed = null;
    mark();
  });

  // --- inputs ---

  function read() {
    const number = (id, valid) => {
      const text = $(id).value.trim(), value = Number(text);
      const right = text !== "" && Number.isFinite(value) && valid(value);
      $(id).setAttribute("aria-invalid", text !== "" && !right);
      return right ? value : null;
    };
    state.n = number("n", (v) => v >= 1) || data.n;
    state.budget = number("budget", (v) => v > 0);
    state.recall = number("recall", (v) => v > 0 && v <= 1) ?? 0.9;
    state.prefer = $("prefer").value;
    state.disk = $("disk").value === "yes";
    state.picked = null;
    refreshTable();
    charts.forEach(draw);
    showChoice();
  }

  for (const id of ["n", "budget", "recall", "prefer", "disk"]) $(id).addEventListener("input", read);
  $("choice-back").addEventListener("click", () => {
    state.picked = null;
    showChoice();
  });
  $("copy").addEventListener("click", async () => {
    const selection = getSelection(), range = document.createRange();
    range.selectNodeContents($("code"));
    selection.removeAllRanges();
    selection.addRange(range);
    let copied = false;
    try {
      await navigator.clipboard.writeText($("code").textContent);
      copied = true;
    } catch {
      copied = document.execCommand("copy");
    }
    $("copied").textContent = copied ? "Copied." : "Selected: copy it with the keyboard.";
  });
  new ResizeObserver(() => {
    charts.forEach(draw);
    mark();
  }).observe(document.querySelector("main"));
  for (const part of document.querySelectorAll(".needs-script")) part.hidden = false;
  read();
})();
