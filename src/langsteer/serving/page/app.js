// The playground: native controls only, so that keyboards and screen readers know them already.
"use strict";

const $ = (id) => document.getElementById(id);
const DETECT_EVERY = 400; // milliseconds between looks at the language of a growing answer

const state = { model: "", chat: false, names: {}, messages: [], running: null, own: true };

function elsewhere() {
  return $("server").value.trim().replace(/\/+$/, "");
}

function headers() {
  const found = { "Content-Type": "application/json" };
  if ($("key").value) found.Authorization = `Bearer ${$("key").value}`;
  return found;
}

// What a request says of the language: the same to this server and to vLLM with the plug-in.
function steering(steered) {
  const language = $("language").value;
  if (!steered) return state.own ? { keep_language: false } : {};
  if ($("keep").checked && state.own) return { keep_language: true };
  if (!language) return {};
  const found = { language };
  if ($("guard").checked && state.own) found.guard = true;
  if (!$("strength-own").checked) found.strength = Number($("strength").value);
  return found;
}

function body(steered, stream) {
  const text = $("prompt").value.trim() || (state.messages[0] || {}).content || "Why is the sky blue?";
  const messages = state.messages.length ? state.messages : [{ role: "user", content: text }];
  const asked = state.chat ? { messages } : { prompt: messages[messages.length - 1].content };
  return { model: $("model").value || state.model, ...asked, temperature: 0,
    max_tokens: Number($("tokens").value) || 64, ...(stream ? { stream: true } : {}), ...steering(steered) };
}

function path() {
  return state.chat ? "/v1/chat/completions" : "/v1/completions";
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function python(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

// The code is that of the request that would be sent now.
function showCode() {
  const base = elsewhere() || location.origin;
  const asked = body(true, false);
  const key = $("key").value ? " -H \"Authorization: Bearer $API_KEY\"" : "";
  $("curl").textContent =
    `curl ${base}${path()} -H 'Content-Type: application/json'${key} \\\n  -d ${quoted(JSON.stringify(asked))}`;
  const own = ["model", "messages", "prompt", "temperature", "max_tokens"];
  const known = Object.entries(asked).filter(([name]) => own.includes(name));
  const extra = Object.fromEntries(Object.entries(asked).filter(([name]) => !own.includes(name)));
  const rows = known.map(([name, value]) => `    ${name}=${python(value)},`);
  if (Object.keys(extra).length) rows.push(`    extra_body=${python(extra)},`);
  const call = state.chat ? "chat.completions.create" : "completions.create";
  const read = state.chat ? "message.content" : "text";
  $("python").textContent = [
    "from openai import OpenAI", "",
    `client = OpenAI(base_url=${JSON.stringify(`${base}/v1`)}, api_key=${$("key").value ? "API_KEY" : '"none"'})`,
    `found = client.${call}(`, ...rows, ")", `print(found.choices[0].${read})`,
  ].join("\n");
}

function say(text) {
  $("status").textContent = text;
}

// The pieces of an answer as they come.
async function* pieces(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    held += decoder.decode(value, { stream: true });
    const lines = held.split("\n");
    held = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ")) continue;
      const data = line.slice(6);
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
  throw new Error("the server ended before the answer did");
}

async function detect(text, place) {
  if (!text.trim()) return;
  try {
    const reply = await fetch("/v1/detect", {
      method: "POST", headers: headers(), body: JSON.stringify({ text }) });
    if (!reply.ok) return;
    const { language } = await reply.json();
    place.textContent = language ? (state.names[language] || language) : "language not sure";
    place.dataset.language = language || "";
  } catch { /* the answer matters more than what it is in */ }
}

function panel(title) {
  const box = document.createElement("article");
  box.className = "answer";
  const head = document.createElement("h3");
  head.append(title);
  const found = document.createElement("span");
  found.className = "found";
  head.append(found);
  const text = document.createElement("div");
  text.className = "said";
  text.dir = "auto";
  box.append(head, text);
  return { box, text, found };
}

async function answer(steered, place, signal) {
  let whole = "", looked = 0;
  try {
    const reply = await fetch(elsewhere() + path(), {
      method: "POST", headers: headers(), body: JSON.stringify(body(steered, true)), signal });
    if (!reply.ok) {
      const said = await reply.json().catch(() => ({}));
      throw new Error((said.error && said.error.message) || `the server answered ${reply.status}`);
    }
    for await (const piece of pieces(reply)) {
      if (piece.error) throw new Error(piece.error.message);
      const choice = piece.choices[0];
      if (!choice) continue;
      whole += (choice.delta ? choice.delta.content : choice.text) || "";
      place.text.textContent = whole;
      if (Date.now() - looked > DETECT_EVERY) {
        looked = Date.now();
        detect(whole, place.found);
      }
    }
  } catch (error) {
    const note = document.createElement("p");
    note.className = "failed";
    note.textContent = signal.aborted ? "Stopped." : `Failed: ${error.message}.`;
    place.box.append(note);
  }
  await detect(whole, place.found);
  return whole;
}

async function send(event) {
  event.preventDefault();
  const text = $("prompt").value.trim();
  if (!text || state.running) return;
  if (!state.chat) state.messages = [];
  state.messages.push({ role: "user", content: text });
  showCode();
  const turn = document.createElement("div");
  turn.className = "turn";
  const asked = document.createElement("div");
  asked.className = "said asked";
  asked.dir = "auto";
  asked.textContent = text;
  const answers = document.createElement("div");
  answers.className = "answers";
  turn.append(asked, answers);
  $("conversation").append(turn);
  const language = $("language").value;
  const keep = $("keep").checked && state.own;
  const title = keep ? "kept" : language ? state.names[language] || language : "unsteered";
  const places = [panel(title)];
  if ($("beside").checked && (language || keep)) places.push(panel("unsteered"));
  answers.append(...places.map((one) => one.box));
  state.running = new AbortController();
  $("send").disabled = true;
  $("stop").disabled = false;
  say("Answering…");
  const signal = state.running.signal;
  const said = await Promise.all(places.map((one, number) => answer(number === 0, one, signal)));
  state.messages.push({ role: "assistant", content: said[0] });
  state.running = null;
  $("send").disabled = false;
  $("stop").disabled = true;
  say(signal.aborted ? "Stopped." : "Answered.");
  $("prompt").value = "";
  $("prompt").focus();
}

async function copy(event) {
  const id = event.target.dataset.copy;
  if (!id) return;
  try {
    await navigator.clipboard.writeText($(id).textContent);
    say("Copied.");
  } catch {
    const range = document.createRange();
    range.selectNodeContents($(id));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    say("It could not be copied; it is selected now.");
  }
}

// What the server at the address is: this one tells its languages; of another one, such as vLLM with the
// plug-in, they are among the names of its models.
async function known() {
  const reply = await fetch(`${elsewhere()}/v1/languages`, { headers: headers() }).catch(() => null);
  if (reply && reply.ok) return reply.json();
  if (reply && reply.status === 401) return null;
  const models = await fetch(`${elsewhere()}/v1/models`, { headers: headers() });
  if (models.status === 401) return null;
  if (!models.ok) throw new Error(`it answered ${models.status}`);
  const names = (await models.json()).data.map((one) => one.id);
  const languages = new Intl.DisplayNames(["en"], { type: "language" });
  const data = names.filter((one) => one.startsWith(`${names[0]}:`)).map((one) => {
    const tag = one.slice(names[0].length + 1);
    return { tag, name: languages.of(tag) };
  });
  return { model: names[0], chat: $("chat").checked, data, other: true };
}

async function load() {
  try {
    const found = await known();
    if (!found) {
      $("about").textContent = "This server asks for an API key: open “Server and key”.";
      return;
    }
    Object.assign(state, { model: found.model, chat: found.chat, own: !found.other, names: {} });
    $("language").replaceChildren($("language").options[0]);
    for (const { tag, name } of found.data) {
      state.names[tag] = name;
      $("language").add(new Option(`${name} (${tag})`, tag));
    }
    $("about").textContent = `${found.model}: ${found.data.length} languages` +
      (found.other && !found.data.length ? "; it has no plug-in, so nothing is steered there" : "") +
      (found.other ? "; guard and keeping a language are not there" : "") +
      (found.chat ? "" : "; it has no chat template, so messages are continued as they are");
    $("model").value = found.model;
  } catch (error) {
    $("about").textContent = `The server does not answer: ${error.message}.` + (elsewhere()
      ? ` Or it does not let this page ask: start vLLM with --allowed-origins '["${location.origin}"]'.` : "");
  }
  enable();
  showCode();
}

function enable() {
  $("strength").disabled = $("strength-own").checked;
  $("keep").disabled = !state.own;
  const keep = $("keep").checked && state.own;
  $("language").disabled = keep;
  $("guard").disabled = keep || !state.own;
}

function clear() {
  if (state.running) state.running.abort();
  state.messages = [];
  $("conversation").replaceChildren();
  say("");
  showCode();
}

$("ask").addEventListener("submit", send);
$("stop").addEventListener("click", () => state.running && state.running.abort());
$("clear").addEventListener("click", clear);
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("controls").addEventListener("input", () => {
  $("strength-value").textContent = Number($("strength").value).toFixed(1);
  enable();
  showCode();
});
for (const id of ["key", "server", "chat"]) $(id).addEventListener("change", load);
$("prompt").addEventListener("input", showCode);
$("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("ask").requestSubmit();
  }
});
document.addEventListener("click", copy);
load();
