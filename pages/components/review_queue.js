// What a reviewer says, kept until the server has it: no decision is lost. Used by the grid and by the blind reading.
//
// A decision becomes an event with a UUID of its own. It is copied to localStorage (one item per event, so that two tabs cannot overwrite each
// other), painted, and sent. At most one message is on its way; it carries all waiting events. The server answers with the UUIDs that
// are in the database; only then is an event forgotten. Without an answer the message goes out again, which the UUIDs make harmless. What a
// closed tab left in localStorage is sent when any grid is opened next.

const PREFIX = "gan_aug.review.";
const RETRY_MS = 1500; // Streamlit merges triggers that arrive while a script runs, so a message can be lost without any error
const SILENT_MS = 6000; // after which the reviewer is told that the server does not answer

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

  // Events that may be sent from here: where people log in, only those of who is logged in; others wait until their reviewer is back.
  waiting(data) {
    return this.list().filter((event) => !data?.exclusive || event.reviewer === data.reviewer);
  }

  has(id) {
    return this.events.has(id);
  }

  list() {
    return [...this.events.values()];
  }
}

// crypto.randomUUID exists only under https and on localhost; random bytes exist everywhere.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
