"use strict";
// Draws slices and their labels. Every number that is shown comes from the page; nothing is computed of pixels here.
(() => {
  const $ = (id) => document.getElementById(id);
  const study = JSON.parse($("study").textContent);
  const size = study.size, area = size * size;
  const DIFFERENCE = { missed: [86, 180, 233], extra: [204, 121, 167], mixed: [240, 228, 66] };
  const VIEWS = { i: "image", t: "truth", p: "prediction", b: "both", d: "difference" };
  const OVER = [2, 1, 3]; // where lines lie on each other that of the cavity hides the myocardium's, the scar's both
  const DRAWN = [...study.classes].sort((a, b) => OVER.indexOf(a.code) - OVER.indexOf(b.code));
  const MOST_ZOOM = 24, STEP = 1.25, KEPT = 4, LEAST = 180;
  const state = { case: -1, slice: 0, view: "both", one: false, level: 127.5, width: 255, zoom: 1, x: 0, y: 0 };
  const unpacked = new Map(); // case -> its slices, the last few
  let frames = []; // of the case that is shown: figure, canvas, pixels
  let order = study.cases.map((_, place) => place);
  let asked = 0;

  // ---- pixels

  async function unpack(place) {
    if (unpacked.has(place)) return unpacked.get(place);
    const packed = Uint8Array.from(atob($("pixels-" + place).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const count = study.cases[place].slices.length;
    if (bytes.length !== 3 * count * area) throw new Error("the pixels of " + study.cases[place].name + " are cut");
    for (let start = 0; start < count * area; start += size)
      for (let column = 1; column < size; column++) bytes[start + column] += bytes[start + column - 1]; // modulo 256
    const slices = [];
    for (let k = 0; k < count; k++) {
      const part = (which) => bytes.subarray((which * count + k) * area, (which * count + k + 1) * area);
      slices.push({ grey: part(0), truth: part(1), prediction: part(2), outlines: {}, pictures: {} });
    }
    unpacked.set(place, slices);
    if (unpacked.size > KEPT) unpacked.delete(unpacked.keys().next().value);
    return slices;
  }

  // The lines between the pixels of a class and all others, along the edges of pixels; closed, the class to the right.
  function outline(slice, which, code) {
    const known = which + code;
    if (slice.outlines[known]) return slice.outlines[known];
    const labels = slice[which], path = new Path2D(), wide = size + 1, from = new Map();
    const inside = (row, column) =>
      row >= 0 && column >= 0 && row < size && column < size && labels[row * size + column] === code;
    const edge = (start, end) => (from.has(start) ? from.get(start).push(end) : from.set(start, [end]));
    for (let at = labels.indexOf(code); at >= 0; at = labels.indexOf(code, at + 1)) {
      const row = Math.floor(at / size), column = at % size, corner = row * wide + column;
      if (!inside(row - 1, column)) edge(corner, corner + 1);
      if (!inside(row, column + 1)) edge(corner + 1, corner + wide + 1);
      if (!inside(row + 1, column)) edge(corner + wide + 1, corner + wide);
      if (!inside(row, column - 1)) edge(corner + wide, corner);
    }
    while (from.size) {
      const first = from.keys().next().value;
      let corner = first;
      path.moveTo(corner % wide, Math.floor(corner / wide));
      do {
        const ends = from.get(corner), next = ends.pop();
        if (!ends.length) from.delete(corner);
        corner = next;
        path.lineTo(corner % wide, Math.floor(corner / wide));
      } while (corner !== first);
      path.closePath();
    }
    return (slice.outlines[known] = path);
  }

  function windowed() {
    const low = state.level - state.width / 2;
    return Uint8ClampedArray.from({ length: 256 }, (_, grey) => ((grey - low) / state.width) * 255);
  }

  // ---- drawing

  function painted(slice, name, key, fill) {
    const known = slice.pictures[name];
    if (known && known.key === key) return known.canvas;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size;
    const image = new ImageData(size, size);
    for (let at = 0; at < area; at++) fill(at, image.data, 4 * at);
    canvas.getContext("2d").putImageData(image, 0, 0);
    slice.pictures[name] = { key, canvas };
    return canvas;
  }

  function pictureGrey(slice, table) {
    return painted(slice, "grey", state.level + " " + state.width, (at, data, k) => {
      data[k] = data[k + 1] = data[k + 2] = table[slice.grey[at]];
      data[k + 3] = 255;
    });
  }

  function pictureDifference(slice) {
    return painted(slice, "difference", "", (at, data, k) => {
      const truth = slice.truth[at], found = slice.prediction[at];
      if (truth === found) return;
      data.set(DIFFERENCE[found === 0 ? "missed" : truth === 0 ? "extra" : "mixed"], k);
      data[k + 3] = 215;
    });
  }

  function draw(frame, table) {
    const { canvas, slice } = frame, scale = window.devicePixelRatio || 1;
    const wide = Math.max(1, Math.round(canvas.clientWidth * scale));
    const high = Math.max(1, Math.round(canvas.clientHeight * scale));
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, wide, high);
    const across = (wide * state.zoom) / size, down = (high * state.zoom) / size;
    const place = [across, 0, 0, down, wide / 2 - state.x * across, high / 2 - state.y * down];
    context.setTransform(...place);
    context.imageSmoothingEnabled = false;
    context.drawImage(pictureGrey(slice, table), 0, 0);
    if (state.view === "difference") context.drawImage(pictureDifference(slice), 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
    const lines = { truth: ["truth"], prediction: ["prediction"], both: ["truth", "prediction"] }[state.view] || [];
    for (const which of lines) {
      for (const { code, colour } of DRAWN) {
        const path = new Path2D();
        path.addPath(outline(slice, which, code), new DOMMatrix(place));
        context.setLineDash(state.view === "both" && which === "prediction" ? [4 * scale, 4 * scale] : []);
        context.lineWidth = 3.4 * scale;
        context.strokeStyle = "#000";
        context.stroke(path);
        context.lineWidth = 1.8 * scale;
        context.strokeStyle = colour;
        context.stroke(path);
      }
    }
  }

  // As many columns as let all slices be seen at once as large as can be; where they would be too small, it scrolls.
  function arrange() {
    const box = $("slices"), style = getComputedStyle(box), gap = parseFloat(style.columnGap) || 0;
    const wide = box.clientWidth - 2 * parseFloat(style.paddingLeft), high = box.clientHeight - 2 * parseFloat(style.paddingTop);
    const words = 3.4 * parseFloat(getComputedStyle(document.body).fontSize), aspect = shown().aspect;
    let best = { side: LEAST, columns: Math.max(1, Math.floor((wide + gap) / (LEAST + gap))) };
    for (let columns = 1; columns <= frames.length; columns++) {
      const rows = Math.ceil(frames.length / columns);
      const side = Math.min((wide + gap) / columns - gap, ((high + gap) / rows - gap - words) / aspect);
      if (side > best.side) best = { side, columns };
    }
    box.style.gridTemplateColumns = state.one ? "" : "repeat(" + best.columns + ", " + Math.floor(best.side) + "px)";
  }

  let waiting = false;
  function redraw() {
    if (waiting || state.case === -1) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      arrange();
      const table = windowed();
      for (const frame of frames) if (frame.canvas.clientWidth) draw(frame, table);
    });
  }

  // ---- words

  const shown = () => study.cases[state.case];
  const dice = (row) => study.classes.map(({ name }, k) => name + " " + row.dice[k]).join(", ");
  const wrong = (row) => row.missed + " missed, " + row.extra + " too much, " + row.mixed + " another class";

  function caption(frame, row) {
    const name = document.createElement("b");
    name.textContent = row.name;
    const more = state.view === "difference" ? "; pixels: " + wrong(row) : "";
    frame.caption.replaceChildren(name, " Dice: " + dice(row) + more);
    frame.canvas.setAttribute("aria-label", row.name + ", " + state.view + ". Dice: " + dice(row) + more);
  }

  function say() {
    const entry = shown();
    $("said").textContent = "case " + entry.name + ", slice " + (state.slice + 1) + " of " + entry.slices.length + ", "
      + state.view + ". Dice: " + dice(entry.slices[state.slice]);
  }

  function refresh() {
    const entry = shown();
    frames.forEach((frame, k) => {
      frame.figure.classList.toggle("chosen", k === state.slice);
      caption(frame, entry.slices[k]);
    });
    $("slices").classList.toggle("one", state.one);
    $("one").setAttribute("aria-pressed", state.one);
    for (const button of $("views").children)
      button.setAttribute("aria-pressed", button.dataset.view === state.view);
    $("legend-difference").hidden = state.view !== "difference";
    $("legend-classes").hidden = state.view === "difference" || state.view === "image";
    $("legend-lines").hidden = state.view !== "both";
    for (const name of ["level", "width"]) {
      $(name).value = state[name];
      $(name + "-said").textContent = Math.round(2 * state[name]) / 2;
    }
    $("case").textContent = entry.name + ", slice " + (state.slice + 1) + " of " + entry.slices.length;
    say();
    redraw();
  }

  // ---- what is shown

  async function showCase(place) {
    const mine = ++asked;
    const slices = await unpack(place);
    if (mine !== asked) return; // another was asked for meanwhile
    const first = state.case === -1, before = state.case;
    state.case = place;
    state.slice = before === place ? state.slice : 0;
    const entry = shown();
    frames = slices.map((slice, k) => {
      const figure = document.createElement("figure"), frame = document.createElement("div");
      const canvas = document.createElement("canvas"), words = document.createElement("figcaption");
      frame.className = "frame";
      canvas.setAttribute("role", "img");
      canvas.style.setProperty("--aspect", entry.aspect);
      frame.append(canvas);
      figure.append(frame, words);
      listen(canvas, k);
      return { figure, canvas, caption: words, slice };
    });
    $("slices").replaceChildren(...frames.map((frame) => frame.figure));
    for (const row of $("cases").tBodies[0].rows) {
      const chosen = Number(row.dataset.case) === place;
      row.classList.toggle("chosen", chosen);
      if (chosen) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
      if (chosen && !first) row.scrollIntoView({ block: "nearest" });
    }
    heart();
    refresh();
    for (const frame of frames) sized.observe(frame.canvas);
  }

  function stepCase(by) {
    const next = order[order.indexOf(state.case) + by];
    if (next !== undefined) start(next);
  }

  function showSlice(k) {
    if (k < 0 || k >= frames.length) return;
    state.slice = k;
    refresh();
    frames[k].figure.scrollIntoView({ block: "nearest" });
  }

  function look(part) {
    Object.assign(state, part);
    refresh();
  }

  // ---- zoom, place, window

  function keepInside() {
    state.zoom = Math.min(MOST_ZOOM, Math.max(1, state.zoom));
    const half = size / (2 * state.zoom);
    state.x = Math.min(size - half, Math.max(half, state.x));
    state.y = Math.min(size - half, Math.max(half, state.y));
    redraw();
  }

  function zoom(by, x = state.x, y = state.y) {
    const before = state.zoom;
    state.zoom = Math.min(MOST_ZOOM, Math.max(1, state.zoom * by));
    state.x = x - ((x - state.x) * before) / state.zoom; // what is at x, y stays there
    state.y = y - ((y - state.y) * before) / state.zoom;
    keepInside();
  }

  function move(columns, rows) {
    state.x += columns;
    state.y += rows;
    keepInside();
  }

  function heart() {
    const [top, left, side] = shown().heart;
    Object.assign(state, { zoom: size / side, x: left + side / 2, y: top + side / 2 });
    keepInside();
  }

  function whole() {
    state.zoom = 1;
    keepInside();
  }

  function window_(level, width) {
    state.level = Math.min(255, Math.max(0, level));
    state.width = Math.min(255, Math.max(1, width));
    refresh();
  }

  function listen(canvas, k) {
    const pixel = (event) => {
      const box = canvas.getBoundingClientRect(), shownSide = size / state.zoom;
      return [
        state.x + ((event.clientX - box.left) / box.width - 0.5) * shownSide,
        state.y + ((event.clientY - box.top) / box.height - 0.5) * shownSide,
      ];
    };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1 / STEP : STEP, ...pixel(event));
    }, { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => { state.slice = k; look({ one: !state.one }); });
    canvas.addEventListener("pointerdown", (event) => {
      if (state.slice !== k) { state.slice = k; refresh(); }
      const grey = event.button === 2 || event.shiftKey;
      let [x, y] = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
      const drag = (moved) => {
        const across = moved.clientX - x, down = moved.clientY - y, box = canvas.getBoundingClientRect();
        [x, y] = [moved.clientX, moved.clientY];
        if (grey) window_(state.level - down / 2, state.width + across / 2);
        else move((-across * size) / (box.width * state.zoom), (-down * size) / (box.height * state.zoom));
      };
      const end = () => {
        canvas.removeEventListener("pointermove", drag);
        for (const name of ["pointerup", "pointercancel"]) canvas.removeEventListener(name, end);
      };
      canvas.addEventListener("pointermove", drag);
      for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
    });
  }

  // ---- the list of cases

  function sort(by) {
    const missing = (value) => (value === null ? 1 : 0);
    const places = study.cases.map((_, place) => place);
    const value = (place) => (by === "error" ? study.cases[place].error : study.cases[place].dice[Number(by)]);
    const compare = by === "name"
      ? (a, b) => study.cases[a].name.localeCompare(study.cases[b].name, "en", { numeric: true })
      : (a, b) => missing(value(a)) - missing(value(b)) || (by === "error" ? value(b) - value(a) : value(a) - value(b));
    order = places.sort(compare);
    const body = $("cases").tBodies[0], rows = new Map([...body.rows].map((row) => [Number(row.dataset.case), row]));
    body.append(...order.map((place) => rows.get(place)));
  }

  // ---- keys and buttons

  const ACTIONS = {
    ArrowLeft: () => showSlice(state.slice - 1), ArrowRight: () => showSlice(state.slice + 1),
    ArrowUp: () => stepCase(-1), ArrowDown: () => stepCase(1),
    "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP),
    h: heart, 0: whole, o: () => look({ one: !state.one }), w: () => window_(127.5, 255),
  };
  const SHIFTED = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  for (const [key, view] of Object.entries(VIEWS)) ACTIONS[key] = () => look({ view });

  document.addEventListener("keydown", (event) => {
    if (!$("keys").checked || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (event.target.matches("select, input") || state.case === -1) return;
    if (event.shiftKey && SHIFTED[event.key]) {
      move(...SHIFTED[event.key].map((step) => (step * size) / (12 * state.zoom)));
    } else if (Object.hasOwn(ACTIONS, event.key)) {
      ACTIONS[event.key]();
    } else if (Object.hasOwn(ACTIONS, event.key.toLowerCase())) {
      ACTIONS[event.key.toLowerCase()](); // with the lock of capitals
    } else return;
    event.preventDefault();
  });

  const press = (id, action) => $(id).addEventListener("click", action);
  press("in", ACTIONS["+"]);
  press("out", ACTIONS["-"]);
  press("heart", heart);
  press("whole", whole);
  press("one", ACTIONS.o);
  press("reset", ACTIONS.w);
  press("case-before", ACTIONS.ArrowUp);
  press("case-after", ACTIONS.ArrowDown);
  press("slice-before", ACTIONS.ArrowLeft);
  press("slice-after", ACTIONS.ArrowRight);
  $("views").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) look({ view: button.dataset.view });
  });
  $("cases").addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-case]");
    if (row) start(Number(row.dataset.case));
  });
  $("sort").addEventListener("change", (event) => sort(event.target.value));
  for (const name of ["level", "width"])
    $(name).addEventListener("input", (event) => look({ [name]: Number(event.target.value) }));
  const sized = new ResizeObserver(redraw);

  function fail(error) {
    $("failure").hidden = false;
    $("failure").textContent = typeof DecompressionStream === "undefined"
      ? "This browser is too old to show the pictures (it has no DecompressionStream; those of 2023 and later do)."
      : "The pictures cannot be shown: " + error.message;
  }
  function start(place) {
    showCase(place).catch(fail);
  }
  if (study.cases.length) {
    $("viewer").hidden = false;
    sized.observe($("slices"));
    start(0);
  }
})();
