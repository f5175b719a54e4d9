// SPDX-License-Identifier: Apache-2.0
// The page: what the keys and buttons do. Thought is in the other files.
import { $, el, note, milliseconds, plural } from "./dom.js";
import * as api from "./api.js";
import { Editor } from "./editor.js";
import { table, csv } from "./answer.js";
import { chart } from "./chart.js";
import { trace, fates } from "./trace.js";
import { compared, verdict } from "./compare.js";
import { drawBoard, drawEngines, drawHistory, every } from "./live.js";

const FIRST = "SELECT content_type, count(*), round(avg(engagement_pct), 2) AS pct\nFROM enriched_events\nGROUP BY 1\nORDER BY 2 DESC";

const past = JSON.parse(sessionStorage.getItem("past") ?? "[]");
const editor = new Editor($("sql"), $("paint"), past);
const kinds = new Map();
let token = null, running = null;

// --- theme and key ---

const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => { $("theme").textContent = dark() ? "Light" : "Dark"; $("theme").setAttribute("aria-label", `Use the ${dark() ? "light" : "dark"} theme`); };
$("theme").addEventListener("click", () => {
	document.documentElement.dataset.theme = dark() ? "light" : "dark";
	localStorage.setItem("theme", document.documentElement.dataset.theme);
	nameTheme();
});
nameTheme();

$("key").value = api.key.get();
$("key-form").addEventListener("submit", event => {
	event.preventDefault();
	api.key.set($("key").value.trim());
	$("key-box").open = false;
	$("key-box").querySelector("summary").focus();
	looks.forEach(look => look());
});
$("key-box").addEventListener("keydown", event => {
	if (event.key !== "Escape") return;
	$("key-box").open = false;
	$("key-box").querySelector("summary").focus();
});

// --- tabs ---

const tabs = ["table", "chart", "compare"];
function show(name, focus) {
	for (const tab of tabs) {
		const on = tab === name;
		$(`tab-${tab}`).setAttribute("aria-selected", String(on));
		$(`tab-${tab}`).tabIndex = on ? 0 : -1;
		$(`pane-${tab}`).hidden = !on;
	}
	if (focus) $(`tab-${name}`).focus();
}
tabs.forEach((tab, i) => {
	$(`tab-${tab}`).addEventListener("click", () => show(tab));
	$(`tab-${tab}`).addEventListener("keydown", event => {
		const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
		if (step) show(tabs[(i + step + tabs.length) % tabs.length], true);
	});
});

// --- asking ---

function request() {
	const params = $("params").value.trim();
	const out = { sql: editor.text };
	if (params) out.params = JSON.parse(params);
	if ($("engine").value) out.engine = $("engine").value;
	if ($("staleness").value.trim()) out.max_staleness = $("staleness").value.trim();
	if ($("mine").checked && token) out.read_token = token;
	if (Number($("limit").value) > 0) out.row_limit = Number($("limit").value);
	return out;
}

// The router counts characters from 1, as Postgres does.
function lineOf(text, position) {
	const before = [...text].slice(0, position - 1).join("");
	return { at: before.length, line: before.split("\n").length, column: [...before.slice(before.lastIndexOf("\n") + 1)].length + 1 };
}

function complain(error) {
	const parts = [el("code", {}, error.code), ` ${error.message}`];
	if (error.position) {
		const spot = lineOf(editor.text, error.position);
		editor.mark(spot.at);
		parts.push(" ", el("button", { type: "button", class: "quiet", onclick: () => editor.caretAt(spot.at) }, `line ${spot.line}, column ${spot.column}`));
	}
	$("problem").replaceChildren(...parts);
	for (const tab of tabs) $(`pane-${tab}`).replaceChildren(note("No answer."));
	$("download").hidden = true;
	$("status").textContent = error.code === "STOPPED" ? "Stopped." : "No answer.";
	if (error.status === 401) $("key-box").open = true;
}

function calm() {
	$("problem").replaceChildren();
	editor.mark(-1);
}

function tell(answer) {
	const count = answer.columns.length ? plural(answer.row_count, "row") : "Done";
	$("status").replaceChildren(`${count} from `, el("span", { class: "badge", "data-kind": kinds.get(answer.engine) ?? answer.engine }, answer.engine),
		` in ${milliseconds(answer.elapsed_ms)} · `, el("code", {}, answer.reason), answer.degraded ? " · degraded" : "", answer.truncated ? " · cut at the limit" : "");
	$("pane-table").replaceChildren(table(answer.columns, answer.rows, "Rows of the answer"));
	$("pane-chart").replaceChildren(chart(answer.columns, answer.rows));
	offer(answer);
}

function offer(answer) {
	if ($("download").href) URL.revokeObjectURL($("download").href);
	$("download").hidden = answer.rows.length === 0;
	$("download").href = URL.createObjectURL(new Blob([csv(answer.columns, answer.rows)], { type: "text/csv" }));
	$("download").download = "answer.csv";
}

function busy(on) {
	for (const id of ["run", "explain", "everywhere"]) $(id).disabled = on;
	$("stop").hidden = !on;
	document.body.classList.toggle("busy", on);
}

// One thing at a time, and every failure is told.
async function doing(words, work) {
	if (running) return;
	running = new AbortController();
	busy(true);
	calm();
	$("status").textContent = words;
	try {
		await work(running.signal);
	} catch (error) {
		complain(error.code ? error : { code: "BAD_REQUEST", message: error.message });
	} finally {
		const held = document.activeElement === document.body || document.activeElement === $("stop");
		running = null;
		busy(false);
		if (held) $("sql").focus();
		looks.forEach(look => look());
	}
}

const why = asked => api.explain(asked).then(
	told => { $("why").replaceChildren(...trace(told)); return told; },
	error => { $("why").replaceChildren(note(`${error.code}: ${error.message}`)); return null; });

function remember() {
	editor.remember(editor.text);
	sessionStorage.setItem("past", JSON.stringify(past));
}

const run = () => doing("Asking …", async signal => {
	const asked = request();
	remember();
	const told = why(asked);
	const answer = await api.query(asked, signal);
	token = answer.read_token ?? token;
	tell(answer);
	if (!$("pane-compare").hidden) show("table");
	await told;
});

const explain = () => doing("Weighing …", async () => {
	const asked = request();
	remember();
	const told = await api.explain(asked);
	$("why").replaceChildren(...trace(told));
	$("status").textContent = told.engine ? `${told.engine} would answer: ${told.reason}.` : `No engine would answer: ${told.reason}.`;
});

const everywhere = () => doing("Asking every engine that can …", async signal => {
	const asked = request();
	remember();
	delete asked.engine;
	const told = await api.explain(asked);
	$("why").replaceChildren(...trace(told));
	const able = told.engines.filter(engine => fates(told).get(engine.name) === Infinity).map(engine => engine.name);
	if (!told.engine) throw new api.Refused({ code: told.reason, message: told.detail, position: told.position });
	const results = [];
	for (const engine of able) {
		try {
			results.push({ engine, answer: await api.query({ ...asked, engine }, signal) });
		} catch (error) {
			if (error.code === "STOPPED") throw error;
			results.push({ engine, error });
		}
		$("pane-compare").replaceChildren(...compared(results, kinds));
		show("compare");
	}
	$("status").textContent = verdict(results);
});

$("form").addEventListener("submit", event => { event.preventDefault(); run(); });
$("explain").addEventListener("click", explain);
$("everywhere").addEventListener("click", everywhere);
$("stop").addEventListener("click", () => running?.abort());
document.addEventListener("keydown", event => {
	if (event.key === "Escape") running?.abort();
	if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
	event.preventDefault();
	(event.shiftKey ? explain : run)();
});

// --- what is there ---

function tableItem(entry) {
	return el("li", {}, el("button", { type: "button", class: "name", title: "Put the name into the query", onclick: () => editor.insert(entry.name) }, entry.name),
		entry.engines.map(engine => [" ", el("span", { class: "badge", "data-kind": kinds.get(engine) ?? engine }, engine)]),
		el("p", { class: "note" }, entry.columns.map(column => `${column.name} ${column.type}`).join(", ")));
}

async function drawTables() {
	const { tables } = await api.tables();
	$("tables").replaceChildren(...tables.map(tableItem));
	const boards = tables.filter(entry => entry.board).map(entry => entry.name);
	if (boards.join() !== [...$("board-key").options].map(option => option.value).join())
		$("board-key").replaceChildren(...boards.map(name => el("option", { value: name }, name)));
}

async function drawState() {
	const state = await api.engines();
	state.engines.forEach(engine => kinds.set(engine.name, engine.kind));
	drawEngines(state);
	if ($("engine").options.length !== state.engines.length + 1) {
		const chosen = $("engine").value;
		$("engine").replaceChildren(el("option", { value: "" }, "the best one"), ...state.engines.map(engine => el("option", { value: engine.name }, engine.name)));
		$("engine").value = chosen;
	}
}

const quietly = work => async () => { try { await work(); } catch { /* the next turn tries again */ } };
const looks = [
	every(5000, quietly(drawState)),
	every(30000, quietly(drawTables)),
	every(5000, quietly(async () => drawHistory((await api.history()).entries, kinds, sql => { editor.text = sql; editor.caretAt(sql.length); }))),
	every(2000, quietly(async () => {
		const board = $("board-key").value;
		if (board && $("board-live").getAttribute("aria-pressed") === "true") drawBoard((await api.leaderboard(board, 10)).members);
	})),
];
$("board-live").addEventListener("click", () => $("board-live").setAttribute("aria-pressed", String($("board-live").getAttribute("aria-pressed") !== "true")));
$("board-key").addEventListener("change", () => looks[3]());

editor.text = past.at(-1) ?? FIRST;
