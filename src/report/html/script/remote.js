// Rows that the program which serves the page filters and sorts: a page of them at a time is here.

/** What was said last of each table: the answer to the last question, as it came. */
let held = JSON.parse(document.getElementById("data").textContent);
let pack = unpack(held.pack);
const LETTERS = Object.fromEntries(Object.entries(OUTCOMES).map(([letter, word]) => [word, letter]));
/** Rows that are asked for at once where all of them are wanted. */
const MANY = 5000;

const source = {
  /** The question that the rows in hand answer; the page comes with the first answer. */
  question: "clients?offset=0",
  /** For which table and policy the filters were filled. */
  filled: "",
  last: null,
  waits: null,

  total: (view) => held.totals[view],

  /** What is asked, as an address below `api/page/`. */
  asks(state, offset) {
    const view = views[state.view];
    const parts = new URLSearchParams({ offset });
    const set = (name, value, has = true) => { if (value && has) parts.set(name, value); };
    set("policy", pack.policies[policyAt(state)]?.id, policyAt(state) > 0);
    set("filter", state.q.trim());
    set("outcome", [...state.outcome].map((letter) => OUTCOMES[letter]).join(), view.letter);
    for (const name of ["reason", "software"]) set(name, state[name], view[name === "reason" ? "reasons" : name]);
    for (const name of ["owner", "site", "network"]) set(name, state[name].trim(), view.owned);
    const known = view.columns.some((column) => column.id === state.sort.replace("-", ""));
    set("sort", state.sort, known);
    return `${state.view}?${parts}`;
  },

  /** Ask the program. */
  async fetch(question, signal) {
    const answer = await fetch(`api/page/${question}`, { cache: "no-store", signal });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    return answer.json();
  },

  /** An answer as it is shown. */
  take(answer, state, filled) {
    held = answer;
    pack = unpack(answer.pack);
    if (answer.choices) {
      this.filled = filled;
      answer.choices.outcome = answer.choices.outcome.map(([word, number]) => [LETTERS[word], number]);
    }
    this.last = { rows: pack[state.view], matched: answer.matched,
      page: Math.floor(answer.offset / ROWS) + 1, choices: answer.choices };
    return this.last;
  },

  /** The answer to what is asked for; `fresh`: also if the same was asked before. */
  async answer(state, signal, fresh) {
    const page = Math.max(1, Number.parseInt(state.page, 10) || 1);
    const filled = `${state.view} ${policyAt(state)}`;
    const choices = fresh || filled !== this.filled ? "&choices=true" : "";
    const question = this.asks(state, (page - 1) * ROWS);
    let answer = await this.fetch(`${question}${choices}`, signal);
    const pages = Math.max(1, Math.ceil(answer.matched / ROWS));
    if (page > pages) {
      answer = await this.fetch(`${this.asks(state, (pages - 1) * ROWS)}${choices}`, signal);
    }
    return { answer, question, filled };
  },

  ask(state, then) {
    const page = Math.max(1, Number.parseInt(state.page, 10) || 1);
    const question = this.asks(state, (page - 1) * ROWS);
    this.waits?.abort();
    this.waits = null;
    if (question === this.question) {
      then(this.last ? { ...this.last, choices: null } : this.take(held, state, `${state.view} 0`));
      return;
    }
    const waits = new AbortController();
    this.waits = waits;
    this.answer(state, waits.signal, false).then((got) => {
      if (this.waits !== waits) return;
      this.waits = null;
      this.question = got.question;
      then(this.take(got.answer, state, got.filled));
    }).catch((error) => {
      if (this.waits !== waits) return;
      this.waits = null;
      fail(error);
    });
  },

  /** What is asked for now, asked again: something to be called that shows what is new, if by then its
   * reader did not ask for something else. */
  async again(wanted) {
    const got = await this.answer(wanted, undefined, true);
    return () => {
      if (this.waits || this.asks(state, 0) !== this.asks(wanted, 0) || state.page !== wanted.page) return;
      this.question = got.question;
      show(this.take(got.answer, wanted, got.filled), true);
    };
  },

  /** All rows, of one report. */
  async all(state) {
    for (let times = 0; times < 4; times += 1) {
      const rows = [];
      let version = null;
      for (;;) {
        const answer = await this.fetch(`${this.asks(state, rows.length)}&limit=${MANY}`);
        version ??= answer.version;
        if (answer.version !== version) break;
        const more = unpack(answer.pack)[state.view];
        rows.push(...more);
        if (!more.length || rows.length >= answer.matched) return rows;
      }
    }
    throw new Error("The report changes too fast to be saved from here.");
  },
};
