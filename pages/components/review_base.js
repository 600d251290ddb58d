// Judging pictures by single keys: what the grid and the blind reading have in common. review_queue.js says how no decision is lost.

class Judging {
  constructor(root) {
    this.root = root;
    this.client = uuid();
    this.outbox = new Outbox();
    this.history = []; // {image, before}: what undo restores
    this.messages = 0;
    this.lost = 0; // decisions that the server refused for good
    this.flying = null; // the message on its way: {id, events, since}
    this.wish = null; // what else the server is asked for: {page}, {image} whose page is wanted, or {again} for a fresh list
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => this.click(event));
    // A button pressed by mouse must not take the focus, or the next key would press it again.
    root.addEventListener("mousedown", (event) => event.target.closest("button") && event.preventDefault());
    // A picture is not looked at while another tab is in front.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.left = performance.now();
      else if (this.left) this.since += performance.now() - this.left;
    });
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
    const waiting = this.outbox.waiting(this.data);
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
  // A decision has a detail: the reason of a rejection, or how sure a blind reader is (this.detail names which).

  // What undo can take back, oldest first: the server's log, then what an earlier tab has left unsent. An entry that restores what was
  // there before the one below it is an undo, and takes that one off the pile.
  remember(log) {
    const pile = [];
    const now = new Map();
    const stored = new Set(log.map((entry) => entry.id));
    for (const entry of [...log, ...this.own().filter((event) => !stored.has(event.id))]) {
      const { image, decision } = entry;
      const detail = entry[this.detail] ?? null;
      const top = pile.at(-1);
      if (top?.image === image && top.before[0] === decision && top.before[1] === detail) pile.pop();
      else pile.push({ image, before: now.get(image) ?? [null, null] });
      now.set(image, [decision, detail]);
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
      if (event.decision) known.set(event.image, [event.decision, event[this.detail] ?? null]);
      else known.delete(event.image);
    }
    return known;
  }

  judge(decision, detail = null) {
    const tile = this.tiles[this.cursor];
    if (!tile) return this.say(this.atEnd());
    if (!tile.src) {
      this.say("The file of this image is missing, so it cannot be judged.");
      return this.move(1);
    }
    const before = this.decisions().get(tile.id) ?? [null, null];
    this.history.push({ image: tile.id, before });
    this.record(tile.id, decision, detail);
    this.say(`Image ${tile.number} ${this.word(decision, detail)}`);
    if (this.goesOn()) this.move(1);
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

  record(image, decision, detail) {
    const { batch, reviewer } = this.data;
    const seconds = Math.round(performance.now() - this.since) / 1000;
    const details = { reason: null, confidence: null, [this.detail]: detail };
    this.outbox.add({ id: uuid(), batch, reviewer, image, decision, ...details, seconds, created: new Date().toISOString() });
    this.paintState();
  }

  // ---- moving ----------------------------------------------------------------------------------------------------------------------

  // The place after the last image belongs to no image: a decision there would hit one that nobody has seen.
  place(index) {
    this.cursor = Math.max(0, Math.min(this.tiles.length, index));
    this.since = performance.now();
    this.paint();
    this.paintLoupe();
  }

  move(by) {
    if (by === 1 && this.cursor >= this.tiles.length) return this.turn(1);
    if (by < 0 && this.cursor === 0) return this.turn(-1);
    this.place(this.cursor + by);
  }

  columns() {
    return 1;
  }

  focus() {
    this.find(".grid").focus({ preventScroll: true });
  }

  // The focus is taken only from nowhere, or where a new batch or reviewer was chosen, so that the keys are meant for the pictures now.
  takeFocus(isOther) {
    const focused = document.activeElement;
    if (isOther || !focused || focused === document.body || focused === this.root.getRootNode().host) this.focus();
  }

  // ---- input -----------------------------------------------------------------------------------------------------------------------

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.tiles) return;
    const key = event.key.toLowerCase();
    const onControl = event.target.closest("button, input");
    if (onControl && (key === " " || key === "enter" || key === "tab")) return;
    const moves = { arrowright: 1, arrowleft: -1, arrowdown: this.columns(), arrowup: -this.columns() };
    const actions = { z: "undo", " ": "loupe", "?": "help", ...this.keys() };
    const digit = this.digit(Number(key));
    if (key in moves) this.move(moves[key]);
    else if (event.repeat && (actions[key] || digit)) event.preventDefault(); // a key held down is one decision
    else if (key in actions) this.act(actions[key]);
    else if (digit) this.judge(...digit);
    else if (key === "enter" && this.cursor >= this.tiles.length) this.turn(1);
    else if (key !== "r" && key !== "c") return; // these two would rerun the app or clear its cache
    if (key in moves || key in actions) event.preventDefault();
    event.stopPropagation();
  }

  click(event) {
    const button = event.target.closest("button");
    const tile = event.target.closest(".tile");
    if (button?.dataset.digit) this.judge(...this.digit(Number(button.dataset.digit)));
    else if (button?.dataset.do) this.act(button.dataset.do);
    else if (tile) {
      this.place([...tile.parentElement.children].indexOf(tile));
      this.focus();
    }
  }

  act(action) {
    const dialogs = { loupe: this.find(".loupe"), help: this.find(".help") };
    if (action === "undo") this.undo();
    else if (action === "next") this.turn(1);
    else if (action === "previous") this.turn(-1);
    else if (action === "forward" || action === "back") this.move(action === "forward" ? 1 : -1);
    else if (action === "smaller" || action === "larger") this.resize(action === "larger" ? 1 : -1);
    else if (action === "close") Object.values(dialogs).forEach((dialog) => dialog.close());
    else if (!(action in dialogs)) this.judge(action);
    else if (dialogs[action].open) dialogs[action].close();
    else if (action === "help" || this.tiles[this.cursor]?.src) {
      dialogs[action].showModal();
      dialogs[action].focus(); // not its first button, which Space would press
      this.paintLoupe();
    }
  }

  // ---- painting --------------------------------------------------------------------------------------------------------------------

  paintMeter(done, total) {
    const meter = this.find(".meter");
    meter.setAttribute("aria-valuemax", total);
    meter.setAttribute("aria-valuenow", done);
    meter.firstElementChild.style.width = `${(100 * done) / Math.max(1, total)}%`;
  }

  paintState() {
    const waiting = this.outbox.waiting(this.data).length;
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
    const known = this.decisions().get(tile.id);
    const word = known ? this.sign(...known) : "undecided";
    dialog.querySelector(".what").textContent = `Image ${tile.number}, ${word}. ${native} × ${native} px, shown ${factor}×. ${tile.label}`;
  }

  say(text) {
    this.find(".voice").textContent = text;
  }
}

function times(shown, native) {
  const factor = shown / native;
  return `${native} px, shown ${factor >= 1 ? factor : `1/${1 / factor}`}×`;
}

function keyButton(digit, label, meaning) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.digit = digit;
  button.title = meaning;
  const key = document.createElement("kbd");
  key.textContent = digit;
  button.append(key, ` ${label}`);
  return button;
}

// The object that belongs to a mounted component; it outlives every change of its data.
function mount(component, kind) {
  const root = component.parentElement.querySelector(".review");
  root.judging ??= new kind(root);
  root.judging.receive(component.data, component.setTriggerValue);
  return () => root.judging.rest();
}
