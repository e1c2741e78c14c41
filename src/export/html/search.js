// Searches the archive without a server. Words lie in shards, which are fetched as scripts, since pages opened from a disk may
// fetch nothing else. What is found is shown as text only.
"use strict";
(function () {
  const SHARDS = 256, DOCS = 500, MOST = 200;
  const words = new Map(), docs = new Map(), waiting = new Map();
  const arrive = (key) => { const done = waiting.get(key); waiting.delete(key); if (done) done(); };
  window.foxferry = {
    words(shard, rows) { words.set(shard, rows); arrive("w" + shard); },
    docs(shard, rows) { docs.set(shard, rows); arrive("d" + shard); },
  };
  const fetched = new Map();
  function load(key, path) {
    if (!fetched.has(key)) {
      fetched.set(key, new Promise((done) => {
        waiting.set(key, done);
        const script = document.createElement("script");
        script.src = path;
        // A shard that nobody has written holds no words.
        script.onerror = () => arrive(key);
        document.head.append(script);
      }));
    }
    return fetched.get(key);
  }
  const isDense = (c) => /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]/.test(c);
  function tokens(text) {
    const found = new Set();
    for (const run of text.toLowerCase().match(/[\p{Alphabetic}\p{N}]+/gu) || []) {
      const chars = Array.from(run);
      if (chars.some(isDense)) {
        if (chars.length === 1) found.add(run);
        for (let at = 0; at + 1 < chars.length; at += 1) found.add(chars[at] + chars[at + 1]);
      } else if (chars.length > 1) {
        found.add(chars.slice(0, 40).join(""));
      }
    }
    return Array.from(found);
  }
  const shardOf = (word) => (word.charCodeAt(0) * 31 + word.charCodeAt(1 % word.length)) % SHARDS;
  async function find(word) {
    const shard = shardOf(word);
    await load("w" + shard, "search/w" + shard + ".js");
    const found = new Set();
    for (const [known, gaps] of words.get(shard) || []) {
      if (!known.startsWith(word)) continue;
      let at = 0;
      for (const gap of gaps) { at += gap; found.add(at); }
    }
    return found;
  }
  const box = document.getElementById("search"), list = document.getElementById("found");
  const said = document.getElementById("said"), rest = document.getElementById("rest");
  let turn = 0;
  async function run() {
    const mine = ++turn, wanted = tokens(box.value);
    rest.hidden = wanted.length > 0;
    if (wanted.length === 0) { list.replaceChildren(); said.textContent = ""; return; }
    let found = null;
    for (const word of wanted) {
      const of = await find(word);
      found = found ? new Set([...found].filter((one) => of.has(one))) : of;
      if (mine !== turn) return;
    }
    const all = [...found].sort((a, b) => b - a), shown = all.slice(0, MOST);
    await Promise.all([...new Set(shown.map((one) => Math.floor(one / DOCS)))].map((shard) => load("d" + shard, "search/d" + shard + ".js")));
    if (mine !== turn) return;
    said.textContent = all.length === 1 ? "1 conversation" : all.length + " conversations" + (all.length > MOST ? ", the newest " + MOST + " are shown" : "");
    list.replaceChildren(...shown.map((one) => {
      const [path, subject, who, when, status] = (docs.get(Math.floor(one / DOCS)) || [])[one % DOCS] || ["", "?", "", "", ""];
      const item = document.createElement("li"), link = document.createElement("a"), date = document.createElement("time"), by = document.createElement("span");
      link.href = path; link.textContent = subject; date.textContent = when; by.className = "who"; by.textContent = who + " · " + status;
      item.append(link, date, by);
      return item;
    }));
  }
  let timer = 0;
  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(run, 150); });
  const asked = decodeURIComponent(location.hash.slice(1));
  if (asked) { box.value = asked; run(); }
})();
