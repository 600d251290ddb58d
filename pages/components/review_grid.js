// The review grid: a page of images judged by single keys, which loses no decision.
//
// A decision becomes an event with a UUID of its own. It is copied to localStorage (one item per event, so that two tabs cannot overwrite each
// other), painted, and sent. At most one message is on its way; it carries all waiting events. The server answers with the UUIDs that
// are in the database; only then is an event forgotten. Without an answer the message goes out again, which the UUIDs make harmless. What a
// closed tab left in localStorage is sent when any grid is opened next.

const PREFIX = "gan_aug.review.";
const RETRY_MS = 1500; // Streamlit merges triggers that arrive while a script runs, so a message can be lost without any error
const SILENT_MS = 6000; // after which the reviewer is told that the server does not answer
const SIZES = [64, 128, 192, 256]; // side of a picture on the screen [px]
const SIGNS = { accept: ["✓", "accepted"], reject: ["✕", "rejected"], unsure: ["?", "unsure"] };

export default function (component) {
  const root = component.parentElement.querySelector(".review");
  root.grid ??= new ReviewGrid(root);
  root.grid.receive(component.data, component.setTriggerValue);
  return () => root.grid.rest();
}

class ReviewGrid {
  constructor(root) {
    this.root = root;
    this.client = uuid();
    this.outbox = new Outbox();
    this.history = []; // {image, before}: what undo restores
    this.messages = 0;
    this.lost = 0; // decisions that the server refused for good
    this.flying = null; // the message on its way: {id, events, since}
    this.wish = null; // what else the server is asked for: {page}, {image} whose page is wanted, or {again} for a fresh list
    this.shown = 128;
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => this.click(event));
    // A button pressed by mouse must not take the focus, or the next key would press it again.
    root.addEventListener("mousedown", (event) => event.target.closest("button") && event.preventDefault());
    this.find(".smooth").addEventListener("change", () => this.paintLoupe());
    this.find(".loupe").addEventListener("close", () => this.focus());
    this.find(".help").addEventListener("close", () => this.focus());
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  // ---- the server ------------------------------------------------------------------------------------------------------------------

  receive(data, trigger) {
    const isNew = this.data?.view !== data.view;
    const isOther = this.data?.batch !== data.batch || this.data?.reviewer !== data.reviewer;
    this.trigger = trigger;
    this.data = data;
    if (data.tiles) this.tiles = data.tiles;
    else if (isNew) this.tiles = null; // the server thinks that this page is on the screen already; ask for the pictures
    this.lost += data.refused.filter((id) => this.outbox.has(id)).length;
    this.outbox.settle([...data.saved, ...data.refused]);
    const answered = this.flying && (data.reply === this.flying.id || !this.flying.events.some((id) => this.outbox.has(id)));
    if (answered && data.reply === this.flying.id && this.flying.wish === this.wish) this.wish = null;
    if (answered) this.flying = null;
    if (!this.tiles) return this.send();
    if (data.log) this.history = this.remember(data.log);
    if (isNew) this.build(isOther);
    this.paint();
    this.paintState();
    if (data.error) this.later();
    else this.send();
  }

  send() {
    clearTimeout(this.timer);
    const waiting = this.outbox.list();
    if (!waiting.length && !this.wish && this.tiles) return;
    if (!this.flying || performance.now() - this.flying.since >= RETRY_MS) {
      const events = waiting.slice(0, 500);
      const ids = events.map((event) => event.id);
      this.flying = { id: `${this.client}:${++this.messages}`, events: ids, wish: this.wish, since: performance.now() };
      this.silentSince ??= performance.now();
      this.trigger("message", { id: this.flying.id, view: this.tiles && this.data.view, events, wish: this.wish });
    }
    this.later();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.paintState();
      this.send();
    }, RETRY_MS);
  }

  rest() {
    clearTimeout(this.timer);
  }

  // Ask for another page. After the last page of a selection comes the selection made anew.
  turn(by) {
    const page = this.data.page + by;
    if (page < 0 || (page >= this.data.pages && !this.data.filtered)) return;
    this.wish = page < this.data.pages ? { page } : { again: true };
    this.send();
  }

  // ---- decisions -------------------------------------------------------------------------------------------------------------------

  // What undo can take back, oldest first: the server's log, then what an earlier tab has left unsent. An entry that restores what was
  // there before the one below it is an undo, and takes that one off the pile.
  remember(log) {
    const pile = [];
    const now = new Map();
    const stored = new Set(log.map((entry) => entry.id));
    for (const { image, decision, reason } of [...log, ...this.own().filter((event) => !stored.has(event.id))]) {
      const top = pile.at(-1);
      if (top?.image === image && top.before[0] === decision && top.before[1] === reason) pile.pop();
      else pile.push({ image, before: now.get(image) ?? [null, null] });
      now.set(image, [decision, reason]);
    }
    return pile;
  }

  // Waiting events of this batch and reviewer; others may wait too, left by other grids.
  own() {
    return this.outbox.list().filter((event) => event.batch === this.data.batch && event.reviewer === this.data.reviewer);
  }

  // What the reviewer sees: what the server has stored, and on top of it what still waits to be stored.
  decisions() {
    const known = new Map(Object.entries(this.data.decisions));
    for (const event of this.own()) {
      if (event.decision) known.set(event.image, [event.decision, event.reason]);
      else known.delete(event.image);
    }
    return known;
  }

  judge(decision, reason = null) {
    const tile = this.tiles[this.cursor];
    if (!tile) return this.say("The end of the page. Press the right arrow for the next one.");
    if (!tile.src) {
      this.say("The file of this image is missing, so it cannot be judged.");
      return this.move(1);
    }
    const before = this.decisions().get(tile.id) ?? [null, null];
    this.history.push({ image: tile.id, before });
    this.record(tile.id, decision, reason);
    this.say(`Image ${tile.number} ${SIGNS[decision][1]}`);
    if (this.find(".advance").checked) this.move(1);
    else this.paint();
    this.send();
  }

  undo() {
    const last = this.history.pop();
    if (!last) return this.say("Nothing to undo.");
    this.record(last.image, ...last.before);
    const index = this.tiles.findIndex((tile) => tile.id === last.image);
    this.say("Undone");
    if (index >= 0) this.place(index);
    else this.wish = { image: last.image };
    this.send();
  }

  record(image, decision, reason) {
    const { batch, reviewer } = this.data;
    const seconds = Math.round(performance.now() - this.since) / 1000;
    this.outbox.add({ id: uuid(), batch, reviewer, image, decision, reason, seconds, created: new Date().toISOString() });
    this.paintState();
  }

  // ---- moving ----------------------------------------------------------------------------------------------------------------------

  // The place after the last image belongs to the "next page" button: a decision there would hit an image that nobody has seen.
  place(index) {
    this.cursor = Math.max(0, Math.min(this.tiles.length, index));
    this.since = performance.now();
    this.paint();
    const current = this.cursor < this.tiles.length ? this.find(".grid").children[this.cursor] : this.find(".end");
    current.scrollIntoView({ block: "nearest" });
    this.paintLoupe();
  }

  move(by) {
    if (by === 1 && this.cursor >= this.tiles.length) return this.turn(1);
    if (by < 0 && this.cursor === 0) return this.turn(-1);
    this.place(this.cursor + by);
  }

  columns() {
    return getComputedStyle(this.find(".grid")).gridTemplateColumns.split(" ").length;
  }

  focus() {
    this.find(".grid").focus({ preventScroll: true });
  }

  // ---- input -----------------------------------------------------------------------------------------------------------------------

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.tiles) return;
    const key = event.key.toLowerCase();
    const onControl = event.target.closest("button, input");
    if (onControl && (key === " " || key === "enter" || key === "tab")) return;
    const moves = { arrowright: 1, arrowleft: -1, arrowdown: this.columns(), arrowup: -this.columns() };
    const actions = { a: "accept", x: "reject", u: "unsure", z: "undo", " ": "loupe", "?": "help" };
    const reason = this.data.reasons[Number(key) - 1];
    if (key in moves) this.move(moves[key]);
    else if (event.repeat && (actions[key] || reason)) event.preventDefault(); // a key held down is one decision
    else if (key in actions) this.act(actions[key]);
    else if (reason) this.judge("reject", reason[0]);
    else if (key === "enter" && this.cursor >= this.tiles.length) this.turn(1);
    else if (key !== "r" && key !== "c") return; // these two would rerun the app or clear its cache
    if (key in moves || key in actions) event.preventDefault();
    event.stopPropagation();
  }

  click(event) {
    const button = event.target.closest("button");
    const tile = event.target.closest(".tile");
    if (button?.dataset.reason) this.judge("reject", button.dataset.reason);
    else if (button?.dataset.do) this.act(button.dataset.do);
    else if (tile) {
      this.place([...tile.parentElement.children].indexOf(tile));
      this.focus();
    }
  }

  act(action) {
    const dialogs = { loupe: this.find(".loupe"), help: this.find(".help") };
    if (action in SIGNS) this.judge(action);
    else if (action === "undo") this.undo();
    else if (action === "next") this.turn(1);
    else if (action === "previous") this.turn(-1);
    else if (action === "smaller" || action === "larger") this.resize(action === "larger" ? 1 : -1);
    else if (action === "close") Object.values(dialogs).forEach((dialog) => dialog.close());
    else if (dialogs[action].open) dialogs[action].close();
    else if (action === "help" || this.tiles[this.cursor]?.src) {
      dialogs[action].showModal();
      dialogs[action].focus(); // not its first button, which Space would press
      this.paintLoupe();
    }
  }

  // ---- painting --------------------------------------------------------------------------------------------------------------------

  // ``isOther``: a new batch or reviewer was chosen, so the keys are meant for the grid now; else the focus is taken only from nowhere.
  build(isOther) {
    this.find(".grid").replaceChildren(...this.tiles.map(tileNode));
    this.find(".grid").hidden = !this.tiles.length;
    this.find(".empty").hidden = this.tiles.length > 0;
    this.find(".empty").textContent = this.data.empty;
    const group = this.find(".reasons");
    group.replaceChildren(group.firstElementChild, ...this.data.reasons.map(reasonButton));
    const known = this.decisions();
    const wanted = this.tiles.findIndex((tile) => tile.id === this.data.target);
    const open = this.tiles.findIndex((tile) => tile.src && !known.has(tile.id));
    this.cursor = Math.max(0, wanted >= 0 ? wanted : open);
    this.since = performance.now();
    this.resize(0);
    const focused = document.activeElement;
    if (isOther || !focused || focused === document.body || focused === this.root.getRootNode().host) this.focus();
  }

  resize(by) {
    const native = this.data.resolution;
    const fitting = SIZES.filter((size) => size % native === 0 || native % size === 0);
    const at = Math.max(0, fitting.indexOf(this.shown));
    this.shown = fitting[Math.max(0, Math.min(fitting.length - 1, at + by))];
    this.root.style.setProperty("--shown", `${this.shown}px`);
    this.root.querySelectorAll(".tile img").forEach((image) => image.classList.toggle("pixels", this.shown > native));
    const factor = this.shown / native;
    this.find(".size").textContent = `${native} px, shown ${factor >= 1 ? factor : `1/${1 / factor}`}×`;
  }

  paint() {
    const known = this.decisions();
    const words = Object.fromEntries(this.data.reasons.map(([code, label]) => [code, label]));
    const nodes = this.find(".grid").children;
    this.tiles.forEach((tile, index) => {
      const [decision, reason] = known.get(tile.id) ?? [];
      const [sign, word] = SIGNS[decision] ?? ["", tile.src ? "undecided" : "file missing"];
      const node = nodes[index];
      node.className = `tile ${decision ?? ""}`;
      node.setAttribute("aria-selected", index === this.cursor);
      node.setAttribute("aria-label", [`Image ${tile.number}`, tile.label, word, words[reason]].filter(Boolean).join(", "));
      node.querySelector(".mark").textContent = [sign, words[reason]?.toLowerCase() ?? (decision ? word : "")].join(" ");
    });
    const current = nodes[this.cursor];
    if (this.cursor < this.tiles.length) this.find(".grid").setAttribute("aria-activedescendant", current.id);
    else this.find(".grid").removeAttribute("aria-activedescendant");
    this.find(".end").classList.toggle("current", this.tiles.length > 0 && this.cursor >= this.tiles.length);
    const { page, pages, total } = this.data;
    this.find(".where").textContent = `Page ${page + 1} of ${pages}`;
    this.find('[data-do="previous"]').disabled = page === 0;
    const last = page + 1 >= pages;
    this.find('[data-do="next"]').disabled = last && !this.data.filtered;
    this.find('[data-do="next"]').textContent = last && this.data.filtered ? "Select again ↻" : "Next page →";
    this.find(".count").textContent = `${known.size} of ${total} decided${known.size === total ? ": complete, see Result" : ""}`;
    const meter = this.find(".meter");
    meter.setAttribute("aria-valuemax", total);
    meter.setAttribute("aria-valuenow", known.size);
    meter.firstElementChild.style.width = `${(100 * known.size) / Math.max(1, total)}%`;
  }

  paintState() {
    const waiting = this.outbox.list().length;
    if (!this.flying) this.silentSince = null;
    const silent = this.silentSince && performance.now() - this.silentSince > SILENT_MS;
    const cause = this.data.error ?? (silent ? "The server does not answer." : null);
    const state = this.find(".state");
    state.textContent = waiting ? `Saving ${waiting} …` : "✓ All saved";
    state.classList.toggle("waiting", waiting > 0);
    const kept = this.outbox.mirrored ? "Go on: they are kept in this browser and sent again" : "Do not close this tab: this browser keeps no copy";
    this.find(".refused").hidden = !this.lost;
    this.find(".refused").textContent = this.lost ? `Not stored: ${this.lost}. The batch was closed, or has no such image any more.` : "";
    const alarm = this.find(".alarm.waiting");
    alarm.hidden = !(waiting && cause);
    alarm.textContent = alarm.hidden ? "" : `Not saved yet: ${waiting}. ${cause} ${kept}.`;
    this.root.dataset.waiting = waiting;
  }

  paintLoupe() {
    const dialog = this.find(".loupe");
    const tile = this.tiles[this.cursor];
    if (!dialog.open) return;
    if (!tile?.src) return dialog.close();
    const native = this.data.resolution;
    const factor = Math.max(1, Math.floor(Math.min(innerWidth * 0.8, innerHeight * 0.65) / native));
    const image = dialog.querySelector("img");
    image.src = tile.src;
    image.alt = `Image ${tile.number}, enlarged`;
    image.width = image.height = native * factor;
    image.classList.toggle("pixels", !this.find(".smooth").checked);
    const [decision] = this.decisions().get(tile.id) ?? [];
    const word = decision ? `${SIGNS[decision].join(" ")}` : "undecided";
    dialog.querySelector(".what").textContent = `Image ${tile.number}, ${word}. ${native} × ${native} px, shown ${factor}×. ${tile.label}`;
  }

  say(text) {
    this.find(".voice").textContent = text;
  }
}

// Events that the server has not confirmed, in memory and mirrored in localStorage.
class Outbox {
  constructor() {
    this.events = new Map();
    this.mirrored = true;
    const left = [];
    this.mirror((storage) => {
      const keys = Object.keys(storage).filter((name) => name.startsWith(PREFIX));
      left.push(...keys.map((key) => JSON.parse(storage.getItem(key))));
    });
    left.sort((a, b) => a.created.localeCompare(b.created)).forEach((event) => this.events.set(event.id, event));
  }

  // Storage can be full or forbidden; the grid then works on without its safety net, and says so.
  mirror(use) {
    try {
      use(window.localStorage);
    } catch (error) {
      console.warn("gan_aug review: no local copy of unsent decisions", error);
      this.mirrored = false;
    }
  }

  add(event) {
    this.events.set(event.id, event);
    this.mirror((storage) => storage.setItem(PREFIX + event.id, JSON.stringify(event)));
  }

  settle(ids) {
    for (const id of ids) {
      this.events.delete(id);
      this.mirror((storage) => storage.removeItem(PREFIX + id));
    }
  }

  has(id) {
    return this.events.has(id);
  }

  list() {
    return [...this.events.values()];
  }
}

function tileNode(tile, index) {
  const node = document.createElement("div");
  node.id = `tile-${index}`;
  node.setAttribute("role", "option");
  const mat = document.createElement("div");
  mat.className = "mat";
  mat.append(tile.src ? picture(tile) : missing());
  const foot = document.createElement("div");
  foot.className = "foot";
  for (const [name, text] of [["number", tile.number], ["mark", ""]]) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    foot.append(part);
  }
  node.append(mat, foot);
  return node;
}

function picture(tile) {
  const image = document.createElement("img");
  image.src = tile.src;
  image.alt = "";
  image.draggable = false;
  return image;
}

function missing() {
  const box = document.createElement("div");
  box.className = "gone";
  box.textContent = "File missing";
  return box;
}

function reasonButton([code, label, meaning], index) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.reason = code;
  button.title = meaning;
  const key = document.createElement("kbd");
  key.textContent = index + 1;
  button.append(key, ` ${label}`);
  return button;
}

// crypto.randomUUID exists only under https and on localhost; random bytes exist everywhere.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
