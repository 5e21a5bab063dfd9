"use strict";
// Draws the model that drawing.py put into the page. Everything that comes from telemetry is set
// as text: a tag's value can be anything that anybody wrote.
(() => {
  const model = JSON.parse(document.getElementById("data").textContent);
  const COLOURS = {
    green: "#4da67a", yellow: "#e6c35c", orange: "#e59a3c", redBright: "#d2453d", redDark: "#8f2b26",
    red: "#b8564f", blue: "#4f83c2", blueDark: "#2a5d9f", purple: "#8067b7", pink: "#c77fb0",
    gray: "#9aa5b1", turquoise: "#4aa8a8", brown: "#a5713f", grayBlue: "#6f8aa8",
  };
  const PALETTE = ["blue", "turquoise", "yellow", "purple", "orange", "gray", "pink", "green"].map((name) => COLOURS[name]);
  const FIRST_ROWS = 6;
  const TALL = 90;
  const DAYS = { 1: "Last 24 hours" };
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const main = document.querySelector("main");
  const range = document.getElementById("range");
  const deployment = document.getElementById("deployment");
  const subscription = document.getElementById("subscription");
  let charts = [];
  let fits = [];
  let chosenTab = model.tabs[0].name;
  const chosen = {}; // what clicks set, by parameter

  function element(tag, className, text) {
    const created = document.createElement(tag);
    if (className) created.className = className;
    if (text !== undefined) created.textContent = text;
    return created;
  }
  function date(text) {
    return `${Number(text.slice(8, 10))} ${MONTHS[Number(text.slice(5, 7)) - 1]} ${text.slice(0, 4)}`;
  }
  function moment(text) {
    return text ? `${date(text)}, ${text.slice(11, 16)}` : "";
  }
  function colour(name) {
    // The page's own colours, light or dark: a chart takes no variable.
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }
  function number(value) {
    return typeof value === "number" ? value.toLocaleString("en-US", { maximumFractionDigits: 2 }) : "";
  }
  function words(markdown, into) {
    for (const part of markdown.split(/(```\w*\n[^`]+```|`[^`]+`|\*\*[^*]+\*\*|(?<!\w)\*[^*\s][^*]*\*)/)) {
      if (part.startsWith("```")) into.append(element("pre", "", part.replace(/^```\w*\n|```$/g, "")));
      else if (part.startsWith("`")) into.append(element("code", "", part.slice(1, -1)));
      else if (part.startsWith("**")) into.append(element("strong", "", part.slice(2, -2)));
      else if (part.startsWith("*")) into.append(element("em", "", part.slice(1, -1)));
      else into.append(part);
    }
  }
  function column(data, name) {
    return data.columns.indexOf(name);
  }
  function threshold(grid, value) {
    return grid.find((rule) => rule.operator === "Default" || rule.thresholdValue === value);
  }
  function filled(template, data, row, value) {
    return template
      .replace("{0}", value ?? "").replace("{1}", "")
      .replace(/\["(\w+)"\]/g, (_, name) => row[column(data, name)] ?? "");
  }

  function tiles(section, step, data) {
    const box = element("div", "tiles");
    const settings = step.settings;
    for (const row of data.rows) {
      const cell = (part) => row[column(data, settings[part].columnMatch)];
      const status = cell("secondaryContent");
      const rule = threshold(settings.secondaryContent.formatOptions.thresholdsGrid, status);
      const text = filled(rule.text, data, row, status);
      const named = model.tabs.find((tab) => text.endsWith(`see ${tab.name}`));
      const tile = element(named ? "button" : "div", `tile ${status || ""}`);
      if (named) {
        tile.type = "button";
        tile.addEventListener("click", () => show(named.name));
      }
      tile.append(element("h3", "", cell("titleContent")));
      tile.append(element("div", "value", number(cell("leftContent")) || "–"));
      const note = element("div", "note");
      note.append(element("span", `status ${rule.representation}`, text));
      tile.append(note);
      box.append(tile);
    }
    section.append(box);
  }

  function labelOf(step, name) {
    return (step.settings.labelSettings || []).find((label) => label.columnId === name)?.label || name;
  }

  function isBlank(value) {
    return value === null || value === "";
  }

  function cellOf(step, data, row, index) {
    const name = data.columns[index];
    const value = row[index];
    const rule = (step.settings.formatters || []).find((formatter) => new RegExp(formatter.columnMatch).test(name));
    const kind = data.kinds[index];
    const cell = element("td", kind);
    cell.dataset.label = labelOf(step, data.columns[index]);
    const options = rule?.formatOptions || {};
    if (isBlank(value)) {
      cell.classList.add("blank");
      cell.append("–");
      return cell;
    }
    if (rule?.formatter === 18) {
      const found = threshold(options.thresholdsGrid, value);
      cell.append(element("span", `status ${found.representation}`, filled(found.text, data, row, value)));
    } else if (options.linkTarget === "Resource" && row[column(data, options.linkColumn)]) {
      const link = element("a", "", value);
      link.href = `https://portal.azure.com/#resource${row[column(data, options.linkColumn)]}`;
      link.target = "_blank";
      link.rel = "noreferrer";
      cell.classList.add("name");
      cell.append(link);
    } else if (rule?.formatter === 3) {
      const most = Math.max(...data.rows.map((other) => other[index] || 0), 1);
      const amount = element("span", "amount");
      const bar = element("i", options.palette);
      bar.style.width = `${Math.round((value / most) * 80)}px`;
      amount.append(bar, element("span", "", number(value)));
      cell.append(amount);
    } else if (rule?.formatter === 8) {
      const share = Math.max(0, Math.min(1, (value - options.min) / (options.max - options.min)));
      const heat = element("span", "heat", number(value));
      heat.style.background = `hsl(${Math.round(8 + share * 130)} 62% 85%)`;
      cell.append(heat);
    } else if (kind === "time") {
      cell.append(name === "Day" ? date(value) : moment(value));
    } else if (kind === "number") {
      cell.append(number(value));
    } else {
      const sentence = element("div", "", String(value));
      sentence.title = value;
      if (String(value).length > 40) cell.classList.add("long");
      else if (String(value).length <= 24) cell.classList.add("word");
      else if (!/\s/.test(value)) cell.classList.add("id");
      cell.append(sentence);
    }
    return cell;
  }

  function table(section, step, data) {
    const hidden = (step.settings.formatters || []).filter((rule) => rule.formatter === 5).map((rule) => new RegExp(rule.columnMatch));
    const shown = data.columns.map((name, index) => [name, index]).filter(([name]) => !hidden.some((pattern) => pattern.test(name)));
    const bar = element("div", "bar");
    const title = section.querySelector("h2");
    // A sentence about the other rows, which `alone` shows over all columns, is none of them.
    const isRow = (row) => shown.length < 2 || shown.filter(([, index]) => !isBlank(row[index])).length !== 1;
    const count = data.rows.filter(isRow).length;
    if (data.rows.length > 1) title.append(element("span", "count", count));
    bar.append(title);
    const order = element("select", "order"); // where there is no room for headings
    order.setAttribute("aria-label", `Sort ${step.title}`);
    order.append(new Option("Sort by …", "-1", true, true));
    for (const [name, index] of shown) {
      order.append(new Option(labelOf(step, name), `${index}`), new Option(`${labelOf(step, name)}, descending`, `${index} down`));
    }
    order.addEventListener("change", () => {
      const [index, down] = order.value.split(" ");
      sorted = { index: Number(index), down: Boolean(down) };
      fill();
    });
    if (data.rows.length > 1) bar.append(order);
    let search = { value: "" };
    if (data.rows.length > 5) {
      search = element("input");
      search.type = "search";
      search.placeholder = "Search";
      search.setAttribute("aria-label", `Search ${step.title}`);
      bar.append(search);
    }
    section.append(bar);
    const scroll = element("div", "scroll");
    const grid = element("table");
    const head = grid.createTHead().insertRow();
    const body = grid.createTBody();
    let sorted = { index: -1, down: false };
    let most = FIRST_ROWS;
    const more = element("button", "more");
    more.type = "button";
    more.addEventListener("click", () => {
      most = Infinity;
      fill();
    });
    function fill() {
      const wanted = search.value.toLowerCase();
      let rows = data.rows.filter((row) => !wanted || row.some((value) => String(value ?? "").toLowerCase().includes(wanted)));
      if (sorted.index >= 0) {
        const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
        rows = [...rows].sort((a, b) => {
          const [x, y] = [a[sorted.index], b[sorted.index]];
          if (x === null || y === null) return (x === null) - (y === null);
          return compare(x, y) * (sorted.down ? -1 : 1);
        });
      }
      more.hidden = rows.length <= most + 2; // a button that uncovers two rows is a nuisance
      more.textContent = `Show all ${rows.filter(isRow).length}`;
      body.replaceChildren(...rows.slice(0, more.hidden ? rows.length : most).map((row) => {
        const line = element("tr");
        line.append(...shown.map(([, index]) => cellOf(step, data, row, index)));
        alone(line);
        if (Object.keys(step.exports).length) choosable(line, row);
        return line;
      }));
      fit();
    }
    function alone(line) {
      // One cell that says something is a sentence about the other rows, and goes over all columns.
      const [said, ...others] = [...line.cells].filter((cell) => !cell.classList.contains("blank"));
      if (!said || others.length) return;
      said.className = "alone";
      said.colSpan = shown.length;
      line.replaceChildren(said);
      line.classList.add("alone");
    }
    function choosable(line, row) {
      const isChosen = () => Object.entries(step.exports).every(([name, from]) => chosen[name] === row[column(data, from)]);
      const mark = () => line.setAttribute("aria-selected", String(isChosen()));
      const pick = (event) => {
        if (event.target.closest("a") || (event.key && event.key !== "Enter")) return;
        choose(step, data, row);
        for (const other of body.rows) other.setAttribute("aria-selected", "false");
        mark();
      };
      line.classList.add("choosable");
      line.tabIndex = 0;
      line.addEventListener("click", pick);
      line.addEventListener("keydown", pick);
      mark();
    }
    function fit() {
      // What is wider than its place, or tall and thin, is folded: sentences go below their row, and if that is not
      // enough the table becomes a list. Nothing is cut.
      grid.classList.remove("folded", "list");
      grid.querySelectorAll("tr.below").forEach((line) => line.remove());
      const tall = [...body.querySelectorAll("td.long div")].some((sentence) => sentence.offsetHeight > TALL);
      if (scroll.scrollWidth <= scroll.clientWidth && !tall) return;
      const lines = [...body.rows].filter((line) => !line.classList.contains("alone"));
      const long = shown.map((_, place) => lines.some((line) => line.cells[place].classList.contains("long")));
      for (const line of [...head.parentNode.rows, ...lines]) [...line.cells].forEach((cell, place) => cell.classList.toggle("folds", long[place]));
      for (const line of lines) {
        const words = [...line.querySelectorAll("td.folds:not(.blank)")];
        if (!words.length) continue;
        const below = element("tr", "below");
        const cell = element("td");
        cell.colSpan = shown.length;
        for (const folded of words) {
          const sentence = element("p", "", folded.textContent);
          sentence.dataset.label = folded.dataset.label;
          cell.append(sentence);
        }
        below.append(cell);
        line.after(below);
      }
      grid.classList.add("folded");
      if (scroll.scrollWidth <= scroll.clientWidth) return;
      grid.classList.replace("folded", "list");
      grid.querySelectorAll("tr.below").forEach((line) => line.remove());
    }
    fits.push(fit);
    for (const [name, index] of shown) {
      const header = element("th", data.kinds[index]);
      if (data.rows.length < 2) {
        header.append(element("span", "", labelOf(step, name)));
        head.append(header);
        continue;
      }
      const button = element("button", "", labelOf(step, name));
      button.type = "button";
      button.addEventListener("click", () => {
        sorted = { index, down: sorted.index === index && !sorted.down };
        for (const other of head.children) other.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
        fill();
      });
      header.append(button);
      head.append(header);
    }
    if (search.addEventListener) search.addEventListener("input", fill);
    scroll.append(grid);
    section.append(scroll, more);
    fill();
  }

  function seriesOf(data) {
    // A time, a text for the series and a number; or a time and numbers, a series each.
    const texts = data.kinds.indexOf("text");
    const found = new Map();
    data.rows.forEach((row) => {
      data.kinds.forEach((kind, index) => {
        if (kind !== "number") return;
        const name = texts >= 0 ? String(row[texts]) : data.columns[index];
        if (!found.has(name)) found.set(name, new Map());
        found.get(name).set(row[0], row[index]);
      });
    });
    return found;
  }
  function timesOf(data) {
    // Every bin, also those in which nothing happened.
    const seen = [...new Set(data.rows.map((row) => row[0]))].sort();
    const at = seen.map((time) => Date.parse(`${time}Z`));
    let step = Infinity;
    for (let i = 1; i < at.length; i += 1) step = Math.min(step, at[i] - at[i - 1]);
    if (!Number.isFinite(step) || (at[at.length - 1] - at[0]) / step > 1000) return seen;
    const times = [];
    for (let t = at[0]; t <= at[at.length - 1]; t += step) times.push(new Date(t).toISOString().slice(0, 19));
    return times;
  }

  function legend(into, drawn, names, colours, label) {
    // Our own: it takes as many lines as it needs, and nothing of it is cut. A click hides a series.
    const box = element("div", "legend");
    names.forEach((name, place) => {
      const entry = element("button", "", label(name));
      entry.type = "button";
      entry.setAttribute("aria-pressed", "true");
      entry.style.setProperty("--series", colours[name] || PALETTE[place % PALETTE.length]);
      entry.addEventListener("click", () => {
        drawn.dispatchAction({ type: "legendToggleSelect", name });
        entry.setAttribute("aria-pressed", String(entry.getAttribute("aria-pressed") !== "true"));
      });
      box.append(entry);
    });
    into.append(box);
  }

  function chart(section, step, data) {
    const TEXT = { color: colour("soft"), fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12 };
    const isPie = step.visualization === "piechart";
    const place = element("div", isPie ? "drawing round" : "drawing");
    const box = element("div", "chart");
    place.append(box);
    section.append(place);
    const drawn = echarts.init(box, null, { renderer: "svg" });
    charts.push(drawn);
    const colours = Object.fromEntries((step.settings.seriesLabelSettings || []).map((label) => [label.seriesName, COLOURS[label.color] || label.color]));
    const common = { animation: false, color: PALETTE, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily } };
    const tooltip = { backgroundColor: colour("card"), borderColor: colour("line"), textStyle: { color: colour("ink") } };
    if (isPie) {
      const total = data.rows.reduce((sum, row) => sum + row[1], 0);
      const values = Object.fromEntries(data.rows.map((row) => [row[0], row[1]]));
      drawn.setOption({
        ...common,
        tooltip: { ...tooltip, trigger: "item" },
        title: { text: number(total), left: "center", top: "middle", textStyle: { fontSize: 30, fontWeight: 600, color: colour("ink") } },
        legend: { show: false },
        series: [{ type: "pie", radius: ["56%", "84%"], label: { show: false }, itemStyle: { borderColor: colour("card"), borderWidth: 2 }, data: data.rows.map((row) => ({ name: String(row[0]), value: row[1], itemStyle: { color: colours[row[0]] } })) }],
      });
      legend(place, drawn, data.rows.map((row) => String(row[0])), colours, (name) => `${name}   ${number(values[name])}`);
      return;
    }
    const line = step.visualization === "linechart";
    const times = timesOf(data);
    const spanDays = (Date.parse(`${times[times.length - 1]}Z`) - Date.parse(`${times[0]}Z`)) / 86400000;
    const axisText = (time) => (spanDays <= 2 ? time.slice(11, 16) : `${Number(time.slice(8, 10))} ${MONTHS[Number(time.slice(5, 7)) - 1]}`);
    const unit = { 1: " %", 24: " s", 25: " min" }[step.settings.ySettings?.numberFormatSettings?.unit] || "";
    const all = seriesOf(data);
    const order = Object.keys(colours);
    const names = [...all.keys()].sort((a, b) => (order.indexOf(a) + 1 || 99) - (order.indexOf(b) + 1 || 99));
    drawn.setOption({
      ...common,
      tooltip: { ...tooltip, trigger: "axis", valueFormatter: (value) => (value == null ? "–" : number(value) + unit), axisPointer: { type: line ? "line" : "shadow" } },
      legend: { show: false },
      grid: { left: 46, right: 18, top: 12, bottom: 28 },
      xAxis: { type: "category", data: times, boundaryGap: !line, axisTick: { show: false }, axisLine: { lineStyle: { color: colour("edge") } }, axisLabel: { ...TEXT, formatter: axisText, hideOverlap: true } },
      yAxis: { type: "value", min: line && unit === " %" ? 0 : undefined, max: unit === " %" ? 100 : undefined, minInterval: unit ? undefined : 1, splitLine: { lineStyle: { color: colour("line") } }, axisLabel: { ...TEXT, formatter: (value) => number(value) + unit } },
      series: names.map((name) => ({
        name, type: line ? "line" : "bar", stack: line ? undefined : "all", barMaxWidth: 26, barCategoryGap: "25%",
        itemStyle: { color: colours[name] }, lineStyle: { width: 2.5, color: colours[name] }, showSymbol: times.length < 3, smooth: false,
        areaStyle: line && unit === " %" ? { opacity: 0.12, color: colours[name] } : undefined,
        data: times.map((time) => all.get(name).get(time) ?? (line ? null : 0)),
      })),
    });
    legend(place, drawn, names, colours, String);
  }

  function narrowed(step, data) {
    // A query with a parameter that a click sets was run for all of its values, and what has rows by
    // subscription for all of these. What stands beside the rows, such as what is not known, has no such value.
    const wanted = Object.entries(step.narrowed_by).filter(([name]) => chosen[name]).map(([name, from]) => [chosen[name], column(data, from)]);
    const place = column(data, model.bySubscription);
    // What no sweep read in the time range has no name there, and stands by its id.
    const name = model.names[range.value][deployment.value][subscription.value] ?? subscription.value;
    if (subscription.value !== "*" && place >= 0) wanted.push([name, place]);
    const rows = data.rows.filter((row) => wanted.every(([value, index]) => [value, null, ""].includes(row[index])));
    return { ...data, rows };
  }
  function isOfAll(step, data) {
    // Whether a step says the same whichever subscription is chosen.
    const ofOne = model.choices[range.value][deployment.value][subscription.value];
    return subscription.value !== "*" && column(data, model.bySubscription) < 0 && !(step.name in (ofOne || {}));
  }

  function choose(step, data, row) {
    for (const [name, from] of Object.entries(step.exports)) {
      const value = row[column(data, from)];
      chosen[name] = chosen[name] === value ? undefined : value;
      for (const other of model.tabs.flatMap((tab) => tab.steps)) {
        const section = main.querySelector(`section[data-step="${other.name}"]`);
        if (!section || !(name in other.narrowed_by)) continue;
        section.replaceChildren();
        drawStep(section, other, resultOf(other));
      }
    }
  }

  function drawStep(section, step, all) {
    if (step.text) {
      section.classList.add("note");
      const paragraph = element("div", "words");
      words(step.text, paragraph);
      section.append(paragraph);
      return;
    }
    if (step.visualization === "tiles") section.classList.add("bare");
    section.append(element("h2", "", step.title));
    if (all.problem) {
      section.append(element("p", "problem", all.problem));
      return;
    }
    if (isOfAll(step, all)) section.querySelector("h2").append(element("span", "all", "of all subscriptions"));
    const data = narrowed(step, all);
    if (!data.rows.length && all.rows.length) section.append(element("p", "empty", "Nothing of what is chosen: there is more of others."));
    else if (!data.rows.length) section.append(element("p", `empty${step.empty_is_fine ? " fine" : ""}`, step.empty));
    else if (step.visualization === "tiles") tiles(section, step, data);
    else if (step.visualization === "table") table(section, step, data);
    else chart(section, step, data);
  }

  function resultOf(step) {
    const choices = model.choices[range.value][deployment.value];
    return model.results[choices[subscription.value]?.[step.name] ?? choices["*"][step.name]];
  }

  function show(tab) {
    chosenTab = tab;
    history.replaceState(null, "", `#${encodeURIComponent(tab)}`);
    draw();
    window.scrollTo(0, 0);
  }

  function draw() {
    for (const drawn of charts) drawn.dispose();
    charts = [];
    fits = [];
    main.replaceChildren();
    for (const step of [...model.above, ...model.tabs.find((tab) => tab.name === chosenTab).steps]) {
      const section = element("section", step.width <= 50 ? "half" : "");
      section.dataset.step = step.name;
      main.append(section);
      drawStep(section, step, resultOf(step));
    }
    for (const button of document.querySelectorAll("nav button")) {
      button.setAttribute("aria-selected", String(button.textContent === chosenTab));
    }
  }

  document.querySelector("h1").textContent = model.title;
  document.querySelector(".span").textContent = `Telemetry from ${moment(model.begins)} to ${moment(model.ends)} UTC. Time ranges end at the last of it.`;
  for (const days of model.ranges) range.append(new Option(DAYS[days] || `Last ${days} days`, days, days === model.chosen, days === model.chosen));
  for (const { label, value } of model.deployments) deployment.append(new Option(label, value));
  range.disabled = model.ranges.length < 2;
  deployment.disabled = model.deployments.length < 2;
  function offerSubscriptions() {
    const offered = model.subscriptions[deployment.value];
    subscription.disabled = offered.length < 2;
    subscription.replaceChildren(new Option("All", "*"), ...offered.map(({ label, value }) => new Option(label, value)));
  }
  offerSubscriptions();
  for (const { name } of model.tabs) {
    const button = element("button", "", name);
    button.setAttribute("role", "tab");
    button.addEventListener("click", () => show(name));
    document.querySelector("nav").append(button);
  }
  const named = decodeURIComponent(location.hash.slice(1));
  if (model.tabs.some((tab) => tab.name === named)) chosenTab = named;
  range.addEventListener("change", draw);
  deployment.addEventListener("change", () => {
    offerSubscriptions();
    draw();
  });
  subscription.addEventListener("change", draw);
  dark.addEventListener("change", draw);
  window.addEventListener("resize", () => {
    for (const drawn of charts) drawn.resize();
    for (const fit of fits) fit();
  });
  draw();
})();
