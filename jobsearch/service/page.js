// The page at "/": asks the service as the user types, and shows base and tuned side by side where there are both.
// Everything that comes from a user or an index becomes text, never markup.
"use strict";

const PAUSE = 150; // ms without a keystroke before the service is asked
const PATIENCE = 20000; // ms before an answer is given up
const RETRY = 2000; // ms before a service that did not answer, or has no comparison yet, is asked again

const byId = (id) => document.getElementById(id);
const [form, query, kind, hits, side, token] = ["form", "query", "kind", "k", "side", "token"].map(byId);
const [results, statusLine, errorLine] = ["results", "status", "error"].map(byId);

let service = null; // what /version says, once it was answered
let pause = 0;
let retry = 0;
let wait = 0;
let underWay = null; // the AbortController of the one request that counts

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Why there is no answer, in words for the user; `again` tells whether asking once more may help. */
class Failure extends Error {
  constructor(message, again = false, status = 0) {
    super(message);
    this.again = again;
    this.status = status;
  }
}

async function call(path, body, controller) {
  const headers = {};
  if (token.value) headers["Authorization"] = `Bearer ${token.value}`;
  if (body) headers["Content-Type"] = "application/json";
  const late = setTimeout(() => controller.abort("late"), PATIENCE);
  try {
    const response = await fetch(path, {
      method: body ? "POST" : "GET",
      headers,
      body: body && JSON.stringify(body),
      signal: controller.signal,
    });
    const answer = await response.json();
    if (response.ok) return answer;
    const message = answer.error ? answer.error.message : `The service answered with ${response.status}.`;
    throw new Failure(message, response.status === 503, response.status);
  } catch (problem) {
    if (problem instanceof Failure) throw problem;
    if (controller.signal.reason === "stale") throw problem;
    if (controller.signal.reason === "late") throw new Failure("The service takes too long to answer.", true);
    throw new Failure("The service does not answer. Is it still running? It is asked again.", true);
  } finally {
    clearTimeout(late);
  }
}

function show(failure) {
  errorLine.textContent = failure ? failure.message : "";
  errorLine.hidden = !failure;
  if (!failure) return;
  results.replaceChildren();
  statusLine.textContent = "";
  if (failure.status === 401 && byId("access").hidden) {
    byId("access").hidden = false;
    token.focus();
  }
}

function most() {
  const counts = service.counts;
  const there = { all: counts.concepts, occupation: counts.occupations, skill: counts.skills }[kind.value];
  return Math.max(1, Math.min(service.limits.max_k, there));
}

async function meet(controller) {
  service = await call("version", null, controller);
  hits.max = most();
  query.maxLength = service.limits.max_text;
  showSides();
  await lookForPair();
  byId("about").textContent =
    `Index ${service.index.name}, version ${service.index.version}: ` +
    `${service.counts.labels.toLocaleString("en")} labels, encoder ${service.encoder.name}.`;
}

function showSides() {
  byId("sides").hidden = !service.compare;
}

/** Look now and again whether base and tuned are there, for as long as they are being prepared. */
async function lookForPair() {
  clearTimeout(wait);
  if (!service || service.compare) return;
  try {
    const { comparison } = await call("health", null, new AbortController());
    byId("preparing").hidden = comparison !== "loading";
    if (comparison === "loading") wait = setTimeout(lookForPair, RETRY);
    if (comparison !== "ready" || !service) return;
    service = await call("version", null, new AbortController());
    showSides();
    if (query.value.trim()) later(); // what is shown is to be what the box says
  } catch {
    wait = setTimeout(lookForPair, RETRY);
  }
}

async function ask() {
  clearTimeout(pause);
  clearTimeout(retry);
  if (underWay) underWay.abort("stale");
  const controller = (underWay = new AbortController());
  const asked = query.value.trim();
  results.setAttribute("aria-busy", "true");
  try {
    if (!service) await meet(controller);
    hits.max = most();
    if (!asked) {
      results.replaceChildren();
      statusLine.textContent = "";
      show(null);
      return;
    }
    const wanted = hits.valueAsNumber;
    if (!Number.isInteger(wanted) || wanted < 1) throw new Failure("Hits: expected a whole number from 1 on.");
    const body = { query: asked, k: Math.min(wanted, most()), kind: kind.value };
    const both = service.compare !== null && side.checked;
    const began = performance.now();
    const answer = await call(both ? "compare" : "search", body, controller);
    if (controller !== underWay) return;
    show(null);
    results.replaceChildren(...(both ? pair(answer) : [table(answer.hits, `Encoder ${answer.encoder.name}`)]));
    const count = both ? `${answer.base.hits.length} and ${answer.tuned.hits.length}` : answer.hits.length;
    statusLine.textContent = `${count} hits for “${answer.query}” in ${Math.round(performance.now() - began)} ms` +
      ((both ? answer.tuned : answer).hits.some((hit) => hit.good_match !== false) ? "" : " – no good match");
  } catch (problem) {
    if (controller !== underWay) return; // another question took its place
    show(problem instanceof Failure ? problem : new Failure(String(problem)));
    if (problem.again) {
      service = null; // when it is back it may be another one
      retry = setTimeout(ask, RETRY);
    }
  } finally {
    if (controller === underWay) results.removeAttribute("aria-busy");
  }
}

function pair(answer) {
  const moves = new Map(answer.moves.map((move) => [move.uri, move]));
  const column = (name, part, describe) =>
    table(part.hits, `${name}: encoder ${part.encoder.name}${inUse(part)}`, (hit) => describe(moves.get(hit.uri)));
  return [column("Base", answer.base, after), column("Tuned", answer.tuned, before)];
}

/** Which side of a comparison it is that plain searches use. */
function inUse(part) {
  return part.encoder.fingerprint === service.encoder.fingerprint ? " (in use)" : "";
}

/** Where a hit of the base went. */
function after(move) {
  if (move.tuned_rank === null) return ["dropped", "dropped", "not among the tuned hits"];
  const same = move.tuned_rank === move.base_rank;
  return [same ? "same" : "went", same ? "=" : `→ ${move.tuned_rank}`, `tuned rank ${move.tuned_rank}`];
}

/** How a hit of the tuned encoder came to its rank. */
function before(move) {
  if (move.base_rank === null) return ["entered", "new", "not among the base hits"];
  const gain = move.base_rank - move.tuned_rank;
  if (gain === 0) return ["same", "=", "same rank as before"];
  const from = `from rank ${move.base_rank}`;
  return gain > 0 ? ["up", `↑ ${gain}`, `up ${gain}, ${from}`] : ["down", `↓ ${-gain}`, `down ${-gain}, ${from}`];
}

function table(found, title, describe = null) {
  const made = element("table");
  made.append(element("caption", title));
  const head = element("tr");
  for (const name of ["Rank", "Score", "Sure", "Label", "Kind", ...(describe ? ["Moved"] : [])]) {
    const cell = element("th", name, { Label: "", Kind: "kind" }[name] ?? (name === "Moved" ? "move" : "number"));
    cell.scope = "col";
    head.append(cell);
  }
  made.append(element("thead"), element("tbody"));
  made.tHead.append(head);
  for (const hit of found) made.tBodies[0].append(row(hit, describe));
  return made;
}

function row(hit, describe) {
  const made = element("tr");
  const label = element("td");
  const kindName = hit.kind === "occupation" ? "title" : hit.kind;
  const matched = hit.matched_label === hit.label ? "" : `by “${hit.matched_label}”`;
  const below = element("span", "", "below");
  below.append(element("span", matched ? `${kindName}, ` : kindName, "narrow")); // where the column has no room
  below.append(element("span", matched));
  label.append(link(hit), below);
  const sure = hit.confidence === null ? "" : `${Math.round(100 * hit.confidence)} %`;
  for (const value of [hit.rank, hit.score.toFixed(3), sure]) made.append(element("td", value, "number"));
  made.append(label);
  made.append(element("td", kindName, "kind"));
  if (describe) {
    const [movement, text, words] = describe(hit);
    const cell = element("td", text, `move ${movement}`);
    cell.title = words;
    cell.setAttribute("aria-label", words);
    made.append(cell);
  }
  return made;
}

/** A concept's label, with a link to its page where its URI is an address of the web. */
function link(hit) {
  if (!/^https?:\/\//i.test(hit.uri)) return element("span", hit.label);
  const made = element("a", hit.label);
  made.href = hit.uri;
  made.target = "_blank";
  made.rel = "noopener noreferrer";
  return made;
}

function later() {
  clearTimeout(pause);
  pause = setTimeout(ask, PAUSE);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
form.addEventListener("input", later);
for (const field of [kind, hits, side]) field.addEventListener("change", later); // some aids send no "input"
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !typing) {
    event.preventDefault();
    query.focus();
  } else if (event.key === "Escape" && document.activeElement === query && query.value) {
    query.value = "";
    ask();
  }
});
ask();
